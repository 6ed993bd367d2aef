/// What a target is expected to make of a source's times; the same rules as a writer's, from what two files show.
extension FileInventory {
    /// Seconds by which all times of this file were moved on their way into `output`, by `OutputClock`'s rules.
    public func shift(in output: FileInventory) -> Double {
        let isBroadcast =
            hasJumpingClock && abs(startSeconds) > OutputClock.latestStart && !output.hasJumpingClock
        return isBroadcast || output.isRateBased ? -startSeconds : 0
    }

    /// Counts frames at a rate and knows no times.
    public var isRateBased: Bool { ["avi", "yuv4mpegpipe", "rawvideo", "mxf", "gxf"].contains(format) }

    /// The frames of this file as `output` should show them, in ticks of its time base, where it knows only a frame rate;
    /// nil where it knows times.
    ///
    /// - Parameter shift: seconds that were added to all times.
    public func frames(inPlacesOf output: FileInventory, shift: Double) -> [FrameRecord]? {
        guard let source = video, let target = output.video else { return nil }
        var grid: RateGrid
        if output.format == "gif" {
            grid = RateGrid(rate: Rational(100, 1), step: 2, fills: false)
        } else if output.isRateBased, target.description.timeBase.isKnown {
            let base = target.description.timeBase
            grid = RateGrid(rate: Rational(base.denominator, base.numerator), fills: true)
        } else {
            return nil
        }
        let base = source.description.timeBase.value
        func place(_ time: Int64) -> Int64 {
            Int64(((Double(time) * base + shift) * grid.rate.value).rounded())
        }
        var result: [FrameRecord] = []
        var end: Int64 = 0
        for frame in source.frames {
            end = place(frame.timestamp + frame.duration)
            guard case .show(let place, let filling) = grid.take(place(frame.timestamp)) else { continue }
            if var last = result.last {
                for place in filling {
                    last.timestamp = place
                    result.append(last)
                }
            }
            var shown = frame
            (shown.timestamp, shown.duration) = (place, 0)
            result.append(shown)
        }
        for place in grid.finish(at: end) {
            var last = result[result.count - 1]
            last.timestamp = place
            result.append(last)
        }
        return result
    }
}

extension StreamInventory {
    /// The packets of a copied stream that are to be in a file of a format: mp4 and mov can hide samples; anywhere else only
    /// the last hidden packet before the first that is heard comes along, as a decoder needs it. What counts packets at a rate
    /// begins with the first that is heard.
    ///
    /// - Parameter shift: seconds that were added to all times.
    public func packets(keptBy output: FileInventory, shift: Double) -> [PacketRecord] {
        guard !output.format.hasPrefix("mov,") else { return packets }
        let first = output.isRateBased ? 0 : packets.firstIndex { !$0.isHidden } ?? packets.count
        let kept = packets.enumerated().filter { !$0.element.isHidden || $0.offset == first - 1 }.map(\.element)
        guard output.isRateBased, description.kind == .audio else { return kept }
        let tick = description.timeBase.value
        return kept.filter { packet in
            packet.timestamp.map { (Double($0) + Double(packet.duration) / 2) * tick + shift >= 0 } ?? true
        }
    }

    /// The packets of this stream's copy in `output` without those of silence that fill its gaps, which only a container
    /// without times needs; all of them where they cannot be told apart.
    ///
    /// - Parameter kept: the packets that were to be copied.
    public func packets(
        of copy: StreamInventory, in output: FileInventory, kept: [PacketRecord], shift: Double
    ) -> [PacketRecord] {
        guard output.isRateBased, description.kind == .audio, copy.packets.count > kept.count else {
            return copy.packets
        }
        let (from, to) = (description.timeBase.value, copy.description.timeBase.value)
        var matched: [PacketRecord] = []
        for packet in copy.packets where matched.count < kept.count {
            let next = kept[matched.count]
            guard packet.payload == next.payload else { continue }
            if let a = next.timestamp, let b = packet.timestamp {
                // A packet of silence may be one of the source's as well, at another time.
                let distance = abs(Double(b) * to - Double(a) * from - shift)
                guard distance <= max(to, Double(next.duration) * from) else { continue }
            }
            matched.append(packet)
        }
        return matched.count == kept.count ? matched : copy.packets
    }
}
