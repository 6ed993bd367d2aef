#include "CFilters.h"

// As in CPixels: FMA in some builds and not in others moves results by parts of 1e-7.
#if defined(__x86_64__) && defined(__linux__)
#define BUILDS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BUILDS
#endif

/// Sums that stay in registers: four of AVX2, two of AVX-512.
enum { block = 32 };

BUILDS void filters_correlate(
    const float *const *rows, const float *weights, int height, int width, long step, long count, float *to) {
    long i = 0;
    for (; i + block <= count; i += block) {
        float sums[block] = {0};
        for (int r = 0; r < height; r++) {
            const float *row = rows[r] + i;
            for (int t = 0; t < width; t++) {
                const float weight = weights[r * width + t];
                const float *from = row + t * step;
                for (int k = 0; k < block; k++) sums[k] += weight * from[k];
            }
        }
        for (int k = 0; k < block; k++) to[i + k] = sums[k];
    }
    for (; i < count; i++) {
        float sum = 0;
        for (int r = 0; r < height; r++) {
            for (int t = 0; t < width; t++) sum += weights[r * width + t] * rows[r][i + t * step];
        }
        to[i] = sum;
    }
}

BUILDS void filters_mix(const float *const *rows, const float *weights, int taps, long count, float *to) {
    long i = 0;
    for (; i + block <= count; i += block) {
        float sums[block] = {0};
        for (int t = 0; t < taps; t++) {
            const float weight = weights[t];
            const float *from = rows[t] + i;
            for (int k = 0; k < block; k++) sums[k] += weight * from[k];
        }
        for (int k = 0; k < block; k++) to[i + k] = sums[k];
    }
    for (; i < count; i++) {
        float sum = 0;
        for (int t = 0; t < taps; t++) sum += weights[t] * rows[t][i];
        to[i] = sum;
    }
}

void filters_gather(
    const float *from, const int *starts, const int *taps, const float *weights, long count, float *to) {
    for (long i = 0; i < count; i++) {
        const float *pixel = from + 3 * (long)starts[i];
        float red = 0, green = 0, blue = 0;
        for (int t = 0; t < taps[i]; t++) {
            red += weights[t] * pixel[3 * t];
            green += weights[t] * pixel[3 * t + 1];
            blue += weights[t] * pixel[3 * t + 2];
        }
        to[3 * i] = red;
        to[3 * i + 1] = green;
        to[3 * i + 2] = blue;
        weights += taps[i];
    }
}
