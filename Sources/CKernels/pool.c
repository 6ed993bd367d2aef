// Persistent threads that run a list of steps, each cut into blocks.
//
// A step's blocks are shared out in runs, one a thread, and in every step the same run goes to the same thread: what a
// thread reads it has mostly written itself, so that pixels stay in the caches of its own core. (Measured on an EPYC
// whose two cores share no third-level cache at times: any thread taking any block made whole networks half as slow
// again, all of it in waiting for the ownership of lines.) A thread that has done its own takes what others have not
// begun.
//
// There is no barrier between steps. A block waits for those blocks of the step before that it reads or overwrites, and
// for nothing of earlier steps, since only two steps may be under way: a thread that is held up costs the others nothing
// as long as it is less than a step behind. Threads of even number go through their runs upwards, those of odd number
// downwards: what lies between two neighbours is then done by both late in the step, or by both early, and wanted as late
// or as early in the next.
//
// A waiting thread first spins, for longer than it mostly waits, and then sleeps, so that a program that is idle between
// frames costs nothing.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

/// A counter on a cache line of its own.
typedef struct {
    _Alignas(64) atomic_llong value;
} counter;

/// The state of a list of steps that is being run.
typedef struct {
    /// So many steps from the first on are complete.
    counter *complete;
    /// Per step: blocks that are not done, then per thread blocks of its run that are taken.
    counter *steps;
    /// Per step where its blocks start in `done`: at a cache line, so that steps share none.
    int64_t *first;
    /// Per block whether it is done.
    atomic_uchar *done;
} run_state;

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

    // How many threads sleep until a block is done.
    _Alignas(64) atomic_int asleep;

    // What all read all the time.
    _Alignas(64) const ck_step *steps;
    int64_t count;
    void *const *scratch;
    run_state state;
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

// MARK: Blocks

/// Bytes rounded up to cache lines.
static int64_t lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static run_state state_in(void *memory, int64_t count, int32_t threads) {
    run_state state;
    state.complete = memory;
    state.steps = state.complete + 1;
    state.first = (int64_t *)(state.steps + count * (threads + 1));
    state.done = (atomic_uchar *)(state.first + lines(count * (int64_t)sizeof(int64_t)) / (int64_t)sizeof(int64_t));
    return state;
}

static counter *left(const ck_pool *pool, int64_t step) { return &pool->state.steps[step * (pool->threads + 1)]; }

static counter *taken(const ck_pool *pool, int64_t step, int32_t thread) { return left(pool, step) + 1 + thread; }

/// Whether a block may begin.
static bool is_ready(ck_pool *pool, int64_t step, int64_t block) {
    if (step == 0) return true;
    const ck_range *needs = pool->steps[step].needs;
    const int64_t complete = atomic_load_explicit(&pool->state.complete->value, memory_order_acquire);
    if (complete >= step) return true;
    if (!needs || complete < step - 1) return false;
    const atomic_uchar *done = pool->state.done + pool->state.first[step - 1];
    for (int32_t before = needs[block].first; before <= needs[block].last; before++) {
        if (!atomic_load_explicit(&done[before], memory_order_acquire)) return false;
    }
    return true;
}

static void await(ck_pool *pool, int64_t step, int64_t block) {
    for (int spin = 0; spin < 2000; spin++) {
        if (is_ready(pool, step, block)) return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->asleep, 1);
    // Whoever ends a block either sees this thread asleep or has ended it before this thread looks once more.
    atomic_thread_fence(memory_order_seq_cst);
    while (!is_ready(pool, step, block)) pthread_cond_wait(&pool->woken, &pool->mutex);
    atomic_fetch_sub(&pool->asleep, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void end_block(ck_pool *pool, int64_t step, int64_t block) {
    atomic_store_explicit(&pool->state.done[pool->state.first[step] + block], 1, memory_order_release);
    if (atomic_fetch_sub(&left(pool, step)->value, 1) == 1) {
        // Steps may end in another order than they began; whoever closes a gap goes on past it.
        atomic_llong *complete = &pool->state.complete->value;
        long long steps = atomic_load(complete);
        while (steps < pool->count && atomic_load(&left(pool, steps)->value) == 0) {
            if (atomic_compare_exchange_strong(complete, &steps, steps + 1)) steps++;
        }
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&pool->asleep, memory_order_relaxed) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->woken);
        pthread_mutex_unlock(&pool->mutex);
    }
}

/// Does, as thread `index`, what is left of the run of blocks that is `owner`'s.
static void work_run(ck_pool *pool, int64_t step, int32_t owner, int32_t index) {
    const ck_step *s = &pool->steps[step];
    const int64_t first = s->blocks * owner / pool->threads, last = s->blocks * (owner + 1) / pool->threads;
    atomic_llong *claimed = &taken(pool, step, owner)->value;
    while (atomic_load_explicit(claimed, memory_order_relaxed) < last - first) {
        const int64_t n = atomic_fetch_add_explicit(claimed, 1, memory_order_relaxed);
        if (n >= last - first) return;
        const int64_t block = owner % 2 ? last - 1 - n : first + n;
        // Of another's run the owner himself will probably do the next block.
        const int64_t next = owner != index || n + 1 == last - first ? -1 : owner % 2 ? block - 1 : block + 1;
        await(pool, step, block);
        s->run(s->job, pool->scratch[index], block, next);
        end_block(pool, step, block);
    }
}

/// One thread's part of all steps.
static void work(ck_pool *pool, int32_t index) {
    double *seconds = index == 0 ? pool->seconds : NULL;
    double start = seconds ? now() : 0;
    for (int64_t step = 0; step < pool->count; step++) {
        for (int32_t turn = 0; turn < pool->threads; turn++) {
            work_run(pool, step, (index + turn) % pool->threads, index);
        }
        if (seconds) {
            double end = now();
            seconds[step] = end - start;
            start = end;
        }
    }
    // The next caller may set the pool's fields anew only when nobody reads them any more.
    if (pool->threads > 1) barrier(pool);
    if (seconds) seconds[pool->count - 1] += now() - start;
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

int64_t ck_pool_state_bytes(const ck_pool *pool, const ck_step *steps, int64_t count) {
    int64_t blocks = 0;
    for (int64_t step = 0; step < count; step++) blocks += lines(steps[step].blocks);
    return (1 + count * (pool->threads + 1)) * (int64_t)sizeof(counter) + lines(count * (int64_t)sizeof(int64_t)) + blocks;
}

void ck_pool_lock(ck_pool *pool) { pthread_mutex_lock(&pool->run_lock); }

void ck_pool_unlock(ck_pool *pool) { pthread_mutex_unlock(&pool->run_lock); }

void ck_pool_run(
    ck_pool *pool, const ck_step *steps, int64_t count, void *const *scratch, void *memory, double *seconds) {
    if (count == 0) return;
    pool->steps = steps;
    pool->count = count;
    pool->scratch = scratch;
    pool->seconds = seconds;
    memset(memory, 0, (size_t)ck_pool_state_bytes(pool, steps, count));
    pool->state = state_in(memory, count, pool->threads);
    int64_t blocks = 0;
    for (int64_t step = 0; step < count; step++) {
        atomic_init(&left(pool, step)->value, steps[step].blocks);
        pool->state.first[step] = blocks;
        blocks += lines(steps[step].blocks);
    }
    // Steps without blocks that stand first are closed by nobody else.
    int64_t empty = 0;
    while (empty < count && steps[empty].blocks == 0) empty++;
    atomic_init(&pool->state.complete->value, empty);
    if (pool->threads > 1) change(pool, &pool->generation);
    work(pool, 0);
}
