// The launcher: it runs the blocks of a kernel, and the threads of a block by turns.
//
// Every block of a cooperative kernel is a thread of the system, so all of them are there at once;
// the blocks of another kernel run one after the other. Inside a block each CUDA thread runs on a
// stack of its own and goes on until it ends, waits at __syncthreads() or spins in an atomic read,
// and then the next one has its turn. What was never written in shared memory is nan.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "kernels_on_host.h"

#ifdef __has_feature  // of clang
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__
#endif
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__
#endif
#endif

// Under ThreadSanitizer each CUDA thread is a fibre of it: what happens before what is then only
// what barriers and atomics say, and not the order in which the threads have their turns here. The
// launcher itself is not watched.
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define ON_HOST_UNWATCHED __attribute__((no_sanitize("thread"), noinline))
#define ON_HOST_STACK (256 << 10)
#else
#define ON_HOST_UNWATCHED
#define ON_HOST_STACK (64 << 10)
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace on_host {
struct Index {
    unsigned x, y, z;
};
}  // namespace on_host

static thread_local on_host::Index threadIdx, blockIdx, blockDim, gridDim;

namespace on_host {

const int canary = 256, unwritten = 0xFF;  // floats of such bytes are nan
static char* dynamic_shared();  // of this block; null if the source declares none

enum Turn { ready, waiting, spinning, ended };
enum Fault { none, stuck, left, diverged, overrun };

struct Fibre {
    ucontext_t context;
    Turn turn;
    int line;  // of the barrier at which it waits
    Index index;
    void* watched;
};

struct Stacks {  // kept for the next block that runs in this thread
    Fibre* fibres = nullptr;
    char* memory = nullptr;
    unsigned size = 0;

    void grow(unsigned threads) {
        if (threads <= size) return;
        free(fibres), free(memory);
        fibres = (Fibre*)malloc(threads * sizeof(Fibre));
        memory = (char*)malloc((size_t)threads * ON_HOST_STACK);
        size = threads;
    }
    ~Stacks() { free(fibres), free(memory); }
};

struct Launch {
    const struct Kernel* kernel;
    void** args;
    unsigned blocks, threads, shared;
    double patience;
    int fault = none;
    unsigned long moves = 0;  // of anybody; who spins and sees none for long is stuck
};

struct Block {
    Launch* launch;
    ucontext_t scheduler;
    Fibre* now;
    unsigned started, over, barriers;
    char arrived[2];  // addresses that stand for the even barriers and for the odd ones
    void* watched;
};

static thread_local Stacks stacks;
static thread_local Block* block;

// Turns.
ON_HOST_UNWATCHED static void back(Turn turn) {
    Block& b = *block;
    b.now->turn = turn;
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(b.watched, 1);  // 1: without a synchronisation
#endif
    swapcontext(&b.now->context, &b.scheduler);
}

ON_HOST_UNWATCHED static void moved() {
    __atomic_fetch_add(&block->launch->moves, 1, __ATOMIC_RELAXED);
}

ON_HOST_UNWATCHED static void begin(Fibre& f) {
    Block& b = *block;
    // Every second block begins with its last thread: a race has two chances to show.
    unsigned i = b.started++;
    f.index = {blockIdx.x % 2 ? b.launch->threads - 1 - i : i, 0, 0};
    threadIdx = f.index;
}

ON_HOST_UNWATCHED static void work() {
    Block& b = *block;
    Fibre& f = *b.now;
    do {
        begin(f);
        b.launch->kernel->call(b.launch->kernel->function, b.launch->args);
        b.over++;
        moved();
#ifdef __SANITIZE_THREAD__
        break;
#endif
    } while (b.started < b.launch->threads);  // as long as none has to wait, one stack is enough
    back(ended);
}

ON_HOST_UNWATCHED static void barrier(int line) {
    Block& b = *block;
    char* here = &b.arrived[b.barriers % 2];
    b.now->line = line;
#ifdef __SANITIZE_THREAD__
    __tsan_release(here);
#endif
    back(waiting);
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(here);
#endif
    (void)here;
}

ON_HOST_UNWATCHED static void resume(Block& b, Fibre& f) {
    b.now = &f;
    threadIdx = f.index;
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(f.watched, 1);
#endif
    swapcontext(&b.scheduler, &f.context);
}

ON_HOST_UNWATCHED static Fibre& start(unsigned i) {
    Fibre& f = stacks.fibres[i];
    f.turn = ready;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stacks.memory + (size_t)i * ON_HOST_STACK;
    f.context.uc_stack.ss_size = ON_HOST_STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, work, 0);
#ifdef __SANITIZE_THREAD__
    f.watched = __tsan_create_fiber(0);
#endif
    return f;
}

