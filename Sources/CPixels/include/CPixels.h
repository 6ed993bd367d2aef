#pragma once
#include <stdint.h>

// Row kernels between stored samples and floats. Each works on one row, reads and writes nothing outside it (a filter's
// source has the margin that it names), and knows nothing of frames: PixelConverter drives them. They are plain loops
// that the compiler vectorises, built for several instruction sets of which the best is taken at load time.

/// How the samples of one component lie in a row.
typedef struct {
    int32_t step;       ///< Bytes from one sample to the next.
    int32_t wide;       ///< 0: one byte, 1: two bytes of this machine's order, 2: two bytes of the other order.
    int32_t shift;      ///< Bits below the value.
    int32_t maximum;    ///< The largest code.
} PixelRow;

/// to[i] = code[i] * scale + bias
void pixels_load(const uint8_t *from, PixelRow row, float scale, float bias, long count, float *to);

/// code[i] = from[i] * scale + bias, rounded to nearest, clamped to 0 ... maximum; what is no number becomes 0.
void pixels_store(const float *from, PixelRow row, float scale, float bias, long count, uint8_t *to);

/// to[i] = sum of weights[k] * from[k][i], k < taps, taps at most 6.
void pixels_mix(const float *const *from, const float *weights, int taps, long count, float *to);

/// Two samples for each one: to[2i] = sum of even[k] * from[i - 2 + k], to[2i + 1] likewise with odd, k < 5.
/// `from` is readable from -2 to pairs + 1; `to` takes 2 * pairs.
void pixels_double(const float *from, const float *even, const float *odd, long pairs, float *to);

/// One sample for each two: to[i] = sum of weights[k] * from[2i - 2 + k], k < 6.
/// `from` is readable from -2 to 2 * count + 1.
void pixels_halve(const float *from, const float *weights, long count, float *to);

/// rgb[3i + c] = y[i] + m[2c] * u[i] + m[2c + 1] * v[i], clamped to low ... high.
void pixels_to_rgb(
    const float *y, const float *u, const float *v, const float *matrix, float low, float high, long count, float *rgb);

/// The three planes of clamped rgb by a 3 x 3 matrix, row by row.
void pixels_from_rgb(
    const float *rgb, const float *matrix, float low, float high, long count, float *y, float *u, float *v);

/// Three rows into one of triples, clamped; and back.
void pixels_interleave(const float *r, const float *g, const float *b, float low, float high, long count, float *rgb);
void pixels_separate(const float *rgb, float low, float high, long count, float *r, float *g, float *b);

/// Sets every sample to the same code.
void pixels_fill(uint8_t *to, PixelRow row, int32_t code, long count);
