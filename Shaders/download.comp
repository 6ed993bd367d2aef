// A view to dense 32-bit floats [N, H, W, C]. One invocation a quad.
#version 450
#extension GL_GOOGLE_include_directive : require
#define DENSE_TARGET
#include "precision.glsl"
#include "views.glsl"

layout(binding = 1, std430) restrict writeonly buffer Target { float targetData[]; };

void main()
{
    uint x = gl_GlobalInvocationID.x / TARGET_QUADS;
    uint c = gl_GlobalInvocationID.x % TARGET_QUADS;
    uint y = rowBegin + gl_WorkGroupID.y;
    uint n = image + gl_WorkGroupID.z;
    if (x >= target.width) return;
    vec4 v = loadSource(n, y, x, c);
    uint at = address(target, n, y, x) + c * 4u;
    for (uint i = 0u; i < 4u; ++i) {
        if (c * 4u + i < TARGET_CHANNELS) targetData[at + i] = v[i];
    }
}
