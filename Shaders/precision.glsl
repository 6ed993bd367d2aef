// Precision roles. Every kernel is written once in terms of them; Variants.txt says which combinations are compiled.
//
//   STORED       how four channels lie in memory (vec4, or half floats packed in a uvec2, which every device can read)
//   ARITHMETIC4  what products are taken in
//   ACCUMULATOR4 what sums are kept in
//
// STORAGE_HALF is 1 for half-float storage.

#define ARITHMETIC4 vec4
#define ACCUMULATOR4 vec4

#if STORAGE_HALF

#define STORED uvec2
#define LARGEST 65504.0
#define LARGEST_BITS 0x477FE000u
#define STORED_ZERO uvec2(0u)
vec4 unpacked(STORED s) { return vec4(unpackHalf2x16(s.x), unpackHalf2x16(s.y)); }

// Half floats, rounded to nearest and ties to even. Vulkan leaves packHalf2x16's rounding to the driver; RADV (Mesa 25.0)
// rounds towards zero, which over RRDB's 92 layers darkens a picture by 3 %. So the 13 bits that a half float does not have
// are rounded away here. Below 2^-14, where half floats have fewer bits still, the driver's rounding remains: 2^-24 at most.
STORED packed(vec4 v)
{
    uvec4 bits = floatBitsToUint(v);
    bits = (bits + 0xFFFu + ((bits >> 13u) & 1u)) & 0xFFFFE000u;
    v = uintBitsToFloat(bits);
    return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}

#else

#define STORED vec4
#define LARGEST 3.402823466e38
#define LARGEST_BITS 0x7F7FFFFFu
#define STORED_ZERO vec4(0.0)
vec4 unpacked(STORED s) { return s; }
STORED packed(vec4 v) { return v; }

#endif

// Whether a number is too large to be stored, infinite or not a number. Compared as integers, so that no compiler can
// assume it away.
bool overflows(vec4 v)
{
    return any(greaterThan(floatBitsToUint(v) & uvec4(0x7FFFFFFFu), uvec4(LARGEST_BITS)));
}
