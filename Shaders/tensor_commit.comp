// New values of parameters take the old ones' places, if every guard was finite.
#version 450
#extension GL_GOOGLE_include_directive : require
#define TABLE 3
#include "tensor_rows.glsl"

// Elements of a block.
layout(constant_id = 1) const uint BLOCK = 1024;

layout(binding = 0, std430) readonly buffer Source { float source[]; };
layout(binding = 1, std430) readonly buffer Verdicts { uint verdicts[]; };
layout(binding = 2, std430) writeonly buffer Target { float target[]; };

void main()
{
    uint record, block;
    if (!findBlock(record, block)) return;
    uint count = table[record];
    uint from = table[record + 1u];
    uint verdictsAt = table[record + 2u];
    uint to = table[record + 3u];
    for (uint i = 0u; i < parameter; ++i) {
        if (verdicts[verdictsAt + i] == 0u) return;
    }
    uint end = min(count, (block + 1u) * BLOCK);
    for (uint i = block * BLOCK + gl_LocalInvocationIndex; i < end; i += THREADS) target[to + i] = source[from + i];
}
