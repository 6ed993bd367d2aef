// A convolution's tile, as ConvolutionKernel.swift lays it out, and its weights.

// The tile: pixels across and down, quads of output channels.
layout(constant_id = 48) const uint TILE_WIDTH = 16;
layout(constant_id = 49) const uint TILE_HEIGHT = 8;
layout(constant_id = 50) const uint BLOCK_QUADS = 8;
// Sums of one invocation: so many pixels by so many quads.
layout(constant_id = 51) const uint PIXELS = 8;
layout(constant_id = 52) const uint QUADS = 1;
// Quads of input channels that are staged at a time, and their distance from pixel to pixel (one more where that avoids
// bank conflicts).
layout(constant_id = 53) const uint CHUNK_QUADS = 4;
layout(constant_id = 54) const uint STAGE_PITCH = 5;
// The staged pixels: the tile, with its halo where the kernel has one.
layout(constant_id = 55) const uint STAGED_WIDTH = 18;
layout(constant_id = 56) const uint STAGED_HEIGHT = 10;
// Quads in a row of weights.
layout(constant_id = 57) const uint WEIGHT_QUADS = 8;

#ifdef TEXELS
layout(binding = 4) uniform samplerBuffer weightTexels;
#else
#ifdef TILE_COOPERATIVE
layout(binding = 4, std430) restrict readonly buffer Weights { uvec4 weightUnits[]; };
#else
// In single precision in every variant: AMD's compiler makes one instruction of a half float's conversion and multiply-add,
// and that one cannot be issued two at a time (RDNA3, RDNA4).
layout(binding = 4, std430) restrict readonly buffer Weights { vec4 weights[]; };
#endif
#endif
