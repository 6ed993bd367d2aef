// Vectors of CK_WIDTH floats in clang's vector extension; loads and stores need no alignment.
#define CK_INLINE static inline __attribute__((always_inline))
#define CK_UNROLL _Pragma("clang loop unroll(full)")
#define CK_ROLLED _Pragma("clang loop unroll(disable)")

typedef float vf __attribute__((ext_vector_type(CK_WIDTH)));
typedef int32_t vi __attribute__((ext_vector_type(CK_WIDTH)));
typedef float vf_unaligned __attribute__((ext_vector_type(CK_WIDTH), aligned(4)));
typedef float v4 __attribute__((ext_vector_type(4)));
typedef float v4_unaligned __attribute__((ext_vector_type(4), aligned(4)));

CK_INLINE vf vf_load(const float *p) { return *(const vf_unaligned *)p; }
CK_INLINE void vf_store(float *p, vf x) { *(vf_unaligned *)p = x; }
CK_INLINE v4 v4_load(const float *p) { return *(const v4_unaligned *)p; }
CK_INLINE void v4_store(float *p, v4 x) { *(v4_unaligned *)p = x; }
CK_INLINE vf vf_all(float x) { return (vf)x; }
/// The four numbers over and over.
CK_INLINE vf vf_repeat(v4 x) {
#if CK_WIDTH == 16
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
#elif CK_WIDTH == 8
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 0, 1, 2, 3);
#else
    return x;
#endif
}
/// CK_WIDTH / 8 groups of four numbers (one at the least), each twice as far as there is room.
CK_INLINE vf vf_load_twice(const float *p) {
#if CK_WIDTH == 16
    v4 x = v4_load(p), y = v4_load(p + 4);
    return __builtin_shufflevector(x, y, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7);
#else
    return vf_repeat(v4_load(p));
#endif
}
#if CK_WIDTH == 16
// Halves of vectors.
typedef float v8 __attribute__((ext_vector_type(8)));
typedef float v8_unaligned __attribute__((ext_vector_type(8), aligned(4)));
CK_INLINE v8 v8_load(const float *p) { return *(const v8_unaligned *)p; }
CK_INLINE void v8_store(float *p, v8 x) { *(v8_unaligned *)p = x; }
CK_INLINE vf vf_join(v8 x, v8 y) {
    return __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
CK_INLINE v8 vf_low(vf x) { return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7); }
CK_INLINE v8 vf_high(vf x) { return __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15); }
#endif
CK_INLINE vf vf_abs(vf x) { return __builtin_elementwise_abs(x); }
CK_INLINE vf vf_floor(vf x) { return __builtin_elementwise_floor(x); }
CK_INLINE vf vf_min(vf a, vf b) { return a < b ? a : b; }
CK_INLINE vf vf_max(vf a, vf b) { return a > b ? a : b; }

/// e^x to about 1 ulp; 0 below -87 and finite above 88.
CK_INLINE vf vf_exp(vf x) {
    x = vf_min(vf_max(x, vf_all(-87.0f)), vf_all(88.0f));
    // x = n ln2 + r, |r| <= ln2 / 2; the large constant rounds to an integer and leaves it in the low bits.
    const vf shifter = vf_all(12582912.0f);
    vf shifted = x * 1.44269504f + shifter;
    vf n = shifted - shifter;
    vf r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = vf_all(1.0f / 5040.0f);
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    vf power;
    memcpy(&power, &exponent, sizeof power);
    return p * power;
}

/// 1 / x for x from 1 up: an estimate of 12 or 14 bits and a step of Newton's method, which is several times as fast as a
/// division. Zero where the result is less than the smallest normal number.
CK_INLINE vf vf_inverse(vf x) {
#if CK_WIDTH == 16
    const vf estimate = (vf)_mm512_rcp14_ps((__m512)x);
    return estimate * (2.0f - x * estimate);
#elif CK_WIDTH == 8
    const vf estimate = (vf)_mm256_rcp_ps((__m256)x);
    return estimate * (2.0f - x * estimate);
#else
    return 1.0f / x;
#endif
}

/// One lane after the other, as exact as C's.
#define CK_LANES(name, expression)                                                                                     \
    CK_INLINE vf name(vf x) {                                                                                          \
        for (int lane = 0; lane < CK_WIDTH; lane++) {                                                                  \
            const float v = x[lane];                                                                                   \
            x[lane] = (expression);                                                                                    \
        }                                                                                                              \
        return x;                                                                                                      \
    }
CK_LANES(vf_log, logf(v))
CK_LANES(vf_sqrt, sqrtf(v))
CK_LANES(vf_softplus, (v > 0 ? v : 0) + log1pf(expf(-fabsf(v))))
#undef CK_LANES
