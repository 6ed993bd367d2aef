#include "CPixels.h"

#include <string.h>

// One body, several builds: the loader picks the best that the processor has. FMA in some and not in others moves
// results by parts of 1e-7, far below one code of 16 bits.
#if defined(__x86_64__) && defined(__linux__)
#define BUILDS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BUILDS
#endif

static inline float clamped(float value, float low, float high) {
    // Written so that what is no number becomes `low`.
    value = value > low ? value : low;
    return value < high ? value : high;
}

BUILDS void pixels_load(
    const uint8_t *restrict from, PixelRow row, float scale, float bias, long count, float *restrict to) {
    if (row.wide == 0) {
        if (row.step == 1) {
            for (long i = 0; i < count; i++) to[i] = (float)from[i] * scale + bias;
        } else if (row.step == 2) {
            for (long i = 0; i < count; i++) to[i] = (float)from[2 * i] * scale + bias;
        } else if (row.step == 3) {
            for (long i = 0; i < count; i++) to[i] = (float)from[3 * i] * scale + bias;
        } else if (row.step == 4) {
            for (long i = 0; i < count; i++) to[i] = (float)from[4 * i] * scale + bias;
        } else {
            for (long i = 0; i < count; i++) to[i] = (float)from[row.step * i] * scale + bias;
        }
        return;
    }
    const uint16_t *wide = (const uint16_t *)from;
    const long step = row.step / 2;
    const int shift = row.shift;
    const int mask = row.maximum;
    if (row.wide == 1) {
        if (step == 1) {
            for (long i = 0; i < count; i++) to[i] = (float)((wide[i] >> shift) & mask) * scale + bias;
        } else if (step == 2) {
            for (long i = 0; i < count; i++) to[i] = (float)((wide[2 * i] >> shift) & mask) * scale + bias;
        } else if (step == 3) {
            for (long i = 0; i < count; i++) to[i] = (float)((wide[3 * i] >> shift) & mask) * scale + bias;
        } else {
            for (long i = 0; i < count; i++) to[i] = (float)((wide[step * i] >> shift) & mask) * scale + bias;
        }
        return;
    }
    for (long i = 0; i < count; i++) {
        const uint16_t code = (uint16_t)(wide[step * i] << 8 | wide[step * i] >> 8);
        to[i] = (float)((code >> shift) & mask) * scale + bias;
    }
}

BUILDS void pixels_store(
    const float *restrict from, PixelRow row, float scale, float bias, long count, uint8_t *restrict to) {
    const float high = (float)row.maximum + 0.5f;
    const float half = bias + 0.5f;
    const int maximum = row.maximum;
#define CODE(i) ((int32_t)clamped(from[i] * scale + half, 0.0f, high))
#define LIMITED(i) (CODE(i) < maximum ? CODE(i) : maximum)
    if (row.wide == 0) {
        if (row.step == 1) {
            for (long i = 0; i < count; i++) to[i] = (uint8_t)LIMITED(i);
        } else if (row.step == 2) {
            for (long i = 0; i < count; i++) to[2 * i] = (uint8_t)LIMITED(i);
        } else {
            for (long i = 0; i < count; i++) to[row.step * i] = (uint8_t)LIMITED(i);
        }
        return;
    }
    uint16_t *wide = (uint16_t *)to;
    const long step = row.step / 2;
    const int shift = row.shift;
    if (row.wide == 1) {
        if (step == 1) {
            for (long i = 0; i < count; i++) wide[i] = (uint16_t)(LIMITED(i) << shift);
        } else {
            for (long i = 0; i < count; i++) wide[step * i] = (uint16_t)(LIMITED(i) << shift);
        }
        return;
    }
    for (long i = 0; i < count; i++) {
        const uint16_t code = (uint16_t)(LIMITED(i) << shift);
        wide[step * i] = (uint16_t)(code << 8 | code >> 8);
    }
#undef LIMITED
#undef CODE
}

