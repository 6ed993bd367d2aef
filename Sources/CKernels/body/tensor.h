// Kernels on dense tensors, for one instruction set; see CKTensor.h.
#include "includes.h"

#include "vector.h"

/// The rows of the weights' transform; in winograd_weights.c.
void ck_winograd_rows(int tile, double rows[8][3]);

/// The value v, or x where x is not a number, which minima and the exponential alone would hide.
#define CK_KEEP_NAN(x, v) ((x) == (x) ? (v) : (x))
#include "pointwise.h"

/// `padded` is a multiple of the vector's width.
static void CK_NAME(ct_execute)(const ct_instruction *in, const float *x, const float *y, float *to, int64_t padded) {
    const vf a = vf_all(in->p), b = vf_all(in->q), c = vf_all(in->r);
#define CK_CASE1(CODE, name)                                                                                           \
    case CODE:                                                                                                         \
        for (int64_t i = 0; i < padded; i += CK_WIDTH) vf_store(to + i, CK_NAME(name)(vf_load(x + i), a, b, c));       \
        break;
#define CK_CASE2(CODE, name)                                                                                           \
    case CODE:                                                                                                         \
        for (int64_t i = 0; i < padded; i += CK_WIDTH) {                                                               \
            vf_store(to + i, CK_NAME(name)(vf_load(x + i), vf_load(y + i), a, b, c));                                  \
        }                                                                                                              \
        break;
    switch (in->function) {
        CK_UNARY_FUNCTIONS(CK_CASE1)
        CK_BINARY_FUNCTIONS(CK_CASE2)
    }
#undef CK_CASE1
#undef CK_CASE2
}

/// Copies elements `first ..< first + count` of a strided operand together.
static void CK_NAME(ct_load)(const ct_operand *operand, int64_t first, int64_t count, float *to) {
    const int last = operand->rank - 1;
    const int64_t extent = operand->extents[last], stride = operand->strides[last];
    int64_t at[ct_maximum_rank], rest = first, offset = 0;
    for (int axis = last; axis >= 0; axis--) {
        at[axis] = rest % operand->extents[axis];
        rest /= operand->extents[axis];
        offset += at[axis] * operand->strides[axis];
    }
    while (count > 0) {
        const int64_t run = extent - at[last] < count ? extent - at[last] : count;
        const float *from = operand->data + offset;
        if (stride == 1) {
            for (int64_t i = 0; i < run; i++) to[i] = from[i];
        } else if (stride == 0) {
            const float value = *from;
            for (int64_t i = 0; i < run; i++) to[i] = value;
        } else {
            for (int64_t i = 0; i < run; i++) to[i] = from[i * stride];
        }
        to += run;
        count -= run;
        offset += run * stride;
        at[last] += run;
        for (int axis = last; axis > 0 && at[axis] == operand->extents[axis]; axis--) {
            offset += operand->strides[axis - 1] - at[axis] * operand->strides[axis];
            at[axis] = 0;
            at[axis - 1]++;
        }
    }
}

static void CK_NAME(ct_pointwise)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_pointwise_job *job = untyped;
    enum { lanes = ct_lane_block, most_slots = 256 };
    float *slots[most_slots];
    float *buffers = scratch;
    const int operands = job->operand_count, outputs = job->output_count;
    for (int i = 0; i < job->register_count; i++) slots[operands + outputs + i] = buffers + i * lanes;
    buffers += job->register_count * lanes;
    const int64_t end = (block + 1) * job->per_block < job->count ? (block + 1) * job->per_block : job->count;
    for (int64_t start = block * job->per_block; start < end; start += lanes) {
        const int64_t count = end - start < lanes ? end - start : lanes;
        // Whole vectors: where the last one reaches past the tensor, work is done in scratch memory.
        const int64_t padded = (count + CK_WIDTH - 1) / CK_WIDTH * CK_WIDTH;
        for (int i = 0; i < operands; i++) {
            const ct_operand *operand = &job->operands[i];
            if (operand->rank == 0 && padded == count) {
                slots[i] = (float *)operand->data + start;
                continue;
            }
            slots[i] = buffers + i * lanes;
            if (operand->rank > 0) {
                CK_NAME(ct_load)(operand, start, count, slots[i]);
            } else {
                memcpy(slots[i], operand->data + start, count * sizeof(float));
            }
            for (int64_t lane = count; lane < padded; lane++) slots[i][lane] = 1;
        }
        float *tails = buffers + operands * lanes;
        for (int i = 0; i < outputs; i++) {
            slots[operands + i] = padded == count ? job->outputs[i] + start : tails + i * lanes;
        }
        for (int i = 0; i < job->instruction_count; i++) {
            const ct_instruction *in = &job->instructions[i];
            CK_NAME(ct_execute)(in, slots[in->a], slots[in->b], slots[in->target], padded);
        }
        if (padded != count) {
            for (int i = 0; i < outputs; i++) memcpy(job->outputs[i] + start, tails + i * lanes, count * sizeof(float));
        }
    }
}

