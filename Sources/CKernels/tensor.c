#include <string.h>

#include "CKernels.h"

extern const ct_kernels ct_kernels_portable;
#if defined(__x86_64__)
extern const ct_kernels ct_kernels_avx2;
extern const ct_kernels ct_kernels_avx512;
#endif

const ct_kernels *ct_kernels_for(int32_t isa) {
    switch (isa) {
#if defined(__x86_64__)
    case CK_AVX2: return &ct_kernels_avx2;
    case CK_AVX512: return &ct_kernels_avx512;
#endif
    default: return &ct_kernels_portable;
    }
}

void ct_gather_rows(const ct_gathering *g, int64_t first, int64_t count, float *matrix) {
    const int64_t pixels = g->height * g->width, channels = g->channels;
    for (int64_t index = first; index < first + count; index++) {
        const int64_t image = index / pixels, i = index % pixels / g->width, j = index % g->width;
        for (int64_t ty = 0; ty < g->taps_y; ty++) {
            const int64_t y = i * g->step + g->row_base + ty * g->tap_step;
            if (y < 0 || y >= g->source_height) {
                memset(matrix, 0, g->taps_x * channels * sizeof(float));
                matrix += g->taps_x * channels;
                continue;
            }
            const float *row = g->source + (image * g->source_height + y) * g->source_width * g->source_channels
                + g->first_channel;
            for (int64_t tx = 0; tx < g->taps_x; tx++, matrix += channels) {
                const int64_t x = j * g->step + g->column_base + tx * g->tap_step;
                if (x < 0 || x >= g->source_width) {
                    memset(matrix, 0, channels * sizeof(float));
                } else {
                    memcpy(matrix, row + x * g->source_channels, channels * sizeof(float));
                }
            }
        }
    }
}
