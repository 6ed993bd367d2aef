/// What is wrong with a recipe: one line that names the file, the place and the remedy.
public struct RecipeError: Error, CustomStringConvertible, Equatable {
    public let path: String
    /// Counted from 1; nil where no line is to blame.
    public let line: Int?
    public let message: String

    public init(path: String, line: Int? = nil, _ message: String) {
        (self.path, self.line, self.message) = (path, line, message)
    }

    public var description: String { line.map { "\(path):\($0): \(message)" } ?? "\(path): \(message)" }
}
