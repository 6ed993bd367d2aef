// A caller's picture, dense 32-bit floats [N, H, W, C], to a view. One invocation a quad.
#version 450
#extension GL_GOOGLE_include_directive : require
#define DENSE_SOURCE
#include "precision.glsl"
#include "views.glsl"

layout(binding = 0, std430) restrict readonly buffer Source { float sourceData[]; };

void main()
{
    uint x = gl_GlobalInvocationID.x / TARGET_QUADS;
    uint c = gl_GlobalInvocationID.x % TARGET_QUADS;
    uint y = rowBegin + gl_WorkGroupID.y;
    uint n = image + gl_WorkGroupID.z;
    if (x >= target.width) return;
    uint at = address(source, n, y, x) + c * 4u;
    vec4 v = vec4(0.0);
    for (uint i = 0u; i < 4u; ++i) {
        if (c * 4u + i < TARGET_CHANNELS) v[i] = sourceData[at + i];
    }
    storeTarget(n, y, x, c, v);
}
