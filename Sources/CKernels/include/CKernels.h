// The CPU executor's inner loops, in C for the sake of several instruction sets in one binary.
//
// Everything here works on tables that the executor has filled in when it compiled a plan: a *job* describes one step, a
// *kernel* does one block of it. Kernels allocate nothing, keep no state and touch only what the job names and the
// scratch memory they are lent; different blocks of a job may run at the same time on different threads.
//
// Pixels are rows of `pitch` floats. Memory that a view covers may be read past a pixel's logical channels, up to the
// next multiple of 16 floats, so arenas end with some slack. Those channels hold finite numbers of no meaning.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "CKPointwise.h"
#include "CKTensor.h"

// MARK: Data

/// `[batch, height, width]` pixels, row-major, `pitch` floats apart; `data` is the first pixel's first channel.
typedef struct ck_view {
    float *data;
    int64_t batch, height, width, pitch;
    /// Logical channels, and how many may be written (those past `channels` with any finite number).
    int32_t channels, extent;
} ck_view;

/// Sources of a stage's second operand.
typedef enum ck_source { CK_NOTHING, CK_VECTOR, CK_OPERAND, CK_REGISTER } ck_source;

/// Registers of a result's lanes; the first holds the result itself.
enum { ck_registers = 3 };

/// One pointwise function of results that are still in registers. Without a function a vector is a mask: lanes where it is 0
/// become 0; and an operand or register is loaded into `target`.
typedef struct ck_stage {
    ck_function function;
    ck_source source;
    /// Registers: of the result, and of the first and, with `CK_REGISTER`, the second operand.
    int32_t target, left, right;
    int32_t upsampling;
    float a, b, c;
    /// One number per lane of `ck_output`, padded to its `lanes`.
    const float *vector;
    /// Another activation, read at (y / upsampling, x / upsampling).
    ck_view operand;
} ck_stage;

enum { ck_maximum_stages = 16 };

/// Where and how a result is written.
///
/// A kernel computes `lanes` numbers (a multiple of 16) for every pixel (y, x) of its own grid. Lane
/// `(dy * shuffle + dx) * group + c` goes to channel `c` of pixel (y * shuffle + dy, x * shuffle + dx) of `view`; lanes
/// of sub-pixels that do not exist are dropped. `group` is 4 or a multiple of 16 and at most `view.extent`.
typedef struct ck_output {
    ck_view view;
    int32_t shuffle, group, lanes;
    int32_t stage_count;
    /// True where a stage reads or writes another register than the first.
    bool uses_registers;
    /// `lanes` numbers, added before the stages; NULL for none.
    const float *bias;
    ck_stage stages[ck_maximum_stages];
} ck_output;

// MARK: Jobs

/// Stages on an activation. One block is `rows` rows of the flattened `[batch * height]`.
typedef struct ck_map_job {
    ck_view input;
    ck_output output;
    int64_t rows;
} ck_map_job;

/// `output(y, x) = input(row_index[y], column_index[x])`, or zero where an index is negative.
typedef struct ck_gather_job {
    ck_view input, output;
    const int32_t *row_index, *column_index;
    int64_t rows;
} ck_gather_job;

/// Weighted sums of `taps` rows and columns (2 or 4): `row_index[y * taps + i]`, `row_weight` likewise.
typedef struct ck_resize_job {
    ck_view input, output;
    int32_t taps;
    const int32_t *row_index, *column_index;
    const float *row_weight, *column_weight;
    int64_t rows;
} ck_resize_job;

/// Pixel shuffle (`output` larger) or its inverse (`output` smaller); rows are the output's.
typedef struct ck_shuffle_job {
    ck_view input, output;
    int32_t factor;
    int64_t rows;
} ck_shuffle_job;

/// Between dense host pixels of `dense_channels` floats and `view.channels` channels of a view. The channels of the view
/// past them are zeroed on the way in.
typedef struct ck_transfer_job {
    float *dense;
    int64_t dense_channels;
    ck_view view;
    int64_t rows;
} ck_transfer_job;

