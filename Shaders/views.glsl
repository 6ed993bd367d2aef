// Where values lie: the buffers, the push constants and the constants that all kernels share.
//
// Memory is addressed in quads of four channels. A view is bound from (at most) its first row of interest on, so indices
// are relative to `base`; the arithmetic wraps, so views beyond 2^32 quads work too.

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint GROUP = 64;
// Logical channels, and physical quads, of the target.
layout(constant_id = 1) const uint TARGET_CHANNELS = 4;
layout(constant_id = 2) const uint TARGET_QUADS = 1;
layout(constant_id = 3) const uint SOURCE_QUADS = 1;
// The activations that stages read: physical quads, and the nearest upsampling they are read through.
layout(constant_id = 4) const uint FIRST_QUADS = 1;
layout(constant_id = 5) const uint FIRST_UPSAMPLING = 1;
layout(constant_id = 6) const uint SECOND_QUADS = 1;
layout(constant_id = 7) const uint SECOND_UPSAMPLING = 1;
// Reads and writes of two quads at a time, 16 bytes of half floats: possible where all pixels of the source or the target
// begin at even quads, and the source has an even number of them.
layout(constant_id = 11) const bool SOURCE_PAIRS = false;
layout(constant_id = 12) const bool TARGET_PAIRS = false;
// Where in `constants` the map from logical to physical channels begins, plus one; 0 when they are the same.
layout(constant_id = 8) const uint SOURCE_MAP = 0;
layout(constant_id = 9) const uint FIRST_MAP = 0;
layout(constant_id = 10) const uint SECOND_MAP = 0;

struct View
{
    // Quads before the binding's first; quads from pixel to pixel; quads from a pixel's start to the view's.
    uint base, pitch, offset;
    uint height, width;
};

layout(push_constant) uniform Push
{
    View source;
    View target;
    View first;
    View second;
    // The first image and the rows of the target to compute (of the convolution's result, before a pixel shuffle).
    uint image;
    uint rowBegin;
    uint rowEnd;
};

#ifdef TEXELS
layout(binding = 0) uniform samplerBuffer sourceTexels;
#elif !defined(DENSE_SOURCE)
layout(binding = 0, std430) restrict readonly buffer Source { STORED sourceData[]; };
#if STORAGE_HALF
layout(binding = 0, std430) restrict readonly buffer SourcePairs { uvec4 sourcePairs[]; };
#endif
#endif
#ifdef TEXELS
#include "wide.glsl"
#else
#define STORED_WIDE STORED
#define WIDE(S) (S)
#endif
#ifndef DENSE_TARGET
layout(binding = 1, std430) restrict writeonly buffer Target { STORED_WIDE targetData[]; };
#if STORAGE_HALF && !defined(TEXELS)
layout(binding = 1, std430) restrict writeonly buffer TargetPairs { uvec4 targetPairs[]; };
#endif
#endif
#ifdef TEXELS
layout(binding = 2) uniform samplerBuffer firstData;
layout(binding = 3) uniform samplerBuffer secondData;
layout(binding = 5) uniform samplerBuffer constantData;
vec4 constant(uint i) { return texelFetch(constantData, int(i)); }
// The quad at an index, or zeros: selected, not branched around, for control flow costs more than a fetch.
#define READ(DATA, I, INSIDE) \
    mix(vec4(0.0), texelFetch(DATA, (INSIDE) ? int(I) : 0), bvec4(INSIDE))
#else
#ifndef NO_OPERANDS
layout(binding = 2, std430) restrict readonly buffer First { STORED firstData[]; };
layout(binding = 3, std430) restrict readonly buffer Second { STORED secondData[]; };
#endif
// Bias, vectors of the stages and channel maps, all as 32-bit floats.
layout(binding = 5, std430) restrict readonly buffer Constants { vec4 constants[]; };
vec4 constant(uint i) { return constants[i]; }
#define READ(DATA, I, INSIDE) ((INSIDE) ? unpacked(DATA[I]) : vec4(0.0))
#endif
// Set to 1 when a number did not fit into storage. One word a dispatch.
layout(binding = 6, std430) writeonly buffer Status { uint status; };

uint address(View view, uint n, uint y, uint x)
{
    return ((n * view.height + y) * view.width + x) * view.pitch + view.offset - view.base;
}

// The physical place of a logical channel by a map; 0xFFFFFFFF for none.
uint mapped(uint map, uint channel)
{
    float place = constant(map - 1u + channel / 4u)[channel % 4u];
    return place < 0.0 ? 0xFFFFFFFFu : uint(place);
}

// Defines a function that reads the quad `c` of logical channels of one view at a pixel. Quads past the view's end are 0.
#define DEFINE_LOAD(NAME, VIEW, DATA, QUADS, MAP)                                          \
    vec4 NAME(uint n, uint y, uint x, uint c)                                              \
    {                                                                                      \
        uint at = address(VIEW, n, y, x);                                                  \
        if (MAP == 0u) return READ(DATA, at + c, c < QUADS);                               \
        vec4 v = vec4(0.0);                                                                \
        for (uint i = 0u; i < 4u; ++i) {                                                   \
            uint place = mapped(MAP, c * 4u + i);                                          \
            v[i] = READ(DATA, at + place / 4u, place != 0xFFFFFFFFu)[place % 4u];          \
        }                                                                                  \
        return v;                                                                          \
    }

#if !defined(DENSE_SOURCE) && !defined(TEXELS)
DEFINE_LOAD(loadSource, source, sourceData, SOURCE_QUADS, SOURCE_MAP)
#endif
#ifndef NO_OPERANDS
DEFINE_LOAD(loadFirst, first, firstData, FIRST_QUADS, FIRST_MAP)
DEFINE_LOAD(loadSecond, second, secondData, SECOND_QUADS, SECOND_MAP)
#endif

#ifdef TEXELS
// Told once, at the end: a write under a condition takes as long as one without.
bool overflowed = false;
#define REPORT_OVERFLOW overflowed = true
#else
#define REPORT_OVERFLOW status = 1u
#endif

#ifndef DENSE_TARGET
// A quad as it is stored. Channels past the logical ones become 0, so that padding is always finite. Numbers that do not
// fit are saturated and reported, never passed on as infinities.
STORED storable(vec4 v, uint c)
{
    uint left = TARGET_CHANNELS - min(c * 4u, TARGET_CHANNELS);
    if (left < 4u) v = mix(vec4(0.0), v, lessThan(uvec4(0u, 1u, 2u, 3u), uvec4(left)));
    if (overflows(v)) REPORT_OVERFLOW;
    return packed(clamp(v, vec4(-LARGEST), vec4(LARGEST)));
}

void storeTarget(uint n, uint y, uint x, uint c, vec4 v)
{
    targetData[address(target, n, y, x) + c] = WIDE(storable(v, c));
}

// The quads c, which is even, and c + 1.
void storeTargetPair(uint n, uint y, uint x, uint c, vec4 first, vec4 second)
{
    uint at = address(target, n, y, x) + c;
#if STORAGE_HALF && !defined(TEXELS)
    if (TARGET_PAIRS) {
        targetPairs[at / 2u] = uvec4(storable(first, c), storable(second, c + 1u));
        return;
    }
#endif
    targetData[at] = WIDE(storable(first, c));
    targetData[at + 1u] = WIDE(storable(second, c + 1u));
}
#endif
