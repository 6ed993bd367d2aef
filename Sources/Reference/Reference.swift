// Reference: the definition of right.
//
// `ReferenceExecutor` interprets a graph node by node in scalar loops that say what each operation means, computes in
// double precision and rounds once per node. Fast executors are tested against it; it is tested against independent
// implementations (Tests/Golden). It fuses nothing, plans nothing, uses one thread, and refuses to be made fast where
// that would make it less obvious.
//
// `ReferenceExecutor.evaluate` is the same without the rounding: there finite differences can check derivatives.
//
// The parts: `Evaluate` (what every operation means), `Adjoints` (the linear operations of training, as what they are
// the adjoints of, read backwards), `Convolutions`.
