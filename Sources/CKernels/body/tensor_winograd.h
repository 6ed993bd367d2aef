// The weight gradient of a 3x3 convolution by Winograd's method; see ct_winograd_gradient_job.

enum { CT_TILE = 4, CT_SIZE = 6 };

/// One tile's 6x6 (or 4x4) samples of CK_WIDTH channels, multiplied by `matrix` from both sides.
CK_INLINE void CK_NAME(ct_both_sides)(
    const float matrix[CT_SIZE][CT_SIZE], int count, const vf from[CT_SIZE][CT_SIZE], vf to[CT_SIZE][CT_SIZE]) {
    vf half[CT_SIZE][CT_SIZE];
    for (int i = 0; i < CT_SIZE; i++) {
        for (int column = 0; column < count; column++) {
            vf sum = matrix[i][0] * from[0][column];
            for (int row = 1; row < count; row++) sum += matrix[i][row] * from[row][column];
            half[i][column] = sum;
        }
    }
    for (int i = 0; i < CT_SIZE; i++) {
        for (int j = 0; j < CT_SIZE; j++) {
            vf sum = matrix[j][0] * half[i][0];
            for (int column = 1; column < count; column++) sum += matrix[j][column] * half[i][column];
            to[i][j] = sum;
        }
    }
}

/// A block is a run of tiles: their samples to `[36, tiles, channels]`.
static void CK_NAME(ct_winograd_samples)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_winograd_samples_job *job = untyped;
    // The tile of x reaches a pixel further on each side; that of g does not.
    const int count = job->is_gradient ? CT_TILE : CT_SIZE, border = job->is_gradient ? 0 : 1;
    const int64_t total = job->batch * job->tiles_y * job->tiles_x, channels = job->channels;
    const int64_t end = (block + 1) * job->per_block < total ? (block + 1) * job->per_block : total;
    for (int64_t tile = block * job->per_block; tile < end; tile++) {
        const int64_t image = tile / (job->tiles_y * job->tiles_x);
        const int64_t y = tile / job->tiles_x % job->tiles_y * CT_TILE - border, x = tile % job->tiles_x * CT_TILE - border;
        const float *source = job->source + image * job->height * job->width * channels;
        for (int64_t channel = 0; channel < channels; channel += CK_WIDTH) {
            vf samples[CT_SIZE][CT_SIZE], transformed[CT_SIZE][CT_SIZE];
            for (int row = 0; row < count; row++) {
                for (int column = 0; column < count; column++) {
                    const int64_t sy = y + row, sx = x + column;
                    const bool inside = sy >= 0 && sy < job->height && sx >= 0 && sx < job->width;
                    samples[row][column] =
                        inside ? vf_load(source + (sy * job->width + sx) * channels + channel) : vf_all(0);
                }
            }
            CK_NAME(ct_both_sides)(job->matrix, count, samples, transformed);
            float *to = job->target + tile * channels + channel;
            for (int i = 0; i < CT_SIZE; i++) {
                for (int j = 0; j < CT_SIZE; j++) vf_store(to + (i * CT_SIZE + j) * total * channels, transformed[i][j]);
            }
        }
    }
}

/// A block is one input channel: `[parts, 36, inputs, outputs]` summed over parts and transformed to `[outputs, inputs, 3, 3]`.
static void CK_NAME(ct_winograd_gradient)(const void *untyped, void *scratch, int64_t block, int64_t next) {
    const ct_winograd_gradient_job *job = untyped;
    const int64_t outputs = job->outputs, plane = job->inputs * outputs;
    for (int64_t output = 0; output < outputs; output += CK_WIDTH) {
        vf products[CT_SIZE][CT_SIZE];
        for (int xi = 0; xi < CT_SIZE * CT_SIZE; xi++) {
            const float *from = job->source + xi * plane + block * outputs + output;
            vf sum = vf_load(from);
            for (int64_t part = 1; part < job->parts; part++) sum += vf_load(from + part * CT_SIZE * CT_SIZE * plane);
            products[xi / CT_SIZE][xi % CT_SIZE] = sum;
        }
        float taps[9][CK_WIDTH];
        for (int ky = 0; ky < 3; ky++) {
            vf half[CT_SIZE];
            for (int j = 0; j < CT_SIZE; j++) {
                vf sum = job->matrix[0][ky] * products[0][j];
                for (int i = 1; i < CT_SIZE; i++) sum += job->matrix[i][ky] * products[i][j];
                half[j] = sum;
            }
            for (int kx = 0; kx < 3; kx++) {
                vf sum = job->matrix[0][kx] * half[0];
                for (int j = 1; j < CT_SIZE; j++) sum += job->matrix[j][kx] * half[j];
                vf_store(taps[ky * 3 + kx], sum);
            }
        }
        for (int lane = 0; lane < CK_WIDTH; lane++) {
            float *to = job->target + ((output + lane) * job->inputs + block) * 9;
            for (int tap = 0; tap < 9; tap++) to[tap] = taps[tap][lane];
        }
    }
}
