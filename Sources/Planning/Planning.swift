// Planning: what every compiling executor does before it knows its device.
//
// A `Program` is a graph made ready to run: a list of steps in which a convolution carries its bias, activation,
// residuals, nearest upsampling and pixel shuffle with it; values placed in buffers so that a concatenation is a view of
// one wide buffer; buffers placed by lifetime in one arena. `Planner` makes one from a graph.
//
// The parts: `View` and `Buffer` (where values lie), `Step` (what is done), `Fusion` (which pointwise functions are computed
// with which convolution), `Planner` (a graph to a program), `Placement` (values to buffers, buffers to the arena). `StageCut` makes graphs for
// tiles of a graph that takes means over the frame. It does no arithmetic, packs no weights and knows no device; what devices
// differ in is in `PlanningOptions`. `Reference` does not use it, so that a mistake made here shows as a difference from it.
