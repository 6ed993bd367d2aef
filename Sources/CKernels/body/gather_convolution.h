// Convolutions of any kernel, stride, padding and number of groups.

/// The input pixel that tap (ky, kx) of result pixel (y, x) reads, or NULL outside the picture.
CK_INLINE const float *CK_NAME(tap)(
    const ck_im2col_job *job, int64_t image, int64_t y, int64_t x, int64_t ky, int64_t kx) {
    const ck_view *in = &job->input;
    int64_t sy = y * job->stride + ky - job->padding, sx = x * job->stride + kx - job->padding;
    if (sy < 0 || sx < 0 || sy >= in->height * job->upsampling || sx >= in->width * job->upsampling) return NULL;
    if (job->upsampling > 1) {
        sy = (int32_t)sy / job->upsampling;
        sx = (int32_t)sx / job->upsampling;
    }
    return in->data + ((image * in->height + sy) * in->width + sx) * in->pitch;
}

static void CK_NAME(im2col)(const ck_im2col_job *job, float *matrix, int64_t block) {
    const int64_t plane = job->result_height * job->result_width, total = plane * job->input.batch;
    const int64_t channels = job->channels;
    int64_t pixel = block * job->pixels, end = pixel + job->pixels < total ? pixel + job->pixels : total;
    for (; pixel < end; pixel++) {
        int64_t image = pixel / plane, y = pixel % plane / job->result_width, x = pixel % job->result_width;
        const int64_t sy = y * job->stride - job->padding, sx = x * job->stride - job->padding;
        const int contiguous = job->input.pitch == channels && job->upsampling == 1 && sy >= 0 && sx >= 0
            && sy + job->kernel_height <= job->input.height && sx + job->kernel_width <= job->input.width;
        if (contiguous) {
            // A row of taps lies in one piece.
            const float *from = CK_NAME(tap)(job, image, y, x, 0, 0);
            const int64_t row = job->kernel_width * channels;
            for (int64_t ky = 0; ky < job->kernel_height; ky++, matrix += row) {
                CK_NAME(copy_pixel)(matrix, from + ky * job->input.width * channels, row);
            }
            continue;
        }
        for (int64_t ky = 0; ky < job->kernel_height; ky++) {
            for (int64_t kx = 0; kx < job->kernel_width; kx++, matrix += channels) {
                const float *from = CK_NAME(tap)(job, image, y, x, ky, kx);
                if (from) {
                    CK_NAME(copy_pixel)(matrix, from, channels);
                } else {
                    memset(matrix, 0, (size_t)channels * sizeof(float));
                }
            }
        }
    }
}

static void CK_NAME(finish_block)(const ck_im2col_job *job, const float *results, int64_t block) {
    const int64_t width = job->result_width, height = job->result_height, total = width * height * job->input.batch;
    const int64_t lanes = job->output.lanes;
    const CK_NAME(plain) plain = CK_NAME(plain_of)(&job->output);
    int64_t pixel = block * job->pixels, end = pixel + job->pixels < total ? pixel + job->pixels : total;
    while (pixel < end) {
        int64_t row = pixel / width, x = pixel % width;
        int64_t count = end - pixel < width - x ? end - pixel : width - x;
        CK_NAME(finish_row)(&plain, results, lanes, row / height, row % height, x, count);
        results += count * lanes;
        pixel += count;
    }
}

static void CK_NAME(grouped)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_grouped_job *job = argument;
    const ck_im2col_job *base = &job->base;
    const int64_t plane = base->result_height * base->result_width, total = plane * base->input.batch;
    const int64_t lanes = base->output.lanes, inputs = job->group_inputs;
    const int64_t taps = (int64_t)base->kernel_height * base->kernel_width;
    int64_t first = block * base->pixels, end = first + base->pixels < total ? first + base->pixels : total;
    float *results = scratch;
    memset(results, 0, (size_t)((end - first) * lanes) * sizeof(float));
    for (int64_t pixel = first; pixel < end; pixel++) {
        int64_t image = pixel / plane, y = pixel % plane / base->result_width, x = pixel % base->result_width;
        float *to = results + (pixel - first) * lanes;
        for (int64_t tap = 0; tap < taps; tap++) {
            const float *from =
                CK_NAME(tap)(base, image, y, x, tap / base->kernel_width, tap % base->kernel_width);
            if (!from) continue;
            for (int32_t group = 0; group < job->groups; group++) {
                const float *channels = from + group * inputs;
                for (int32_t o = group * job->group_outputs; o < (group + 1) * job->group_outputs; o++) {
                    const float *weights = base->weights + (o * taps + tap) * inputs;
                    float sum = 0;
                    for (int64_t c = 0; c < inputs; c++) sum += channels[c] * weights[c];
                    to[job->lane_of[o]] += sum;
                }
            }
        }
    }
    CK_NAME(finish_block)(base, results, block);
}
