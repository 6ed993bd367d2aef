// Planning: what every compiling executor does before it knows its device.
//
// A `Program` is a graph made ready to run: a list of steps, some on views (`View`: channels padded for the kernels of
// convolutions), some on dense tensors of any rank, and buffers placed by lifetime in one arena. A convolution on views carries
// its bias, activation, residuals, nearest upsampling and pixel shuffle with it; a concatenation is a view of one wide buffer.
//
// The parts: `StepKinds` (which nodes are computed on views), `Fusion` (which pointwise functions are computed with which
// convolution), `Expressions` (which are computed together on tensors), `Placement` (values to buffers), `Lifetimes` (buffers to
// the arena), `Planner` (a graph to a program); in `Tensors/` also how elements move (`Axis`, `LineTable`) and the shapes of a
// convolution and its two adjoints (`ConvolutionForm`). `StageCut` makes graphs for tiles of
// a graph that takes means over the frame. It does no arithmetic, packs no weights and knows no device; what
// devices differ in is in `PlanningOptions`. `Reference` does not use it, so that a mistake made here shows as a difference
// from it.