ON_HOST_UNWATCHED static double seconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

ON_HOST_UNWATCHED static int meet(Block& b, unsigned fibres) {  // all who live wait at a barrier
    int line = 0;
    if (b.over) return left;
    for (unsigned i = 0; i < fibres; i++) {
        Fibre& f = stacks.fibres[i];
        if (line && f.line != line) return diverged;
        line = f.line;
        f.turn = ready;
    }
    b.barriers++;
    return none;
}

ON_HOST_UNWATCHED static int take_turns(Block& b) {
    Launch& l = *b.launch;
    unsigned fibres = 0, seen = 0;
    double since = 0;
    while (b.over < l.threads) {
        if (__atomic_load_n(&l.fault, __ATOMIC_RELAXED)) return none;  // another block's
        unsigned waits = 0, spins = 0;
        if (b.started < l.threads) {
            resume(b, start(fibres));
            fibres++;
        } else {
            for (unsigned i = 0; i < fibres; i++) {
                Fibre& f = stacks.fibres[i];
                if (f.turn == ready || f.turn == spinning) resume(b, f);
                waits += f.turn == waiting, spins += f.turn == spinning;
            }
        }
        if (b.started < l.threads || b.over == l.threads || (!waits && !spins)) continue;
        if (!spins) {
            if (int fault = meet(b, fibres)) return fault;
            moved();
            continue;
        }
        unsigned moves = __atomic_load_n(&l.moves, __ATOMIC_RELAXED);
        if (moves != seen || !since) seen = moves, since = seconds();
        else if (seconds() - since > l.patience) return stuck;
        sched_yield();
    }
    return none;
}

ON_HOST_UNWATCHED static void run_block(Launch* launch, unsigned index) {
    Block b = {};
    b.launch = launch;
    block = &b;
#ifdef __SANITIZE_THREAD__
    b.watched = __tsan_get_current_fiber();
#endif
    blockIdx = {index, 0, 0};
    blockDim = {launch->threads, 1, 1};
    gridDim = {launch->blocks, 1, 1};
    stacks.grow(launch->threads);
    char* shared = dynamic_shared();
    if (shared) memset(shared, unwritten, launch->shared + canary);
#ifdef __SANITIZE_ADDRESS__
    if (shared) ASAN_POISON_MEMORY_REGION(shared + launch->shared, canary);
#endif
    int fault = take_turns(b);
#ifdef __SANITIZE_ADDRESS__
    if (shared) ASAN_UNPOISON_MEMORY_REGION(shared + launch->shared, canary);
#endif
    for (int i = 0; shared && i < canary && !fault; i++)
        if ((unsigned char)shared[launch->shared + i] != unwritten) fault = overrun;
    if (fault) __atomic_store_n(&launch->fault, fault, __ATOMIC_RELAXED);
}

struct Seat {
    Launch* launch;
    unsigned index;
    pthread_t thread;
};

static void* run_seat(void* seat) {
    run_block(((Seat*)seat)->launch, ((Seat*)seat)->index);
    return nullptr;
}

static int run(Launch& launch, bool together) {
    if (together) {
        Seat* seats = (Seat*)malloc(launch.blocks * sizeof(Seat));
        for (unsigned i = 0; i < launch.blocks; i++) {
            seats[i].launch = &launch, seats[i].index = i;
            if (pthread_create(&seats[i].thread, nullptr, run_seat, &seats[i])) abort();
        }
        for (unsigned i = 0; i < launch.blocks; i++) pthread_join(seats[i].thread, nullptr);
        free(seats);
    } else {  // the last one first: no block may count on those before it
        for (unsigned i = launch.blocks; i-- && !launch.fault;) run_block(&launch, i);
    }
    return launch.fault;
}

}  // namespace on_host
