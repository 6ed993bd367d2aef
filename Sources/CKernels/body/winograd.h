// 3x3 convolutions by Winograd's method (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016).
//
// A block of tiles goes through three phases that leave nothing outside the second-level cache but the input's and the
// output's pixels: the tiles' transforms, `[xi, channel / 16, tile, 16]`; for each chunk of lanes one small matrix product per xi,
// `[xi, tile, lane]`; and the inverse transform, which hands rows of pixels to `finish` while they are in registers.
// Several convolutions of the same samples may share transforms, which then lie in memory of the plan.
// Each transform is done down the columns, then along the rows, on vectors of channels.
//
// Tiles that the picture's end cuts off take part only in the products that their results need.
#include "winograd_transforms.h"

// MARK: Tiles

typedef struct {
    /// The tile's first result pixel.
    int64_t image, y, x;
} CK_NAME(tile);

CK_INLINE CK_NAME(tile) CK_NAME(tile_at)(const ck_winograd_job *job, int64_t index, const int tile) {
    int64_t row = index / job->tiles_x, column = index % job->tiles_x;
    return (CK_NAME(tile)){row / job->tiles_y, row % job->tiles_y * tile, column * tile};
}

/// What the picture's end cuts off from a tile, in the order in which a block's tiles lie among its operands: so those that
/// take part in a product are neighbours, whichever it is.
enum { CK_NAME(cut_both), CK_NAME(cut_right), CK_NAME(cut_nothing), CK_NAME(cut_below), CK_NAME(cuts) };

/// A block's tiles.
typedef struct {
    int64_t first, tiles;
    /// Results down a tile of the last row and across one of the last column.
    int down, across;
    /// Where the first tile of each cut lies among the operands.
    int64_t start[CK_NAME(cuts)];
} CK_NAME(order);

CK_INLINE int CK_NAME(cut)(
    const ck_winograd_job *job, const CK_NAME(order) *order, CK_NAME(tile) at, const int tile) {
    const int right = order->across < tile && at.x == (job->tiles_x - 1) * tile;
    const int below = order->down < tile && at.y == (job->tiles_y - 1) * tile;
    if (below) return right ? CK_NAME(cut_both) : CK_NAME(cut_below);
    return right ? CK_NAME(cut_right) : CK_NAME(cut_nothing);
}

CK_INLINE CK_NAME(order) CK_NAME(order_of)(const ck_winograd_job *job, int64_t block, const int tile) {
    CK_NAME(order) order = {.first = ck_winograd_first(job, block)};
    order.tiles = ck_winograd_first(job, block + 1) - order.first;
    order.down = ck_winograd_down(job);
    order.across = ck_winograd_across(job);
    int64_t counts[CK_NAME(cuts)] = {0};
    for (int64_t t = 0; t < order.tiles; t++) {
        counts[CK_NAME(cut)(job, &order, CK_NAME(tile_at)(job, order.first + t, tile), tile)]++;
    }
    for (int cut = 1; cut < CK_NAME(cuts); cut++) order.start[cut] = order.start[cut - 1] + counts[cut - 1];
    return order;
}

/// One group of a tile's transform: down the columns, then along the rows that come of it. Where the samples are an
/// upsampling by 2, `from` is the pixel of the first one only, which the tile's border cuts off from its neighbours.
CK_INLINE void CK_NAME(transform_group)(
    const float *from, int64_t row, int64_t column, float *to, int64_t xi_stride, const int tile, const int upsampling,
    const int group) {
    const int size = tile + 2, count = CK_NAME(forward_count)(tile, group);
    const int groups = tile == 6 ? CK_NAME(forward_groups_6) : CK_NAME(forward_groups_4);
    vf half[3][8];
    CK_UNROLL for (int j = 0; j < size; j++) {
        vf d[8], t[3];
        // The compiler drops what the group does not need, and does columns that repeat only once.
        const float *top = from + (upsampling == 2 ? (j + 1) / 2 : j) * column;
        CK_UNROLL for (int i = 0; i < size; i++) d[i] = vf_load(top + (upsampling == 2 ? (i + 1) / 2 : i) * row);
        CK_NAME(forward)(d, t, tile, group);
        CK_UNROLL for (int i = 0; i < count; i++) half[i][j] = t[i];
    }
    CK_UNROLL for (int i = 0; i < count; i++) {
        float *start = to + CK_NAME(forward_result)(tile, group, i) * size * xi_stride;
        CK_UNROLL for (int across = 0; across < groups; across++) {
            vf t[3];
            CK_NAME(forward)(half[i], t, tile, across);
            CK_UNROLL for (int k = 0; k < CK_NAME(forward_count)(tile, across); k++) {
                vf_store(start + CK_NAME(forward_result)(tile, across, k) * xi_stride, t[k]);
            }
        }
    }
}

