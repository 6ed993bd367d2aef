// The end of every step: bias, stages, pixel shuffle and the write, on results that are still in registers.

enum { CK_RUN = 8 };

/// Where lanes `lane ..< lane + CK_WIDTH` of result pixels (y, x...) of one image lie in an activation of the output's
/// size, `upsampling` times coarser.
typedef struct {
    const ck_view *view;
    int64_t image, y, x;
    int32_t shuffle, group, upsampling;
} CK_NAME(place);

/// The address of the four or more lanes from `lane` on at result pixel x + i; NULL past the last sub-pixel.
CK_INLINE float *CK_NAME(address)(const CK_NAME(place) *p, int lane, int i) {
    const ck_view *v = p->view;
    int64_t y = p->y, x = p->x + i, channel = lane;
    if (p->shuffle > 1 || lane >= p->group) {
        int sub = lane / p->group;
        if (sub >= p->shuffle * p->shuffle) return NULL;
        channel = lane - sub * p->group;
        y = y * p->shuffle + sub / p->shuffle;
        x = x * p->shuffle + sub % p->shuffle;
    }
    if (p->upsampling > 1) {
        y = (int32_t)y / p->upsampling;
        x = (int32_t)x / p->upsampling;
    }
    return v->data + ((p->image * v->height + y) * v->width + x) * v->pitch + channel;
}

/// Loads an operand's lanes for `n` pixels.
CK_INLINE void CK_NAME(operand)(const CK_NAME(place) *p, int lane, vf *v, int n) {
    if (p->group % CK_WIDTH == 0) {
        const float *base = CK_NAME(address)(p, lane, 0);
        if (p->upsampling == 1 || p->upsampling == p->shuffle) {
            // The same sub-pixel of neighbouring results: a constant distance.
            int64_t stride = p->view->pitch * (p->upsampling == 1 ? p->shuffle : 1);
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_load(base + i * stride);
        } else {
            for (int i = 0; i < n; i++) v[i] = vf_load(CK_NAME(address)(p, lane, i));
        }
        return;
    }
    if (p->shuffle % (CK_WIDTH / 4) == 0) {
        // A vector is a run of sub-pixels of one row.
        const float *base = CK_NAME(address)(p, lane, 0);
        if (p->upsampling == p->shuffle) {
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_repeat(v4_load(base + i * p->view->pitch));
            return;
        }
        if (p->upsampling == 2 && p->shuffle % 2 == 0 && p->view->pitch == 4) {
            // Every pixel twice.
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_load_twice(base + i * (p->shuffle / 2) * 4);
            return;
        }
        if (p->upsampling == 1 && p->view->pitch == 4) {
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_load(base + i * p->shuffle * 4);
            return;
        }
    }
#if CK_WIDTH == 16
    if (p->shuffle == 2 && p->view->pitch == 4 && p->upsampling <= 2) {
        // A vector is all four sub-pixels: two of each of two rows.
        const float *base = CK_NAME(address)(p, lane, 0);
        if (p->upsampling == 2) {
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_repeat(v4_load(base + i * 4));
        } else {
            const int64_t row = p->view->width * 4;
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_join(v8_load(base + i * 8), v8_load(base + i * 8 + row));
        }
        return;
    }
#endif
    float lanes[CK_RUN * CK_WIDTH];
    for (int i = 0; i < n; i++) {
        for (int quarter = 0; quarter < CK_WIDTH; quarter += 4) {
            const float *from = CK_NAME(address)(p, lane + quarter, i);
            v4_store(lanes + i * CK_WIDTH + quarter, from ? v4_load(from) : (v4)0.0f);
        }
    }
    CK_UNROLL for (int i = 0; i < n; i++) v[i] = vf_load(lanes + i * CK_WIDTH);
}

