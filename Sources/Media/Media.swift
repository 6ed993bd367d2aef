// Media: everything that touches FFmpeg, and nothing that touches a network.
//
// Its parts:
//   MediaReader      opens a file, names its streams, decodes the one video stream with frame threads and hands out
//                    frames and, untouched, the packets of every stream that is to be copied, in the file's order.
//   MediaWriter      the other end: encodes frames, interleaves copied packets, writes beside the target under a
//                    hidden name and renames when all is well.
//   CodecRoundTrip   frames through an encoder and its decoder, in memory; PictureCodec: single pictures likewise.
//   PixelConverter   frames <-> interleaved gamma-encoded RGB floats, by the frame's own matrix, range and siting.
//   VideoFrame, EncodedPacket   immutable, reference-counted, free to cross threads.
//   VideoDescription, ColorDescription, StreamDescription, SourceDescription   plain values that say what is there.
//   MediaProbe       the streams of a file in plain values, for messages and tests.
//   MediaError       every failure that a caller cannot foresee, in one line that names the thing and the remedy.
//
// Laws. Time is never recomputed: a frame carries the decoder's best-effort timestamp in its stream's time base, the
// encoder runs in that same time base, and the container keeps it where it can. Readers, writers and converters
// belong to one thread at a time; `Interrupter` is the one thing that may be called from anywhere. Nothing here keeps
// a queue: the caller's bounded channels decide how much is in flight.
//
// It refuses: to guess silently (what it had to guess or change is in `ColorDescription.guessed`,
// `MediaWriter.notes` and `MediaWriter.droppedStreams`), to overwrite, to leave half a file behind, and to print.
