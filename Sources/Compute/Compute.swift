// Compute: Vulkan made safe.
//
// A small door to Vulkan for programs that only compute: storage buffers in, dispatches, storage buffers out. The loader
// is opened when the first `Instance` is made, so nothing here keeps a machine without Vulkan from running the rest.
//
// The parts: `Instance` lists `PhysicalDevice`s, each with one immutable `Capabilities` value and the `Quirk`s of its
// driver. `Device` owns a logical device and its queue. `DeviceBuffer` and `HostBuffer` own memory; `BufferSlice` is a
// piece of either. `Pipeline` is a compute shader with its constants specialised, made through a `PipelineCache` that
// lives on disk. `CommandRecorder` records dispatches, puts barriers only where one dispatch depends on another, and
// finishes into a `CommandList` that can be submitted any number of times; `Timeline` says when it is done.
//
// Lifetimes are Swift's: each object retains what it needs, and destroys its Vulkan handle when nobody holds it. A
// command list retains what it touches, and waits for its last submission before it goes.
//
// No Vulkan type appears in the public interface. There are no images, no graphics, no presentation, and no policy: which
// device is right for a task is its caller's decision.