/// The transform of a tile with `down` times `across` results, from samples in rows of eight.
static void CK_NAME(transform_part)(
    const float *from, float *to, int64_t xi_stride, int tile, int down, int across) {
    float half[64 * CK_WIDTH];
    for (int j = 0; j < across + 2; j++) {
        CK_NAME(forward_line)(from + j * CK_WIDTH, 8 * CK_WIDTH, half + j * CK_WIDTH, 8 * CK_WIDTH, tile, down);
    }
    for (int index = 0; index < down + 2; index++) {
        const int i = CK_NAME(point)(index, down, tile);
        CK_NAME(forward_line)(
            half + i * 8 * CK_WIDTH, CK_WIDTH, to + i * (tile + 2) * xi_stride, xi_stride, tile, across);
    }
}

CK_INLINE void CK_NAME(transform_whole)(
    const float *from, int64_t row, int64_t column, float *to, int64_t xi_stride, const int tile,
    const int upsampling) {
    CK_NAME(transform_group)(from, row, column, to, xi_stride, tile, upsampling, 0);
    CK_NAME(transform_group)(from, row, column, to, xi_stride, tile, upsampling, 1);
    if (tile == 6) CK_NAME(transform_group)(from, row, column, to, xi_stride, tile, upsampling, 2);
}

/// Transforms one tile's samples into `to[xi * xi_stride + channel / 16 * group + channel % 16]`.
CK_INLINE void CK_NAME(transform_tile)(
    const ck_winograd_job *job, CK_NAME(tile) at, float *to, int64_t xi_stride, int64_t group, const int tile) {
    const int size = tile + 2;
    const ck_view *in = &job->input;
    const int64_t height = in->height * job->upsampling, width = in->width * job->upsampling;
    const int u = job->upsampling;
    const int inside = u <= 2 && at.y >= 1 && at.x >= 1 && at.y + tile < height && at.x + tile < width;
    const int down = ck_winograd_results(height - at.y, tile), across = ck_winograd_results(width - at.x, tile);
    const float *corner =
        inside ? in->data + ((at.image * in->height + at.y / u - 1) * in->width + at.x / u - 1) * in->pitch : NULL;

    // Samples outside the picture are zeros, samples of larger upsamplings repeat: such tiles are gathered first.
    const float *rows[8];
    int64_t columns[8];
    if (!inside) {
        for (int i = 0; i < size; i++) {
            const int64_t y = at.y - 1 + i, x = at.x - 1 + i;
            const int64_t sy = u == 1 ? y : (int32_t)y / u, sx = u == 1 ? x : (int32_t)x / u;
            rows[i] = y < 0 || y >= height ? NULL : in->data + (at.image * in->height + sy) * in->width * in->pitch;
            columns[i] = x < 0 || x >= width ? -1 : sx * in->pitch;
        }
    }

    for (int64_t c = 0; c < job->depth; c += CK_WIDTH) {
        float gathered[64 * CK_WIDTH];
        float *start = to + c / 16 * group + c % 16;
        if (inside && u == 1) {
            CK_NAME(transform_whole)(corner + c, in->width * in->pitch, in->pitch, start, xi_stride, tile, 1);
        } else if (inside) {
            CK_NAME(transform_whole)(corner + c, in->width * in->pitch, in->pitch, start, xi_stride, tile, 2);
        } else {
            CK_ROLLED for (int i = 0; i < down + 2; i++) {
                CK_ROLLED for (int j = 0; j < across + 2; j++) {
                    vf sample = rows[i] && columns[j] >= 0 ? vf_load(rows[i] + columns[j] + c) : vf_all(0);
                    vf_store(gathered + (i * 8 + j) * CK_WIDTH, sample);
                }
            }
            if (down < tile || across < tile) {
                CK_NAME(transform_part)(gathered, start, xi_stride, tile, down, across);
            } else {
                CK_NAME(transform_whole)(gathered, 8 * CK_WIDTH, CK_WIDTH, start, xi_stride, tile, 1);
            }
        }
    }
}

