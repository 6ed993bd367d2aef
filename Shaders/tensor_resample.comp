// Everything that is linear along rows and columns: resizing, padding, pooling and their adjoints. Each row of the target
// is a sum of a few rows of the source with weights, and so is each column; the table says which. One invocation an
// element.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor_storage.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;

layout(binding = 0, std430) readonly buffer Source { STORED(SOURCE_HALF) source[]; };
// For rows, then for columns: where each line's entries begin (in words of the table, and one more for the end), then the
// entries: a line of the source and its weight.
layout(binding = 1, std430) readonly buffer Table { uint table[]; };
layout(binding = 2, std430) writeonly buffer Target { STORED(SOURCE_HALF) target[]; };

layout(push_constant) uniform Push
{
    uint count;
    uint height;
    uint width;
    uint channels;
    uint sourceHeight;
    uint sourceWidth;
    // Where in the table the columns' beginnings stand.
    uint columnsAt;
};

void main()
{
    uint w = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
    uint at = w * THREADS + gl_LocalInvocationIndex;
    if (at >= count) return;
    uint channel = at % channels;
    uint x = at / channels % width;
    uint y = at / (channels * width) % height;
    uint n = at / (channels * width * height);
    float sum = 0.0;
    for (uint row = table[y]; row < table[y + 1u]; row += 2u) {
        uint first = (n * sourceHeight + table[row]) * sourceWidth;
        float line = 0.0;
        for (uint column = table[columnsAt + x]; column < table[columnsAt + x + 1u]; column += 2u) {
            line += uintBitsToFloat(table[column + 1u]) * float(source[(first + table[column]) * channels + channel]);
        }
        sum += uintBitsToFloat(table[row + 1u]) * line;
    }
    target[at] = STORED(SOURCE_HALF)(sum);
}
