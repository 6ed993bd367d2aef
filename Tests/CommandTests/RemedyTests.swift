import Pipeline
import Testing

@testable import upframe

/// Errors of the library do not know the command line; the command says which option helps.
@Suite struct RemedyTests {
    @Test func wholeFrames() {
        let error = PipelineError.wholeFramesOnly(network: "Attention", operation: "product", bytes: 300 << 20)
        #expect(
            "\(error)\(remedy(error))"
                == "Attention: 'product' needs the whole frame, which cannot be cut into tiles; compute whole frames, "
                + "with 300 MiB of memory for each (--tile off, or --memory-limit with as much and --tile auto)")
        #expect(remedy(PipelineError.noThread) == "")
    }
}
