// How elements of activations lie in memory: as floats, or as half floats where a variant says so (its definition is 1).
// Arithmetic is in single precision either way.
#extension GL_EXT_shader_16bit_storage : require

#define STORED_0 float
#define STORED_1 float16_t
#define STORED4_0 vec4
#define STORED4_1 f16vec4
#define JOINED(A, B) A##B
#define STORED_AS(HALF) JOINED(STORED_, HALF)
#define STORED4_AS(HALF) JOINED(STORED4_, HALF)
#define STORED(HALF) STORED_AS(HALF)
#define STORED4(HALF) STORED4_AS(HALF)
