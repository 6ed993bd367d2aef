// Persistent threads, one atomic block counter a step, one barrier a step.
//
// A waiting thread spins for some tens of microseconds, which is longer than the gap between two steps, and then sleeps,
// so that a program that is idle between frames costs nothing.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

/// A counter on a cache line of its own.
typedef struct {
    _Alignas(64) atomic_llong next;
} counter;

struct ck_pool {
    int32_t threads;
    pthread_t *workers;
    int32_t started;
    pthread_mutex_t run_lock;

    // Guards sleeping; `generation` and `phase` change only while it is held.
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    _Alignas(64) atomic_uint generation;
    _Alignas(64) atomic_uint phase;
    _Alignas(64) atomic_int arrived;
    atomic_bool stopping;

    const ck_step *steps;
    int64_t count;
    void *const *scratch;
    counter *counters;
    double *seconds;
};

typedef struct {
    ck_pool *pool;
    int32_t index;
} worker_start;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Returns when `*value` is no longer `old`.
static void wait_for_change(ck_pool *pool, atomic_uint *value, unsigned old) {
    for (int spin = 0; spin < 2000; spin++) {
        if (atomic_load_explicit(value, memory_order_acquire) != old) return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load_explicit(value, memory_order_acquire) == old) pthread_cond_wait(&pool->woken, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

static void change(ck_pool *pool, atomic_uint *value) {
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(value, 1, memory_order_release);
    pthread_cond_broadcast(&pool->woken);
    pthread_mutex_unlock(&pool->mutex);
}

static void barrier(ck_pool *pool) {
    unsigned phase = atomic_load_explicit(&pool->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1 == pool->threads) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        change(pool, &pool->phase);
    } else {
        wait_for_change(pool, &pool->phase, phase);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/// One thread's part of all steps.
static void work(ck_pool *pool, int32_t index) {
    // Copies, because after the last barrier the next caller may set the fields anew.
    const ck_step *steps = pool->steps;
    const int64_t count = pool->count;
    counter *counters = pool->counters;
    void *scratch = pool->scratch[index];
    double *seconds = index == 0 ? pool->seconds : NULL;

    double start = seconds ? now() : 0;
    for (int64_t step = 0; step < count; step++) {
        for (;;) {
            int64_t block = atomic_fetch_add_explicit(&counters[step].next, 1, memory_order_relaxed);
            if (block >= steps[step].blocks) break;
            steps[step].run(steps[step].job, scratch, block);
        }
        if (pool->threads > 1) barrier(pool);
        if (seconds) {
            double end = now();
            seconds[step] = end - start;
            start = end;
        }
    }
}

static void *worker(void *argument) {
    worker_start start = *(worker_start *)argument;
    free(argument);
    unsigned seen = 0;
    for (;;) {
        wait_for_change(start.pool, &start.pool->generation, seen);
        seen++;
        if (atomic_load_explicit(&start.pool->stopping, memory_order_acquire)) return NULL;
        work(start.pool, start.index);
    }
}

ck_pool *ck_pool_create(int32_t threads) {
    ck_pool *pool = aligned_alloc(64, (sizeof(ck_pool) + 63) / 64 * 64);
    if (!pool) return NULL;
    memset(pool, 0, sizeof(ck_pool));
    pool->threads = threads;
    pool->workers = calloc((size_t)threads, sizeof(pthread_t));
    pthread_mutex_init(&pool->run_lock, NULL);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->woken, NULL);
    for (int32_t index = 1; pool->workers && index < threads; index++) {
        worker_start *start = malloc(sizeof(worker_start));
        if (!start) break;
        *start = (worker_start){pool, index};
        if (pthread_create(&pool->workers[pool->started], NULL, worker, start) != 0) {
            free(start);
            break;
        }
        pool->started++;
    }
    if (pool->started != threads - 1) {
        ck_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

void ck_pool_destroy(ck_pool *pool) {
    atomic_store_explicit(&pool->stopping, true, memory_order_release);
    change(pool, &pool->generation);
    for (int32_t index = 0; index < pool->started; index++) pthread_join(pool->workers[index], NULL);
    pthread_cond_destroy(&pool->woken);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->run_lock);
    free(pool->workers);
    free(pool);
}

int64_t ck_pool_counter_bytes(int64_t steps) { return steps * (int64_t)sizeof(counter); }

void ck_pool_lock(ck_pool *pool) { pthread_mutex_lock(&pool->run_lock); }

void ck_pool_unlock(ck_pool *pool) { pthread_mutex_unlock(&pool->run_lock); }

void ck_pool_run(
    ck_pool *pool, const ck_step *steps, int64_t count, void *const *scratch, void *counters, double *seconds) {
    if (count == 0) return;
    pool->steps = steps;
    pool->count = count;
    pool->scratch = scratch;
    pool->counters = counters;
    pool->seconds = seconds;
    for (int64_t step = 0; step < count; step++) atomic_init(&pool->counters[step].next, 0);
    if (pool->threads > 1) change(pool, &pool->generation);
    work(pool, 0);
}
