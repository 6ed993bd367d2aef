// Two functions of BLAS as CPUExecutor names them, plainly, for a binary that must not carry a whole BLAS.
// Networks use them for no convolution that they have; results are right, speed is no aim.
#include <cblas.h>

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
