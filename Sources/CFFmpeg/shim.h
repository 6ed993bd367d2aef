#pragma once
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/crc.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libavutil/sha.h>
#include <libavutil/timecode.h>
#include <libswscale/swscale.h>

// What Swift cannot see (function-like macros), and what moved between FFmpeg 5.1, 6 and 7.

static inline int uf_error_eof(void) { return AVERROR_EOF; }
static inline int uf_error_again(void) { return AVERROR(EAGAIN); }
static inline int uf_error_pipe(void) { return AVERROR(EPIPE); }
static inline int uf_error_io(void) { return AVERROR(EIO); }
static inline int uf_error_exit(void) { return AVERROR_EXIT; }
static inline int uf_error_invalid_data(void) { return AVERROR_INVALIDDATA; }
static inline int uf_error_not_implemented(void) { return AVERROR_PATCHWELCOME; }
static inline int uf_error_not_permitted(void) { return AVERROR(EPERM); }
static inline int uf_error_no_memory(void) { return AVERROR(ENOMEM); }
/// 1 where a code says that the system, not the content, is in the way: rights, descriptors, memory, disk, network.
static inline int uf_error_is_system(int code) {
    switch (code) {
    case AVERROR(EACCES): case AVERROR(EPERM): case AVERROR(EIO): case AVERROR(EMFILE): case AVERROR(ENFILE):
    case AVERROR(ENOMEM): case AVERROR(ETIMEDOUT): case AVERROR(ECONNREFUSED): case AVERROR(EHOSTUNREACH):
    case AVERROR(ENETUNREACH): case AVERROR(ECONNRESET): case AVERROR(EPIPE): case AVERROR(EBADF): return 1;
    default: return 0;
    }
}
static inline int uf_error_demuxer_not_found(void) { return AVERROR_DEMUXER_NOT_FOUND; }
static inline int64_t uf_no_pts(void) { return AV_NOPTS_VALUE; }
static inline uint32_t uf_tag(char a, char b, char c, char d) { return MKTAG(a, b, c, d); }

static inline int64_t uf_frame_duration(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return frame->duration;
#else
    return frame->pkt_duration;
#endif
}

static inline void uf_frame_set_duration(AVFrame *frame, int64_t duration) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    frame->duration = duration;
#else
    frame->pkt_duration = duration;
#endif
}

static inline int uf_frame_is_key(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame;
#endif
}

static inline int uf_frame_is_interlaced(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
    return (frame->flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
    return frame->interlaced_frame;
#endif
}

static inline int uf_frame_is_top_field_first(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_TOP_FIELD_FIRST
    return (frame->flags & AV_FRAME_FLAG_TOP_FIELD_FIRST) != 0;
#else
    return frame->top_field_first;
#endif
}

static inline void uf_frame_set_fields(AVFrame *frame, int top_first) {
#ifdef AV_FRAME_FLAG_INTERLACED
    frame->flags |= AV_FRAME_FLAG_INTERLACED;
    if (top_first) frame->flags |= AV_FRAME_FLAG_TOP_FIELD_FIRST;
#else
    frame->interlaced_frame = 1;
    frame->top_field_first = top_first;
#endif
}

static inline int uf_channel_count(const AVCodecParameters *parameters) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    return parameters->ch_layout.nb_channels;
#else
    return parameters->channels;
#endif
}

/// The usual arrangement of so many channels.
static inline void uf_set_default_layout(AVCodecContext *context, int channels) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    av_channel_layout_default(&context->ch_layout, channels);
#else
    context->channels = channels;
    context->channel_layout = av_get_default_channel_layout(channels);
#endif
}

/// Gives a frame the arrangement of channels of an encoder.
static inline void uf_copy_layout(AVFrame *frame, const AVCodecContext *context) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 28, 100)
    av_channel_layout_copy(&frame->ch_layout, &context->ch_layout);
#else
    frame->channels = context->channels;
    frame->channel_layout = context->channel_layout;
#endif
}

