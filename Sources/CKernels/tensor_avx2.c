#if defined(__x86_64__)
#include "body/includes.h"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define CK_WIDTH 8
#define CK_NAME(name) name##_avx2
#include "body/tensor.h"
#pragma clang attribute pop
#endif
