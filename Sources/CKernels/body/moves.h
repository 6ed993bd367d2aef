// Steps that move, resample or only transform pointwise: a few rows a block.


/// The flattened rows `[batch * height]` of block `block`.
#define CK_FOR_ROWS(block, rows_per_block, view)                                                       \
    for (int64_t flat = (block) * (rows_per_block),                                                    \
                 end = flat + (rows_per_block) < (view).batch * (view).height ? flat + (rows_per_block) \
                                                                              : (view).batch * (view).height; \
         flat < end; flat++)

CK_INLINE float *CK_NAME(row_of)(const ck_view *v, int64_t image, int64_t y) {
    return v->data + (image * v->height + y) * v->width * v->pitch;
}

/// `count` floats, a multiple of 4, from one pixel to another.
CK_INLINE void CK_NAME(copy_pixel)(float *to, const float *from, int64_t count) {
    int64_t c = 0;
    for (; c + CK_WIDTH <= count; c += CK_WIDTH) vf_store(to + c, vf_load(from + c));
    for (; c < count; c += 4) v4_store(to + c, v4_load(from + c));
}

/// The lanes of one pixel from another that has `lanes` of them; what the target has beyond is zero. Never reads past them:
/// behind the last pixel there may be anything.
CK_INLINE void CK_NAME(copy_lanes)(float *to, const float *from, int32_t lanes, int32_t extent) {
    const int32_t whole = lanes & ~3;
    CK_NAME(copy_pixel)(to, from, whole);
    for (int32_t c = whole; c < lanes; c++) to[c] = from[c];
    for (int32_t c = lanes; c < extent; c++) to[c] = 0;
}

static void CK_NAME(map)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_map_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *in = &job->input;
    const CK_NAME(plain) plain = CK_NAME(plain_of)(&job->output);
    CK_FOR_ROWS(block, job->rows, *in) {
        int64_t image = flat / in->height, y = flat % in->height;
        CK_NAME(finish_row)(&plain, CK_NAME(row_of)(in, image, y), in->pitch, image, y, 0, in->width);
    }
}

static void CK_NAME(gather)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_gather_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *in = &job->input, *out = &job->output;
    const int32_t lanes = in->extent < out->extent ? in->extent : out->extent;
    const bool isWhole = lanes == out->extent;
    CK_FOR_ROWS(block, job->rows, *out) {
        int64_t image = flat / out->height, y = flat % out->height;
        float *to = CK_NAME(row_of)(out, image, y);
        int32_t source = job->row_index[y];
        const float *from = source < 0 ? NULL : CK_NAME(row_of)(in, image, source);
        for (int64_t x = 0; x < out->width; x++, to += out->pitch) {
            int32_t column = job->column_index[x];
            if (from && column >= 0) {
                if (isWhole) CK_NAME(copy_pixel)(to, from + column * in->pitch, out->extent);
                else CK_NAME(copy_lanes)(to, from + column * in->pitch, lanes, out->extent);
            } else {
                memset(to, 0, (size_t)out->extent * sizeof(float));
            }
        }
    }
}

/// The columns of one row of a picture, whose pixels are one vector of four.
CK_INLINE void CK_NAME(resize_row)(const ck_resize_job *job, const float *mixed, float *to, const int taps) {
    const int32_t *columns = job->column_index;
    const float *weights = job->column_weight;
    const int64_t from = job->input.pitch, pitch = job->output.pitch;
    for (int64_t x = 0; x < job->output.width; x++, to += pitch, columns += taps, weights += taps) {
        v4 sum = v4_load(mixed + columns[0] * from) * weights[0];
        CK_UNROLL for (int t = 1; t < taps; t++) sum += v4_load(mixed + columns[t] * from) * weights[t];
        v4_store(to, sum);
    }
}

static void CK_NAME(resize)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_resize_job *job = argument;
    const ck_view *in = &job->input, *out = &job->output;
    const int taps = job->taps;
    const int64_t length = in->width * in->pitch;
    // Rows first, into one row of the input's width; then columns.
    float *mixed = scratch;
    CK_FOR_ROWS(block, job->rows, *out) {
        int64_t image = flat / out->height, y = flat % out->height;
        const int32_t *rows = job->row_index + y * taps;
        const float *w = job->row_weight + y * taps;
        const float *r0 = CK_NAME(row_of)(in, image, rows[0]), *r1 = CK_NAME(row_of)(in, image, rows[1]);
        const float *r2 = CK_NAME(row_of)(in, image, rows[taps - 2]), *r3 = CK_NAME(row_of)(in, image, rows[taps - 1]);
        vf w0 = vf_all(w[0]), w1 = vf_all(w[1]), w2 = vf_all(w[taps - 2]), w3 = vf_all(w[taps - 1]);
        // The last vector reads past the row, as every view may be, and writes past it into scratch's slack.
        if (taps == 4) {
            for (int64_t i = 0; i < length; i += CK_WIDTH) {
                vf sum = vf_load(r0 + i) * w0 + vf_load(r1 + i) * w1;
                vf_store(mixed + i, sum + (vf_load(r2 + i) * w2 + vf_load(r3 + i) * w3));
            }
        } else {
            for (int64_t i = 0; i < length; i += CK_WIDTH) {
                vf_store(mixed + i, vf_load(r0 + i) * w0 + vf_load(r1 + i) * w1);
            }
        }
        float *to = CK_NAME(row_of)(out, image, y);
        if (out->extent == 4 && taps == 2) {
            CK_NAME(resize_row)(job, mixed, to, 2);
        } else if (out->extent == 4) {
            CK_NAME(resize_row)(job, mixed, to, 4);
        } else {
            for (int64_t x = 0; x < out->width; x++, to += out->pitch) {
                const int32_t *columns = job->column_index + x * taps;
                const float *weights = job->column_weight + x * taps;
                for (int64_t c = 0; c < out->extent; c += 4) {
                    v4 sum = (v4)0.0f;
                    for (int t = 0; c < in->extent && t < taps; t++) sum += v4_load(mixed + columns[t] * in->pitch + c) * weights[t];
                    v4_store(to + c, sum);
                }
            }
        }
    }
}

