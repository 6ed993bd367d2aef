// 3x3 convolutions by Winograd's method (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016).
//
// A block of tiles goes through three phases that leave nothing outside the second-level cache but the input's and the
// output's pixels: the tiles' transforms, `[xi, channel / 16, tile, 16]`; for each chunk of lanes one small matrix product per xi,
// `[xi, tile, lane]`; and the inverse transform, which hands rows of pixels to `finish` while they are in registers.
// Several convolutions of the same samples may share transforms, which then lie in memory of the plan.
// Each transform is done down the columns, then along the rows, on vectors of channels.

// MARK: One-dimensional transforms
//
// Results are computed in groups that share intermediate sums; a group's results along one side and the vectors that they are
// transformed from along the other fit the registers of AVX-512. Sums are arranged so that additions and multiply-adds,
// which have units of their own, are about as many.

/// Eight samples to products' operands: points 0, 1, -1, 2, -2, 1/2, -1/2, infinity. Group 0 is results 0, 1, 2; group 1
/// is 3, 4, 7; group 2 is 5, 6.
CK_INLINE void CK_NAME(forward_6)(const vf *d, vf *t, const int group) {
    if (group == 0) {
        t[0] = (d[6] - d[0]) + 5.25f * (d[2] - d[4]);
        vf even = (d[6] + d[2]) - 4.25f * d[4], odd = (d[5] + d[1]) - 4.25f * d[3];
        t[1] = even + odd;
        t[2] = even - odd;
    } else if (group == 1) {
        // Odd parts are multiplied by their point here.
        vf even = (d[6] - 1.25f * d[4]) + 0.25f * d[2];
        vf odd = 2.0f * d[5] + (0.5f * d[1] - 2.5f * d[3]);
        t[0] = even + odd;
        t[1] = even - odd;
        t[2] = (d[7] - d[1]) + 5.25f * (d[3] - d[5]);
    } else {
        vf even = (d[6] - 5.0f * d[4]) + 4.0f * d[2];
        vf odd = 2.0f * d[1] + (0.5f * d[5] - 2.5f * d[3]);
        t[0] = even + odd;
        t[1] = even - odd;
    }
}

/// Eight products to results 0, 2, 4 (group 0) or 1, 3, 5 (group 1) of six.
CK_INLINE void CK_NAME(inverse_6)(const vf *m, vf *y, const int group) {
    if (group == 0) {
        vf s1 = m[1] + m[2], s2 = m[3] + m[4], s3 = m[5] + m[6];
        y[0] = (m[0] + s1) + (s2 + s3);
        y[1] = (s1 + 4.0f * s2) + 0.25f * s3;
        y[2] = (s1 + 16.0f * s2) + 0.0625f * s3;
    } else {
        vf d1 = m[1] - m[2], d2 = m[3] - m[4], d3 = m[5] - m[6];
        y[0] = (d1 + 2.0f * d2) + 0.5f * d3;
        y[1] = (d1 + 8.0f * d2) + 0.125f * d3;
        y[2] = (d1 + m[7]) + 32.0f * d2 + 0.03125f * d3;
    }
}

/// Six samples: points 0, √½, -√½, √2, -√2, infinity. Group 0 is results 0, 1, 2; group 1 is 3, 4, 5.
CK_INLINE void CK_NAME(forward_4)(const vf *d, vf *t, const int group) {
    if (group == 0) {
        vf even = d[4] - 2.0f * d[2], odd = d[3] - 2.0f * d[1];
        t[0] = (d[4] + d[0]) - 2.5f * d[2];
        t[1] = even + 0.70710678f * odd;
        t[2] = even - 0.70710678f * odd;
    } else {
        vf even = d[4] - 0.5f * d[2], odd = d[3] - 0.5f * d[1];
        t[0] = even + 1.41421356f * odd;
        t[1] = even - 1.41421356f * odd;
        t[2] = (d[5] + d[1]) - 2.5f * d[3];
    }
}

/// Six products to results 0, 2 (group 0) or 1, 3 (group 1) of four.
CK_INLINE void CK_NAME(inverse_4)(const vf *m, vf *y, const int group) {
    if (group == 0) {
        vf s1 = m[1] + m[2], s2 = m[3] + m[4];
        y[0] = m[0] + (s1 + s2);
        y[1] = 0.5f * s1 + 2.0f * s2;
    } else {
        vf d1 = m[1] - m[2], d2 = m[3] - m[4];
        y[0] = 0.70710678f * d1 + 1.41421356f * d2;
        y[1] = (m[5] + 0.35355339f * d1) + 2.82842712f * d2;
    }
}

// Which results each group is.
enum { CK_NAME(forward_groups_6) = 3, CK_NAME(forward_groups_4) = 2 };

CK_INLINE int CK_NAME(forward_result)(const int tile, const int group, const int i) {
    return tile == 4 ? group * 3 + i : group == 0 ? i : group == 2 ? 5 + i : i == 2 ? 7 : 3 + i;
}

CK_INLINE int CK_NAME(forward_count)(const int tile, const int group) { return tile == 6 && group == 2 ? 2 : 3; }

CK_INLINE void CK_NAME(forward)(const vf *d, vf *t, const int tile, const int group) {
    if (tile == 6) {
        CK_NAME(forward_6)(d, t, group);
    } else {
        CK_NAME(forward_4)(d, t, group);
    }
}

