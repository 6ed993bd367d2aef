// Autodiff: derivatives as graphs.
//
// `GraphBuilder.gradient(of:withRespectTo:)` extends a graph that is being built by the nodes that compute a derivative of
// it. It walks backwards from a value and asks, for every operation on the way, one row of `VectorJacobian`: given the
// derivative with respect to the result, what are those with respect to the operands? Rows are written in the graph's own
// operations, so the set is closed: the result of `gradient` can be differentiated again, and penalties on gradients (R1,
// WGAN-GP, path lengths) need no code of their own.
//
// The linear operations come in pairs of adjoints (upsampling and pooling, padding and cropping, sum and broadcast), and
// the three convolutions are one form of three tensors with one of them left out: that is all their derivatives.
//
// `Graph.simplified()` takes out what differentiation leaves behind: the same subexpression twice, factors of one, chains
// of scales.
//
// This module runs nothing and knows no device. Where a function has a kink, the derivative there is PyTorch's: ReLU,
// LeakyReLU and PReLU take the side below zero, |x| takes 0, `clamp` passes the gradient on its bounds.
