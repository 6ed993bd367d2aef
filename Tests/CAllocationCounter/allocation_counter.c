#define _GNU_SOURCE
#include "CAllocationCounter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_llong count;
// The model must not need an allocation of its own: this library is part of the executable.
static _Thread_local bool marked __attribute__((tls_model("initial-exec")));

int64_t ac_count(void) { return atomic_load(&count); }
void ac_mark(bool value) { marked = value; }

// A sanitizer has a malloc of its own, which has to stay the process's.
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#if defined(__linux__) && defined(__GLIBC__) && !IS_SANITIZED
#include <link.h>
#include <sys/auxv.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t number, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// The address range of the dynamic loader. When another thread has loaded libraries with thread-local variables (a Vulkan
// driver, say), this thread's next access to any such variable lets the loader enlarge the thread's table of them. That is
// no allocation of the code under test.
static uintptr_t loader_begin, loader_end;

static int find_loader(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    if (info->dlpi_addr != getauxval(AT_BASE) || info->dlpi_addr == 0) return 0;
    loader_begin = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && end > loader_end) loader_end = end;
    }
    return 1;
}

__attribute__((constructor)) static void prepare(void) { dl_iterate_phdr(find_loader, NULL); }

static inline void note(const void *caller) {
    uintptr_t address = (uintptr_t)caller;
    if (!marked || (address >= loader_begin && address < loader_end)) return;
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    note(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    note(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    note(__builtin_return_address(0));
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    note(__builtin_return_address(0));
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}

bool ac_available(void) { return true; }
#else
bool ac_available(void) { return false; }
#endif