/// Any convolution as a matrix product, one block of `pixels` result pixels at a time. The product itself is the
/// caller's: `ck_kernels.im2col` fills a matrix `[pixels, depth]`, `ck_kernels.finish` takes `[pixels, lanes]`.
typedef struct ck_im2col_job {
    ck_view input;
    ck_output output;
    int32_t upsampling, stride, padding, kernel_height, kernel_width;
    /// Physical channels that are read of each input pixel; depth is `kernel_height * kernel_width * channels`.
    int32_t channels;
    int64_t result_height, result_width;
    int64_t pixels;
    /// `[depth, lanes]`; for the kernel `narrow` per chunk of 64 lanes, the last one smaller, `[chunk / panel, depth,
    /// panel]`, where `panel` is `ck_panel` of the chunk.
    const float *weights;
    const struct ck_kernels *kernels;
} ck_im2col_job;

/// A convolution with several groups, plainly. Weights `[O, kH, kW, I/groups]`; `lane_of[o]` places output channel o.
typedef struct ck_grouped_job {
    ck_im2col_job base;
    int32_t groups, group_inputs, group_outputs;
    const int32_t *lane_of;
} ck_grouped_job;

enum { ck_maximum_chunks = 64 };

/// How the products take a chunk of `lanes`: in panels of `panel_lanes` (`ck_kernels.panel_lanes`) if they divide it, else
/// whole.
static inline int32_t ck_panel(int32_t lanes, int32_t panel_lanes) {
    return lanes % panel_lanes == 0 ? panel_lanes : lanes;
}

/// A 3x3 convolution of stride 1 and padding 1 by Winograd's method: F(6x6, 3x3) on points 0, ±1, ±2, ±1/2, or F(4x4, 3x3)
/// on points 0, ±√½, ±√2, both with infinity. Tiles that the picture's end cuts off use a part of the points.
///
/// Scratch: `ck_winograd_scratch` floats.
typedef struct ck_winograd_job {
    ck_view input;
    ck_output output;
    /// Result pixels along a tile's side, 6 or 4.
    int32_t tile;
    int32_t upsampling;
    /// Physical channels that are read of each input pixel; a multiple of 16.
    int32_t depth;
    /// The lanes are done in chunks of at most 64: chunk i is `chunk_lanes[i]` of them, a multiple of 16.
    int32_t chunks;
    int32_t chunk_lanes[ck_maximum_chunks];
    int64_t tiles_y, tiles_x;
    /// The tiles are shared out evenly: block b is those from `ck_winograd_first(b)` to `ck_winograd_first(b + 1)`,
    /// `tiles_per_block` or one less. (Not by their products: those that tiles at the end save are saved only where enough
    /// other tiles keep the weights' memory busy, so blocks with many of them were measured to take as long.)
    int64_t blocks, tiles_per_block;
    /// Transformed weights, per chunk `[(tile + 2)², chunk / panel, depth, panel]`, where `panel` is
    /// `ck_panel` of the chunk.
    const float *weights;
    /// For transforms that several convolutions share, else NULL: memory of `ck_winograd_transformed` floats, per block
    /// `[(tile + 2)², transformed_depth / 16, tiles_per_block, 16]`, from the first channel of `input` on. The kernel
    /// `transform` fills `depth` channels of it, the kernel `winograd` reads them.
    float *transformed;
    int64_t transformed_depth;
} ck_winograd_job;

/// How many results along one side are computed of a tile with `inside` of them inside the picture: an even number.
static inline int32_t ck_winograd_results(int64_t inside, int32_t tile) {
    return inside >= tile ? tile : (int32_t)(inside + 1) / 2 * 2;
}
/// The same of tiles of the last row, and of the last column.
int32_t ck_winograd_down(const ck_winograd_job *job);
int32_t ck_winograd_across(const ck_winograd_job *job);

/// The first tile of a block.
static inline int64_t ck_winograd_first(const ck_winograd_job *job, int64_t block) {
    return job->input.batch * job->tiles_y * job->tiles_x * block / job->blocks;
}

