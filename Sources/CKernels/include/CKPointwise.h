// Made by upframe-generate from Network/PointwiseTable.swift; do not edit.
#pragma once

/// The codes of pointwise functions; 0 stands for none.
typedef enum ck_function {
    CK_ADD = 1,
    CK_MULTIPLY = 2,
    CK_MAXIMUM = 3,
    CK_MINIMUM = 4,
    CK_GREATER = 5,
    CK_PRELU = 6,
    CK_AFFINE = 7,
    CK_CLAMP = 8,
    CK_LEAKY_RELU = 9,
    CK_ELU = 10,
    CK_POWER = 11,
    CK_STEP = 12,
    CK_SIGMOID = 13,
    CK_SILU = 14,
    CK_TANH = 15,
    CK_EXPONENTIAL = 16,
    CK_LOGARITHM = 17,
    CK_SQUARE_ROOT = 18,
    CK_RECIPROCAL_SQUARE_ROOT = 19,
    CK_RECIPROCAL = 20,
    CK_ABSOLUTE = 21,
    CK_SOFTPLUS = 22,
    CK_ERF = 23,
    CK_GELU = 24,
    CK_MISH = 25,
    CK_HARD_SIGMOID = 26,
    CK_HARD_SWISH = 27,
    CK_FLOOR = 28,
} ck_function;
