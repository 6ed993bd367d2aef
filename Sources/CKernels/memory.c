// For madvise and sysconf's names.
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "CKernels.h"

void *ck_allocate(int64_t bytes) {
    const int64_t huge = 2 << 20;
    // Linux promises memory that it does not have; what exceeds the machine is refused here instead of killing later.
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (bytes < 0 || (pages > 0 && page > 0 && bytes / page >= pages)) return NULL;
    int64_t alignment = bytes >= 2 * huge ? huge : 64;
    int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void *memory = NULL;
    if (posix_memalign(&memory, (size_t)alignment, (size_t)(rounded > 0 ? rounded : alignment)) != 0) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (alignment == huge) madvise(memory, (size_t)rounded, MADV_HUGEPAGE);
#endif
    memset(memory, 0, (size_t)rounded);
    return memory;
}

void ck_free(void *memory) { free(memory); }
