// Convolution of a dense activation, and its adjoint in x (the transposed convolution), with weights packed as
// [groups, taps, depth, columns].
//
// Rows of the product are pixels of the target, columns its channels within a group, the depth is taps by source channels.
// The adjoint of a convolution with a stride is, for each of stride x stride phases of the target's pixels, a convolution
// with the taps that fall on g's pixels.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "tensor_tile.glsl"
#include "tensor_storage.glsl"

layout(constant_id = 8) const bool TRANSPOSED = false;
layout(constant_id = 9) const uint STRIDE = 1;
// Rows of zeros above.
layout(constant_id = 10) const uint PADDING_TOP = 1;
layout(constant_id = 11) const uint KERNEL_HEIGHT = 3;
layout(constant_id = 12) const uint KERNEL_WIDTH = 3;
layout(constant_id = 13) const uint SOURCE_HEIGHT = 1;
layout(constant_id = 14) const uint SOURCE_WIDTH = 1;
layout(constant_id = 15) const uint SOURCE_CHANNELS = 1;
layout(constant_id = 16) const uint TARGET_HEIGHT = 1;
layout(constant_id = 17) const uint TARGET_WIDTH = 1;
layout(constant_id = 18) const uint TARGET_CHANNELS = 1;
// The pixels that rows count: the target's, or those of one phase.
layout(constant_id = 19) const uint GRID_HEIGHT = 1;
layout(constant_id = 20) const uint GRID_WIDTH = 1;
// Source and target channels of a group.
layout(constant_id = 21) const uint GROUP_DEPTH = 1;
layout(constant_id = 22) const uint COLUMNS = 1;
layout(constant_id = 23) const bool HAS_BIAS = false;
// Whether quads of the source, of the weights and of the target are aligned.
layout(constant_id = 24) const bool LEFT_VECTOR = false;
layout(constant_id = 25) const bool RIGHT_VECTOR = false;
layout(constant_id = 26) const bool TARGET_VECTOR = false;
// Columns of zeros on the left.
layout(constant_id = 27) const uint PADDING_LEFT = 1;
// Pixels from tap to tap.
layout(constant_id = 28) const uint DILATION = 1;
// Distance between taps of one phase of the adjoint: in taps of the kernel, and in pixels of g.
layout(constant_id = 29) const uint TAP_STEP = 1;
layout(constant_id = 30) const uint TAP_SHIFT = 1;

const uvec2 PADDING = uvec2(PADDING_TOP, PADDING_LEFT);

layout(binding = 0, std430) readonly buffer Source { STORED(SOURCE_HALF) source[]; };
layout(binding = 0, std430) readonly buffer SourceQuads { STORED4(SOURCE_HALF) sourceQuads[]; };
layout(binding = 1, std430) readonly buffer Weights { float weights[]; };
layout(binding = 1, std430) readonly buffer WeightQuads { vec4 weightQuads[]; };
layout(binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(binding = 3, std430) writeonly buffer Target { STORED(TARGET_HALF) target[]; };
layout(binding = 3, std430) writeonly buffer TargetQuads { STORED4(TARGET_HALF) targetQuads[]; };

layout(push_constant) uniform Push
{
    uint workgroups;
    uint rowTiles;
    uint columnTiles;
    // Rows of the product: images by grid pixels.
    uint rows;
};

uint group;
// The phase, its first tap and its taps, and the pixel of g that its first pixel meets at the first tap.
uvec2 phase;
uvec2 firstTap;
uvec2 taps;
uvec2 base;

// The first tap that meets a pixel of g; as many as the stride where none does.
uint first(uint phase, uint padding)
{
    for (uint tap = 0u; tap < STRIDE; ++tap) {
        if ((phase + padding + (STRIDE - 1u) * DILATION * tap) % STRIDE == 0u) return tap;
    }
    return STRIDE;
}

// The element of a source channel under a row of the product, for tap `t` of the phase; 0xFFFFFFFF outside the picture.
uint sourceIndex(uint row, uint t, uint channel)
{
    uint n = row / (GRID_HEIGHT * GRID_WIDTH);
    uint pixel = row % (GRID_HEIGHT * GRID_WIDTH);
    uvec2 grid = uvec2(pixel / GRID_WIDTH, pixel % GRID_WIDTH);
    uvec2 tap = TRANSPOSED ? uvec2(t / taps.y, t % taps.y) : uvec2(t / KERNEL_WIDTH, t % KERNEL_WIDTH);
    // Outside above or left the subtraction wraps, which is outside below or right.
    uvec2 at = TRANSPOSED ? base + grid - tap * TAP_SHIFT : grid * STRIDE + tap * DILATION - PADDING;
    if (at.x >= SOURCE_HEIGHT || at.y >= SOURCE_WIDTH) return 0xFFFFFFFFu;
    return ((n * SOURCE_HEIGHT + at.x) * SOURCE_WIDTH + at.y) * SOURCE_CHANNELS + group * GROUP_DEPTH + channel;
}

vec4 leftQuad(uint row, uint k, uint end)
{
    vec4 v = vec4(0.0);
    if (row >= rows || k >= end) return v;
    if (LEFT_VECTOR) {
        uint at = sourceIndex(row, k / GROUP_DEPTH, k % GROUP_DEPTH);
        return at == 0xFFFFFFFFu ? v : vec4(sourceQuads[at / 4u]);
    }
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (k + i < end) {
            uint at = sourceIndex(row, (k + i) / GROUP_DEPTH, (k + i) % GROUP_DEPTH);
            if (at != 0xFFFFFFFFu) v[i] = float(source[at]);
        }
    }
    return v;
}

