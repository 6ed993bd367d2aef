/// What a driver does otherwise than its capabilities say. Each has a row in the table below, with the reason.
public enum Quirk: String, Sendable, Hashable, CaseIterable {
    /// A dispatch may take seconds: waits must be patient.
    case slow
    /// Invocations are lanes of the processor's vectors. Storage and shared memory are read and written lane by lane, and
    /// so are values that a subgroup exchanges; texel buffers are fetched four channels at a time with plain vector loads.
    case processorLanes

    /// One row: which devices have the quirk.
    private struct Row: Sendable {
        let quirk: Quirk
        let applies: @Sendable (_ name: String, _ driver: String, _ vendorID: UInt32, _ kind: Capabilities.Kind) -> Bool
    }

    private static let table: [Row] = [
        // Software drivers compute on the processor.
        Row(quirk: .slow) { _, _, _, kind in kind == .software },
        // Measured with llvmpipe 22.3: a float from storage memory takes 4 cycles a lane, from a texel buffer half a cycle.
        Row(quirk: .processorLanes) { _, _, _, kind in kind == .software },
    ]

    static func found(name: String, driver: String, vendorID: UInt32, kind: Capabilities.Kind) -> Set<Quirk> {
        Set(table.filter { $0.applies(name, driver, vendorID, kind) }.map(\.quirk))
    }
}