/// Writes lanes for `n` pixels.
CK_INLINE void CK_NAME(write)(const CK_NAME(place) *p, int lane, const vf *v, int n) {
    if (p->group % CK_WIDTH == 0) {
        float *base = CK_NAME(address)(p, lane, 0);
        int64_t stride = p->view->pitch * p->shuffle;
        CK_UNROLL for (int i = 0; i < n; i++) vf_store(base + i * stride, v[i]);
        return;
    }
    if (p->shuffle % (CK_WIDTH / 4) == 0 && p->view->pitch == 4) {
        // A vector is a run of sub-pixels of one row, and those lie side by side.
        float *base = CK_NAME(address)(p, lane, 0);
        CK_UNROLL for (int i = 0; i < n; i++) vf_store(base + i * p->shuffle * 4, v[i]);
        return;
    }
#if CK_WIDTH == 16
    if (p->shuffle == 2 && p->view->pitch == 4) {
        float *base = CK_NAME(address)(p, lane, 0);
        const int64_t row = p->view->width * 4;
        CK_UNROLL for (int i = 0; i < n; i++) {
            v8_store(base + i * 8, vf_low(v[i]));
            v8_store(base + i * 8 + row, vf_high(v[i]));
        }
        return;
    }
#endif
    float lanes[CK_RUN * CK_WIDTH];
    CK_UNROLL for (int i = 0; i < n; i++) vf_store(lanes + i * CK_WIDTH, v[i]);
    for (int i = 0; i < n; i++) {
        for (int quarter = 0; quarter < CK_WIDTH; quarter += 4) {
            float *to = CK_NAME(address)(p, lane + quarter, i);
            if (to) v4_store(to, v4_load(lanes + i * CK_WIDTH + quarter));
        }
    }
}

// Nothing is guarded here: what is not a number is told of when the frame has left the network.
#define CK_KEEP_NAN(x, v) (v)
#include "pointwise.h"

/// The functions that are long: a real loop, so that their text is there once.
static __attribute__((noinline)) void CK_NAME(apply_long)(vf *v, int n, const ck_stage *s) {
    const vf a = vf_all(s->a), b = vf_all(s->b), c = vf_all(s->c);
#define CK_CASE(CODE, name) \
    case CODE: \
        for (int i = 0; i < n; i++) v[i] = CK_NAME(name)(v[i], a, b, c); \
        break;
    switch (s->function) {
        CK_LONG_FUNCTIONS(CK_CASE)
    default: break;
    }
#undef CK_CASE
}

/// A function of two operands, of results and numbers that are in registers too; or what a stage without a function does.
CK_INLINE void CK_NAME(apply_binary)(vf *v, const vf *w, int n, const ck_stage *s) {
    const vf none = vf_all(0);
#define CK_CASE(CODE, name) \
    case CODE: \
        CK_UNROLL for (int i = 0; i < n; i++) v[i] = CK_NAME(name)(v[i], w[i], none, none, none); \
        break;
    switch (s->function) {
        CK_BINARY_FUNCTIONS(CK_CASE)
    default:
        if (s->source == CK_VECTOR) {
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = w[i] == 0 ? none : v[i];
        } else {
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = w[i];
        }
    }
#undef CK_CASE
}

/// A function of one operand that takes a few instructions.
CK_INLINE bool CK_NAME(apply_short)(vf *v, int n, const ck_stage *s) {
    const vf a = vf_all(s->a), b = vf_all(s->b), c = vf_all(s->c);
#define CK_CASE(CODE, name) \
    case CODE: \
        CK_UNROLL for (int i = 0; i < n; i++) v[i] = CK_NAME(name)(v[i], a, b, c); \
        return true;
    switch (s->function) {
        CK_SHORT_FUNCTIONS(CK_CASE)
    default: return false;
    }
#undef CK_CASE
}

/// Stages that use several registers, on results that lie in memory.
static __attribute__((noinline)) void CK_NAME(run_stages)(
    const ck_output *o, vf *v, int n, int64_t image, int64_t y, int64_t x, int lane) {
    vf registers[ck_registers][CK_RUN], w[CK_RUN], u[CK_RUN];
    for (int i = 0; i < n; i++) registers[0][i] = v[i];
    for (int index = 0; index < o->stage_count; index++) {
        const ck_stage *s = &o->stages[index];
        for (int i = 0; i < n; i++) u[i] = registers[s->left][i];
        if (s->source == CK_NOTHING) {
            if (!CK_NAME(apply_short)(u, n, s)) CK_NAME(apply_long)(u, n, s);
        } else {
            if (s->source == CK_OPERAND) {
                CK_NAME(place) from = {&s->operand, image, y, x, o->shuffle, o->group, s->upsampling};
                CK_NAME(operand)(&from, lane, w, n);
            }
            for (int i = 0; i < n; i++) {
                if (s->source == CK_VECTOR) w[i] = vf_load(s->vector + lane);
                if (s->source == CK_REGISTER) w[i] = registers[s->right][i];
            }
            CK_NAME(apply_binary)(u, w, n, s);
        }
        for (int i = 0; i < n; i++) registers[s->target][i] = u[i];
    }
    for (int i = 0; i < n; i++) v[i] = registers[0][i];
}

