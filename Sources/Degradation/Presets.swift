extension DegradationRecipe {
    public static let presetNames = ["real-esrgan", "bicubic", "photo", "web-video", "dvd", "anime"]

    /// A recipe by name, or nil.
    ///
    /// - `real-esrgan`: the paper's numbers. Networks trained on it clean anything and invent much; most fine-tuning
    ///   wants less.
    /// - `bicubic`: made smaller and nothing else, as the field's benchmarks do.
    /// - `photo`: pictures from phones, cameras and the web.
    /// - `web-video`: what sites stream: H.264 and its kin at low rates.
    /// - `dvd`: MPEG-2 discs and broadcasts of standard definition.
    /// - `anime`: line art of discs and streams.
    public static func preset(_ name: String) -> DegradationRecipe? {
        var recipe: DegradationRecipe
        switch name {
        case "real-esrgan": recipe = realESRGAN
        case "bicubic":
            recipe = mild
            recipe.clean = 1
        case "photo": recipe = photo
        case "web-video": recipe = webVideo
        case "dvd": recipe = dvd
        case "anime": recipe = anime
        default: return nil
        }
        recipe.preset = name
        return recipe
    }

    private static var realESRGAN: DegradationRecipe {
        var recipe = DegradationRecipe()
        recipe.sharpen.enabled = true
        recipe.second.blur.probability = 0.8
        recipe.second.blur.sigma = 0.2...1.5
        recipe.second.resize.up = 0.3
        recipe.second.resize.down = 0.4
        recipe.second.resize.keep = 0.3
        recipe.second.resize.factor = 0.3...1.2
        recipe.second.noise.sigma = 1...25
        recipe.second.noise.poissonScale = 0.05...2.5
        return recipe
    }

    /// Where the milder ones start: no stage of the second order, and resizing as programs do it, which means without
    /// aliasing (the paper's bilinear and bicubic alias when they shrink much; few real pictures do).
    private static var mild: DegradationRecipe {
        var recipe = realESRGAN
        recipe.sharpen.enabled = false
        recipe.first.resize.modes = [.area, .antialiased]
        recipe.second.resize = recipe.first.resize
        recipe.second.resize.factor = 0.5...1.2
        recipe.last.modes = [.area, .antialiased, .antialiased, .bicubic]
        recipe.first.blur.sinc = 0
        recipe.second.blur.sinc = 0
        recipe.second.blur.probability = 0
        (recipe.second.resize.up, recipe.second.resize.down, recipe.second.resize.keep) = (0, 0, 1)
        recipe.second.noise.probability = 0
        recipe.second.jpeg.probability = 0
        recipe.last.sinc = 0
        return recipe
    }

    /// Blur is that of lenses, focus and demosaicking: up to about a pixel and a half of the large picture's scale, often
    /// none that matters. Noise is a sensor's (Poisson before Gaussian), reduced by the camera: sigma below 10. Most were
    /// saved twice at qualities that cameras (90 and above) and sites (70 to 85) use; one in six is untouched.
    private static var photo: DegradationRecipe {
        var recipe = mild
        recipe.clean = 0.15
        recipe.first.blur.probability = 0.7
        recipe.first.blur.sigma = 0.2...1.6
        (recipe.first.resize.up, recipe.first.resize.down, recipe.first.resize.keep) = (0.1, 0.4, 0.5)
        recipe.first.resize.factor = 0.4...1.2
        recipe.first.noise.probability = 0.6
        recipe.first.noise.gaussian = 0.4
        recipe.first.noise.sigma = 1...10
        recipe.first.noise.poissonScale = 0.05...0.8
        recipe.first.jpeg.probability = 0.6
        recipe.first.jpeg.quality = 70...98
        recipe.second.blur.probability = 0.2
        recipe.second.blur.sigma = 0.2...0.8
        recipe.second.noise.probability = 0.2
        recipe.second.noise.sigma = 1...4
        recipe.second.noise.poissonScale = 0.05...0.3
        recipe.second.jpeg.probability = 0.7
        recipe.second.jpeg.quality = 60...95
        // Sharpening by cameras and sites rings.
        recipe.last.sinc = 0.15
        return recipe
    }

    /// A studio's picture was scaled and perhaps a little soft, then compressed at the rate of its size: x264 at crf 20
    /// (good) to 35 (bad), VP9 and x265 where their crf means the same, and now and then it was compressed before, by
    /// whoever uploaded it. Little noise survives encoders. One in five is clean, so that good sources stay good.
    private static var webVideo: DegradationRecipe {
        var recipe = mild
        recipe.clean = 0.2
        recipe.first.blur.probability = 0.4
        recipe.first.blur.sigma = 0.2...1.2
        (recipe.first.resize.up, recipe.first.resize.down, recipe.first.resize.keep) = (0.1, 0.3, 0.6)
        recipe.first.resize.factor = 0.5...1.2
        recipe.first.noise.probability = 0.25
        recipe.first.noise.sigma = 1...6
        recipe.first.noise.poissonScale = 0.05...0.5
        recipe.first.jpeg.probability = 0
        recipe.middleCodec.probability = 0.2
        recipe.middleCodec.codecs = [Codec("libx264", quality: 18...28)]
        // Sharpening before upload.
        recipe.last.sinc = 0.1
        recipe.lastCodec.probability = 0.95
        recipe.lastCodec.codecs = [
            Codec("libx264", weight: 0.75, quality: 20...35), Codec("libvpx-vp9", weight: 0.15, quality: 28...48),
            Codec("libx265", weight: 0.1, quality: 22...36),
        ]
        return recipe
    }

    /// Film scans and studio tape: grain, softness from telecine and low-pass filters before the encoder, ringing from
    /// edge enhancement, and MPEG-2 at 0.5 to 0.8 bits a pixel, which on ordinary pictures are quantisers of 2 to 10;
    /// rips of discs were made smaller by MPEG-4 (DivX, Xvid).
    private static var dvd: DegradationRecipe {
        var recipe = mild
        recipe.clean = 0.1
        recipe.first.blur.probability = 0.8
        recipe.first.blur.sigma = 0.3...1.8
        (recipe.first.resize.up, recipe.first.resize.down, recipe.first.resize.keep) = (0.1, 0.3, 0.6)
        recipe.first.resize.factor = 0.5...1.2
        recipe.first.noise.probability = 0.6
        recipe.first.noise.sigma = 1...10
        recipe.first.noise.poissonScale = 0.05...0.8
        recipe.first.noise.gray = 0.6
        recipe.first.jpeg.probability = 0
        recipe.middleCodec.probability = 0.15
        recipe.middleCodec.codecs = [Codec("mpeg2video", quality: 2...5)]
        recipe.last.sinc = 0.4
        recipe.lastCodec.probability = 0.95
        recipe.lastCodec.codecs = [
            Codec("mpeg2video", weight: 0.75, quality: 2...10), Codec("mpeg4", weight: 0.25, quality: 2...8),
        ]
        return recipe
    }

    /// Drawn by hand or machine: no lens and no sensor, so little blur but that of scaling, and hardly any noise but
    /// grain laid over it; flat areas and lines, on which encoders ring and bleed. Masters were enlarged from lower
    /// resolutions, which the resizes stand for. Streams, discs and JPEG stills of them.
    private static var anime: DegradationRecipe {
        var recipe = mild
        recipe.clean = 0.15
        recipe.first.blur.probability = 0.6
        recipe.first.blur.sigma = 0.2...1.4
        (recipe.first.resize.up, recipe.first.resize.down, recipe.first.resize.keep) = (0.2, 0.5, 0.3)
        recipe.first.resize.factor = 0.4...1.5
        recipe.first.resize.modes = [.area, .bilinear, .antialiased]
        recipe.first.noise.probability = 0.25
        recipe.first.noise.gaussian = 0.8
        recipe.first.noise.sigma = 1...6
        recipe.first.noise.gray = 0.7
        recipe.first.noise.poissonScale = 0.05...0.4
        recipe.first.jpeg.probability = 0.2
        recipe.first.jpeg.quality = 60...95
        recipe.last.sinc = 0.3
        recipe.second.jpeg.probability = 0.25
        recipe.second.jpeg.quality = 50...95
        recipe.lastCodec.probability = 0.6
        recipe.lastCodec.codecs = [
            Codec("libx264", weight: 0.6, quality: 20...34), Codec("mpeg2video", weight: 0.2, quality: 2...8),
            Codec("mpeg4", weight: 0.1, quality: 2...8), Codec("libx265", weight: 0.1, quality: 22...34),
        ]
        return recipe
    }
}