static void CK_NAME(ct_sum)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_sum_job *job = untyped;
    const int64_t inner = job->inner, total = job->outer * job->parts;
    const int64_t end = (block + 1) * job->per_block < total ? (block + 1) * job->per_block : total;
    for (int64_t index = block * job->per_block; index < end; index++) {
        const int64_t outer = index / job->parts, first = index % job->parts * job->rows_per_part;
        const int64_t rows = job->rows - first < job->rows_per_part ? job->rows - first : job->rows_per_part;
        const float *source = job->source + (outer * job->rows + first) * inner;
        float *target = job->target + index * inner;
        if (inner >= 64) {
            memset(target, 0, inner * sizeof(float));
            for (int64_t row = 0; row < rows; row++) {
                const float *from = source + row * inner;
                for (int64_t i = 0; i < inner; i++) target[i] += from[i];
            }
            continue;
        }
        // Several rows side by side in one wide row of sums.
        float sums[128] = {0};
        const int64_t wide = 128 / inner * inner, count = rows * inner;
        int64_t at = 0;
        for (; at + wide <= count; at += wide) {
            for (int64_t i = 0; i < wide; i++) sums[i] += source[at + i];
        }
        for (int64_t i = 0; at + i < count; i++) sums[i] += source[at + i];
        for (int64_t i = 0; i < inner; i++) {
            double sum = 0;
            for (int64_t j = i; j < wide; j += inner) sum += sums[j];
            target[i] = (float)sum;
        }
    }
}

static void CK_NAME(ct_fold)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_fold_job *job = untyped;
    const int64_t total = job->outer * job->inner;
    const int64_t end = (block + 1) * job->per_block < total ? (block + 1) * job->per_block : total;
    int64_t index = block * job->per_block;
    while (index < end) {
        const int64_t outer = index / job->inner, first = index % job->inner;
        int64_t run = job->inner - first < end - index ? job->inner - first : end - index;
        if (run > 256) run = 256;
        double sums[256] = {0};
        for (int64_t part = 0; part < job->parts; part++) {
            const float *from = job->source + (outer * job->parts + part) * job->inner + first;
            for (int64_t i = 0; i < run; i++) sums[i] += from[i];
        }
        for (int64_t i = 0; i < run; i++) job->target[index + i] = (float)sums[i];
        index += run;
    }
}

static void CK_NAME(ct_copy)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_copy_job *job = untyped;
    const int rank = job->rank;
    const int64_t rows = job->extents[rank - 2], columns = job->extents[rank - 1];
    const int64_t source_row = job->source_strides[rank - 2], source_step = job->source_strides[rank - 1];
    const int64_t target_row = job->target_strides[rank - 2], target_step = job->target_strides[rank - 1];
    const int64_t end = (block + 1) * job->per_block < job->outer ? (block + 1) * job->per_block : job->outer;
    for (int64_t index = block * job->per_block; index < end; index++) {
        int64_t rest = index, source = 0, target = 0;
        for (int axis = rank - 3; axis >= 0; axis--) {
            const int64_t at = rest % job->extents[axis];
            rest /= job->extents[axis];
            source += at * job->source_strides[axis];
            target += at * job->target_strides[axis];
        }
        for (int64_t row = 0; row < rows; row++) {
            const float *from = job->source + source + row * source_row;
            float *to = job->target + target + row * target_row;
            if (source_step == 1 && target_step == 1) {
                memcpy(to, from, columns * sizeof(float));
            } else if (source_step == 0 && target_step == 1) {
                for (int64_t i = 0; i < columns; i++) to[i] = *from;
            } else if (target_step == 1) {
                for (int64_t i = 0; i < columns; i++) to[i] = from[i * source_step];
            } else {
                for (int64_t i = 0; i < columns; i++) to[i * target_step] = from[i * source_step];
            }
        }
    }
}

