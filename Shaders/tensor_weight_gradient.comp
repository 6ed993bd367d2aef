// The adjoint of convolution in the weight. Rows of the product are taps by input channels, columns output channels, and
// the depth is all pixels of all images: it is cut into parts, so that there is work for the whole device; each part writes
// its own sums, which a later kernel adds up in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "tensor_tile.glsl"
#include "tensor_storage.glsl"

layout(constant_id = 8) const uint STRIDE = 1;
// Rows of zeros above.
layout(constant_id = 9) const uint PADDING_TOP = 1;
layout(constant_id = 10) const uint KERNEL_HEIGHT = 3;
layout(constant_id = 11) const uint KERNEL_WIDTH = 3;
layout(constant_id = 12) const uint INPUT_HEIGHT = 1;
layout(constant_id = 13) const uint INPUT_WIDTH = 1;
layout(constant_id = 14) const uint INPUT_CHANNELS = 1;
// The shape of g.
layout(constant_id = 15) const uint HEIGHT = 1;
layout(constant_id = 16) const uint WIDTH = 1;
layout(constant_id = 17) const uint CHANNELS = 1;
layout(constant_id = 18) const uint GROUP_INPUTS = 1;
layout(constant_id = 19) const uint GROUP_OUTPUTS = 1;
// Whether quads of x and of g are aligned.
layout(constant_id = 20) const bool LEFT_VECTOR = false;
layout(constant_id = 21) const bool RIGHT_VECTOR = false;
// Columns of zeros on the left.
layout(constant_id = 22) const uint PADDING_LEFT = 1;
// Pixels from tap to tap.
layout(constant_id = 23) const uint DILATION = 1;

layout(binding = 0, std430) readonly buffer Input { STORED(INPUT_HALF) x[]; };
layout(binding = 0, std430) readonly buffer InputQuads { STORED4(INPUT_HALF) xQuads[]; };
layout(binding = 1, std430) readonly buffer Gradient { STORED(GRADIENT_HALF) g[]; };
layout(binding = 1, std430) readonly buffer GradientQuads { STORED4(GRADIENT_HALF) gQuads[]; };
// [parts, O, I/groups, kH, kW]
layout(binding = 2, std430) writeonly buffer Target { float target[]; };

layout(push_constant) uniform Push
{
    uint workgroups;
    uint rowTiles;
    uint columnTiles;
    uint parts;
    uint pixels;
    uint pixelsPerPart;
};

const uint TAPS = KERNEL_HEIGHT * KERNEL_WIDTH;

uint group;
uint part;

// The element of x under pixel `k` of g, for a row of the product; 0xFFFFFFFF outside the picture.
uint inputIndex(uint row, uint k)
{
    uint tap = row / GROUP_INPUTS;
    uint pixel = k % (HEIGHT * WIDTH);
    uint y = pixel / WIDTH * STRIDE + tap / KERNEL_WIDTH * DILATION - PADDING_TOP;
    uint z = pixel % WIDTH * STRIDE + tap % KERNEL_WIDTH * DILATION - PADDING_LEFT;
    if (y >= INPUT_HEIGHT || z >= INPUT_WIDTH) return 0xFFFFFFFFu;
    return ((k / (HEIGHT * WIDTH) * INPUT_HEIGHT + y) * INPUT_WIDTH + z) * INPUT_CHANNELS + group * GROUP_INPUTS
        + row % GROUP_INPUTS;
}

vec4 leftQuad(uint row, uint k, uint end)
{
    vec4 v = vec4(0.0);
    if (k >= end || row >= TAPS * GROUP_INPUTS) return v;
    if (LEFT_VECTOR) {
        uint at = inputIndex(row, k);
        return at == 0xFFFFFFFFu ? v : vec4(xQuads[at / 4u]);
    }
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (row + i < TAPS * GROUP_INPUTS) {
            uint at = inputIndex(row + i, k);
            if (at != 0xFFFFFFFFu) v[i] = float(x[at]);
        }
    }
    return v;
}

vec4 rightQuad(uint k, uint column, uint end)
{
    vec4 v = vec4(0.0);
    if (k >= end || column >= GROUP_OUTPUTS) return v;
    uint at = k * CHANNELS + group * GROUP_OUTPUTS + column;
    if (RIGHT_VECTOR) return vec4(gQuads[at / 4u]);
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (column + i < GROUP_OUTPUTS) v[i] = float(g[at + i]);
    }
    return v;
}

void finish(uint row, uint column, vec4 sum)
{
    if (row >= TAPS * GROUP_INPUTS) return;
    uint first = part * CHANNELS + group * GROUP_OUTPUTS + column;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (column + i < GROUP_OUTPUTS) {
            target[((first + i) * GROUP_INPUTS + row % GROUP_INPUTS) * TAPS + row / GROUP_INPUTS] = sum[i];
        }
    }
}

void main()
{
    uint w = workgroup();
    if (w >= workgroups) return;
    uint columnTile = w % columnTiles;
    uint rowTile = w / columnTiles % rowTiles;
    uint rest = w / (columnTiles * rowTiles);
    part = rest % parts;
    group = rest / parts;
    uint begin = part * pixelsPerPart;
    multiplyTile(
        rowTile * TILE_ROWS, columnTile * TILE_COLUMNS, min(begin, pixels), min(begin + pixelsPerPart, pixels));
}
