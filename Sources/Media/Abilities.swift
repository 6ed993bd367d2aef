internal enum Abilities {
    static let held: StaticString = ""
    static let tried: StaticString = ""
    static let fullRange: StaticString = ""
}
