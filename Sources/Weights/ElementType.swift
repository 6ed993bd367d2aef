internal import Tensor

/// The element types that safetensors names.
public enum ElementType: String, Sendable, CaseIterable {
    case boolean = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8e5m2 = "F8_E5M2"
    case float8e4m3 = "F8_E4M3"
    case int16 = "I16"
    case uint16 = "U16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case int32 = "I32"
    case uint32 = "U32"
    case float32 = "F32"
    case float64 = "F64"
    case int64 = "I64"
    case uint64 = "U64"

    public var bytes: Int {
        switch self {
        case .boolean, .uint8, .int8, .float8e5m2, .float8e4m3: 1
        case .int16, .uint16, .float16, .bfloat16: 2
        case .int32, .uint32, .float32: 4
        case .float64, .int64, .uint64: 8
        }
    }

    /// Whether it can be read as a tensor of floats.
    public var isReadable: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }
}

/// The value of an IEEE half-precision number, by integer arithmetic that vectorises.
@inline(__always)
func floatFromHalf(_ bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7FFF) << 13
    let sign = UInt32(bits & 0x8000) << 16
    // Moving the exponent by multiplication also puts subnormal halves right; infinity and NaN need the top exponent.
    let finite = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
    let special = magnitude | 0x7F80_0000
    return Float(bitPattern: sign | (magnitude >= 0x0F80_0000 ? special : finite))
}

/// The value of a number in the upper half of a float.
@inline(__always)
func floatFromBrain(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
