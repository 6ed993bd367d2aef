// What this instruction set's multiply-adds can do at most: nothing but that, on registers.

#if CK_WIDTH == 16
enum { CK_NAME(peak_sums) = 24 };
#else
enum { CK_NAME(peak_sums) = 12 };
#endif

static void CK_NAME(peak)(const void *argument, void *scratch, int64_t block, int64_t next) {
    const ck_peak_job *job = argument;
    (void)block, (void)next;
    // Numbers that the compiler cannot know; the sums tend to 1, far from overflow and from denormal numbers.
    vf factor = vf_all(job->factor), addend = vf_all(1.0f - job->factor);
    vf sums[CK_NAME(peak_sums)];
    CK_UNROLL for (int i = 0; i < CK_NAME(peak_sums); i++) sums[i] = vf_all((float)i);
    CK_ROLLED for (int64_t n = 0; n < job->iterations; n++) {
        CK_UNROLL for (int i = 0; i < CK_NAME(peak_sums); i++) sums[i] = sums[i] * factor + addend;
    }
    vf total = sums[0];
    CK_UNROLL for (int i = 1; i < CK_NAME(peak_sums); i++) total += sums[i];
    vf_store(scratch, total);
}
