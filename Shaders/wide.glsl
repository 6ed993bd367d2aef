// Writes of 64 bits at a time. Where invocations are lanes of a processor's vectors, a write is a loop over the lanes, and
// costs the same for 32 bits and for 64.
#extension GL_ARB_gpu_shader_int64 : require

#define WIDE4 u64vec2
WIDE4 wide(vec4 v) { return u64vec2(packUint2x32(floatBitsToUint(v.xy)), packUint2x32(floatBitsToUint(v.zw))); }
uint64_t wide(uvec2 v) { return packUint2x32(v); }

#if STORAGE_HALF
#define STORED_WIDE uint64_t
#else
#define STORED_WIDE WIDE4
#endif
#define WIDE(S) wide(S)
