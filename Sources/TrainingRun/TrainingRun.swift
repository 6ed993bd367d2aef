// TrainingRun: from a recipe to a shipped model.
//
// `Recipe` is what a run is made of: data, degradation, networks, losses, optimisers, schedule. It is read from YAML by
// laying what the file says over typed defaults; a key that no default has is refused by name. `TrainingRun` takes batches
// from loader threads, steps a `Trainer`, validates, and writes checkpoints, logs, strips and a report into one folder.
//
// Everything random is a function of the recipe's seed and of counters, and a checkpoint holds all that changes, so a
// resumed run writes the same files, byte for byte, as one that was never stopped.
//
// What it refuses to do: choose a device (the caller hands over an executor), draw progress, parse command lines.
