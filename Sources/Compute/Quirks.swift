/// What a driver does otherwise than its capabilities say. Each has a row in the table below, with the reason.
public enum Quirk: String, Sendable, Hashable, CaseIterable {
    /// A dispatch may take seconds: waits must be patient.
    case slow

    /// One row: which devices have the quirk.
    private struct Row: Sendable {
        let quirk: Quirk
        let applies: @Sendable (_ name: String, _ driver: String, _ vendorID: UInt32, _ kind: Capabilities.Kind) -> Bool
    }

    private static let table: [Row] = [
        // Software drivers compute on the processor.
        Row(quirk: .slow) { _, _, _, kind in kind == .software }
    ]

    static func found(name: String, driver: String, vendorID: UInt32, kind: Capabilities.Kind) -> Set<Quirk> {
        Set(table.filter { $0.applies(name, driver, vendorID, kind) }.map(\.quirk))
    }
}