BUILDS void pixels_mix(
    const float *const *restrict from, const float *restrict weights, int taps, long count, float *restrict to) {
    if (taps == 1 && weights[0] == 1.0f) {
        memcpy(to, from[0], (size_t)count * sizeof(float));
    } else if (taps == 2) {
        const float *restrict a = from[0], *restrict b = from[1];
        const float p = weights[0], q = weights[1];
        for (long i = 0; i < count; i++) to[i] = p * a[i] + q * b[i];
    } else if (taps == 4) {
        const float *restrict a = from[0], *restrict b = from[1], *restrict c = from[2], *restrict d = from[3];
        const float p = weights[0], q = weights[1], r = weights[2], s = weights[3];
        for (long i = 0; i < count; i++) to[i] = p * a[i] + q * b[i] + r * c[i] + s * d[i];
    } else {
        for (long i = 0; i < count; i++) to[i] = weights[0] * from[0][i];
        for (int k = 1; k < taps; k++) {
            const float *restrict a = from[k];
            const float p = weights[k];
            for (long i = 0; i < count; i++) to[i] += p * a[i];
        }
    }
}

BUILDS void pixels_double(
    const float *restrict from, const float *restrict even, const float *restrict odd, long pairs, float *restrict to) {
    const float e0 = even[0], e1 = even[1], e2 = even[2], e3 = even[3], e4 = even[4];
    const float o0 = odd[0], o1 = odd[1], o2 = odd[2], o3 = odd[3], o4 = odd[4];
    for (long i = 0; i < pairs; i++) {
        const float a = from[i - 2], b = from[i - 1], c = from[i], d = from[i + 1], e = from[i + 2];
        to[2 * i] = e0 * a + e1 * b + e2 * c + e3 * d + e4 * e;
        to[2 * i + 1] = o0 * a + o1 * b + o2 * c + o3 * d + o4 * e;
    }
}

BUILDS void pixels_halve(const float *restrict from, const float *restrict weights, long count, float *restrict to) {
    const float a = weights[0], b = weights[1], c = weights[2], d = weights[3], e = weights[4], f = weights[5];
    for (long i = 0; i < count; i++) {
        const float *p = from + 2 * i - 2;
        to[i] = a * p[0] + b * p[1] + c * p[2] + d * p[3] + e * p[4] + f * p[5];
    }
}

BUILDS void pixels_to_rgb(
    const float *restrict y, const float *restrict u, const float *restrict v, const float *restrict matrix, float low,
    float high, long count, float *restrict rgb) {
    const float ru = matrix[0], rv = matrix[1], gu = matrix[2], gv = matrix[3], bu = matrix[4], bv = matrix[5];
    for (long i = 0; i < count; i++) {
        rgb[3 * i] = clamped(y[i] + ru * u[i] + rv * v[i], low, high);
        rgb[3 * i + 1] = clamped(y[i] + gu * u[i] + gv * v[i], low, high);
        rgb[3 * i + 2] = clamped(y[i] + bu * u[i] + bv * v[i], low, high);
    }
}

BUILDS void pixels_from_rgb(
    const float *restrict rgb, const float *restrict m, float low, float high, long count, float *restrict y,
    float *restrict u, float *restrict v) {
    const float m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5], m6 = m[6], m7 = m[7], m8 = m[8];
    for (long i = 0; i < count; i++) {
        const float r = clamped(rgb[3 * i], low, high);
        const float g = clamped(rgb[3 * i + 1], low, high);
        const float b = clamped(rgb[3 * i + 2], low, high);
        y[i] = m0 * r + m1 * g + m2 * b;
        u[i] = m3 * r + m4 * g + m5 * b;
        v[i] = m6 * r + m7 * g + m8 * b;
    }
}

BUILDS void pixels_interleave(
    const float *restrict r, const float *restrict g, const float *restrict b, float low, float high, long count,
    float *restrict rgb) {
    for (long i = 0; i < count; i++) {
        rgb[3 * i] = clamped(r[i], low, high);
        rgb[3 * i + 1] = clamped(g[i], low, high);
        rgb[3 * i + 2] = clamped(b[i], low, high);
    }
}

BUILDS void pixels_separate(
    const float *restrict rgb, float low, float high, long count, float *restrict r, float *restrict g,
    float *restrict b) {
    for (long i = 0; i < count; i++) {
        r[i] = clamped(rgb[3 * i], low, high);
        g[i] = clamped(rgb[3 * i + 1], low, high);
        b[i] = clamped(rgb[3 * i + 2], low, high);
    }
}

void pixels_fill(uint8_t *to, PixelRow row, int32_t code, long count) {
    const int32_t placed = code << row.shift;
    for (long i = 0; i < count; i++) {
        if (row.wide == 0) {
            to[row.step * i] = (uint8_t)placed;
        } else {
            uint16_t value = (uint16_t)placed;
            if (row.wide == 2) value = (uint16_t)(value << 8 | value >> 8);
            memcpy(to + row.step * i, &value, 2);
        }
    }
}
