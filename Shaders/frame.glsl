// How the samples of a decoder's or encoder's picture lie in memory and what they mean; see FrameFormat in Network.
// Integers are specialisation constants. Scales, matrix and filters are floats at the beginning of `constants`:
//
//   0      scale and bias of luma (or RGB), scale and bias of chroma
//   1, 2   lowest and highest value of RGB; 3 weights in rows of the matrix
//   3 …    the matrix, row by row, a quad a row
//   6 …    filters, two quads each: horizontal, then vertical; of even, then of odd positions, or of halving

#define KIND_CHROMA 0u
#define KIND_GREY 1u
#define KIND_RGB 2u

layout(constant_id = 48) const uint KIND = 0;
layout(constant_id = 49) const uint SAMPLE_BYTES = 1;
layout(constant_id = 50) const uint LARGEST_CODE = 255;
layout(constant_id = 51) const uint SHIFT = 0;
layout(constant_id = 52) const bool SWAPPED = false;
// 2 where chroma has half the columns, or rows; else 1.
layout(constant_id = 53) const uint CHROMA_X = 1;
layout(constant_id = 54) const uint CHROMA_Y = 1;

uint halves(uint size, uint factor) { return (size + factor - 1u) / factor; }

uint swappedBytes(uint code) { return SWAPPED ? (code & 0xFFu) << 8 | code >> 8 : code; }

vec4 limited(vec4 rgb) { return clamp(rgb, vec4(constants[1].x), vec4(constants[1].y)); }

// Weight `tap` of a filter that begins at quad `at`.
float weight(uint at, uint tap) { return constants[at + tap / 4u][tap % 4u]; }