vec4 rightQuad(uint k, uint column, uint end)
{
    vec4 v = vec4(0.0);
    if (k >= end || column >= COLUMNS) return v;
    uint tap = k / GROUP_DEPTH;
    if (TRANSPOSED) {
        uvec2 at = firstTap + TAP_STEP * uvec2(tap / taps.y, tap % taps.y);
        tap = at.x * KERNEL_WIDTH + at.y;
    }
    uint at = ((group * KERNEL_HEIGHT * KERNEL_WIDTH + tap) * GROUP_DEPTH + k % GROUP_DEPTH) * COLUMNS + column;
    if (RIGHT_VECTOR) return weightQuads[at / 4u];
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (column + i < COLUMNS) v[i] = weights[at + i];
    }
    return v;
}

void finish(uint row, uint column, vec4 sum)
{
    uint n = row / (GRID_HEIGHT * GRID_WIDTH);
    uint pixel = row % (GRID_HEIGHT * GRID_WIDTH);
    uvec2 at = uvec2(pixel / GRID_WIDTH, pixel % GRID_WIDTH);
    if (TRANSPOSED) at = at * STRIDE + phase;
    if (row >= rows || column >= COLUMNS || at.x >= TARGET_HEIGHT || at.y >= TARGET_WIDTH) return;
    uint channel = group * COLUMNS + column;
    uint begin = ((n * TARGET_HEIGHT + at.x) * TARGET_WIDTH + at.y) * TARGET_CHANNELS + channel;
    if (TARGET_VECTOR) {
        if (HAS_BIAS) sum += vec4(bias[channel], bias[channel + 1u], bias[channel + 2u], bias[channel + 3u]);
        targetQuads[begin / 4u] = STORED4(TARGET_HALF)(sum);
        return;
    }
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (column + i < COLUMNS) target[begin + i] = STORED(TARGET_HALF)(HAS_BIAS ? sum[i] + bias[channel + i] : sum[i]);
    }
}

void main()
{
    uint w = workgroup();
    if (w >= workgroups) return;
    uint columnTile = w % columnTiles;
    uint rowTile = w / columnTiles % rowTiles;
    uint rest = w / (columnTiles * rowTiles);
    taps = uvec2(KERNEL_HEIGHT, KERNEL_WIDTH);
    if (TRANSPOSED) {
        phase = uvec2(rest % (STRIDE * STRIDE) / STRIDE, rest % STRIDE);
        rest /= STRIDE * STRIDE;
        firstTap = uvec2(first(phase.x, PADDING.x), first(phase.y, PADDING.y));
        // As many as there are from the first on; none where the kernel is smaller than that.
        taps = (taps + TAP_STEP - 1u - min(firstTap, taps + TAP_STEP - 1u)) / TAP_STEP;
        if (firstTap.x == STRIDE || firstTap.y == STRIDE) taps = uvec2(0u);
        // Above or left of the first pixel it wraps.
        base = uvec2((ivec2(phase + PADDING) - ivec2(firstTap * DILATION)) / int(STRIDE));
    }
    group = rest;
    multiplyTile(rowTile * TILE_ROWS, columnTile * TILE_COLUMNS, 0u, taps.x * taps.y * GROUP_DEPTH);
}
