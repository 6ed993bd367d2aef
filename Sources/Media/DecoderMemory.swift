internal import CFFmpeg
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How a decoder lays a picture in one piece of memory.
public struct PictureArrangement: Hashable, Sendable {
    /// Bytes from the beginning to each plane's first row, and from row to row.
    public var starts: [Int]
    public var strides: [Int]
    /// Of the whole, with all that the decoder may touch besides the picture. A multiple of 64.
    public var bytes: Int
}

/// Memory for one picture, from somebody who has a use for it.
public struct PictureMemory: Sendable {
    /// A multiple of 64.
    nonisolated(unsafe) let address: UnsafeMutableRawPointer
    let bytes: Int
    let owner: any AnyObject & Sendable

    /// - Parameter owner: is kept until the decoder and all who have the picture are done with it; the memory stays for as
    ///   long.
    public init(_ address: UnsafeMutableRawPointer, bytes: Int, owner: any AnyObject & Sendable) {
        precondition(Int(bitPattern: address) % 64 == 0, "decoders need memory that begins at a multiple of 64")
        (self.address, self.bytes, self.owner) = (address, bytes, owner)
    }
}

/// Gives a decoder memory for its pictures: one piece for all planes of a picture, somebody else's as far as there is any.
///
/// libav's decoders write there, and read it again while they predict other pictures from it. Called by their threads.
internal final class DecoderMemory: Sendable {
    /// libav's names for a picture's kind, and its size.
    private struct Picture: Hashable {
        var format: Int32
        var width: Int32
        var height: Int32
    }

    private struct State {
        /// Ordinary memory, in pieces of so many bytes.
        var pool: OpaquePointer?
        var pieceBytes = 0
        var lend: (@Sendable () -> PictureMemory?)?
        /// The last picture's.
        var picture: Picture?
        var arrangement: PictureArrangement?
    }
    private let state = Mutex(State())

    /// Rows and planes begin at multiples of this, whatever instructions the decoder uses.
    private static let alignment = 64

    deinit { state.withLock { av_buffer_pool_uninit(&$0.pool) } }

    /// Has a decoder call this, where it lets itself be given memory at all. Before it is opened; its context points to the
    /// `ReadingOwner` of this.
    func attach(to context: UnsafeMutablePointer<AVCodecContext>, _ codec: UnsafePointer<AVCodec>) {
        guard codec.pointee.capabilities & AV_CODEC_CAP_DR1 != 0 else { return }
        uf_set_get_buffer(context) { context, frame, flags in
            guard let context, let frame, let opaque = context.pointee.opaque else { return uf_error_invalid_data() }
            let owner = Unmanaged<ReadingOwner>.fromOpaque(opaque).takeUnretainedValue()
            return owner.memory?.give(context, frame) == true ? 0 : avcodec_default_get_buffer2(context, frame, flags)
        }
    }

    /// Has pictures written into this memory from now on, as long as there is any.
    func lend(_ lend: (@Sendable () -> PictureMemory?)?) { state.withLock { $0.lend = lend } }

    /// How a picture lies in a piece of memory from here; nil where it does not.
    func arrangement(of frame: UnsafeMutablePointer<AVFrame>) -> PictureArrangement? {
        guard let bytes = state.withLock({ $0.arrangement?.bytes }), let buffer = frame.pointee.buf.0,
            frame.pointee.buf.1 == nil, let first = buffer.pointee.data, Int(buffer.pointee.size) == bytes,
            let planes = PixelLayout(AVPixelFormat(rawValue: frame.pointee.format))?.planes
        else { return nil }
        var arrangement = PictureArrangement(starts: [], strides: [], bytes: bytes)
        for plane in 0..<planes {
            guard let data = frame.plane(plane) else { return nil }
            // Cropped pictures begin somewhere inside.
            arrangement.starts.append(UnsafeMutableRawPointer(data) - UnsafeMutableRawPointer(first))
            arrangement.strides.append(frame.stride(plane))
        }
        return arrangement
    }

