// Nothing but multiply-adds: what the device's multipliers reach when nothing is loaded or stored. As many independent
// sums as hide the latency of one.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef TILE_COOPERATIVE
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "precision.glsl"
#include "views.glsl"

layout(constant_id = 48) const uint ROUNDS = 256;

#define SUMS 8u

void main()
{
    // Known at run time only, so that no compiler can compute the result.
    float factor = float(rowBegin) * 0.5;
    float seed = float(image) + float(gl_LocalInvocationIndex);
#ifdef TILE_COOPERATIVE
    coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a =
        coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>(float16_t(factor));
    coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB> b =
        coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>(float16_t(factor));
    coopmat<SUM, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator> sums[SUMS];
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) {
        sums[i] = coopmat<SUM, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>(SUM(factor + float(i)));
    }
    for (uint round = 0u; round < ROUNDS; ++round) {
        [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = coopMatMulAdd(a, b, sums[i]);
    }
    float total = 0.0;
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) total += float(sums[i][0]);
#else
    vec4 sums[SUMS];
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = vec4(seed, seed + 1.0, seed + 2.0, seed + 3.0) + float(i);
    for (uint round = 0u; round < ROUNDS; ++round) {
        [[unroll]] for (uint i = 0u; i < SUMS; ++i) sums[i] = fma(sums[i], vec4(factor), vec4(factor));
    }
    vec4 all = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < SUMS; ++i) all += sums[i];
    float total = all.x + all.y + all.z + all.w;
#endif
    // Never true, which no compiler knows.
    if (total == -1.2345) status = 1u;
}
