// All kernels of one instruction set. The including file has defined CK_ISA, CK_WIDTH (floats a vector: 4, 8 or 16) and
// CK_NAME (which gives functions this instruction set's names).
#include "includes.h"

#include "vector.h"
#include "finish.h"
#include "moves.h"
#include "gather_convolution.h"
#include "prefetch.h"
#include "product.h"
#include "winograd.h"
#include "peak.h"

const ck_kernels CK_NAME(ck_kernels) = {
    .isa = CK_ISA,
    .panel_lanes = CK_PANEL_LANES,
    .map = CK_NAME(map),
    .gather = CK_NAME(gather),
    .resize = CK_NAME(resize),
    .shuffle = CK_NAME(shuffle),
    .unshuffle = CK_NAME(unshuffle),
    .upload = CK_NAME(upload),
    .download = CK_NAME(download),
    .grouped = CK_NAME(grouped),
    .narrow = CK_NAME(narrow),
    .winograd = CK_NAME(winograd),
    .transform = CK_NAME(transform),
    .im2col = CK_NAME(im2col),
    .finish = CK_NAME(finish_block),
    .peak = CK_NAME(peak),
    .peak_flops = 2.0 * CK_NAME(peak_sums) * CK_WIDTH,
};