/// One group of a tile's inverse transform: down the columns, then along the rows that come of it. Row i of the group is
/// row 2 * i + group of the tile.
CK_INLINE void CK_NAME(restore_group)(
    const float *from, int64_t xi_stride, vf rows[3][CK_RUN], const int tile, const int group) {
    const int size = tile + 2, count = tile / 2;
    vf half[3][8];
    CK_UNROLL for (int j = 0; j < size; j++, from += xi_stride) {
        vf m[8], y[3];
        CK_UNROLL for (int i = 0; i < size; i++) m[i] = vf_load(from + i * size * xi_stride);
        CK_NAME(inverse)(m, y, tile, group);
        CK_UNROLL for (int i = 0; i < count; i++) half[i][j] = y[i];
    }
    CK_UNROLL for (int i = 0; i < count; i++) {
        CK_UNROLL for (int across = 0; across < 2; across++) {
            vf y[3];
            CK_NAME(inverse)(half[i], y, tile, across);
            CK_UNROLL for (int k = 0; k < count; k++) rows[i][2 * k + across] = y[k];
        }
    }
}

/// The inverse transform of a tile with `down` times `across` results.
static void CK_NAME(restore_part)(
    const float *from, int64_t xi_stride, vf rows[6][CK_RUN], int tile, int down, int across) {
    // Rows of results at the points across.
    float half[6 * 8 * CK_WIDTH];
    for (int index = 0; index < across + 2; index++) {
        const int j = CK_NAME(point)(index, across, tile);
        vf y[6];
        CK_NAME(inverse_line)(from + j * xi_stride, (tile + 2) * xi_stride, y, tile, down);
        for (int i = 0; i < down; i++) vf_store(half + (i * 8 + j) * CK_WIDTH, y[i]);
    }
    for (int i = 0; i < down; i++) CK_NAME(inverse_line)(half + i * 8 * CK_WIDTH, CK_WIDTH, rows[i], tile, across);
}

/// Transforms one tile's products back and ends its pixels.
CK_INLINE void CK_NAME(restore_tile)(
    const ck_winograd_job *job, const CK_NAME(plain) *plain, CK_NAME(tile) at, const float *from, int64_t xi_stride,
    int first_lane, int lanes, const int tile) {
    const int64_t height = job->input.height * job->upsampling, width = job->input.width * job->upsampling;
    const int rows = height - at.y < tile ? (int)(height - at.y) : tile;
    const int columns = width - at.x < tile ? (int)(width - at.x) : tile;
    const int down = ck_winograd_results(rows, tile), across = ck_winograd_results(columns, tile);
    for (int c = 0; c < lanes; c += CK_WIDTH) {
        if (plain->is_plain && rows == tile && columns == tile) {
            CK_UNROLL for (int group = 0; group < 2; group++) {
                vf v[3][CK_RUN];
                CK_NAME(restore_group)(from + c, xi_stride, v, tile, group);
                CK_UNROLL for (int i = 0; i < tile / 2; i++) {
                    CK_NAME(finish_plain)(plain, v[i], tile, at.image, at.y + 2 * i + group, at.x, first_lane + c);
                }
            }
            continue;
        }
        vf v[6][CK_RUN];
        if (down < tile || across < tile) {
            CK_NAME(restore_part)(from + c, xi_stride, v, tile, down, across);
        } else {
            CK_UNROLL for (int group = 0; group < 2; group++) {
                vf half[3][CK_RUN];
                CK_NAME(restore_group)(from + c, xi_stride, half, tile, group);
                CK_UNROLL for (int i = 0; i < tile / 2; i++) {
                    CK_UNROLL for (int k = 0; k < tile; k++) v[2 * i + group][k] = half[i][k];
                }
            }
        }
        CK_ROLLED for (int i = 0; i < rows; i++) {
            if (plain->is_plain) {
                CK_NAME(finish_plain)(plain, v[i], columns, at.image, at.y + i, at.x, first_lane + c);
            } else if (columns == tile) {
                CK_NAME(finish)(&job->output, v[i], tile, at.image, at.y + i, at.x, first_lane + c);
            } else {
                CK_NAME(finish)(&job->output, v[i], columns, at.image, at.y + i, at.x, first_lane + c);
            }
        }
    }
}

