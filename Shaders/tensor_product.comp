// Products of stacks of matrices, either side transposed.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "tensor_tile.glsl"

// LEFT_ALONG_DEPTH: the left matrices lie as they are multiplied, [rows, depth]; otherwise transposed.
// RIGHT_ALONG_DEPTH: the right ones lie transposed, [columns, depth]; otherwise [depth, columns].
// Whether quads of either are aligned.
layout(constant_id = 8) const bool LEFT_VECTOR = false;
layout(constant_id = 9) const bool RIGHT_VECTOR = false;

layout(binding = 0, std430) readonly buffer Left { float left[]; };
layout(binding = 0, std430) readonly buffer LeftQuads { vec4 leftQuads[]; };
layout(binding = 1, std430) readonly buffer Right { float right[]; };
layout(binding = 1, std430) readonly buffer RightQuads { vec4 rightQuads[]; };
layout(binding = 2, std430) writeonly buffer Target { float target[]; };

layout(push_constant) uniform Push
{
    uint workgroups;
    uint rowTiles;
    uint columnTiles;
    uint rows;
    uint columns;
    uint depth;
};

uint matrix;

vec4 leftQuad(uint row, uint k, uint end)
{
    vec4 v = vec4(0.0);
    if (row >= rows || k >= end) return v;
    uint at = matrix * rows * depth + (LEFT_ALONG_DEPTH ? row * depth + k : k * rows + row);
    if (LEFT_VECTOR) return leftQuads[at / 4u];
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (LEFT_ALONG_DEPTH ? k + i < end : row + i < rows) v[i] = left[at + i];
    }
    return v;
}

vec4 rightQuad(uint k, uint column, uint end)
{
    vec4 v = vec4(0.0);
    if (k >= end || column >= columns) return v;
    uint at = matrix * depth * columns + (RIGHT_ALONG_DEPTH ? column * depth + k : k * columns + column);
    if (RIGHT_VECTOR) return rightQuads[at / 4u];
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (RIGHT_ALONG_DEPTH ? k + i < end : column + i < columns) v[i] = right[at + i];
    }
    return v;
}

void finish(uint row, uint column, vec4 sum)
{
    if (row >= rows) return;
    uint at = (matrix * rows + row) * columns + column;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        if (column + i < columns) target[at + i] = sum[i];
    }
}

void main()
{
    uint w = workgroup();
    if (w >= workgroups) return;
    matrix = w / (columnTiles * rowTiles);
    multiplyTile(w / columnTiles % rowTiles * TILE_ROWS, w % columnTiles * TILE_COLUMNS, 0u, depth);
}
