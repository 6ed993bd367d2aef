// Matrix products of any two operands that can be read by row, column and depth: the convolutions of training, their
// weights' gradients and plain products are this loop with other indices.
//
// A workgroup computes a tile of TILE_ROWS by TILE_COLUMNS sums. DEPTH products at a time, both operands are staged in
// shared memory; every invocation keeps 4 ROW_QUADS by 4 COLUMN_QUADS sums in registers. Operands are read in quads, along
// the axis in which they lie in memory. A kernel defines
//
//   leftQuad(row, k, end)      four elements of the left operand, along the depth or along rows; 0 from `end` on
//   rightQuad(k, column, end)  four elements of the right one, along the depth or along columns; 0 from `end` on
//   finish(row, column, sum)   takes four sums along columns; rows and columns may lie outside the matrix

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;
layout(constant_id = 1) const uint TILE_ROWS = 128;
layout(constant_id = 2) const uint TILE_COLUMNS = 64;
layout(constant_id = 3) const uint ROW_QUADS = 2;
layout(constant_id = 4) const uint COLUMN_QUADS = 1;
layout(constant_id = 5) const uint DEPTH = 16;
// Along which axis quads of the operands are read.
layout(constant_id = 6) const bool LEFT_ALONG_DEPTH = true;
layout(constant_id = 7) const bool RIGHT_ALONG_DEPTH = false;

vec4 leftQuad(uint row, uint k, uint end);
vec4 rightQuad(uint k, uint column, uint end);
void finish(uint row, uint column, vec4 sum);

// Invocations are laid out as rows by columns: neighbours have neighbouring columns, as results lie in memory.
const uint COLUMN_LANES = TILE_COLUMNS / (4u * COLUMN_QUADS);
const uint ROW_LANES = TILE_ROWS / (4u * ROW_QUADS);
const uint LEFT_PITCH = TILE_ROWS + 4u;
const uint RIGHT_PITCH = TILE_COLUMNS + 4u;

shared float leftTile[DEPTH * LEFT_PITCH];
shared float rightTile[DEPTH * RIGHT_PITCH];

vec4 sums[4u * ROW_QUADS * COLUMN_QUADS];

void stageLeft(uint firstRow, uint k, uint end)
{
    for (uint u = gl_LocalInvocationIndex; u < TILE_ROWS * DEPTH / 4u; u += THREADS) {
        if (LEFT_ALONG_DEPTH) {
            uint depth = u % (DEPTH / 4u) * 4u;
            uint row = u / (DEPTH / 4u);
            vec4 v = leftQuad(firstRow + row, k + depth, end);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) leftTile[(depth + i) * LEFT_PITCH + row] = v[i];
        } else {
            uint row = u % (TILE_ROWS / 4u) * 4u;
            uint depth = u / (TILE_ROWS / 4u);
            vec4 v = leftQuad(firstRow + row, k + depth, end);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) leftTile[depth * LEFT_PITCH + row + i] = v[i];
        }
    }
}

void stageRight(uint firstColumn, uint k, uint end)
{
    for (uint u = gl_LocalInvocationIndex; u < TILE_COLUMNS * DEPTH / 4u; u += THREADS) {
        if (RIGHT_ALONG_DEPTH) {
            uint depth = u % (DEPTH / 4u) * 4u;
            uint column = u / (DEPTH / 4u);
            vec4 v = rightQuad(k + depth, firstColumn + column, end);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) rightTile[(depth + i) * RIGHT_PITCH + column] = v[i];
        } else {
            uint column = u % (TILE_COLUMNS / 4u) * 4u;
            uint depth = u / (TILE_COLUMNS / 4u);
            vec4 v = rightQuad(k + depth, firstColumn + column, end);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) rightTile[depth * RIGHT_PITCH + column + i] = v[i];
        }
    }
}

void multiplyAdd()
{
    uint columnLane = gl_LocalInvocationIndex % COLUMN_LANES;
    uint rowLane = gl_LocalInvocationIndex / COLUMN_LANES;
    for (uint k = 0u; k < DEPTH; ++k) {
        vec4 right[COLUMN_QUADS];
        [[unroll]] for (uint c = 0u; c < COLUMN_QUADS; ++c) {
            uint at = k * RIGHT_PITCH + (columnLane + c * COLUMN_LANES) * 4u;
            right[c] = vec4(rightTile[at], rightTile[at + 1u], rightTile[at + 2u], rightTile[at + 3u]);
        }
        [[unroll]] for (uint r = 0u; r < ROW_QUADS; ++r) {
            uint at = k * LEFT_PITCH + (rowLane + r * ROW_LANES) * 4u;
            [[unroll]] for (uint i = 0u; i < 4u; ++i) {
                float left = leftTile[at + i];
                [[unroll]] for (uint c = 0u; c < COLUMN_QUADS; ++c) {
                    uint s = (r * 4u + i) * COLUMN_QUADS + c;
                    sums[s] = fma(vec4(left), right[c], sums[s]);
                }
            }
        }
    }
}

// The whole tile: products from depth `begin` up to `end`.
void multiplyTile(uint firstRow, uint firstColumn, uint begin, uint end)
{
    [[unroll]] for (uint i = 0u; i < 4u * ROW_QUADS * COLUMN_QUADS; ++i) sums[i] = vec4(0.0);
    for (uint k = begin; k < end; k += DEPTH) {
        barrier();
        stageLeft(firstRow, k, end);
        stageRight(firstColumn, k, end);
        barrier();
        multiplyAdd();
    }
    uint columnLane = gl_LocalInvocationIndex % COLUMN_LANES;
    uint rowLane = gl_LocalInvocationIndex / COLUMN_LANES;
    [[unroll]] for (uint r = 0u; r < ROW_QUADS; ++r) {
        [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            [[unroll]] for (uint c = 0u; c < COLUMN_QUADS; ++c) {
                finish(
                    firstRow + (rowLane + r * ROW_LANES) * 4u + i,
                    firstColumn + (columnLane + c * COLUMN_LANES) * 4u, sums[(r * 4u + i) * COLUMN_QUADS + c]);
            }
        }
    }
}

// The number of this workgroup: dispatches of many are folded into two axes.
uint workgroup() { return gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x; }
