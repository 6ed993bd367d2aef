#pragma once

// Row kernels of picture filters, on interleaved floats. Plain loops that the compiler vectorises, built for several
// instruction sets of which the best is taken at load time. `Degradation` drives them.

/// A correlation in two dimensions: to[i] = sum over r < height, t < width of
/// weights[r * width + t] * rows[r][i + t * step], for i < count. Rows are readable to count + (width - 1) * step.
void filters_correlate(
    const float *const *rows, const float *weights, int height, int width, long step, long count, float *to);

/// to[i] = sum over k < taps of weights[k] * rows[k][i], for i < count.
void filters_mix(const float *const *rows, const float *weights, int taps, long count, float *to);

/// A row of triples at another width: pixel i of `to` is the sum of the taps[i] pixels of `from` that begin at
/// starts[i], with the weights that follow one another in `weights`.
void filters_gather(
    const float *from, const int *starts, const int *taps, const float *weights, long count, float *to);
