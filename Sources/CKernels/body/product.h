// Matrix products of small blocks: rows of A in cache, B packed in panels.
//
// A register tile of R rows by V vectors is accumulated over the whole depth: every step loads V vectors of B, broadcasts
// R numbers of A straight from memory and does R * V multiply-adds. V is as wide as a panel, R as large as the registers
// allow; R * V independent sums hide the multiply-add's latency.

#if CK_WIDTH == 16
// 32 registers: V 3 x R 9, 2 x 14, 1 x 14. Wider chunks are done two vectors at a time: a panel of B is then read twice from
// the first-level cache, where 64 lanes of a deep layer would not fit.
enum { CK_NAME(rows_1) = 14, CK_NAME(rows_2) = 14, CK_NAME(rows_3) = 9 };
#define CK_PANEL_LANES 32
#else
// 16 registers: V 2 x R 6.
enum { CK_NAME(rows_1) = 6, CK_NAME(rows_2) = 6, CK_NAME(rows_3) = 1 };
#define CK_PANEL_LANES (2 * CK_WIDTH)
#endif

/// Where A's number in row r and column k lies: `start[r * row + k / 16 * group + k % 16]`.
///
/// Where `ahead` is not 0, the matrix that is needed next lies so many floats further on, in rows of 16, and is fetched
/// meanwhile, one line a step.
typedef struct {
    const float *start;
    int64_t row, group, ahead;
} CK_NAME(matrix);

/// C[R, V] = A[R, depth] B[depth, V], fetching a piece of memory for later on the way.
CK_INLINE void CK_NAME(product_tile)(
    CK_NAME(matrix) m, const float *b, float *c, int64_t c_stride, int64_t depth, CK_NAME(piece) fetch, const int R,
    const int V) {
    vf sums[14][3];
    CK_UNROLL for (int r = 0; r < R; r++) {
        CK_UNROLL for (int v = 0; v < V; v++) sums[r][v] = vf_all(0);
    }
    const float *a = m.start;
    const int64_t rows_ahead = m.ahead ? R : 0, stride = m.row;
    for (int64_t done = 0; done < depth; done += 16, a += m.group) {
        const int64_t steps = depth - done < 16 ? depth - done : 16;
        for (int64_t k = 0; k < steps; k++, b += V * CK_WIDTH) {
            vf row[3];
            if (done + k < fetch.lines) __builtin_prefetch(fetch.start + (done + k) * fetch.stride, 0, 2);
            if (k < rows_ahead) __builtin_prefetch(a + m.ahead + k * 16, 0, 2);
            CK_UNROLL for (int v = 0; v < V; v++) row[v] = vf_load(b + v * CK_WIDTH);
            CK_UNROLL for (int r = 0; r < R; r++) {
                vf x = vf_all(a[r * stride + k]);
                CK_UNROLL for (int v = 0; v < V; v++) sums[r][v] += x * row[v];
            }
        }
    }
    CK_UNROLL for (int r = 0; r < R; r++) {
        CK_UNROLL for (int v = 0; v < V; v++) vf_store(c + r * c_stride + v * CK_WIDTH, sums[r][v]);
    }
}

