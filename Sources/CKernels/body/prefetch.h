// Fetching memory into the second-level cache while arithmetic leaves the memory idle.
//
// A block's pixels are short pieces of many rows, which processors do not foresee. They are listed once per block, and
// the product kernel fetches one line of the list per step: evenly, because a burst of fetches fills the processor's few
// miss buffers and then holds up its loads.

enum { CK_NAME(maximum_pieces) = 256 };

/// `lines` cache lines, `stride` bytes apart.
typedef struct {
    const char *start;
    int64_t stride, lines;
} CK_NAME(piece);

typedef struct {
    int count, current;
    /// All lines.
    int64_t lines;
    CK_NAME(piece) pieces[CK_NAME(maximum_pieces)];
} CK_NAME(fetch_list);

CK_INLINE void CK_NAME(fetch_clear)(CK_NAME(fetch_list) *list) {
    list->count = list->current = 0;
    list->lines = 0;
}

CK_INLINE void CK_NAME(fetch_piece)(CK_NAME(fetch_list) *list, const void *start, int64_t stride, int64_t lines) {
    if (list->count == CK_NAME(maximum_pieces)) return;
    list->pieces[list->count++] = (CK_NAME(piece)){start, stride, lines};
    list->lines += lines;
}

/// Adds channels `first ..< first + channels` of a rectangle, cut to the picture; forgets what exceeds the list.
static void CK_NAME(fetch_rectangle)(
    CK_NAME(fetch_list) *list, const ck_view *view, int64_t image, int64_t y0, int64_t y1, int64_t x0, int64_t x1,
    int64_t first, int64_t channels) {
    if (y0 < 0) y0 = 0;
    if (x0 < 0) x0 = 0;
    if (y1 > view->height) y1 = view->height;
    if (x1 > view->width) x1 = view->width;
    if (x0 >= x1) return;
    for (int64_t y = y0; y < y1; y++) {
        const float *start = view->data + ((image * view->height + y) * view->width + x0) * view->pitch + first;
        if (channels * 4 >= view->pitch * 3) {
            // (Nearly) everything: one run.
            CK_NAME(fetch_piece)(list, start, 64, ((x1 - x0) * view->pitch * 4 + 63) / 64);
        } else {
            for (int64_t c = 0; c < channels; c += 16) {
                CK_NAME(fetch_piece)(list, start + c, view->pitch * 4, x1 - x0);
            }
        }
    }
}

/// Takes up to `lines` lines off the list, all of one piece.
CK_INLINE CK_NAME(piece) CK_NAME(fetch_next)(CK_NAME(fetch_list) *list, int64_t lines) {
    if (list->current == list->count || lines <= 0) return (CK_NAME(piece)){NULL, 0, 0};
    CK_NAME(piece) *piece = &list->pieces[list->current];
    CK_NAME(piece) taken = *piece;
    if (taken.lines > lines) taken.lines = lines;
    piece->start += taken.lines * taken.stride;
    piece->lines -= taken.lines;
    if (piece->lines == 0) list->current++;
    return taken;
}