CK_INLINE void CK_NAME(inverse)(const vf *m, vf *y, const int tile, const int group) {
    if (tile == 6) {
        CK_NAME(inverse_6)(m, y, group);
    } else {
        CK_NAME(inverse_4)(m, y, group);
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

/// One group of a tile's transform: down the columns, then along the rows that come of it.
CK_INLINE void CK_NAME(transform_group)(
    const float *from, int64_t row, int64_t column, float *to, int64_t xi_stride, const int tile, const int group) {
    const int size = tile + 2, count = CK_NAME(forward_count)(tile, group);
    const int groups = tile == 6 ? CK_NAME(forward_groups_6) : CK_NAME(forward_groups_4);
    vf half[3][8];
    CK_UNROLL for (int j = 0; j < size; j++, from += column) {
        vf d[8], t[3];
        // The compiler drops what the group does not need.
        CK_UNROLL for (int i = 0; i < size; i++) d[i] = vf_load(from + i * row);
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

/// Transforms one tile's samples into `to[xi * xi_stride + channel / 16 * group + channel % 16]`.
CK_INLINE void CK_NAME(transform_tile)(
    const ck_winograd_job *job, CK_NAME(tile) at, float *to, int64_t xi_stride, int64_t group, const int tile) {
    const int size = tile + 2;
    const ck_view *in = &job->input;
    const int64_t height = in->height * job->upsampling, width = in->width * job->upsampling;
    const int inside = job->upsampling == 1 && at.y >= 1 && at.x >= 1 && at.y + tile < height && at.x + tile < width;
    const float *corner =
        inside ? in->data + ((at.image * in->height + at.y - 1) * in->width + at.x - 1) * in->pitch : NULL;

    // Samples outside the picture are zeros, samples of an upsampling repeat: such tiles are gathered first.
    const float *rows[8];
    int64_t columns[8];
    if (!inside) {
        for (int i = 0; i < size; i++) {
            const int64_t y = at.y - 1 + i, x = at.x - 1 + i;
            const int64_t sy = job->upsampling == 1 ? y : (int32_t)y / job->upsampling;
            const int64_t sx = job->upsampling == 1 ? x : (int32_t)x / job->upsampling;
            rows[i] = y < 0 || y >= height ? NULL : in->data + (at.image * in->height + sy) * in->width * in->pitch;
            columns[i] = x < 0 || x >= width ? -1 : sx * in->pitch;
        }
    }

    for (int64_t c = 0; c < job->depth; c += CK_WIDTH) {
        float gathered[64 * CK_WIDTH];
        const float *from;
        int64_t row = in->width * in->pitch, column = in->pitch;
        if (inside) {
            from = corner + c;
        } else {
            CK_ROLLED for (int i = 0; i < size; i++) {
                CK_ROLLED for (int j = 0; j < size; j++) {
                    vf sample = rows[i] && columns[j] >= 0 ? vf_load(rows[i] + columns[j] + c) : vf_all(0);
                    vf_store(gathered + (i * size + j) * CK_WIDTH, sample);
                }
            }
            from = gathered;
            row = size * CK_WIDTH;
            column = CK_WIDTH;
        }
        float *start = to + c / 16 * group + c % 16;
        CK_NAME(transform_group)(from, row, column, start, xi_stride, tile, 0);
        CK_NAME(transform_group)(from, row, column, start, xi_stride, tile, 1);
        if (tile == 6) CK_NAME(transform_group)(from, row, column, start, xi_stride, tile, 2);
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

/// Transforms one tile's products back and ends its pixels.
CK_INLINE void CK_NAME(restore_tile)(
    const ck_winograd_job *job, const CK_NAME(plain) *plain, CK_NAME(tile) at, const float *from, int64_t xi_stride,
    int first_lane, int lanes, const int tile) {
    const int64_t height = job->input.height * job->upsampling, width = job->input.width * job->upsampling;
    const int rows = height - at.y < tile ? (int)(height - at.y) : tile;
    const int columns = width - at.x < tile ? (int)(width - at.x) : tile;
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
        CK_UNROLL for (int group = 0; group < 2; group++) {
            vf half[3][CK_RUN];
            CK_NAME(restore_group)(from + c, xi_stride, half, tile, group);
            CK_UNROLL for (int i = 0; i < tile / 2; i++) {
                CK_UNROLL for (int k = 0; k < tile; k++) v[2 * i + group][k] = half[i][k];
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
    const int64_t first = ck_winograd_first(job, block), tiles = ck_winograd_first(job, block + 1) - first;
    const int64_t xi_stride = CK_NAME(xi_stride)(job), group = job->tiles_per_block * 16;
    float *to = job->transformed + block * (tile + 2) * (tile + 2) * xi_stride;
    for (int64_t t = 0; t < tiles; t++) {
        CK_NAME(transform_tile)(job, CK_NAME(tile_at)(job, first + t, tile), to + t * 16, xi_stride, group, tile);
    }
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
    const int products = (tile + 2) * (tile + 2);
    const int64_t first = ck_winograd_first(job, block), tiles = ck_winograd_first(job, block + 1) - first;
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
            // Transforms of this step are in the second-level cache already; shared ones come from further away.
            const CK_NAME(matrix) a = {transformed + xi * xi_stride, 16, group, shared ? xi_stride : 0};
            CK_NAME(product)(
                a, weights, results + xi * result_stride, lanes, depth, tiles, lanes, &fetches, lines);
            weights += depth * lanes;
        }
        CK_NAME(fetch_clear)(&fetches);
        for (int64_t t = 0; t < tiles; t++) {
            CK_NAME(restore_tile)(
                job, &plain, CK_NAME(tile_at)(job, first + t, tile), results + t * lanes, result_stride, lane, lanes, tile);
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