static void CK_NAME(ct_resample)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_resample_job *job = untyped;
    const int64_t channels = job->channels, row_size = job->source_width * channels, total = job->batch * job->height;
    const int64_t end = (block + 1) * job->per_block < total ? (block + 1) * job->per_block : total;
    for (int64_t index = block * job->per_block; index < end; index++) {
        const int64_t image = index / job->height, y = index % job->height;
        const float *rows = job->source + image * job->source_height * row_size;
        float *mixed = scratch;
        memset(mixed, 0, row_size * sizeof(float));
        for (int32_t tap = job->row_start[y]; tap < job->row_start[y + 1]; tap++) {
            const float *row = rows + job->row_index[tap] * row_size;
            const float weight = job->row_weight[tap];
            for (int64_t i = 0; i < row_size; i++) mixed[i] += weight * row[i];
        }
        float *to = job->target + index * job->width * channels;
        memset(to, 0, job->width * channels * sizeof(float));
        for (int64_t x = 0; x < job->width; x++, to += channels) {
            for (int32_t tap = job->column_start[x]; tap < job->column_start[x + 1]; tap++) {
                const float *from = mixed + job->column_index[tap] * channels;
                const float weight = job->column_weight[tap];
                for (int64_t c = 0; c < channels; c++) to[c] += weight * from[c];
            }
        }
    }
}

CK_INLINE float CK_NAME(ct_clamped)(float x, int64_t count) {
    const float last = (float)(count - 1);
    return x < 0 ? 0 : x > last ? last : x;
}

static void CK_NAME(ct_sample)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_sample_job *job = untyped;
    (void)scratch, (void)next;
    const int64_t channels = job->channels, height = job->source_height, width = job->source_width;
    const int64_t total = job->batch * job->pixels;
    const int64_t end = (block + 1) * job->per_block < total ? (block + 1) * job->per_block : total;
    for (int64_t index = block * job->per_block; index < end; index++) {
        const float *image = job->source + index / job->pixels * height * width * channels;
        float *to = job->target + index * channels;
        float x = job->positions[2 * index], y = job->positions[2 * index + 1];
        if (x != x || y != y) {
            for (int64_t c = 0; c < channels; c++) to[c] = x + y;
            continue;
        }
        if (job->clamps) {
            x = CK_NAME(ct_clamped)(x, width);
            y = CK_NAME(ct_clamped)(y, height);
        }
        const float column = job->is_nearest ? rintf(x) : floorf(x), row = job->is_nearest ? rintf(y) : floorf(y);
        const float right = job->is_nearest ? 0 : x - column, below = job->is_nearest ? 0 : y - row;
        memset(to, 0, channels * sizeof(float));
        for (int corner = 0; corner < 4; corner++) {
            const float cx = column + (corner & 1), cy = row + (corner >> 1);
            const float weight = (corner & 1 ? right : 1 - right) * (corner >> 1 ? below : 1 - below);
            if (weight == 0 || !(cx >= 0 && cx < width && cy >= 0 && cy < height)) continue;
            const float *from = image + ((int64_t)cy * width + (int64_t)cx) * channels;
            for (int64_t c = 0; c < channels; c++) to[c] += weight * from[c];
        }
    }
}

