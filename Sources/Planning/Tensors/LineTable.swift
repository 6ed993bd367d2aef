public import Network

/// Which lines (rows or columns) of a source make up each line of a target, with which weights: everything that is linear
/// along rows and columns.
public struct LineTable: Hashable, Sendable {
    /// Where each target line's entries begin, and where the last one's end.
    public private(set) var starts: [Int32] = [0]
    public private(set) var indices: [Int32] = []
    public private(set) var weights: [Float] = []

    /// - Precondition: the operation is a resize, a pad, one of their adjoints, or a sum over pixels.
    public init(_ operation: Operation, isRow: Bool, from source: Int, to target: Int) {
        let lines: [[(Int, Float)]]
        switch operation {
        case .resize(_, _, let filter): lines = Self.resize(filter, from: source, to: target)
        case .resizeAdjoint(_, _, let filter):
            lines = Self.adjoint(Self.resize(filter, from: target, to: source), lines: target)
        case .pad(let margins, let mode):
            lines = Self.pad(isRow ? margins.top : margins.left, mode, from: source, to: target)
        case .padAdjoint(let margins, let mode):
            let padded = Self.pad(isRow ? margins.top : margins.left, mode, from: target, to: source)
            lines = Self.adjoint(padded, lines: target)
        case .sumPool(let factor):
            lines = (0..<target).map { line in (line * factor..<(line + 1) * factor).map { ($0, Float(1)) } }
        default: preconditionFailure("\(operation.name) is no sum of lines")
        }
        for line in lines {
            indices += line.map { Int32($0.0) }
            weights += line.map(\.1)
            starts.append(Int32(indices.count))
        }
    }

    private static func resize(_ filter: ResizeFilter, from source: Int, to target: Int) -> [[(Int, Float)]] {
        if filter == .nearest { return (0..<target).map { [($0 * source / target, Float(1))] } }
        let table = ResizeTaps(filter, from: source, to: target)
        return (0..<target).map { line in
            (0..<table.taps).map { tap in
                (Int(table.indices[line * table.taps + tap]), table.weights[line * table.taps + tap])
            }
        }
    }

    private static func pad(_ before: Int, _ mode: PadMode, from source: Int, to target: Int) -> [[(Int, Float)]] {
        (0..<target).map { (line: Int) -> [(Int, Float)] in
            let index = line - before
            switch mode {
            case .zero: return (0..<source).contains(index) ? [(index, Float(1))] : []
            case .reflect:
                if source == 1 { return [(0, Float(1))] }
                let period = 2 * (source - 1)
                let phase = ((index % period) + period) % period
                return [(min(phase, period - phase), Float(1))]
            }
        }
    }

    /// The table read backwards.
    private static func adjoint(_ table: [[(Int, Float)]], lines: Int) -> [[(Int, Float)]] {
        var result = [[(Int, Float)]](repeating: [], count: lines)
        for (line, entries) in table.enumerated() {
            for (index, weight) in entries { result[index].append((line, weight)) }
        }
        return result
    }
}

/// Which samples a resize reads along one side, and their weights.
public struct ResizeTaps {
    /// Samples per target position: 2 or 4.
    public let taps: Int
    /// `taps` a position.
    public private(set) var indices: [Int32] = []
    public private(set) var weights: [Float] = []

    public init(_ filter: ResizeFilter, from source: Int, to target: Int) {
        taps = filter == .bicubic ? 4 : 2
        for position in 0..<target {
            var centre = (Double(position) + 0.5) * Double(source) / Double(target) - 0.5
            // Bilinear clamps the centre, bicubic the samples; PyTorch's way.
            if filter == .bilinear { centre = max(0, centre) }
            let base = centre.rounded(.down)
            let t = centre - base
            let first = Int(base) - (taps / 2 - 1)
            let all = filter == .bicubic ? Self.cubic(t) : [1 - t, t]
            for tap in 0..<taps {
                indices.append(Int32(min(max(first + tap, 0), source - 1)))
                weights.append(Float(all[tap]))
            }
        }
    }

    /// Keys' kernel, a = -0.75, at distances 1 + t, t, 1 - t, 2 - t.
    private static func cubic(_ t: Double) -> [Double] {
        let a = -0.75
        func near(_ x: Double) -> Double { ((a + 2) * x - (a + 3)) * x * x + 1 }
        func far(_ x: Double) -> Double { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
        return [far(1 + t), near(t), near(1 - t), far(2 - t)]
    }
}
