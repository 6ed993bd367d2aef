// Training: what makes a network better.
//
// A training step is one graph: forward, losses, derivatives (`Autodiff`) and the optimiser's update, compiled to one plan
// per shape by any `TrainingExecutor`. What changes from step to step lies in the executor's `ParameterState`: weights,
// moments, averages, the vectors of spectral norms. A plan reads it and, when every loss and gradient is a finite number,
// writes it. Plans share a state, so lazily regularised steps and unequal numbers of steps for the two networks are
// different plans that take turns.
//
// The parts: `Losses` and `AdversarialLoss` (objectives, as graph builders), `Optimizer` (update rules, as graph builders,
// and the numbers that they need in each step), `Schedule` (learning rates), `StepBuilder` (one network's part of a
// step: parameters, gradients, clipping, update, moving average), `TrainingSteps` (the steps of the field's recipes),
// `Augmentation` (what the discriminator is shown), `Monitors` (what a step says of itself) and `BalanceMonitor` (what that
// means), `CropSchedule`.
//
// Names in the state: `g.` before the generator's parameters, `d.` before the discriminator's, `ema.g.` before averages,
// `adam.m.`, `adam.v.`, `free.z.` before the optimisers' moments. Nothing here draws random numbers but through Philox.
