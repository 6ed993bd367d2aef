// Operations that move or resample pixels or channels. One invocation a quad of the target.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "precision.glsl"
#include "views.glsl"

#define MOVE_SLICE 0u
#define MOVE_UPSAMPLE 1u
#define MOVE_SHUFFLE 2u
#define MOVE_UNSHUFFLE 3u
#define MOVE_CROP 4u
#define MOVE_PAD_ZERO 5u
#define MOVE_PAD_REFLECT 6u
#define MOVE_NEAREST 7u
#define MOVE_BILINEAR 8u
#define MOVE_BICUBIC 9u

layout(constant_id = 48) const uint MODE = 0;
// The first channel of a slice, the factor of an upsampling or shuffle, the top margin.
layout(constant_id = 49) const uint P0 = 0;
// The left margin.
layout(constant_id = 50) const uint P1 = 0;

// One logical channel of the source.
float channel(uint n, uint y, uint x, uint c) { return loadSource(n, y, x, c / 4u)[c % 4u]; }

// Logical channels c, c + step, c + 2 step, c + 3 step; those past the target's are 0.
vec4 gather(uint n, uint y, uint x, uint c, uint step, uint left)
{
    if (step == 1u && c % 4u == 0u) return loadSource(n, y, x, c / 4u);
    vec4 v = vec4(0.0);
    for (uint i = 0u; i < min(left, 4u); ++i) v[i] = channel(n, y, x, c + i * step);
    return v;
}

// Mirrors a coordinate into 0..<size without repeating the edge sample, as often as it takes.
int reflected(int at, int size)
{
    if (size == 1) return 0;
    int period = 2 * (size - 1);
    at = at - period * int(floor(float(at) / float(period)));
    // The division is inexact far out: bring what is one period off back.
    if (at < 0) at += period;
    if (at >= period) at -= period;
    return at < size ? at : period - at;
}

// (target + 0.5) * in / out - 0.5 as whole part and fraction, exactly: in units of 1 / (2 out).
void centre(uint at, uint from, uint to, out int whole, out float fraction)
{
    int numerator = int((2u * at + 1u) * from) - int(to);
    int denominator = 2 * int(to);
    whole = numerator >= 0 ? numerator / denominator : -1;
    fraction = float(numerator - whole * denominator) / float(denominator);
}

// Keys' cubic with a = -0.75: weights of the samples at -1, 0, 1 and 2.
vec4 cubic(float t)
{
    const float a = -0.75;
    float s = 1.0 - t;
    float u = t + 1.0;
    float w = s + 1.0;
    return vec4(
        ((a * u - 5.0 * a) * u + 8.0 * a) * u - 4.0 * a, ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        ((a + 2.0) * s - (a + 3.0)) * s * s + 1.0, ((a * w - 5.0 * a) * w + 8.0 * a) * w - 4.0 * a);
}

vec4 resampled(uint n, uint y, uint x, uint c)
{
    int y0, x0;
    float fy, fx;
    centre(y, source.height, target.height, y0, fy);
    centre(x, source.width, target.width, x0, fx);
    bool isCubic = MODE == MOVE_BICUBIC;
    vec4 wy = isCubic ? cubic(fy) : vec4(0.0, 1.0 - fy, fy, 0.0);
    vec4 wx = isCubic ? cubic(fx) : vec4(0.0, 1.0 - fx, fx, 0.0);
    int first = isCubic ? 0 : 1;
    int last = isCubic ? 3 : 2;
    vec4 sum = vec4(0.0);
    for (int j = first; j <= last; ++j) {
        uint sy = uint(clamp(y0 + j - 1, 0, int(source.height) - 1));
        vec4 row = vec4(0.0);
        for (int i = first; i <= last; ++i) {
            uint sx = uint(clamp(x0 + i - 1, 0, int(source.width) - 1));
            row += wx[i] * loadSource(n, sy, sx, c);
        }
        sum += wy[j] * row;
    }
    return sum;
}

vec4 moved(uint n, uint y, uint x, uint c)
{
    uint left = TARGET_CHANNELS - min(c * 4u, TARGET_CHANNELS);
    if (MODE == MOVE_SLICE) return gather(n, y, x, c * 4u + P0, 1u, left);
    if (MODE == MOVE_UPSAMPLE) return loadSource(n, y / P0, x / P0, c);
    if (MODE == MOVE_SHUFFLE) {
        uint area = P0 * P0;
        return gather(n, y / P0, x / P0, c * 4u * area + (y % P0) * P0 + x % P0, area, left);
    }
    if (MODE == MOVE_UNSHUFFLE) {
        vec4 v = vec4(0.0);
        for (uint i = 0u; i < min(left, 4u); ++i) {
            uint to = c * 4u + i;
            uint place = to % (P0 * P0);
            v[i] = channel(n, y * P0 + place / P0, x * P0 + place % P0, to / (P0 * P0));
        }
        return v;
    }
    if (MODE == MOVE_CROP) return loadSource(n, y + P0, x + P1, c);
    if (MODE == MOVE_PAD_ZERO) {
        // Above and left of the picture the subtraction wraps, which is outside as well.
        uint sy = y - P0;
        uint sx = x - P1;
        return sy < source.height && sx < source.width ? loadSource(n, sy, sx, c) : vec4(0.0);
    }
    if (MODE == MOVE_PAD_REFLECT) {
        int sy = reflected(int(y) - int(P0), int(source.height));
        int sx = reflected(int(x) - int(P1), int(source.width));
        return loadSource(n, uint(sy), uint(sx), c);
    }
    if (MODE == MOVE_NEAREST) {
        return loadSource(n, y * source.height / target.height, x * source.width / target.width, c);
    }
    return resampled(n, y, x, c);
}

void main()
{
    uint x = gl_GlobalInvocationID.x / TARGET_QUADS;
    uint c = gl_GlobalInvocationID.x % TARGET_QUADS;
    uint y = rowBegin + gl_WorkGroupID.y;
    uint n = image + gl_WorkGroupID.z;
    if (x >= target.width) return;
    storeTarget(n, y, x, c, moved(n, y, x, c));
}
