// upframe-generate: writes the kernels' texts that are made from tables, into the repository. Run in its root after a change of
// Network/PointwiseTable.swift; a test fails while the texts and the table differ.
import Foundation

for (path, text) in PointwiseText.files {
    do { try text.write(toFile: path, atomically: true, encoding: .utf8) } catch {
        FileHandle.standardError.write(
            Data("upframe-generate: \(path) cannot be written: run it in the repository's root\n".utf8))
        exit(1)
    }
}