/// Ends the results `v[0 ..< n]` of pixels (y, x ..< x + n), lanes from `lane` on. `n` is a constant where speed matters.
CK_INLINE void CK_NAME(finish)(
    const ck_output *o, vf *v, int n, int64_t image, int64_t y, int64_t x, int lane) {
    if (lane >= o->group * o->shuffle * o->shuffle) return;
    if (o->bias) {
        vf bias = vf_load(o->bias + lane);
        CK_UNROLL for (int i = 0; i < n; i++) v[i] += bias;
    }
    CK_NAME(place) place = {&o->view, image, y, x, o->shuffle, o->group, 1};
    if (o->uses_registers) {
        // Over a copy, so that `v` itself stays in registers.
        vf w[CK_RUN];
        CK_UNROLL for (int i = 0; i < n; i++) w[i] = v[i];
        CK_NAME(run_stages)(o, w, n, image, y, x, lane);
        CK_UNROLL for (int i = 0; i < n; i++) v[i] = w[i];
        CK_NAME(write)(&place, lane, v, n);
        return;
    }
    for (int index = 0; index < o->stage_count; index++) {
        const ck_stage *s = &o->stages[index];
        if (s->source == CK_NOTHING) {
            if (CK_NAME(apply_short)(v, n, s)) continue;
            vf w[CK_RUN];
            CK_UNROLL for (int i = 0; i < n; i++) w[i] = v[i];
            CK_NAME(apply_long)(w, n, s);
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = w[i];
            continue;
        }
        vf w[CK_RUN];
        if (s->source == CK_VECTOR) {
            const vf vector = vf_load(s->vector + lane);
            CK_UNROLL for (int i = 0; i < n; i++) w[i] = vector;
        } else {
            CK_NAME(place) from = {&s->operand, image, y, x, o->shuffle, o->group, s->upsampling};
            CK_NAME(operand)(&from, lane, w, n);
        }
        CK_NAME(apply_binary)(v, w, n, s);
    }
    CK_NAME(write)(&place, lane, v, n);
}

/// The ends that most convolutions have: bias, one activation without an exponential, up to two residuals, and the write
/// to pixels of the results' own grid, or by a pixel shuffle to pictures whose sub-pixels of one row fill vectors. Taken apart
/// once a block, because `finish` weighs as much as the arithmetic before it.
typedef struct {
    const ck_output *output;
    int is_plain;
    /// Lane l goes to the sub-pixels' row `l >> shift`, `l & mask` floats from its start.
    int shift, mask;
    /// One number for all lanes, or one a lane; neither for no activation.
    int has_slope;
    float slope;
    const float *slopes;
    int residuals;
    struct {
        /// Of what is added to.
        float scale;
        /// Every pixel of the operand is for all sub-pixels of a result.
        int is_coarse;
        const ck_view *operand;
    } residual[2];
} CK_NAME(plain);

static CK_NAME(plain) CK_NAME(plain_of)(const ck_output *o) {
    CK_NAME(plain) p = {.output = o, .shift = 31, .mask = -1};
    const int shuffle = o->shuffle;
    if (shuffle > 1) {
        const int lanes = shuffle * 4;
        if (o->group != 4 || o->view.pitch != 4 || lanes % CK_WIDTH != 0 || (lanes & (lanes - 1)) != 0) return p;
        p.shift = __builtin_ctz((unsigned)lanes);
        p.mask = lanes - 1;
    } else if (o->group % CK_WIDTH != 0) {
        return p;
    }
    if (o->uses_registers) return p;
    int index = 0;
    if (index < o->stage_count && o->stages[index].function == CK_LEAKY_RELU) {
        p.has_slope = 1;
        p.slope = o->stages[index++].a;
    } else if (index < o->stage_count && o->stages[index].function == CK_PRELU && o->stages[index].source == CK_VECTOR) {
        p.slopes = o->stages[index++].vector;
    }
    while (index < o->stage_count && p.residuals < 2) {
        float scale = 1;
        if (o->stages[index].function == CK_AFFINE && o->stages[index].b == 0) scale = o->stages[index++].a;
        if (index == o->stage_count || o->stages[index].function != CK_ADD ||
            o->stages[index].source != CK_OPERAND)
            return p;
        const ck_stage *add = &o->stages[index++];
        const int is_coarse = shuffle > 1 && add->upsampling == shuffle;
        if (!is_coarse && add->upsampling != 1) return p;
        if (shuffle > 1 && add->operand.pitch != 4) return p;
        p.residual[p.residuals].scale = scale;
        p.residual[p.residuals].is_coarse = is_coarse;
        p.residual[p.residuals++].operand = &add->operand;
    }
    p.is_plain = index == o->stage_count;
    return p;
}

