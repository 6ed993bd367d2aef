// Pointwise stages on an activation; without stages, a copy. One invocation a quad.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"

void main()
{
    uint x = gl_GlobalInvocationID.x / TARGET_QUADS;
    uint c = gl_GlobalInvocationID.x % TARGET_QUADS;
    uint y = rowBegin + gl_WorkGroupID.y;
    uint n = image + gl_WorkGroupID.z;
    if (x >= target.width) return;
    storeTarget(n, y, x, c, stages(loadSource(n, y, x, c), n, y, x, c));
}
