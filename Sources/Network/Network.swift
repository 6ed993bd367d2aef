// Network: the waist of the house.
//
// A network is a `Graph`: a static, typed dataflow graph of a few dozen primitive tensor operations (`Operation`) with
// named parameters and concrete shapes. Architectures (Architectures/) are short functions from hyperparameters to a
// graph. A `NetworkDefinition` (Definition/) is a network of any origin: it makes the graph for every size, has the rules
// that make its parameters of a file's tensors, and derives what callers need to know (`NetworkTraits`) from its graph.
// Executors compile a graph to a `Plan` and run it. `GraphBuilder` infers and checks every shape when a node is
// added, so a graph that exists is well formed.
//
// This module knows no device, no file format and no video. It does not run anything: `Reference` defines what each
// operation means.
