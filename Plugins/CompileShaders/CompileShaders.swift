import Foundation
import PackagePlugin

/// Compiles Shaders/ into one Swift file whenever a shader changed.
@main
struct CompileShaders: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let shaders = context.package.directoryURL.appending(path: "Shaders")
        let sources = try FileManager.default.contentsOfDirectory(at: shaders, includingPropertiesForKeys: nil)
            .filter { ["comp", "glsl", "txt"].contains($0.pathExtension) }
            .sorted { $0.path < $1.path }
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedShaders.swift")
        return [
            .buildCommand(
                displayName: "Compiling shaders", executable: try context.tool(named: "ShaderCompiler").url,
                arguments: [shaders.appending(path: "Variants.txt").path, output.path], inputFiles: sources,
                outputFiles: [output])
        ]
    }
}