/// Lists the memory of tiles `first ..< first + tiles`: what the block reads, or what it writes in lanes from `lane` on and
/// reads as operands.
static void CK_NAME(fetch_tiles)(
    const ck_winograd_job *job, CK_NAME(fetch_list) *list, int64_t first, int64_t tiles, int input, int lane,
    int lanes) {
    const int tile = job->tile;
    while (tiles > 0) {
        // Tiles side by side are one rectangle.
        CK_NAME(tile) at = CK_NAME(tile_at)(job, first, tile);
        int64_t run = job->tiles_x - first % job->tiles_x;
        if (run > tiles) run = tiles;
        int64_t y0 = at.y, y1 = at.y + tile, x0 = at.x, x1 = at.x + run * tile;
        if (input) {
            const int u = job->upsampling;
            CK_NAME(fetch_rectangle)(
                list, &job->input, at.image, (y0 - 1) / u, y1 / u + 1, (x0 - 1) / u, x1 / u + 1, 0, job->depth);
        } else {
            const ck_output *o = &job->output;
            const int r = o->shuffle;
            int64_t start = r == 1 ? lane : 0, channels = r == 1 ? lanes : o->group;
            CK_NAME(fetch_rectangle)(list, &o->view, at.image, y0 * r, y1 * r, x0 * r, x1 * r, start, channels);
            for (int stage = 0; stage < o->stage_count; stage++) {
                const ck_stage *s = &o->stages[stage];
                if (s->source != CK_OPERAND) continue;
                const int u = s->upsampling;
                CK_NAME(fetch_rectangle)(
                    list, &s->operand, at.image, y0 * r / u, (y1 * r - 1) / u + 1, x0 * r / u, (x1 * r - 1) / u + 1,
                    start, channels);
            }
        }
        first += run;
        tiles -= run;
    }
}

/// Floats from one product's operands to the next one's: 16 more than there are, which keep the addresses of one tile's
/// operands from falling into one set of the cache.
CK_INLINE int64_t CK_NAME(xi_stride)(const ck_winograd_job *job) {
    return job->tiles_per_block * (job->transformed ? job->transformed_depth : job->depth) + 16;
}

/// Transforms the samples of a block's tiles.
CK_INLINE void CK_NAME(transform_tiles)(
    const ck_winograd_job *job, int64_t block, float *to, int64_t xi_stride, const int tile) {
    const CK_NAME(order) order = CK_NAME(order_of)(job, block, tile);
    CK_NAME(order) places = order;
    for (int64_t t = 0; t < order.tiles; t++) {
        const CK_NAME(tile) at = CK_NAME(tile_at)(job, order.first + t, tile);
        const int64_t place = places.start[CK_NAME(cut)(job, &order, at, tile)]++;
        CK_NAME(transform_tile)(job, at, to + place * 16, xi_stride, job->tiles_per_block * 16, tile);
    }
}

