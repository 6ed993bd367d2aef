// Nothing but multiply-adds: what the device's multipliers reach when nothing is loaded or stored. As many independent
// sums as hide the latency of one. All of them are written out at the end, where the time is nothing against the rounds':
// a compiler leaves out the products of a sum that nobody reads.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef TILE_COOPERATIVE
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#define DENSE_TARGET
#include "precision.glsl"
#include "views.glsl"

layout(constant_id = 48) const uint ROUNDS = 256;
layout(constant_id = 49) const uint FRAGMENT_PIXELS = 16;
layout(constant_id = 50) const uint FRAGMENT_CHANNELS = 16;
layout(constant_id = 51) const uint FRAGMENT_DEPTH = 16;

layout(binding = 1, std430) writeonly buffer Results { vec4 results[]; };

#define SUMS 8u
#define MATRIX_A coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_DEPTH, gl_MatrixUseA>
#define MATRIX_B coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_CHANNELS, gl_MatrixUseB>
#define MATRIX_SUM coopmat<SUM, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_CHANNELS, gl_MatrixUseAccumulator>
#define MATRIX_RESULT coopmat<float, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_CHANNELS, gl_MatrixUseAccumulator>

void main()
{
    // Known at run time only, so that no compiler can compute the result.
    float factor = float(rowBegin) * 0.5;
    float seed = float(image) + float(gl_LocalInvocationIndex);
#ifdef TILE_COOPERATIVE
    MATRIX_A a = MATRIX_A(float16_t(factor));
    MATRIX_B b = MATRIX_B(float16_t(factor));
    MATRIX_SUM sums[SUMS];
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = MATRIX_SUM(SUM(factor + float(i)));
    for (uint round = 0u; round < ROUNDS; ++round) {
        [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = coopMatMulAdd(a, b, sums[i]);
    }
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) {
        uint at = i * FRAGMENT_PIXELS * FRAGMENT_CHANNELS / 4u;
        coopMatStore(MATRIX_RESULT(sums[i]), results, at, FRAGMENT_CHANNELS / 4u, gl_CooperativeMatrixLayoutRowMajor);
    }
#else
    vec4 sums[SUMS];
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = vec4(seed, seed + 1.0, seed + 2.0, seed + 3.0) + float(i);
    for (uint round = 0u; round < ROUNDS; ++round) {
        [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = fma(sums[i], vec4(factor), vec4(factor));
    }
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) results[gl_LocalInvocationIndex * SUMS + i] = sums[i];
#endif
}
