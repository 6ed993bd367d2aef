// What the stand-alone binary brings itself, so that it needs less of the machine.
#include <cblas.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

// glibc has these since 2.36 only; Swift's library seeds its hash tables with them.

void arc4random_buf(void *buffer, size_t size) {
    unsigned char *bytes = buffer;
    while (size > 0) {
        ssize_t count = getrandom(bytes, size, 0);
        if (count < 0) continue;
        bytes += count;
        size -= (size_t)count;
    }
}

uint32_t arc4random(void) {
    uint32_t value;
    arc4random_buf(&value, sizeof value);
    return value;
}

// Two functions of BLAS as CPUExecutor names them, plainly: a whole BLAS is larger than all the rest. Inference
// gives them no convolution unless a test asks for it, so that results must be right and speed is no aim; training on the
// processor uses them and is therefore not measured with this program.

int openblas_get_num_threads(void) { return 1; }
void openblas_set_num_threads(int count) { (void)count; }

void cblas_sgemm(
    OPENBLAS_CONST enum CBLAS_ORDER order, OPENBLAS_CONST enum CBLAS_TRANSPOSE transA,
    OPENBLAS_CONST enum CBLAS_TRANSPOSE transB, OPENBLAS_CONST blasint m, OPENBLAS_CONST blasint n,
    OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha, OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda,
    OPENBLAS_CONST float *b, OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c,
    OPENBLAS_CONST blasint ldc) {
    // Column-major C is row-major C transposed: the operands change places.
    if (order == CblasColMajor) {
        cblas_sgemm(CblasRowMajor, transB, transA, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
        return;
    }
    const int ta = transA != CblasNoTrans && transA != CblasConjNoTrans;
    const int tb = transB != CblasNoTrans && transB != CblasConjNoTrans;
    for (long i = 0; i < m; i++) {
        for (long j = 0; j < n; j++) {
            float sum = 0;
            for (long p = 0; p < k; p++) sum += (ta ? a[p * lda + i] : a[i * lda + p]) * (tb ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
        }
    }
}