CK_INLINE void CK_NAME(transform_block)(const ck_winograd_job *job, int64_t block, const int tile) {
    const int64_t xi_stride = CK_NAME(xi_stride)(job);
    CK_NAME(transform_tiles)(
        job, block, job->transformed + block * (tile + 2) * (tile + 2) * xi_stride, xi_stride, tile);
}

/// Only the transforms, into `job->transformed`.
static void CK_NAME(transform)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_winograd_job *job = argument;
    (void)scratch, (void)next;
    if (job->tile == 6) {
        CK_NAME(transform_block)(job, block, 6);
    } else {
        CK_NAME(transform_block)(job, block, 4);
    }
}

CK_INLINE void CK_NAME(winograd_block)(
    const ck_winograd_job *job, float *scratch, int64_t block, int64_t next, const int tile) {
    const int size = tile + 2, products = size * size;
    const CK_NAME(order) order = CK_NAME(order_of)(job, block, tile);
    const int64_t first = order.first, tiles = order.tiles, depth = job->depth;
    const int shared = job->transformed != NULL;
    const int64_t group = job->tiles_per_block * 16;
    const int64_t xi_stride = CK_NAME(xi_stride)(job);
    const float *transformed = shared ? job->transformed + block * products * xi_stride : scratch;
    float *results = shared ? scratch : scratch + products * xi_stride;

    if (!shared) CK_NAME(transform_tiles)(job, block, scratch, xi_stride, tile);
    // While the products are computed: this block's results, which are written next, and the next block's samples.
    CK_NAME(fetch_list) fetches;
    CK_NAME(fetch_clear)(&fetches);
    const float *weights = job->weights;
    const CK_NAME(plain) plain = CK_NAME(plain_of)(&job->output);
    int lane = 0;
    for (int chunk = 0; chunk < job->chunks; chunk++) {
        const int lanes = job->chunk_lanes[chunk];
        const int64_t result_stride = job->tiles_per_block * lanes + 16;
        CK_NAME(fetch_tiles)(job, &fetches, first, tiles, 0, lane, lanes);
        if (chunk == job->chunks - 1 && next >= 0 && !shared) {
            const int64_t start = ck_winograd_first(job, next), end = ck_winograd_first(job, next + 1);
            CK_NAME(fetch_tiles)(job, &fetches, start, end - start, 1, 0, 0);
        }
        const int64_t steps = products * CK_NAME(product_tiles)(tiles, lanes);
        const int64_t lines = fetches.lines / steps + 1;
        for (int xi = 0; xi < products; xi++) {
            // The tiles that have this point down and across.
            const int below = CK_NAME(uses_point)(xi / size, order.down, tile);
            const int right = CK_NAME(uses_point)(xi % size, order.across, tile);
            const int64_t from =
                !right ? order.start[CK_NAME(cut_nothing)] : below ? 0 : order.start[CK_NAME(cut_right)];
            const int64_t rows = (below ? tiles : order.start[CK_NAME(cut_below)]) - from;
            // Transforms of this step are in the second-level cache already; shared ones come from further away.
            const CK_NAME(matrix) a = {
                transformed + xi * xi_stride + from * 16, 16, group, shared ? xi_stride : 0};
            CK_NAME(product)(
                a, weights, results + xi * result_stride + from * lanes, lanes, depth, rows, lanes, &fetches, lines);
            weights += depth * lanes;
        }
        CK_NAME(fetch_clear)(&fetches);
        CK_NAME(order) places = order;
        for (int64_t t = 0; t < tiles; t++) {
            const CK_NAME(tile) at = CK_NAME(tile_at)(job, first + t, tile);
            const int64_t place = places.start[CK_NAME(cut)(job, &order, at, tile)]++;
            CK_NAME(restore_tile)(job, &plain, at, results + place * lanes, result_stride, lane, lanes, tile);
        }
        lane += lanes;
    }
}

static void CK_NAME(winograd)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_winograd_job *job = argument;
    if (job->tile == 6) {
        CK_NAME(winograd_block)(job, scratch, block, next, 6);
    } else {
        CK_NAME(winograd_block)(job, scratch, block, next, 4);
    }
}