/// The name of a frame's arrangement of channels.
static inline void uf_describe_layout(AVFrame *frame, char *text, size_t size) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&frame->ch_layout, frame->ch_layout.nb_channels);
    av_channel_layout_describe(&frame->ch_layout, text, size);
#else
    if (!frame->channel_layout) frame->channel_layout = av_get_default_channel_layout(frame->channels);
    av_get_channel_layout_string(text, (int)size, frame->channels, frame->channel_layout);
#endif
}

static inline void uf_describe_encoder_layout(AVCodecContext *context, char *text, size_t size) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    av_channel_layout_describe(&context->ch_layout, text, size);
#else
    av_get_channel_layout_string(text, (int)size, context->channels, context->channel_layout);
#endif
}

/// Frames' memory comes from a function of ours, which any thread may call.
static inline void uf_set_get_buffer(AVCodecContext *context, int (*get)(AVCodecContext *, AVFrame *, int)) {
    context->get_buffer2 = get;
#if FF_API_THREAD_SAFE_CALLBACKS
    // Otherwise frame threads would wait for each other.
    context->thread_safe_callbacks = 1;
#endif
}

/// The pixel formats of an encoder, ended by AV_PIX_FMT_NONE; null where it does not say.
static inline const enum AVPixelFormat *uf_encoder_pixel_formats(const AVCodec *codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
    const void *list = NULL;
    avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_PIX_FORMAT, 0, &list, NULL);
    return (const enum AVPixelFormat *)list;
#else
    return codec->pix_fmts;
#endif
}

// Side data of a whole stream lies in the stream up to FFmpeg 6.0 and in its codec parameters since 6.1.

static inline int uf_side_data_count(const AVStream *stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    return stream->codecpar->nb_coded_side_data;
#else
    return stream->nb_side_data;
#endif
}

static inline const AVPacketSideData *uf_side_data(const AVStream *stream, int index) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    return &stream->codecpar->coded_side_data[index];
#else
    return &stream->side_data[index];
#endif
}

static inline int uf_add_side_data(AVStream *stream, enum AVPacketSideDataType type, const uint8_t *data, size_t size) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    AVPacketSideData *added = av_packet_side_data_new(
        &stream->codecpar->coded_side_data, &stream->codecpar->nb_coded_side_data, type, size, 0);
    if (!added) return AVERROR(ENOMEM);
    memcpy(added->data, data, size);
#else
    uint8_t *added = av_stream_new_side_data(stream, type, size);
    if (!added) return AVERROR(ENOMEM);
    memcpy(added, data, size);
#endif
    return 0;
}

/// A stream of bytes by two functions of ours, of which one may be null. The type of the writer's bytes changed in
/// FFmpeg 7.
typedef int (*uf_transfer)(void *opaque, uint8_t *bytes, int count);

static inline AVIOContext *uf_make_io(int size, void *opaque, uf_transfer read, uf_transfer write) {
    uint8_t *buffer = (uint8_t *)av_malloc((size_t)size);
    if (!buffer) return NULL;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    int (*writer)(void *, const uint8_t *, int) = (int (*)(void *, const uint8_t *, int))(void *)write;
    AVIOContext *context = avio_alloc_context(buffer, size, write != NULL, opaque, read, writer, NULL);
#else
    AVIOContext *context = avio_alloc_context(buffer, size, write != NULL, opaque, read, write, NULL);
#endif
    if (!context) av_free(buffer);
    return context;
}

static inline void uf_free_io(AVIOContext *context) {
    if (!context) return;
    av_freep(&context->buffer);
    avio_context_free(&context);
}

static inline int64_t uf_position(AVIOContext *context) { return avio_tell(context); }

/// 1 where the frame's pictures are two fields of two moments; then *top tells whether the upper came first.
static inline int uf_frame_fields(const AVFrame *frame, int *top) {
#ifdef AV_FRAME_FLAG_INTERLACED
    *top = (frame->flags & AV_FRAME_FLAG_TOP_FIELD_FIRST) != 0;
    return (frame->flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
    *top = frame->top_field_first;
    return frame->interlaced_frame;
#endif
}
