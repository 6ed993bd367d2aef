// swift-tools-version: 6.2
import PackageDescription

// The rooms and the laws between them are described in ARCHITECTURE.md: arrows only go down, and a C library is
// imported by exactly one module. A target names every module that it imports: what is not named is not rebuilt when that
// module changes.

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func room(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict, plugins: plugins)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], resources: resources, swiftSettings: strict)
}

let package = Package(
    name: "upframe",
    products: [
        .executable(name: "upframe", targets: ["upframe"]),
        .library(name: "Upframe", targets: ["Upframe"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // For `swift package generate-documentation` only; nothing links it.
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    ],
    targets: [
        // System libraries: a module map and a shim header, nothing else.
        .systemLibrary(name: "CVulkan", providers: [.apt(["libvulkan-dev"])]),
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [
                .apt(["libavformat-dev", "libavcodec-dev", "libavfilter-dev", "libavutil-dev", "libswscale-dev"])
            ]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        // Numbers and networks: no device, no file, no video.
        room("Support", []),
        room("Threads", []),
        room("Tensor", []),
        room("Resampling", ["Tensor"]),
        room("Metrics", ["Tensor"]),
        room("Network", ["Tensor"]),
        room("Planning", ["Network", "Tensor"]),
        room("Reference", ["Network", "Tensor"]),
        room("Autodiff", ["Network", "Tensor"]),
        room("Measure", ["Network", "Tensor"]),

        // Executors.
        .target(name: "CKernels"),
        room("CPUExecutor", ["Network", "Planning", "Tensor", "COpenBLAS", "CKernels"]),
        room("Compute", ["CVulkan"]),
        // Shaders/ is compiled at build (glslang-tools) and embedded in VulkanExecutor.
        .executableTarget(name: "ShaderCompiler"),
        .plugin(name: "CompileShaders", capability: .buildTool(), dependencies: ["ShaderCompiler"]),
        room(
            "VulkanExecutor", ["Threads", "Tensor", "Network", "Planning", "Reference", "Compute"],
            plugins: ["CompileShaders"]),

        // Files, models and video.
        room("Weights", ["Support", "Network", "Tensor", "COpenSSL"]),
        // Weight files that are part of the program.
        .target(name: "CModels", exclude: ["realtime-x2.safetensors", "realtime-x2-video.safetensors"]),
        room("Catalogue", ["Support", "Weights", "CArchive", "CModels"]),
        .target(name: "CPixels"),
        room("Media", ["Support", "CFFmpeg", "CPixels"]),
        room(
            "Pipeline",
            [
                "Threads", "Tensor", "Resampling", "Network", "Planning", "Media", "Measure", "Metrics", "Weights",
                "Reference", "CPUExecutor", "VulkanExecutor",
            ]),
        .executableTarget(
            name: "upframe",
            dependencies: [
                "Support", "Pipeline", "Catalogue", "Measure", "TrainingRun", "Degradation", "Media", "Metrics",
                "Network",
                "Tensor",
                "Weights",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Networks made better.
        room("Datasets", ["Tensor", "Threads", "Resampling", "Media"]),
        room("Training", ["Autodiff", "Network", "Tensor"]),
        .target(name: "CFilters"),
        // C of ours, since libjpeg reports errors by longjmp.
        .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
        room("Degradation", ["Tensor", "Media", "CFilters", "CJPEG"]),
        room("RunRecords", ["Tensor"]),

        room(
            "TrainingRun",
            [
                "Planning", "Tensor", "Network", "Training", "Datasets", "Degradation", "RunRecords", "Metrics",
                "Resampling", "Media",
                "Weights", "Catalogue", .product(name: "Yams", package: "Yams"),
            ]),

        // The façade: the one module that users of the library import.
        room(
            "Upframe",
            ["Threads", "Tensor", "Network", "Weights", "Catalogue", "Media", "Pipeline", "TrainingRun"]),

        // What is taken to machines without Swift and FFmpeg: self-tests and benchmarks of networks (Benchmarks/standalone).
        .executableTarget(
            name: "upframe-bench",
            dependencies: [
                "Tensor", "Network", "Measure", "Weights", "Reference", "CPUExecutor", "VulkanExecutor",
                "OperationCases",
                "Training",
            ],
            path: "Benchmarks/Standalone", swiftSettings: strict),

        // Writes what kernels in C and GLSL share with the Swift side.
        .executableTarget(name: "upframe-generate", dependencies: ["Network"], swiftSettings: strict),

        // Tests. The cases that every executor runs stand apart, because the stand-alone benchmark runs them too.
        .target(name: "OperationCases", dependencies: ["Network"], path: "Tests/OperationCases", swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Network", "OperationCases"], path: "Tests/TestSupport",
            swiftSettings: strict),
        // Takes malloc's place in test executables, to count.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        tests("SupportTests", ["Support"]),
        tests("TensorTests", ["Tensor"]),
        tests("ThreadsTests", ["Threads"]),
        tests("ResamplingTests", ["Resampling", "Tensor"]),
        tests("MetricsTests", ["Metrics", "Tensor"]),
        tests("NetworkTests", ["Network", "Planning", "Reference", "upframe-generate"]),
        tests(
            "ExecutorTests",
            [
                "CAllocationCounter", "CKernels", "Measure", "Network", "Planning", "Reference", "CPUExecutor",
                "VulkanExecutor", "Compute",
            ]),
        tests("ComputeTests", ["Compute"]),
        tests("AutodiffTests", ["Autodiff", "Reference", "Network", "Weights", "CPUExecutor", "VulkanExecutor"]),
        tests("TrainingTests", ["Training", "Reference", "CPUExecutor", "VulkanExecutor", "Weights"]),
        tests("DegradationTests", ["Degradation", "Media", "Weights"]),
        tests("RunRecordsTests", ["RunRecords", "Tensor", "Weights"]),
        tests(
            "TrainingRunTests",
            [
                "TrainingRun", "Planning", "Degradation", "CPUExecutor", "VulkanExecutor", "Compute", "Media",
                "RunRecords", "Weights",
            ]),
        tests("WeightsTests", ["Weights", "Catalogue", "Network", "Reference", "Tensor", "OperationCases"]),
        tests("GoldenTests", ["Weights", "Catalogue", "Reference", "CPUExecutor", "VulkanExecutor"]),
        tests("MediaTests", ["Media"]),
        tests("DatasetsTests", ["Datasets", "Media", "Resampling", "Tensor", "Threads"]),
        tests(
            "PipelineTests",
            [
                "CAllocationCounter", "CPUExecutor", "Pipeline", "Catalogue", "Media", "VulkanExecutor", "Compute",
                "Threads",
            ]),
        tests("UpframeTests", ["Upframe"]),
        tests(
            "CommandTests",
            [
                "upframe", "Catalogue", "Media", "Network", "Pipeline", "Tensor", "TrainingRun", "Weights",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
