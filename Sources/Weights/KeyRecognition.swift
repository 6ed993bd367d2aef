internal import Network
internal import Tensor

// A state dict's keys as the field writes them: the network's names, often within containers ("params_ema.") and behind
// prefixes that training code leaves ("module.").

/// Containers of a state dict within a checkpoint, the best first: an averaged generator before the plain one.
private let containers = [
    "params_ema.", "params-ema.", "params.", "model_state_dict.", "state_dict.", "generator.", "netG.", "net_g.",
    "module.",
    "model.", "net.", "_orig_mod.",
]

/// An architecture found in a state dict; its rules name whole keys, container included.
struct RecognisedState {
    var found: RecognisedArchitecture
    /// What stands before every key of the network.
    var container: String
}

/// Finds an architecture in `shapes`, looking into containers where the keys as they stand say nothing.
func recogniseState(
    _ shapes: [String: Shape], among known: [any Architecture.Type], depth: Int = 0
) -> RecognisedState? {
    if let found = recogniseArchitecture(shapes, among: known) { return RecognisedState(found: found, container: "") }
    // Real files nest two or three deep.
    guard depth < 4 else { return nil }
    for container in containers {
        var inner: [String: Shape] = [:]
        for (key, shape) in shapes where key.hasPrefix(container) {
            inner[String(key.dropFirst(container.count))] = shape
        }
        guard !inner.isEmpty, let state = recogniseState(inner, among: known, depth: depth + 1) else { continue }
        let found = state.found
        return RecognisedState(
            found: RecognisedArchitecture(
                architecture: found.architecture,
                rules: found.rules.map { rule in WeightRule(rule.parameter, rule.value.renamed { container + $0 }) },
                ignored: Set(found.ignored.map { container + $0 })),
            container: container + state.container)
    }
    return nil
}
