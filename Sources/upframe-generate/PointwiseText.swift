import Network

/// The table of pointwise functions as the text of kernels. The files that it makes are in the repository: a C target's headers
/// and shaders are read where they lie.
enum PointwiseText {
    /// The generated files by path, relative to the repository's root.
    static var files: [(path: String, text: String)] {
        [
            ("Sources/CKernels/include/CKPointwise.h", header), ("Sources/CKernels/body/pointwise.h", c),
            ("Shaders/pointwise.glsl", glsl),
        ]
    }

    private static let notice = "// Made by upframe-generate from Network/PointwiseTable.swift; do not edit.\n"
    private static let functions = PointwiseFunction.Name.allCases.map(\.example)

    /// "hardSigmoid" as "hard_sigmoid".
    private static func symbol(_ function: PointwiseFunction) -> String {
        var text = ""
        for letter in function.name.rawValue.replacing("ReLU", with: "Relu") {
            text += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
        }
        return text
    }

    // MARK: C

    private static var header: String {
        let codes = functions.map { "    CK_\(symbol($0).uppercased()) = \($0.code),\n" }.joined()
        return """
            \(notice)#pragma once

            /// The codes of pointwise functions; 0 stands for none.
            typedef enum ck_function {
            \(codes)} ck_function;

            """
    }

    private static var c: String {
        var text = """
            \(notice)// Functions of vectors: operands x and y, and numbers a, b and c in all lanes. CK_KEEP_NAN(x, v) is v, or x where
            // that is not a number and has to stay so.

            """
        for function in functions {
            let parameters = ["x", "y"].prefix(function.operandCount) + ["a", "b", "c"]
            text += "\nCK_INLINE vf CK_NAME(\(symbol(function)))("
            text += parameters.map { "vf \($0)" }.joined(separator: ", ") + ") {\n"
            if let replacement = function.row.cFunction {
                let operands = ["x", "y"].prefix(function.operandCount).joined(separator: ", ")
                text += "    return \(kept("\(replacement)(\(operands))", function));\n}\n"
                continue
            }
            var printer = Printer(language: .c)
            for line in printer.lines(function.row.body) { text += "    \(line)\n" }
            text += "    return \(kept(printer.text(function.row.body), function));\n}\n"
        }
        func list(_ name: String, _ isChosen: (PointwiseFunction) -> Bool) -> String {
            let rows = functions.filter(isChosen).map { "    X(CK_\(symbol($0).uppercased()), \(symbol($0)))" }
            return "\n#define \(name)(X) \\\n\(rows.joined(separator: " \\\n"))\n"
        }
        text +=
            "\n// All functions of one operand, those of them that take more than a few instructions, and those that do not.\n"
        text += list("CK_UNARY_FUNCTIONS") { $0.operandCount == 1 }
        text += list("CK_LONG_FUNCTIONS") { $0.operandCount == 1 && $0.row.body.isLong }
        text += list("CK_SHORT_FUNCTIONS") { $0.operandCount == 1 && !$0.row.body.isLong }
        text += "\n// All functions of two operands.\n"
        text += list("CK_BINARY_FUNCTIONS") { $0.operandCount == 2 }
        return text
    }

    /// `text` guarded against hiding that an operand is not a number.
    private static func kept(_ text: String, _ function: PointwiseFunction) -> String {
        function.row.hidesNotANumber.reduce(text) { "CK_KEEP_NAN(\($1 == 0 ? "x" : "y"), \($0))" }
    }

    // MARK: GLSL

    private static var glsl: String {
        var text = """
            \(notice)// Functions of quads: operands x and y, and numbers a, b and c. The function is a specialisation constant, so only
            // its own text is left.

            vec4 pointwise(uint function, vec4 x, vec4 y, float a, float b, float c)
            {

            """
        for function in functions {
            var printer = Printer(language: .glsl)
            let lines = printer.lines(function.row.body)
            let result = printer.text(function.row.body)
            text += "    // \(function.name.rawValue)\n"
            if lines.isEmpty {
                text += "    if (function == \(function.code)u) return \(result);\n"
            } else {
                text += "    if (function == \(function.code)u) {\n"
                for line in lines { text += "        \(line)\n" }
                text += "        return \(result);\n    }\n"
            }
        }
        return text + "    return x;\n}\n"
    }

    // MARK: Expressions

    /// Prints expressions; what occurs more than once is computed once.
    private struct Printer {
        enum Language { case c, glsl }
        let language: Language
        private var names: [Scalar: String] = [:]

        init(language: Language) { self.language = language }

        /// Statements that compute what `expression` contains more than once.
        mutating func lines(_ expression: Scalar) -> [String] {
            var lines: [String] = []
            for part in expression.repeated {
                let line = "const \(language == .c ? "vf" : "vec4") t\(names.count) = \(text(part));"
                names[part] = "t\(names.count)"
                lines.append(line)
            }
            return lines
        }

        func text(_ expression: Scalar) -> String {
            if let name = names[expression] { return name }
            switch expression {
            case .operand(let index): return index == 0 ? "x" : "y"
            case .constant(let index):
                let name = ["a", "b", "c"][index]
                return language == .c ? name : "vec4(\(name))"
            case .number(let number): return language == .c ? "vf_all(\(number)f)" : "vec4(\(number))"
            case .unary(.inverse, let x) where language == .glsl: return "(vec4(1.0) / \(text(x)))"
            case .unary(let function, let x): return "\(name(function))(\(text(x)))"
            case .binary(.minimum, let x, let y): return "\(language == .c ? "vf_min" : "min")(\(text(x)), \(text(y)))"
            case .binary(.maximum, let x, let y): return "\(language == .c ? "vf_max" : "max")(\(text(x)), \(text(y)))"
            case .binary(let function, let x, let y): return "(\(text(x)) \(sign(function)) \(text(y)))"
            case .whereLess(let x, let y, let yes, let no):
                return language == .c
                    ? "(\(text(x)) < \(text(y)) ? \(text(yes)) : \(text(no)))"
                    : "mix(\(text(no)), \(text(yes)), lessThan(\(text(x)), \(text(y))))"
            }
        }

        private func name(_ function: Scalar.Unary) -> String {
            let prefix = language == .c ? "vf_" : ""
            switch function {
            case .exponential: return prefix + "exp"
            case .logarithm: return prefix + "log"
            case .squareRoot: return prefix + "sqrt"
            case .absolute: return prefix + "abs"
            case .floor: return prefix + "floor"
            case .inverse: return prefix + "inverse"
            }
        }

        private func sign(_ function: Scalar.Binary) -> String {
            switch function {
            case .add: "+"
            case .subtract: "-"
            case .multiply: "*"
            case .divide: "/"
            case .minimum, .maximum: preconditionFailure("functions, not signs")
            }
        }
    }
}
