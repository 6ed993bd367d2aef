#if defined(__x86_64__)
#include "body/includes.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)
#define CK_ISA CK_AVX2
#define CK_WIDTH 8
#define CK_NAME(name) name##_avx2
#include "body/kernels.h"
#pragma clang attribute pop
#endif