static void CK_NAME(shuffle)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_shuffle_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *in = &job->input, *out = &job->output;
    const int32_t r = job->factor;
    CK_FOR_ROWS(block, job->rows, *out) {
        int64_t image = flat / out->height, y = flat % out->height;
        const float *row = CK_NAME(row_of)(in, image, y / r) + y % r * r;
        float *to = CK_NAME(row_of)(out, image, y);
        for (int64_t x = 0; x < out->width; x++, to += out->pitch) {
            const float *from = row + x / r * in->pitch + x % r;
            for (int32_t c = 0; c < out->channels; c++) to[c] = from[c * r * r];
            for (int32_t c = out->channels; c < out->extent; c++) to[c] = 0;
        }
    }
}

/// Two by two pixels of a picture of up to four channels: what were pixels become channels.
CK_INLINE void CK_NAME(unshuffle_pixel)(const float *upper, const float *lower, int32_t channels, float *to) {
    v4 a = v4_load(upper), b = v4_load(upper + 4), c = v4_load(lower), d = v4_load(lower + 4);
    v4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    v4_store(to, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
    if (channels > 1) v4_store(to + 4, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
    ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    if (channels > 2) v4_store(to + 8, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
    if (channels > 3) v4_store(to + 12, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
}

static void CK_NAME(unshuffle)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_shuffle_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *in = &job->input, *out = &job->output;
    const int32_t r = job->factor;
    CK_FOR_ROWS(block, job->rows, *out) {
        int64_t image = flat / out->height, y = flat % out->height;
        float *to = CK_NAME(row_of)(out, image, y);
        const int is_picture = r == 2 && in->pitch == 4;
        for (int64_t x = 0; x < out->width; x++, to += out->pitch) {
            if (is_picture) {
                const float *from = CK_NAME(row_of)(in, image, y * 2) + x * 8;
                CK_NAME(unshuffle_pixel)(from, from + in->width * 4, in->channels, to);
            }
            for (int32_t dy = 0; dy < r && !is_picture; dy++) {
                const float *from = CK_NAME(row_of)(in, image, y * r + dy) + x * r * in->pitch;
                for (int32_t dx = 0; dx < r; dx++) {
                    for (int32_t c = 0; c < in->channels; c++) {
                        to[(c * r + dy) * r + dx] = from[dx * in->pitch + c];
                    }
                }
            }
            for (int32_t c = out->channels; c < out->extent; c++) to[c] = 0;
        }
    }
}

// MARK: The caller's tensors

static void CK_NAME(upload)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_transfer_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *view = &job->view;
    const int32_t channels = view->channels;
    CK_FOR_ROWS(block, job->rows, *view) {
        const float *from = job->dense + flat * view->width * job->dense_channels;
        float *to = view->data + flat * view->width * view->pitch;
        if (channels == 3 && view->extent == 4) {
            for (int64_t x = 0; x < view->width; x++) {
                v4_store(to, (v4){from[0], from[1], from[2], 0});
                from += job->dense_channels;
                to += view->pitch;
            }
            continue;
        }
        for (int64_t x = 0; x < view->width; x++) {
            memcpy(to, from, (size_t)channels * sizeof(float));
            memset(to + channels, 0, (size_t)(view->extent - channels) * sizeof(float));
            from += job->dense_channels;
            to += view->pitch;
        }
    }
}

static void CK_NAME(download)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_transfer_job *job = argument;
    (void)scratch, (void)next;
    const ck_view *view = &job->view;
    CK_FOR_ROWS(block, job->rows, *view) {
        float *to = job->dense + flat * view->width * job->dense_channels;
        const float *from = view->data + flat * view->width * view->pitch;
        int64_t x = 0;
        if (view->channels == 3 && job->dense_channels == 3 && view->pitch == 4) {
            for (; x + 4 <= view->width; x += 4, from += 16, to += 12) {
                v4 a = v4_load(from), b = v4_load(from + 4), c = v4_load(from + 8), d = v4_load(from + 12);
                v4_store(to, __builtin_shufflevector(a, b, 0, 1, 2, 4));
                v4_store(to + 4, __builtin_shufflevector(b, c, 1, 2, 4, 5));
                v4_store(to + 8, __builtin_shufflevector(c, d, 2, 4, 5, 6));
            }
        }
        for (; x < view->width; x++, from += view->pitch, to += job->dense_channels) {
            memcpy(to, from, (size_t)view->channels * sizeof(float));
        }
    }
}
