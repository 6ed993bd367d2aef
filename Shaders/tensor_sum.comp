// Sums along one axis: [outer, rows, inner] to [outer, parts, inner], where a part is so many rows. A workgroup's
// invocations are spread over inner elements, rows and outer ones; those of one result meet in shared memory, always in the
// same order.
#version 450
#extension GL_GOOGLE_include_directive : require
#define TABLE 2
#include "tensor_rows.glsl"
#include "tensor_storage.glsl"

// Invocations side by side along the inner axis and along rows; powers of two.
layout(constant_id = 1) const uint INNER_LANES = 1;
layout(constant_id = 2) const uint ROW_LANES = 256;

layout(binding = 0, std430) readonly buffer Source { STORED(SOURCE_HALF) source[]; };
layout(binding = 1, std430) writeonly buffer Target { float target[]; };

shared float partial[THREADS];

void main()
{
    uint record, block;
    if (!findBlock(record, block)) return;
    uint outer = table[record];
    uint rows = table[record + 1u];
    uint inner = table[record + 2u];
    uint rowsPerPart = table[record + 3u];
    uint parts = table[record + 4u];
    uint from = table[record + 5u];
    uint to = table[record + 6u];

    const uint outerLanes = THREADS / (INNER_LANES * ROW_LANES);
    uint id = gl_LocalInvocationIndex;
    uint row = id / INNER_LANES % ROW_LANES;
    uint chunks = (inner + INNER_LANES - 1u) / INNER_LANES;
    uint i = block % chunks * INNER_LANES + id % INNER_LANES;
    uint part = block / chunks % parts;
    uint o = block / (chunks * parts) * outerLanes + id / (INNER_LANES * ROW_LANES);
    bool isInside = i < inner && o < outer;

    float sum = 0.0;
    if (isInside) {
        uint end = min(rows, (part + 1u) * rowsPerPart);
        for (uint r = part * rowsPerPart + row; r < end; r += ROW_LANES) {
            sum += float(source[from + (o * rows + r) * inner + i]);
        }
    }
    partial[id] = sum;
    for (uint step = ROW_LANES / 2u; step > 0u; step /= 2u) {
        barrier();
        if (row < step) partial[id] += partial[id + step * INNER_LANES];
    }
    if (isInside && row == 0u) target[to + (o * parts + part) * inner + i] = partial[id];
}
