#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/// The library's error manager, and the way out.
typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf way_out;
    char *message;
} Failure;

_Static_assert(JMSG_LENGTH_MAX <= 200, "messages fit");

static void leave(j_common_ptr state) {
    Failure *failure = (Failure *)state->err;
    state->err->format_message(state, failure->message);
    longjmp(failure->way_out, 1);
}

/// Warnings go nowhere: what we decompress we compressed ourselves.
static void stay_silent(j_common_ptr state) { (void)state; }

static struct jpeg_error_mgr *prepare(Failure *failure, char *message) {
    struct jpeg_error_mgr *manager = jpeg_std_error(&failure->manager);
    manager->error_exit = leave;
    manager->output_message = stay_silent;
    failure->message = message;
    return manager;
}

int jpeg_compress_rgb(
    const uint8_t *rgb, int width, int height, int quality, uint8_t **bytes, size_t *count, char *message) {
    struct jpeg_compress_struct state;
    Failure failure;
    // As large as a JPEG of this size can reasonably be. Should it be larger, the library takes a buffer of its own and
    // leaves ours alone.
    unsigned long size = 6 * ((unsigned long)width + 16) * ((unsigned long)height + 16) + 4096;
    unsigned char *const own = malloc(size);
    unsigned char *buffer = own;
    if (!own) {
        snprintf(message, 200, "out of memory");
        return 1;
    }
    state.err = prepare(&failure, message);
    if (setjmp(failure.way_out)) {
        jpeg_destroy_compress(&state);
        free(own);
        return 1;
    }
    jpeg_create_compress(&state);
    jpeg_mem_dest(&state, &buffer, &size);
    state.image_width = (JDIMENSION)width;
    state.image_height = (JDIMENSION)height;
    state.input_components = 3;
    state.in_color_space = JCS_RGB;
    jpeg_set_defaults(&state);
    jpeg_set_quality(&state, quality, TRUE);
    jpeg_start_compress(&state, TRUE);
    while (state.next_scanline < state.image_height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)state.next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(&state, &row, 1);
    }
    jpeg_finish_compress(&state);
    jpeg_destroy_compress(&state);
    if (buffer != own) free(own);
    *bytes = buffer;
    *count = size;
    return 0;
}

int jpeg_decompress_rgb(const uint8_t *bytes, size_t count, int width, int height, uint8_t *rgb, char *message) {
    struct jpeg_decompress_struct state;
    Failure failure;
    state.err = prepare(&failure, message);
    if (setjmp(failure.way_out)) {
        jpeg_destroy_decompress(&state);
        return 1;
    }
    jpeg_create_decompress(&state);
    jpeg_mem_src(&state, (unsigned char *)bytes, (unsigned long)count);
    jpeg_read_header(&state, TRUE);
    if (state.image_width != (JDIMENSION)width || state.image_height != (JDIMENSION)height) {
        snprintf(message, 200, "it is %ux%u", state.image_width, state.image_height);
        jpeg_destroy_decompress(&state);
        return 1;
    }
    state.out_color_space = JCS_RGB;
    jpeg_start_decompress(&state);
    while (state.output_scanline < state.output_height) {
        JSAMPROW row = rgb + (size_t)state.output_scanline * (size_t)width * 3;
        jpeg_read_scanlines(&state, &row, 1);
    }
    jpeg_finish_decompress(&state);
    jpeg_destroy_decompress(&state);
    return 0;
}
