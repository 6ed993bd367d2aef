// Kernels for graphs of any tensors, as training needs them: dense, row-major, any rank, nothing padded.
//
// The same rules as for the other kernels: a job describes a step, a kernel does one block of it. How a sum is cut into
// parts depends on its size only, so results do not depend on the number of threads.
#pragma once
#include <stdint.h>

// MARK: Pointwise expressions

/// `target = function(a, b)` on slots: operands come first, then outputs, then registers.
typedef struct ct_instruction {
    ck_function function;
    int32_t target, a, b;
    float p, q, r;
} ct_instruction;

enum { ct_maximum_rank = 6, ct_lane_block = 512 };

/// A tensor that is read: as it lies (`rank` 0), or element (i0, i1, …) of `extents` at the sum of i * stride.
typedef struct ct_operand {
    const float *data;
    int32_t rank;
    int64_t extents[ct_maximum_rank], strides[ct_maximum_rank];
} ct_operand;

/// An expression on `count` elements, `per_block` (a multiple of `ct_lane_block`) a block.
///
/// Scratch: `ct_lane_block` floats for each operand and each register.
typedef struct ct_pointwise_job {
    const ct_instruction *instructions;
    const ct_operand *operands;
    float *const *outputs;
    int32_t instruction_count, operand_count, output_count, register_count;
    int64_t count, per_block;
} ct_pointwise_job;

// MARK: Sums

/// `[A, R, B]` summed over R in parts of `rows_per_part`: to `[A, parts, B]`. A block is `per_block` of the A * parts.
typedef struct ct_sum_job {
    const float *source;
    float *target;
    int64_t outer, rows, inner, rows_per_part, parts, per_block;
} ct_sum_job;

/// `[A, parts, B]` summed to `[A, B]`; a block is `per_block` of the A * B.
typedef struct ct_fold_job {
    const float *source;
    float *target;
    int64_t outer, parts, inner, per_block;
} ct_fold_job;

// MARK: Moves

/// A copy between two strided tensors of `extents`. A block is `per_block` of all but the last two axes; rank is at
/// least 2.
typedef struct ct_copy_job {
    const float *source;
    float *target;
    int32_t rank;
    int64_t extents[ct_maximum_rank], source_strides[ct_maximum_rank], target_strides[ct_maximum_rank];
    int64_t outer, per_block;
} ct_copy_job;

/// Weighted sums of rows and columns: row y of the target is the sum of `row_weight[i]` times row `row_index[i]` of the
/// source for i in `row_start[y] ..< row_start[y + 1]`; columns likewise.
///
/// Scratch: `source_width * channels` floats.
typedef struct ct_resample_job {
    const float *source;
    float *target;
    int64_t batch, source_height, source_width, height, width, channels, per_block;
    const int32_t *row_start, *row_index, *column_start, *column_index;
    const float *row_weight, *column_weight;
} ct_resample_job;

/// An image at positions (column, row): `[batch, pixels, channels]`. A block is `per_block` of the batch * pixels.
typedef struct ct_sample_job {
    const float *source;
    /// `[batch, pixels, 2]`
    const float *positions;
    float *target;
    int64_t batch, source_height, source_width, channels, pixels, per_block;
    /// The nearest pixel instead of the mean of four; positions outside are moved to the border instead of giving zero.
    int32_t is_nearest, clamps;
} ct_sample_job;

/// `[batch, pixels, channels]` added up at the nearest pixels to positions: `[batch, height, width, channels]`. A block is
/// `lanes` channels of one image, so that every sum is taken by one thread, in the order of the pixels.
typedef struct ct_sample_adjoint_job {
    const float *source;
    const float *positions;
    float *target;
    int64_t batch, height, width, channels, pixels, lanes;
    int32_t clamps;
} ct_sample_adjoint_job;

// MARK: Convolutions as products

/// What a convolution-like product gathers: result (n, i, j) reads rows `i * step + row_base + t * tap_step` of the source
/// for taps t in `0 ..< taps_y`, columns likewise; zero outside. With `tap_step` -1 that is a transposed convolution.
typedef struct ct_gathering {
    const float *source;
    int64_t batch, source_height, source_width, source_channels;
    /// Channels that are read of each source pixel: `channels` from `first_channel` on.
    int64_t first_channel, channels;
    int64_t height, width, step, row_base, column_base, tap_step, taps_y, taps_x;
} ct_gathering;

/// Rows `first ..< first + count` of the matrix `[batch * height * width, taps_y * taps_x * channels]`.
void ct_gather_rows(const ct_gathering *gathering, int64_t first, int64_t count, float *matrix);

// MARK: Winograd's method

/// Transforms weights for `ck_winograd_job`, whose fields these are. Weight (o, i, tap) is at `o * output_stride + i *
/// input_stride + tap`, or, when `flipped`, `8 - tap`. A block is `inputs_per_block` inputs of one panel of lanes.
typedef struct ct_winograd_pack_job {
    const float *weights;
    float *packed;
    int32_t tile, panel_lanes, chunks, flipped;
    int32_t chunk_lanes[64];
    int64_t inputs, inputs_per_block, output_stride, input_stride;
} ct_winograd_pack_job;

/// Tiles of an activation transformed for a weight gradient: `[36, tiles, channels]`. Channels are a multiple of 16. A tile
/// is 4x4 pixels of the gradient, or the 6x6 pixels of x that those were made from; a block is `per_block` tiles.
typedef struct ct_winograd_samples_job {
    const float *source;
    float *target;
    int64_t batch, height, width, channels, tiles_y, tiles_x, per_block;
    int32_t is_gradient;
    /// From both sides.
    float matrix[6][6];
} ct_winograd_samples_job;

/// `[parts, 36, inputs, outputs]`, summed over parts, to weights `[outputs, inputs, 3, 3]`. A block is one input.
typedef struct ct_winograd_gradient_job {
    const float *source;
    float *target;
    int64_t inputs, outputs, parts;
    float matrix[6][6];
} ct_winograd_gradient_job;

/// The kernels of one instruction set. (Those for convolutions only copy: they have no variants.)
typedef struct ct_kernels {
    void (*pointwise)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*sum)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*fold)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*copy)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*resample)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*sample)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*sample_adjoint)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*winograd_pack)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*winograd_samples)(const void *job, void *scratch, int64_t block, int64_t next);
    void (*winograd_gradient)(const void *job, void *scratch, int64_t block, int64_t next);
} ct_kernels;

/// - isa: a `ck_isa` that this machine supports.
const ct_kernels *ct_kernels_for(int32_t isa);
