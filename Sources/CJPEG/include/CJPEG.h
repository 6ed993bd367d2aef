#pragma once
#include <stddef.h>
#include <stdint.h>

// A door to libjpeg(-turbo), which reports errors by jumping: that stays on this side. Pictures are rows of 8-bit RGB
// without gaps. Chroma is stored at half size both ways and enlarged by the library's triangle filter, its own choices
// and those of nearly all programs that write and read JPEG.

/// Compresses with the IJG's tables for a quality of 1 ... 100. *bytes is malloc's and the caller's to free. Returns 0;
/// or 1, with the library's words in `message` (200 bytes) and nothing to free.
int jpeg_compress_rgb(
    const uint8_t *rgb, int width, int height, int quality, uint8_t **bytes, size_t *count, char *message);

/// Decompresses a picture whose size is known into width * height * 3 bytes. Returns as above; another size is an error.
int jpeg_decompress_rgb(const uint8_t *bytes, size_t count, int width, int height, uint8_t *rgb, char *message);
