// Pipeline: frames in, larger frames out.
//
// The parts, from the inside out: `Tiler` (how a picture is cut and put together), `StagedTiles` (means over a frame,
// gathered from its tiles), `TileRules` (whether and how there are tiles), `Upscaler` (one picture through one
// model on one executor), `Stage` (threads, joined by the bounded queues of `Threads`), `UpscaleJob` (a file or picture
// from end to end), `Progress` (what a job tells while it runs). `Resampling` brings results to any target size.
//
// Threads, not tasks, because decoding, inference and encoding block. A job has four: decode, network, convert, encode.
// Between two of them lies a channel of a few frames: a full one blocks its producer, an empty one its consumer. Closing
// is symmetric: the end of the stream travels down, "nobody reads any more" travels up. The first error stops every
// stage and is the one that the caller sees.
//
// It never asks which model it runs: the `ModelDescriptor`, derived from the graph, says what matters. It knows no C library and parses no files.
