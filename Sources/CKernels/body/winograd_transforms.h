// Winograd's transforms along one dimension, on vectors of channels.
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

// MARK: Tiles cut off by the picture's end
//
// A tile of which only 2 or 4 results lie inside the picture needs as many points less: those that stay are the first ones
// and infinity. The weights are the whole tile's, which have been divided by a point's distances to all others, so the
// samples are multiplied by its distances to the points left out. (An odd number of results is computed as one more, see
// `ck_winograd_results`: the sides of videos are even.)

/// The points, among the tile's, that so many results need: `results + 2`.
CK_INLINE int CK_NAME(point)(int index, int results, const int tile) { return index <= results ? index : tile + 1; }

CK_INLINE int CK_NAME(uses_point)(int point, int results, const int tile) { return point <= results || point == tile + 1; }

/// `results + 2` samples, `stride` floats apart, to the operands of as many points, which go to their places among the tile's,
/// `to_stride` apart.
CK_INLINE void CK_NAME(forward_part)(
    const float *from, int64_t stride, float *to, int64_t to_stride, const int tile, const int results) {
    vf d[8], t[8];
    CK_UNROLL for (int i = 0; i < results + 2; i++) d[i] = vf_load(from + i * stride);
    if (results == tile) {
        CK_UNROLL for (int group = 0; group < (tile == 6 ? 3 : 2); group++) {
            vf some[3];
            CK_NAME(forward)(d, some, tile, group);
            CK_UNROLL for (int i = 0; i < CK_NAME(forward_count)(tile, group); i++) {
                t[CK_NAME(forward_result)(tile, group, i)] = some[i];
            }
        }
    } else if (results == 4) {
        // 0, 1, -1, 2, -2; without 1/2, -1/2.
        vf even = 0.75f * d[4] - 3.0f * d[2], odd = 0.75f * d[3] - 3.0f * d[1];
        t[0] = (1.25f * d[2] - d[0]) - 0.25f * d[4];
        t[1] = even + odd;
        t[2] = even - odd;
        even = 3.75f * (d[4] - d[2]), odd = 7.5f * (d[3] - d[1]);
        t[3] = even + odd;
        t[4] = even - odd;
        t[5] = (d[5] - 5.0f * d[3]) + 4.0f * d[1];
    } else if (tile == 6) {
        // 0, 1, -1; without 2, -2, 1/2, -1/2.
        t[0] = d[2] - d[0];
        t[1] = -2.25f * (d[2] + d[1]);
        t[2] = -2.25f * (d[2] - d[1]);
        t[3] = d[3] - d[1];
    } else {
        // 0, √½, -√½; without √2, -√2.
        t[0] = d[0] - 2.0f * d[2];
        t[1] = -1.5f * d[2] - 1.06066017f * d[1];
        t[2] = -1.5f * d[2] + 1.06066017f * d[1];
        t[3] = d[3] - 0.5f * d[1];
    }
    CK_UNROLL for (int i = 0; i < results + 2; i++) vf_store(to + CK_NAME(point)(i, results, tile) * to_stride, t[i]);
}

/// The products of `results + 2` points, from their places among the tile's, `stride` floats apart, to results.
CK_INLINE void CK_NAME(inverse_part)(const float *from, int64_t stride, vf *y, const int tile, const int results) {
    vf m[8];
    CK_UNROLL for (int i = 0; i < results + 2; i++) m[i] = vf_load(from + CK_NAME(point)(i, results, tile) * stride);
    if (results == tile) {
        CK_UNROLL for (int group = 0; group < 2; group++) {
            vf some[3];
            CK_NAME(inverse)(m, some, tile, group);
            CK_UNROLL for (int i = 0; i < tile / 2; i++) y[2 * i + group] = some[i];
        }
    } else if (results == 4) {
        vf s1 = m[1] + m[2], s2 = m[3] + m[4], d1 = m[1] - m[2], d2 = m[3] - m[4];
        y[0] = m[0] + (s1 + s2);
        y[1] = d1 + 2.0f * d2;
        y[2] = s1 + 4.0f * s2;
        y[3] = (d1 + m[5]) + 8.0f * d2;
    } else {
        y[0] = m[0] + (m[1] + m[2]);
        y[1] = (tile == 6 ? 1.0f : 0.70710678f) * (m[1] - m[2]) + m[3];
    }
}

/// A part's function, whose last parameters are the tile and the number of results, where they are known only now.
#define CK_PART(function, ...)                                                 \
    switch (tile * 8 + results) {                                              \
    case 4 * 8 + 2: return CK_NAME(function)(__VA_ARGS__, 4, 2);               \
    case 4 * 8 + 4: return CK_NAME(function)(__VA_ARGS__, 4, 4);               \
    case 6 * 8 + 2: return CK_NAME(function)(__VA_ARGS__, 6, 2);               \
    case 6 * 8 + 4: return CK_NAME(function)(__VA_ARGS__, 6, 4);               \
    case 6 * 8 + 6: return CK_NAME(function)(__VA_ARGS__, 6, 6);               \
    }

static void CK_NAME(forward_line)(
    const float *from, int64_t stride, float *to, int64_t to_stride, int tile, int results) {
    CK_PART(forward_part, from, stride, to, to_stride)
}

static void CK_NAME(inverse_line)(const float *from, int64_t stride, vf *y, int tile, int results) {
    CK_PART(inverse_part, from, stride, y)
}