static void CK_NAME(ct_sample_adjoint)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_sample_adjoint_job *job = untyped;
    (void)scratch, (void)next;
    const int64_t channels = job->channels, runs = (channels + job->lanes - 1) / job->lanes;
    const int64_t image = block / runs, first = block % runs * job->lanes;
    const int64_t count = first + job->lanes < channels ? job->lanes : channels - first;
    float *target = job->target + image * job->height * job->width * channels + first;
    for (int64_t pixel = 0; pixel < job->height * job->width; pixel++) {
        memset(target + pixel * channels, 0, count * sizeof(float));
    }
    for (int64_t index = image * job->pixels; index < (image + 1) * job->pixels; index++) {
        float x = job->positions[2 * index], y = job->positions[2 * index + 1];
        if (x != x || y != y) continue;
        if (job->clamps) {
            x = CK_NAME(ct_clamped)(x, job->width);
            y = CK_NAME(ct_clamped)(y, job->height);
        }
        const float column = rintf(x), row = rintf(y);
        if (!(column >= 0 && column < job->width && row >= 0 && row < job->height)) continue;
        float *to = target + ((int64_t)row * job->width + (int64_t)column) * channels;
        const float *from = job->source + index * channels + first;
        for (int64_t c = 0; c < count; c++) to[c] += from[c];
    }
}

static void CK_NAME(ct_winograd_pack)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_winograd_pack_job *job = untyped;
    enum { widest = 64 };
    const int size = job->tile + 2;
    double rows[8][3];
    ck_winograd_rows(job->tile, rows);
    float g[8][3];
    for (int i = 0; i < size; i++) {
        for (int k = 0; k < 3; k++) g[i][k] = (float)rows[i][k];
    }
    // Which panel of which chunk.
    const int64_t runs = (job->inputs + job->inputs_per_block - 1) / job->inputs_per_block;
    int64_t panel = block / runs, first_lane = 0;
    int chunk = 0, panel_lanes = 0;
    for (;; chunk++) {
        const int lanes = job->chunk_lanes[chunk];
        panel_lanes = ck_panel(lanes, job->panel_lanes);
        if (panel < lanes / panel_lanes) break;
        panel -= lanes / panel_lanes;
        first_lane += lanes;
    }
    const int64_t lanes = job->chunk_lanes[chunk], start = block % runs * job->inputs_per_block;
    const int64_t end = start + job->inputs_per_block < job->inputs ? start + job->inputs_per_block : job->inputs;
    float *chunk_start = job->packed + first_lane * size * size * job->inputs + panel * panel_lanes * job->inputs;
    const float *first = job->weights + (first_lane + panel * panel_lanes) * job->output_stride;
    for (int64_t input = start; input < end; input++) {
        float w[9][widest], half[8][3][widest];
        for (int lane = 0; lane < panel_lanes; lane++) {
            const float *from = first + lane * job->output_stride + input * job->input_stride;
            for (int tap = 0; tap < 9; tap++) w[tap][lane] = from[job->flipped ? 8 - tap : tap];
        }
        for (int i = 0; i < size; i++) {
            for (int k = 0; k < 3; k++) {
                for (int lane = 0; lane < panel_lanes; lane++) {
                    half[i][k][lane] = g[i][0] * w[k][lane] + g[i][1] * w[3 + k][lane] + g[i][2] * w[6 + k][lane];
                }
            }
        }
        float *to = chunk_start + input * panel_lanes;
        for (int i = 0; i < size; i++) {
            for (int j = 0; j < size; j++, to += lanes * job->inputs) {
                for (int lane = 0; lane < panel_lanes; lane++) {
                    to[lane] = half[i][0][lane] * g[j][0] + half[i][1][lane] * g[j][1] + half[i][2][lane] * g[j][2];
                }
            }
        }
    }
}

#include "tensor_winograd.h"

const ct_kernels CK_NAME(ct_kernels) = {
    .pointwise = CK_NAME(ct_pointwise),
    .sum = CK_NAME(ct_sum),
    .fold = CK_NAME(ct_fold),
    .copy = CK_NAME(ct_copy),
    .resample = CK_NAME(ct_resample),
    .sample = CK_NAME(ct_sample),
    .sample_adjoint = CK_NAME(ct_sample_adjoint),
    .winograd_pack = CK_NAME(ct_winograd_pack),
    .winograd_samples = CK_NAME(ct_winograd_samples),
    .winograd_gradient = CK_NAME(ct_winograd_gradient),
};