/// `finish` for plain ends.
CK_INLINE void CK_NAME(finish_plain)(
    const CK_NAME(plain) *p, vf *v, int n, int64_t image, int64_t y, int64_t x, int lane) {
    const ck_output *o = p->output;
    const int shuffle = o->shuffle, row = lane >> p->shift, within = lane & p->mask;
    if (shuffle == 1 ? lane >= o->group : row >= shuffle) return;
    // The pixel of the output, whose pitch a result's pixels lie `shuffle` times apart.
    const int64_t pixel = ((image * o->view.height + y * shuffle + row) * o->view.width) + x * shuffle;
    if (o->bias) {
        vf bias = vf_load(o->bias + lane);
        CK_UNROLL for (int i = 0; i < n; i++) v[i] += bias;
    }
    if (p->has_slope || p->slopes) {
        vf slope = p->slopes ? vf_load(p->slopes + lane) : vf_all(p->slope);
        CK_UNROLL for (int i = 0; i < n; i++) v[i] = v[i] < 0 ? v[i] * slope : v[i];
    }
    for (int r = 0; r < p->residuals; r++) {
        const ck_view *operand = p->residual[r].operand;
        const vf scale = vf_all(p->residual[r].scale);
        if (p->residual[r].is_coarse) {
            const float *from = operand->data + ((image * operand->height + y) * operand->width + x) * 4;
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = v[i] * scale + vf_repeat(v4_load(from + i * 4));
        } else {
            const float *from = operand->data + pixel * operand->pitch + within;
            const int64_t stride = shuffle * operand->pitch;
            CK_UNROLL for (int i = 0; i < n; i++) v[i] = v[i] * scale + vf_load(from + i * stride);
        }
    }
    float *to = o->view.data + pixel * o->view.pitch + within;
    const int64_t stride = shuffle * o->view.pitch;
    CK_UNROLL for (int i = 0; i < n; i++) vf_store(to + i * stride, v[i]);
}

/// Ends a row of results that lie in memory, `stride` floats a pixel.
CK_INLINE void CK_NAME(finish_row)(
    const CK_NAME(plain) *plain, const float *results, int64_t stride, int64_t image, int64_t y, int64_t x,
    int64_t count) {
    const ck_output *o = plain->output;
    for (int64_t done = 0; done < count; done += CK_RUN) {
        int n = count - done < CK_RUN ? (int)(count - done) : CK_RUN;
        for (int lane = 0; lane < o->lanes; lane += CK_WIDTH) {
            vf v[CK_RUN];
            const float *from = results + done * stride + lane;
            if (n == CK_RUN && plain->is_plain) {
                CK_UNROLL for (int i = 0; i < CK_RUN; i++) v[i] = vf_load(from + i * stride);
                CK_NAME(finish_plain)(plain, v, CK_RUN, image, y, x + done, lane);
            } else if (n == CK_RUN) {
                CK_UNROLL for (int i = 0; i < CK_RUN; i++) v[i] = vf_load(from + i * stride);
                CK_NAME(finish)(o, v, CK_RUN, image, y, x + done, lane);
            } else {
                for (int i = 0; i < n; i++) v[i] = vf_load(from + i * stride);
                if (plain->is_plain) {
                    CK_NAME(finish_plain)(plain, v, n, image, y, x + done, lane);
                } else {
                    CK_NAME(finish)(o, v, n, image, y, x + done, lane);
                }
            }
        }
    }
}
