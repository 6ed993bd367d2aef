// Written by Scripts/make-abilities, which tried it with FFmpeg 5.1.9; not to be edited.

/// Abilities of containers and encoders, found by writing files and reading them back.
internal enum Abilities {
    /// A muxer of libav's in each line, then the codecs that came back from it as they went in.
    static let held: StaticString = """
        3gp aac mov_text
        asf aac ac3 adpcm_g726 adpcm_ima_wav adpcm_ms adpcm_yamaha dts eac3 flac g723_1 gsm_ms mp2 mp3 pcm_alaw pcm_f32le pcm_mulaw pcm_s16le pcm_s24le pcm_s32le pcm_u8 speex vorbis wmav1 wmav2
        avi aac ac3 adpcm_g726 adpcm_ima_wav adpcm_ms adpcm_yamaha dts eac3 flac g723_1 gsm_ms mp2 mp3 pcm_alaw pcm_f32le pcm_mulaw pcm_s16le pcm_s24le pcm_s32le pcm_u8 speex wmav1 wmav2
        f4v aac mp3
        flv aac adpcm_swf mp3 nellymoser pcm_alaw pcm_mulaw speex
        ipod aac ac3 alac mov_text
        matroska aac ac3 adpcm_g726 adpcm_ima_wav adpcm_ms adpcm_yamaha alac ass dts dvb_subtitle dvd_subtitle eac3 flac g723_1 gsm_ms hdmv_pgs_subtitle mlp mp2 mp3 opus pcm_alaw pcm_f32le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32le pcm_u8 speex subrip text truehd vorbis wavpack webvtt wmav1 wmav2
        mov aac ac3 adpcm_ima_qt adpcm_swf alac dts eac3 gsm mov_text mp2 mp3 nellymoser pcm_alaw pcm_f32le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32le pcm_u8 speex vorbis
        mp4 aac ac3 alac dts eac3 mov_text mp2 mp3 opus vorbis
        mpeg ac3 dts dvd_subtitle mp2 mp3 pcm_dvd
        mpegts aac ac3 dts dvb_subtitle eac3 mp2 mp3 opus s302m truehd
        mxf pcm_s16le pcm_s24le
        nut aac ac3 adpcm_swf adpcm_yamaha ass dts dvb_subtitle dvd_subtitle flac g723_1 gsm_ms mp2 mp3 opus pcm_alaw pcm_f32le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32le pcm_u8 speex vorbis wavpack
        ogg flac opus speex vorbis
        vob ac3 dts dvd_subtitle mp2 mp3 pcm_dvd
        webm opus vorbis webvtt
        """

    /// The codecs that were tried.
    static let tried: StaticString = """
        aac ac3 adpcm_g726 adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha alac ass dts dvb_subtitle dvd_subtitle eac3 flac g723_1 gsm gsm_ms hdmv_pgs_subtitle mlp mov_text mp2 mp3 nellymoser opus pcm_alaw pcm_dvd pcm_f32le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32le pcm_u8 s302m speex subrip text truehd tta ttml vorbis wavpack webvtt wmav1 wmav2
        """

    /// An encoder of libav's in each line, then the muxers from which a player shows its full-range pictures as such.
    static let fullRange: StaticString = """
        cfhd matroska
        dnxhd
        ffv1 matroska
        ffvhuff matroska
        flv1 matroska
        h263p matroska
        huffyuv matroska
        jpeg2000 matroska mxf
        libopenjpeg matroska mxf
        libtheora matroska
        libvpx
        libvpx-vp9 mp4 matroska webm avi asf nut
        libx264 mp4 mov ipod 3gp matroska mpegts mpeg vob avi flv asf nut mxf f4v
        libx264rgb
        libx265 mp4 mov matroska mpegts mpeg vob nut
        libxvid matroska
        magicyuv
        mjpeg mp4 mov matroska avi asf nut
        mpeg1video
        mpeg2video
        mpeg4 matroska
        msmpeg4 matroska
        msmpeg4v2 matroska
        prores
        prores_ks
        rawvideo matroska
        snow matroska
        utvideo matroska
        v210 matroska
        wmv1 matroska
        wmv2 matroska
        """

    /// A muxer of libav's in each line, then the tags of a file that come back from it; other_key stands for all that are not
    /// known by name.
    static let fileTags: StaticString = """
        3gp creation_time
        asf title artist album copyright date genre language synopsis show track composer album_artist other_key
        avi title artist comment copyright date genre language track
        f4v title artist album comment copyright date genre description creation_time synopsis show track composer album_artist
        flv title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        ipod title artist album comment copyright date genre description creation_time synopsis show track composer album_artist
        matroska title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        mov title artist album comment copyright date genre creation_time
        mp4 title artist album comment copyright date genre description creation_time synopsis show track composer album_artist
        mpeg
        mpegts
        mxf
        nut title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        ogg title artist album copyright date genre creation_time language synopsis show track composer album_artist other_key
        vob
        webm title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        """

    /// The same of a stream of pictures.
    static let pictureTags: StaticString = """
        3gp creation_time language
        asf language
        avi title
        f4v creation_time language
        flv
        ipod creation_time language
        matroska title artist album comment copyright date genre description language synopsis show track composer album_artist other_key
        mov creation_time
        mp4 creation_time language
        mpeg
        mpegts
        mxf
        nut title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        ogg title artist album copyright date genre creation_time language synopsis show track composer album_artist other_key
        vob
        webm title artist album comment copyright date genre description language synopsis show track composer album_artist other_key
        """

    /// The same of a stream of sound.
    static let soundTags: StaticString = """
        3gp creation_time language
        asf language
        avi title
        f4v creation_time language
        flv
        ipod creation_time language
        matroska title artist album comment copyright date genre description language synopsis show track composer album_artist other_key
        mov creation_time
        mp4 creation_time language
        mpeg
        mpegts language
        mxf
        nut title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        ogg title artist album copyright date genre creation_time language synopsis show track composer album_artist other_key
        vob
        webm title artist album comment copyright date genre description language synopsis show track composer album_artist other_key
        """

    /// The tags that were tried.
    static let triedTags: StaticString = """
        title artist album comment copyright date genre description creation_time language synopsis show track composer album_artist other_key
        """
}
