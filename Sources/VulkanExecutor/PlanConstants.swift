internal import Network

/// Collects what kernels read besides activations, before it goes to the device.
struct PlanConstants {
    /// Packed weights, each in the precision that its kernel reads.
    private(set) var weights: [UInt8] = []
    /// Biases, vectors and channel maps.
    private(set) var values: [Float] = []

    /// Begins a step's values; they are bound from here on.
    mutating func beginStep() -> Int {
        let quantum = bindingAlignment / 4
        while values.count % quantum != 0 { values.append(0) }
        return values.count
    }

    /// Appends a vector of `count` numbers, those past the given ones zero, and returns its place in quads from the
    /// step's beginning.
    mutating func append(_ vector: [Float], count: Int, step: Int) -> Int {
        let place = (values.count - step) / 4
        values += vector
        values += [Float](repeating: 0, count: (count + 3) / 4 * 4 - vector.count)
        return place
    }

    /// The bytes of a step's values. A step without any gets one quad, for something must be bound.
    mutating func endStep(_ step: Int) -> Range<Int> {
        if values.count == step { values += [0, 0, 0, 0] }
        return step * 4..<values.count * 4
    }

    /// Appends weights and returns their bytes.
    mutating func append(weights packed: [Float], _ precision: StoragePrecision) -> Range<Int> {
        while weights.count % bindingAlignment != 0 { weights.append(0) }
        let start = weights.count
        switch precision {
        case .fp32: packed.withUnsafeBytes { weights.append(contentsOf: $0) }
        case .fp16: packed.map { Float16($0) }.withUnsafeBytes { weights.append(contentsOf: $0) }
        }
        return start..<weights.count
    }
}
