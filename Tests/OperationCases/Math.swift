#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

func log10Of(_ x: Double) -> Double { log10(x) }
