#include "CKernels.h"

extern const ck_kernels ck_kernels_portable;
#if defined(__x86_64__)
extern const ck_kernels ck_kernels_avx2;
extern const ck_kernels ck_kernels_avx512;
#endif

bool ck_supports(ck_isa isa) {
    switch (isa) {
    case CK_PORTABLE: return true;
#if defined(__x86_64__)
    case CK_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case CK_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#endif
    default: return false;
    }
}

const ck_kernels *ck_kernels_for(ck_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case CK_AVX2: return &ck_kernels_avx2;
    case CK_AVX512: return &ck_kernels_avx512;
#endif
    default: return &ck_kernels_portable;
    }
}
