// 3x3 convolutions by Winograd's method (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016).
//
// A block of tiles goes through three phases that leave nothing outside the second-level cache but the input's and the
// output's pixels: the tiles' transforms, `[xi, channel / 16, tile, 16]`; for each chunk of lanes one small matrix product per xi,
// `[xi, tile, lane]`; and the inverse transform, which hands rows of pixels to `finish` while they are in registers.
// Several convolutions of the same samples may share transforms, which then lie in memory of the plan.
// Each transform is done along rows, then along columns, on vectors of channels.

// MARK: One-dimensional transforms

/// Eight samples to eight products' operands: points 0, 1, -1, 2, -2, 1/2, -1/2, infinity.
///
/// Sums are arranged so that additions and multiply-adds, which have units of their own, are about as many.
CK_INLINE void CK_NAME(forward_6)(const vf *d, vf *t) {
    t[0] = (d[6] - d[0]) + 5.25f * (d[2] - d[4]);
    vf even = (d[6] + d[2]) - 4.25f * d[4], odd = (d[5] + d[1]) - 4.25f * d[3];
    t[1] = even + odd;
    t[2] = even - odd;
    // Odd parts are multiplied by their point here.
    vf middle = 2.5f * d[3];
    even = (d[6] - 1.25f * d[4]) + 0.25f * d[2];
    odd = 2.0f * d[5] + (0.5f * d[1] - middle);
    t[3] = even + odd;
    t[4] = even - odd;
    even = (d[6] - 5.0f * d[4]) + 4.0f * d[2];
    odd = 2.0f * d[1] + (0.5f * d[5] - middle);
    t[5] = even + odd;
    t[6] = even - odd;
    t[7] = (d[7] - d[1]) + 5.25f * (d[3] - d[5]);
}

/// Eight products to six results.
CK_INLINE void CK_NAME(inverse_6)(const vf *m, vf *y) {
    vf s1 = m[1] + m[2], d1 = m[1] - m[2];
    vf s2 = m[3] + m[4], d2 = m[3] - m[4];
    vf s3 = m[5] + m[6], d3 = m[5] - m[6];
    y[0] = (m[0] + s1) + (s2 + s3);
    y[1] = (d1 + 2.0f * d2) + 0.5f * d3;
    y[2] = (s1 + 4.0f * s2) + 0.25f * s3;
    y[3] = (d1 + 8.0f * d2) + 0.125f * d3;
    y[4] = (s1 + 16.0f * s2) + 0.0625f * s3;
    y[5] = (d1 + m[7]) + 32.0f * d2 + 0.03125f * d3;
}

/// Six samples: points 0, √½, -√½, √2, -√2, infinity.
CK_INLINE void CK_NAME(forward_4)(const vf *d, vf *t) {
    t[0] = (d[4] + d[0]) - 2.5f * d[2];
    vf even = d[4] - 2.0f * d[2], odd = d[3] - 2.0f * d[1];
    t[1] = even + 0.70710678f * odd;
    t[2] = even - 0.70710678f * odd;
    even = d[4] - 0.5f * d[2];
    odd = d[3] - 0.5f * d[1];
    t[3] = even + 1.41421356f * odd;
    t[4] = even - 1.41421356f * odd;
    t[5] = (d[5] + d[1]) - 2.5f * d[3];
}

CK_INLINE void CK_NAME(inverse_4)(const vf *m, vf *y) {
    vf s1 = m[1] + m[2], d1 = m[1] - m[2];
    vf s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + (s1 + s2);
    y[1] = 0.70710678f * d1 + 1.41421356f * d2;
    y[2] = 0.5f * s1 + 2.0f * s2;
    y[3] = (m[5] + 0.35355339f * d1) + 2.82842712f * d2;
}

CK_INLINE void CK_NAME(forward)(const vf *d, vf *t, const int tile) {
    if (tile == 6) {
        CK_NAME(forward_6)(d, t);
    } else {
        CK_NAME(forward_4)(d, t);
    }
}

CK_INLINE void CK_NAME(inverse)(const vf *m, vf *y, const int tile) {
    if (tile == 6) {
        CK_NAME(inverse_6)(m, y);
    } else {
        CK_NAME(inverse_4)(m, y);
    }
}

// MARK: Tiles

typedef struct {
    /// The tile's first result pixel.
    int64_t image, y, x;
} CK_NAME(tile);

