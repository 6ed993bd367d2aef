#if defined(__x86_64__)
#include "body/includes.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,prfchw"))), apply_to = function)
#define CK_WIDTH 16
#define CK_NAME(name) name##_avx512
#include "body/tensor.h"
#pragma clang attribute pop
#endif