#define CK_TILE(R, V)                                                               \
    case R:                                                                         \
        if (R <= CK_NAME(rows_##V)) {                                               \
            CK_NAME(product_tile)(a, b, c, c_stride, depth, fetch, R, V);           \
        }                                                                           \
        break;

/// C[rows, panel] = A[rows, depth] B[depth, panel], the rows in tiles of nearly equal height.
#define CK_PRODUCT(V)                                                                                         \
    static void CK_NAME(product_##V)(                                                                         \
        CK_NAME(matrix) a, const float *b, float *c, int64_t c_stride, int64_t depth, int64_t rows,           \
        CK_NAME(fetch_list) *list, int64_t lines) {                                                           \
        int64_t parts = (rows + CK_NAME(rows_##V) - 1) / CK_NAME(rows_##V);                                   \
        while (parts > 0) {                                                                                   \
            int64_t height = (rows + parts - 1) / parts;                                                      \
            CK_NAME(piece) fetch = CK_NAME(fetch_next)(list, lines < depth ? lines : depth);                  \
            switch (height) {                                                                                 \
                CK_TILE(1, V) CK_TILE(2, V) CK_TILE(3, V) CK_TILE(4, V) CK_TILE(5, V) CK_TILE(6, V)           \
                CK_TILE(7, V) CK_TILE(8, V) CK_TILE(9, V) CK_TILE(10, V) CK_TILE(11, V) CK_TILE(12, V)        \
                CK_TILE(13, V) CK_TILE(14, V)                                                                 \
            }                                                                                                 \
            a.start += height * a.row;                                                                        \
            c += height * c_stride;                                                                           \
            rows -= height;                                                                                   \
            parts--;                                                                                          \
        }                                                                                                     \
    }

CK_PRODUCT(2)
#if CK_WIDTH == 16
CK_PRODUCT(1)
CK_PRODUCT(3)
#endif

/// How many register tiles `product` makes of this size.
CK_INLINE int64_t CK_NAME(product_tiles)(int64_t rows, int64_t lanes) {
#if CK_WIDTH == 16
    if (lanes == 16) return (rows + CK_NAME(rows_1) - 1) / CK_NAME(rows_1);
    if (lanes == 48) return (rows + CK_NAME(rows_3) - 1) / CK_NAME(rows_3);
#endif
    return (rows + CK_NAME(rows_2) - 1) / CK_NAME(rows_2) * (lanes / CK_PANEL_LANES);
}

/// C[rows, lanes] = A[rows, depth] B, with B `[lanes / panel, depth, panel]`. With each register tile up to `lines` lines
/// of the list are fetched.
static void CK_NAME(product)(
    CK_NAME(matrix) a, const float *b, float *c, int64_t c_stride, int64_t depth, int64_t rows, int64_t lanes,
    CK_NAME(fetch_list) *list, int64_t lines) {
#if CK_WIDTH == 16
    if (lanes == 16) return CK_NAME(product_1)(a, b, c, c_stride, depth, rows, list, lines);
    if (lanes == 48) return CK_NAME(product_3)(a, b, c, c_stride, depth, rows, list, lines);
#endif
    for (int64_t lane = 0; lane < lanes; lane += CK_PANEL_LANES) {
        CK_NAME(product_2)(a, b, c + lane, c_stride, depth, rows, list, lines);
        b += depth * CK_PANEL_LANES;
    }
}

/// A convolution of few channels in: im2col and the product kernel. Weights `[chunk][chunk / panel, depth, panel]` with
/// chunks of 64 lanes, the last one smaller.
static void CK_NAME(narrow)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_im2col_job *job = argument;
    const int64_t total = job->input.batch * job->result_height * job->result_width, first = block * job->pixels;
    const int64_t pixels = total - first < job->pixels ? total - first : job->pixels;
    const int64_t depth = (int64_t)job->kernel_height * job->kernel_width * job->channels;
    const int64_t lanes = job->output.lanes;
    float *matrix = scratch, *results = matrix + job->pixels * depth;
    // While the products are computed: the memory of their results, if that is (nearly) all of one piece.
    CK_NAME(fetch_list) fetches;
    CK_NAME(fetch_clear)(&fetches);
    const ck_view *out = &job->output.view;
    if (job->output.shuffle == 1 && out->extent * 4 >= out->pitch * 3) {
        CK_NAME(fetch_piece)(&fetches, out->data + first * out->pitch, 64, pixels * out->pitch / 16);
    }
    int64_t steps = 0;
    for (int64_t lane = 0; lane < lanes; lane += 64) {
        steps += CK_NAME(product_tiles)(pixels, lanes - lane < 64 ? lanes - lane : 64);
    }
    CK_NAME(im2col)(job, matrix, block);
    const CK_NAME(matrix) rows = {matrix, depth, 16, 0};
    for (int64_t lane = 0; lane < lanes; lane += 64) {
        int64_t chunk = lanes - lane < 64 ? lanes - lane : 64;
        CK_NAME(product)(
            rows, job->weights + lane * depth, results + lane, lanes, depth, pixels, chunk, &fetches,
            fetches.lines / steps + 1);
    }
    CK_NAME(finish_block)(job, results, block);
}
