import Testing

@testable import Compute

/// Devices that this machine does not have, made up from one that it has.
@Suite struct QuirkTests {
    private func device(_ change: (inout Capabilities) -> Void) throws -> Capabilities {
        var made = try Instance(validation: false).physicalDevices()[0].capabilities
        (made.kind, made.vendorID, made.deviceID, made.driverName) = (.discrete, 0, 0, "made up")
        made.driverVersion = 0
        (made.subgroupSize, made.subgroupSizes) = (32, 32...32)
        change(&made)
        made.quirks = Quirk.found(made)
        return made
    }

    private func mesa(_ major: UInt32, _ minor: UInt32) -> UInt32 { major << 22 | minor << 12 }

    /// Every row names its devices and a source that can be looked up, and every quirk has a row.
    @Test func rowsHaveSources() {
        for row in Quirk.table { #expect(!row.devices.isEmpty && row.source.count > 10) }
        #expect(Set(Quirk.table.map(\.quirk)) == Set(Quirk.allCases))
    }

    @Test func software() throws {
        #expect(try device { $0.kind = .software }.quirks == [.slow, .processorLanes])
        #expect(try device { _ in }.quirks == [])
    }

    /// NVIDIA's driver counts in its own way; NVK, of the same vendor, is Mesa.
    @Test(arguments: [(565, "NVIDIA", false), (570, "NVIDIA", true), (590, "NVIDIA", true), (25, "NVK", false)])
    func robustness(_ major: Int, _ driver: String, _ isNeeded: Bool) throws {
        let made = try device {
            ($0.vendorID, $0.driverName, $0.driverVersion) = (0x10DE, driver, UInt32(major) << 22)
        }
        #expect(made.quirks == (isNeeded ? [.needsRobustness] : []))
    }

    /// RX 6800, RX 6400, the Steam Deck and a Ryzen 6800U compute matrices with vectors; RX 7900 XTX and RX 9070 do not.
    @Test(arguments: [
        (0x73BF, true), (0x743F, true), (0x163F, true), (0x1681, true), (0x744C, false), (0x7550, false),
    ])
    func matricesOfAMD(_ id: Int, _ isUnfit: Bool) throws {
        let made = try device { ($0.vendorID, $0.deviceID) = (0x1002, UInt32(id)) }
        #expect(made.quirks == (isUnfit ? [.unfitMatrices] : []))
        // The number alone says nothing.
        #expect(try device { ($0.vendorID, $0.deviceID) = (0x10DE, UInt32(id)) }.quirks == [])
    }

    @Test func matricesOfAdreno() throws {
        #expect(try device { ($0.vendorID, $0.kind) = (0x5143, .integrated) }.quirks == [.unfitMatrices])
    }

    /// A770 (subgroups from 8 on), B580 (from 16 on), and integrated graphics, where measuring decides; old Mesa is passed
    /// over on all.
    @Test func matricesOfIntel() throws {
        func intel(_ kind: Capabilities.Kind, _ sizes: ClosedRange<Int>, _ version: UInt32) throws -> Set<Quirk> {
            try device {
                ($0.vendorID, $0.kind, $0.driverName) = (0x8086, kind, "Intel open-source Mesa driver")
                ($0.subgroupSizes, $0.driverVersion) = (sizes, version)
            }.quirks
        }
        #expect(try intel(.discrete, 8...32, mesa(25, 2)) == [.unfitMatrices])
        #expect(try intel(.discrete, 16...32, mesa(25, 2)) == [])
        #expect(try intel(.integrated, 8...32, mesa(25, 2)) == [])
        #expect(try intel(.discrete, 16...32, mesa(24, 2)) == [.unfitMatrices])
        #expect(try intel(.integrated, 8...32, mesa(24, 3)) == [])
    }

    /// Sizes that no device can have become 1, which no kernel asks for.
    @Test func impossibleSubgroups() {
        func found(_ size: Int, _ range: (Int, Int)? = nil) -> [Int] {
            let (size, range) = Capabilities.subgroups(size: size, range: range)
            return [size, range.lowerBound, range.upperBound]
        }
        #expect(found(0) == [1, 1, 1] && found(0, (0, 0)) == [1, 1, 1])
        #expect(found(24) == [1, 1, 1])
        #expect(found(32, (64, 32)) == [32, 32, 32])
        #expect(found(64, (32, 64)) == [64, 32, 64])
    }

    /// A device that is opened with robust access works as others do, and the validation layers agree.
    @Test func robustAccessCanBeAskedFor() throws {
        var physical = try Instance(validation: true).physicalDevices()[0]
        physical.capabilities.quirks.insert(.needsRobustness)
        #expect(physical.capabilities.hasRobustBuffers, "this driver lacks what the test is about")
        let device = try Device(physical)
        let buffer = try DeviceBuffer(device, bytes: 1024)
        try CommandRecorder.copy(buffer.slice(bytes: 512), to: buffer.slice(offset: 512, bytes: 512), device)
        #expect(device.instance.messages == [])
    }
}
