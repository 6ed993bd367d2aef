// Common part of the convolution kernels: the convolution's own constants, the workgroup's place, and the epilogue of a sum
// that has the bias in it (the stages and the pixel shuffle, which is only a matter of addresses, since output channels are
// packed pixel by pixel).
#include "tile_constants.glsl"

layout(constant_id = 58) const uint KERNEL_HEIGHT = 3;
layout(constant_id = 59) const uint KERNEL_WIDTH = 3;
layout(constant_id = 60) const uint STRIDE = 1;
layout(constant_id = 61) const uint PADDING = 1;
layout(constant_id = 62) const uint UPSAMPLING = 1;
// Whether the halo is staged; otherwise every tap is staged by itself.
layout(constant_id = 63) const bool HALO = true;
layout(constant_id = 64) const uint CHUNKS = 1;
// Blocks of output channels.
layout(constant_id = 65) const uint BLOCKS = 1;
layout(constant_id = 66) const uint SHUFFLE = 1;
// Channels in and out of a group, where chunks of other groups can be passed over; 0 otherwise.
layout(constant_id = 67) const uint GROUP_INPUTS = 0;
layout(constant_id = 68) const uint GROUP_OUTPUTS = 0;

uint imageIndex;
uvec2 tileOrigin;
uint blockQuad;

// The bias of a quad of the block.
vec4 bias(uint quad) { return constant(blockQuad + quad); }

void finish(uint pixel, uint quad, vec4 v)
{
    uint y = tileOrigin.y + pixel / TILE_WIDTH;
    uint x = tileOrigin.x + pixel % TILE_WIDTH;
    uint c = blockQuad + quad;
    if (y >= rowEnd || x >= target.width / SHUFFLE) return;
    if (SHUFFLE > 1u) {
        uint place = c / TARGET_QUADS;
        c %= TARGET_QUADS;
        y = y * SHUFFLE + place / SHUFFLE;
        x = x * SHUFFLE + place % SHUFFLE;
        if (place >= SHUFFLE * SHUFFLE) return;
    } else if (c >= TARGET_QUADS) {
        return;
    }
    storeTarget(imageIndex, y, x, c, stages(v, imageIndex, y, x, c));
}

// The same for two neighbouring quads, written together where they lie side by side.
void finishPair(uint pixel, uint quad, vec4 first, vec4 second)
{
    // Loops, not calls side by side: drivers inline all the stages for each call, and fold away what is none only then.
    vec4 v[2] = vec4[2](first, second);
    if (SHUFFLE > 1u || TARGET_QUADS % 2u != 0u) {
        [[unroll]] for (uint i = 0u; i < 2u; ++i) finish(pixel, quad + i, v[i]);
        return;
    }
    uint y = tileOrigin.y + pixel / TILE_WIDTH;
    uint x = tileOrigin.x + pixel % TILE_WIDTH;
    uint c = blockQuad + quad;
    if (y >= rowEnd || x >= target.width || c >= TARGET_QUADS) return;
    [[unroll]] for (uint i = 0u; i < 2u; ++i) v[i] = stages(v[i], imageIndex, y, x, c + i);
    storeTargetPair(imageIndex, y, x, c, v[0], v[1]);
}
