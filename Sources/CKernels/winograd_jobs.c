// What Winograd's jobs have in common for all instruction sets: their tiles, memory, and the transform of weights,
// in double precision: it is done once, and its rounding is every result's.
#include <math.h>
#include <stddef.h>

#include "CKernels.h"

int32_t ck_winograd_down(const ck_winograd_job *job) {
    return ck_winograd_results(job->input.height * job->upsampling - (job->tiles_y - 1) * job->tile, job->tile);
}

int32_t ck_winograd_across(const ck_winograd_job *job) {
    return ck_winograd_results(job->input.width * job->upsampling - (job->tiles_x - 1) * job->tile, job->tile);
}

int64_t ck_winograd_scratch(const ck_winograd_job *job) {
    int64_t products = (int64_t)(job->tile + 2) * (job->tile + 2), widest = 0;
    for (int chunk = 0; chunk < job->chunks; chunk++) {
        if (job->chunk_lanes[chunk] > widest) widest = job->chunk_lanes[chunk];
    }
    return products * (job->tiles_per_block * ((job->transformed ? 0 : job->depth) + widest) + 32);
}

int64_t ck_winograd_transformed(const ck_winograd_job *job) {
    int64_t products = (int64_t)(job->tile + 2) * (job->tile + 2);
    return job->blocks * products * (job->tiles_per_block * job->transformed_depth + 16);
}

int64_t ck_winograd_weights(const ck_winograd_job *job) {
    return (int64_t)(job->tile + 2) * (job->tile + 2) * job->depth * job->output.lanes;
}

/// The rows of the transform: a polynomial of second degree at each point, over the product of the point's distances to
/// the others (the input's transform leaves these out); the last row is its leading coefficient.
void ck_winograd_rows(int tile, double rows[8][3]);
void ck_winograd_rows(int tile, double rows[8][3]) {
    const double six[7] = {0, 1, -1, 2, -2, 0.5, -0.5};
    const double four[5] = {0, sqrt(0.5), -sqrt(0.5), sqrt(2), -sqrt(2)};
    const double *points = tile == 6 ? six : four;
    const int count = tile + 1;
    for (int i = 0; i < count; i++) {
        double distances = 1;
        for (int j = 0; j < count; j++) {
            if (j != i) distances *= points[i] - points[j];
        }
        rows[i][0] = 1 / distances;
        rows[i][1] = points[i] / distances;
        rows[i][2] = points[i] * points[i] / distances;
    }
    rows[count][0] = rows[count][1] = 0;
    rows[count][2] = 1;
}

void ck_winograd_pack(
    const ck_winograd_job *job, int32_t panel_lanes, const float *weights, int64_t outputs, int64_t inputs,
    const int32_t *channel_of, const int32_t *lane_of, float *packed) {
    const int size = job->tile + 2;
    const int64_t depth = job->depth;
    double g[8][3];
    ck_winograd_rows(job->tile, g);
    for (int64_t o = 0; o < outputs; o++) {
        // Where this output's lane lies: chunk, panel, lane.
        int64_t lane = lane_of[o], chunk_start = 0;
        int chunk = 0;
        while (lane >= chunk_start + job->chunk_lanes[chunk]) chunk_start += job->chunk_lanes[chunk++];
        const int64_t lanes = job->chunk_lanes[chunk], panel = ck_panel(job->chunk_lanes[chunk], panel_lanes);
        float *first = packed + chunk_start * size * size * depth + (lane - chunk_start) / panel * panel * depth
            + (lane - chunk_start) % panel;
        for (int64_t i = 0; i < inputs; i++) {
            const float *w = weights + (o * inputs + i) * 9;
            float *to = first + channel_of[i] * panel;
            for (int row = 0; row < size; row++) {
                double half[3];
                for (int k = 0; k < 3; k++) half[k] = g[row][0] * w[k] + g[row][1] * w[3 + k] + g[row][2] * w[6 + k];
                for (int column = 0; column < size; column++) {
                    double sum = half[0] * g[column][0] + half[1] * g[column][1] + half[2] * g[column][2];
                    to[(row * size + column) * depth * lanes] = (float)sum;
                }
            }
        }
    }
}
