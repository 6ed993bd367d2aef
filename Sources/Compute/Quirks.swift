/// What a driver does otherwise than its capabilities say. Each has its rows in the table below, with their sources.
public enum Quirk: String, Sendable, Hashable, CaseIterable {
    /// A dispatch may take seconds: waits must be patient.
    case slow
    /// Invocations are lanes of the processor's vectors. Storage and shared memory are read and written lane by lane, and
    /// so are values that a subgroup exchanges; texel buffers are fetched four channels at a time with plain vector loads.
    case processorLanes
    /// Cooperative matrices are listed, but they are slower than vectors, or wrong.
    case unfitMatrices
    /// Kernels hang or crash unless robust buffer access is asked for, although none of them leaves its buffers.
    case needsRobustness

    struct Row: Sendable {
        let quirk: Quirk
        let devices: String
        let source: String
        let applies: @Sendable (Capabilities) -> Bool
    }

    static let table: [Row] = [
        Row(quirk: .slow, devices: "software drivers", source: "they compute on the processor") {
            $0.kind == .software
        },
        Row(
            quirk: .processorLanes, devices: "software drivers",
            source:
                "measured with llvmpipe 22.3: a float from storage memory takes 4 cycles a lane, from a texel buffer half"
        ) { $0.kind == .software },
        Row(
            quirk: .needsRobustness, devices: "NVIDIA's driver from 570 on",
            source: "Tencent/ncnn#5920, Tencent/ncnn#6296"
        ) { $0.vendorID == 0x10DE && $0.driverName == "NVIDIA" && $0.driverVersion >> 22 >= 570 },
        Row(
            quirk: .unfitMatrices, devices: "AMD's RDNA2, whose drivers compute matrices with vectors",
            source: "Tencent/ncnn#6504"
        ) { device in device.vendorID == 0x1002 && rdna2.contains { $0.contains(device.deviceID) } },
        Row(
            quirk: .unfitMatrices, devices: "Qualcomm's Adreno", source: "Tencent/ncnn#6719, Tencent/ncnn#6972"
        ) { $0.vendorID == 0x5143 },
        Row(
            quirk: .unfitMatrices, devices: "Intel's graphics cards before Xe2 (subgroups of 8 are theirs alone)",
            source: "ggml-org/llama.cpp#14001, ggml-org/llama.cpp#24404"
        ) { $0.vendorID == 0x8086 && $0.kind == .discrete && $0.subgroupSizes.lowerBound < 16 },
        Row(
            quirk: .unfitMatrices, devices: "Intel with Mesa before 24.3", source: "ggml-org/llama.cpp#10721"
        ) { $0.vendorID == 0x8086 && $0.driverName == "Intel open-source Mesa driver" && $0.mesaVersion < (24, 3) },
    ]

    /// Device IDs of Navi 21, 22 and 23, Navi 24, Van Gogh, Rembrandt, Raphael and Mendocino (Linux, amdgpu_drv.c).
    private static let rdna2: [ClosedRange<UInt32>] = [
        0x73A0...0x73FF, 0x7420...0x743F, 0x1435...0x1435, 0x163F...0x163F, 0x164D...0x164D, 0x1681...0x1681,
        0x164E...0x164E, 0x1506...0x1506,
    ]

    static func found(_ capabilities: Capabilities) -> Set<Quirk> {
        Set(table.filter { $0.applies(capabilities) }.map(\.quirk))
    }
}

extension Capabilities {
    /// The version as Mesa's drivers encode it; of others, something else.
    fileprivate var mesaVersion: (major: UInt32, minor: UInt32) { (driverVersion >> 22, driverVersion >> 12 & 0x3FF) }

    /// Subgroup sizes as drivers report them, made safe: some say 0 (Tencent/ncnn#6457), or what is no power of two.
    ///
    /// - Parameter range: the sizes that a pipeline can ask for; nil where it cannot ask.
    /// - Returns: 1 for a size that cannot be, which no kernel that needs subgroups takes; and the sizes to ask for, which
    ///   contain it.
    static func subgroups(size: Int, range: (least: Int, most: Int)?) -> (size: Int, range: ClosedRange<Int>) {
        let size = size > 0 && size & (size - 1) == 0 ? size : 1
        guard let range, range.least >= 1, range.least <= size, size <= range.most else { return (size, size...size) }
        return (size, range.least...range.most)
    }
}