    // MARK: For the decoder

    /// False where the decoder has to help itself.
    private func give(_ context: UnsafeMutablePointer<AVCodecContext>, _ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        let f = frame.pointee
        let picture = Picture(format: f.format, width: f.width, height: f.height)
        let known = state.withLock { $0.picture == picture ? $0.arrangement : nil }
        guard let arrangement = known ?? Self.arrangement(for: frame, context) else { return false }
        let lend = state.withLock { state in
            (state.picture, state.arrangement) = (picture, arrangement)
            return state.lend
        }
        let bytes = arrangement.bytes
        // Somebody else's memory fits the pictures that it was made for.
        let lent = lend?().flatMap { $0.bytes >= bytes ? $0 : nil }
        guard
            let buffer = lent.flatMap({
                UnsafeMutablePointer<AVBufferRef>.lent($0.address, bytes: bytes, owner: $0.owner)
            }) ?? piece(bytes), let base = buffer.pointee.data
        else { return false }
        frame.pointee.buf.0 = buffer
        frame.setPlanes(
            zip(arrangement.starts, arrangement.strides).map { (UnsafeMutableRawPointer(base) + $0, $1) })
        return true
    }

    /// Room for a picture as large as the decoder writes it: whole blocks, and a little beyond.
    private static func arrangement(
        for frame: UnsafeMutablePointer<AVFrame>, _ context: UnsafeMutablePointer<AVCodecContext>
    ) -> PictureArrangement? {
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        guard let layout = PixelLayout(format), layout.isPlain else { return nil }
        var (width, height) = (frame.pointee.width, frame.pointee.height)
        var wanted: (Int32, Int32, Int32, Int32, Int32, Int32, Int32, Int32) = (0, 0, 0, 0, 0, 0, 0, 0)
        withUnsafeMutablePointer(to: &wanted) {
            $0.withMemoryRebound(to: Int32.self, capacity: 8) {
                avcodec_align_dimensions2(context, &width, &height, $0)
            }
        }
        // Wider until the rows of all planes are aligned: some decoders expect chroma's to be just half of luma's.
        var lines = [Int32](repeating: 0, count: 4)
        repeat {
            guard width > 0, av_image_fill_linesizes(&lines, format, width) >= 0 else { return nil }
            width += width & -width
        } while lines.contains { Int($0) % alignment != 0 }
        var sizes = [Int](repeating: 0, count: 4)
        guard av_image_fill_plane_sizes(&sizes, format, height, lines.map { Int($0) }) >= 0 else { return nil }
        var arrangement = PictureArrangement(starts: [], strides: [], bytes: 0)
        for plane in 0..<layout.planes {
            arrangement.starts.append(arrangement.bytes)
            arrangement.strides.append(Int(lines[plane]))
            // Vector instructions write a little past the end.
            arrangement.bytes += (sizes[plane] + alignment - 1) / alignment * alignment + alignment
        }
        return arrangement
    }

    /// Ordinary memory.
    private func piece(_ bytes: Int) -> UnsafeMutablePointer<AVBufferRef>? {
        state.withLock { state in
            if state.pieceBytes != bytes {
                // Pieces in use outlive their pool.
                av_buffer_pool_uninit(&state.pool)
                state.pool = av_buffer_pool_init(numericCast(bytes)) { DecoderMemory.allocate(Int($0)) }
                state.pieceBytes = bytes
            }
            return state.pool.flatMap { av_buffer_pool_get($0) }
        }
    }

    /// Zeros at first, as libav's own memory for pictures.
    private static func allocate(_ bytes: Int) -> UnsafeMutablePointer<AVBufferRef>? {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, alignment, bytes) == 0, let memory else { return nil }
        memset(memory, 0, bytes)
        let buffer = av_buffer_create(
            memory.assumingMemoryBound(to: UInt8.self), numericCast(bytes), { _, data in free(data) }, nil, 0)
        if buffer == nil { free(memory) }
        return buffer
    }
}