/// Floats of scratch for one block.
int64_t ck_winograd_scratch(const ck_winograd_job *job);
/// Floats of shared transforms.
int64_t ck_winograd_transformed(const ck_winograd_job *job);
/// Floats of transformed weights.
int64_t ck_winograd_weights(const ck_winograd_job *job);
/// Transforms weights `[outputs, inputs, 3, 3]` into `packed`, which is zero before. Input i is physical channel
/// `channel_of[i]`, output o is lane `lane_of[o]`.
void ck_winograd_pack(
    const ck_winograd_job *job, int32_t panel_lanes, const float *weights, int64_t outputs, int64_t inputs,
    const int32_t *channel_of, const int32_t *lane_of, float *packed);

/// Multiply-adds for their own sake. One block is `iterations` rounds of them; scratch: one vector.
typedef struct ck_peak_job {
    int64_t iterations;
    /// Between 0 and 1.
    float factor;
} ck_peak_job;

// MARK: Kernels of one instruction set

/// Does block `block` of a job. `scratch` is this thread's own. `next` is the block that this thread will probably do
/// next, whose memory may be fetched meanwhile; -1 if there is none.
typedef void (*ck_kernel)(const void *job, void *scratch, int64_t block, int64_t next);

typedef enum ck_isa { CK_PORTABLE, CK_AVX2, CK_AVX512 } ck_isa;

typedef struct ck_kernels {
    ck_isa isa;
    /// How many lanes the inner product kernel works on at once; see `ck_panel`.
    int32_t panel_lanes;
    ck_kernel map, gather, resize, shuffle, unshuffle, upload, download, grouped, winograd, transform, narrow;
    /// Fills `matrix` with the rows of block `block`.
    void (*im2col)(const ck_im2col_job *job, float *matrix, int64_t block);
    /// Writes the results of block `block`.
    void (*finish)(const ck_im2col_job *job, const float *results, int64_t block);
    ck_kernel peak;
    /// Operations of one iteration of `peak`, two a multiply-add.
    double peak_flops;
} ck_kernels;

/// Whether this machine can run them.
bool ck_supports(ck_isa isa);
/// - Precondition: `ck_supports(isa)`.
const ck_kernels *ck_kernels_for(ck_isa isa);

// MARK: Threads

/// Blocks `first ... last`; none where `last` is smaller.
typedef struct ck_range {
    int32_t first, last;
} ck_range;

/// A step of a program: blocks `0 ..< blocks`, in any order, on all threads.
typedef struct ck_step {
    ck_kernel run;
    const void *job;
    int64_t blocks;
    /// Per block those of the step before that must be done first, because this one reads what they write or writes what
    /// they read or write; NULL: all of them. Steps before that one are always complete.
    const ck_range *needs;
} ck_step;

typedef struct ck_pool ck_pool;

/// A pool of `threads` threads in all, the caller of `ck_pool_run` being one of them. NULL when threads cannot be made.
ck_pool *ck_pool_create(int32_t threads);
/// Ends and joins the threads.
void ck_pool_destroy(ck_pool *pool);
/// Bytes of memory that `ck_pool_run` needs for these steps.
int64_t ck_pool_state_bytes(const ck_pool *pool, const ck_step *steps, int64_t count);
/// Keeps other callers of `ck_pool_run` out until `ck_pool_unlock`.
void ck_pool_lock(ck_pool *pool);
void ck_pool_unlock(ck_pool *pool);
/// Runs steps in order; a block begins when all steps before the last one are complete and its needs are done.
///
/// - scratch: one pointer per thread.
/// - memory: `ck_pool_state_bytes` that nobody else uses meanwhile, aligned to 64 bytes.
/// - seconds: receives for every step how long the caller's own thread was at it; together the whole time. May be NULL.
///
/// The pool must be locked by the caller.
void ck_pool_run(
    ck_pool *pool, const ck_step *steps, int64_t count, void *const *scratch, void *memory, double *seconds);

// MARK: Memory

/// `bytes` of zeroed memory aligned to 64 bytes (2 MiB and huge pages where it is large), or NULL when there is no room:
/// also when it is more than the machine has.
void *ck_allocate(int64_t bytes);
void ck_free(void *memory);
