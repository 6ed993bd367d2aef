// Whether all elements of each guard are finite: 1 or 0 for a guard. One workgroup a guard.
#version 450
#extension GL_GOOGLE_include_directive : require
#define TABLE 2
#include "tensor_rows.glsl"

layout(binding = 0, std430) readonly buffer Source { uint source[]; };
layout(binding = 1, std430) writeonly buffer Verdicts { uint verdicts[]; };

shared uint found[THREADS];

void main()
{
    uint record, block;
    if (!findBlock(record, block)) return;
    uint count = table[record];
    uint from = table[record + 1u];
    uint id = gl_LocalInvocationIndex;
    // The exponent is all ones in infinities and in what is no number. Compared as integers, so that no compiler can
    // assume it away.
    uint bad = 0u;
    for (uint i = id; i < count; i += THREADS) {
        if ((source[from + i] & 0x7F800000u) == 0x7F800000u) bad = 1u;
    }
    found[id] = bad;
    barrier();
    if (id == 0u) {
        for (uint i = 1u; i < THREADS; ++i) bad |= found[i];
        verdicts[table[record + 2u]] = 1u - bad;
    }
}