CK_INLINE CK_NAME(tile) CK_NAME(tile_at)(const ck_winograd_job *job, int64_t index, const int tile) {
    int64_t row = index / job->tiles_x, column = index % job->tiles_x;
    return (CK_NAME(tile)){row / job->tiles_y, row % job->tiles_y * tile, column * tile};
}

/// Transforms one tile's samples into `to[xi * xi_stride + channel / 16 * group + channel % 16]`.
CK_INLINE void CK_NAME(transform_tile)(
    const ck_winograd_job *job, CK_NAME(tile) at, float *to, int64_t xi_stride, int64_t group, const int tile) {
    const int size = tile + 2;
    const ck_view *in = &job->input;
    const int64_t height = in->height * job->upsampling, width = in->width * job->upsampling;
    const int inside = job->upsampling == 1 && at.y >= 1 && at.x >= 1 && at.y + tile < height && at.x + tile < width;
    const float *corner = in->data + ((at.image * in->height + at.y - 1) * in->width + at.x - 1) * in->pitch;
    const int64_t row_stride = in->width * in->pitch;

    // Samples outside the picture are zeros, samples of an upsampling repeat: then every sample has its address.
    const float *samples[64];
    if (!inside) {
        for (int i = 0; i < size; i++) {
            int64_t y = at.y - 1 + i;
            for (int j = 0; j < size; j++) {
                int64_t x = at.x - 1 + j;
                if (y < 0 || x < 0 || y >= height || x >= width) {
                    samples[i * size + j] = job->zeros;
                } else {
                    int64_t sy = job->upsampling == 1 ? y : (int32_t)y / job->upsampling;
                    int64_t sx = job->upsampling == 1 ? x : (int32_t)x / job->upsampling;
                    samples[i * size + j] = in->data + ((at.image * in->height + sy) * in->width + sx) * in->pitch;
                }
            }
        }
    }

    for (int64_t c = 0; c < job->depth; c += CK_WIDTH) {
        // Loops, not straight code: the strides are variables, and 64 addresses at once would not fit the registers.
        vf rows[8][8];
        if (inside) {
            const float *from = corner + c;
            CK_ROLLED for (int i = 0; i < size; i++, from += row_stride) {
                vf d[8];
                CK_UNROLL for (int j = 0; j < size; j++) d[j] = vf_load(from + j * in->pitch);
                CK_NAME(forward)(d, rows[i], tile);
            }
        } else {
            CK_ROLLED for (int i = 0; i < size; i++) {
                vf d[8];
                CK_UNROLL for (int j = 0; j < size; j++) d[j] = vf_load(samples[i * size + j] + c);
                CK_NAME(forward)(d, rows[i], tile);
            }
        }
        float *column = to + c / 16 * group + c % 16;
        CK_ROLLED for (int j = 0; j < size; j++, column += xi_stride) {
            vf d[8], t[8];
            CK_UNROLL for (int i = 0; i < size; i++) d[i] = rows[i][j];
            CK_NAME(forward)(d, t, tile);
            CK_UNROLL for (int i = 0; i < size; i++) vf_store(column + i * size * xi_stride, t[i]);
        }
    }
}

/// Transforms one tile's products back and ends its pixels.
CK_INLINE void CK_NAME(restore_tile)(
    const ck_winograd_job *job, CK_NAME(tile) at, const float *from, int64_t xi_stride, int first_lane, int lanes,
    const int tile) {
    const int size = tile + 2;
    const int64_t height = job->input.height * job->upsampling, width = job->input.width * job->upsampling;
    const int rows = height - at.y < tile ? (int)(height - at.y) : tile;
    const int columns = width - at.x < tile ? (int)(width - at.x) : tile;
    for (int c = 0; c < lanes; c += CK_WIDTH) {
        vf half[6][8];
        const float *column = from + c;
        CK_ROLLED for (int j = 0; j < size; j++, column += xi_stride) {
            vf m[8], y[6];
            CK_UNROLL for (int i = 0; i < size; i++) m[i] = vf_load(column + i * size * xi_stride);
            CK_NAME(inverse)(m, y, tile);
            CK_UNROLL for (int i = 0; i < tile; i++) half[i][j] = y[i];
        }
        CK_ROLLED for (int i = 0; i < rows; i++) {
            vf v[CK_RUN];
            CK_NAME(inverse)(half[i], v, tile);
            if (columns == tile) {
                CK_NAME(finish)(&job->output, v, tile, at.image, at.y + i, at.x, first_lane + c);
            } else {
                // A copy, so that `v` stays in registers on the other branch.
                vf w[CK_RUN];
                CK_UNROLL for (int k = 0; k < tile; k++) w[k] = v[k];
                CK_NAME(finish)(&job->output, w, columns, at.image, at.y + i, at.x, first_lane + c);
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
                if (s->kind != CK_ADD && s->kind != CK_MULTIPLY) continue;
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

CK_INLINE void CK_NAME(transform_block)(const ck_winograd_job *job, int64_t block, const int tile) {
    const int64_t total = job->input.batch * job->tiles_y * job->tiles_x;
    const int64_t first = block * job->tiles_per_block;
    const int64_t tiles = total - first < job->tiles_per_block ? total - first : job->tiles_per_block;
    const int64_t xi_stride = CK_NAME(xi_stride)(job), group = job->tiles_per_block * 16;
    float *to = job->transformed + block * (tile + 2) * (tile + 2) * xi_stride;
    for (int64_t t = 0; t < tiles; t++) {
        CK_NAME(transform_tile)(job, CK_NAME(tile_at)(job, first + t, tile), to + t * 16, xi_stride, group, tile);
    }
}

/// Only the transforms, into `job->transformed`.
static void CK_NAME(transform)(const void *argument, void *scratch, int64_t block) {
    const ck_winograd_job *job = argument;
    (void)scratch;
    if (job->tile == 6) {
        CK_NAME(transform_block)(job, block, 6);
    } else {
        CK_NAME(transform_block)(job, block, 4);
    }
}

CK_INLINE void CK_NAME(winograd_block)(const ck_winograd_job *job, float *scratch, int64_t block, const int tile) {
    const int products = (tile + 2) * (tile + 2);
    const int64_t total = job->input.batch * job->tiles_y * job->tiles_x;
    const int64_t first = block * job->tiles_per_block;
    const int64_t tiles = total - first < job->tiles_per_block ? total - first : job->tiles_per_block;
    const int64_t depth = job->depth;
    const int shared = job->transformed != NULL;
    const int64_t group = job->tiles_per_block * 16;
    const int64_t xi_stride = CK_NAME(xi_stride)(job);
    const float *transformed = shared ? job->transformed + block * products * xi_stride : scratch;
    float *results = shared ? scratch : scratch + products * xi_stride;

    for (int64_t t = 0; t < tiles && !shared; t++) {
        CK_NAME(transform_tile)(
            job, CK_NAME(tile_at)(job, first + t, tile), scratch + t * 16, xi_stride, group, tile);
    }
    // While the products are computed: this block's results, which are written next, and the next block's samples.
    CK_NAME(fetch_list) fetches;
    CK_NAME(fetch_clear)(&fetches);
    const float *weights = job->weights;
    int lane = 0;
    for (int chunk = 0; chunk < job->chunks; chunk++) {
        const int lanes = job->chunk_lanes[chunk];
        const int64_t result_stride = job->tiles_per_block * lanes + 16;
        CK_NAME(fetch_tiles)(job, &fetches, first, tiles, 0, lane, lanes);
        const int64_t next = first + job->ahead * job->tiles_per_block;
        if (chunk == job->chunks - 1 && next < total && !shared) {
            int64_t count = total - next < job->tiles_per_block ? total - next : job->tiles_per_block;
            CK_NAME(fetch_tiles)(job, &fetches, next, count, 1, 0, 0);
        }
        const int64_t steps = products * CK_NAME(product_tiles)(tiles, lanes);
        const int64_t lines = fetches.lines / steps + 1;
        for (int xi = 0; xi < products; xi++) {
            // Transforms of this step are in the second-level cache already; shared ones come from further away.
            const CK_NAME(matrix) a = {transformed + xi * xi_stride, 16, group, shared ? xi_stride : 0};
            CK_NAME(product)(
                a, weights, results + xi * result_stride, lanes, depth, tiles, lanes, &fetches, lines);
            weights += depth * lanes;
        }
        CK_NAME(fetch_clear)(&fetches);
        for (int64_t t = 0; t < tiles; t++) {
            CK_NAME(restore_tile)(
                job, CK_NAME(tile_at)(job, first + t, tile), results + t * lanes, result_stride, lane, lanes, tile);
        }
        lane += lanes;
    }
}

static void CK_NAME(winograd)(const void *argument, void *scratch, int64_t block) {
    const ck_winograd_job *job = argument;
    if (job->tile == 6) {
        CK_NAME(winograd_block)(job, scratch, block, 6);
    } else {
        CK_NAME(winograd_block)(job, scratch, block, 4);
    }
}
