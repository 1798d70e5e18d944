// Enough of CUDA for g++ or clang++ to compile kernels, and the launcher that runs them on the host.
//
// Every block of a cooperative kernel is a thread of the system, so all of them are there at once;
// the blocks of another kernel run one after the other. Inside a block each CUDA thread runs on a
// stack of its own and goes on until it ends, waits at __syncthreads() or spins in an atomic read,
// and then the next one has its turn. Shared memory is thread_local, hence one for each block. What
// was never written there is nan. Not imitated: warps, caches, streams, and limits of registers.
#pragma once

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include <utility>

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

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __shared__ thread_local
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __syncthreads() on_host::barrier(__LINE__)

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

// A kernel registers itself. Its signature has a letter for each parameter, a P before pointers.
template <class T> struct Letter { static const char value = '*'; };  // any, or a struct
template <class T> struct Letter<const T> : Letter<T> {};
#define ON_HOST_LETTER(type, letter) \
    template <> struct Letter<type> { static const char value = letter; };
ON_HOST_LETTER(float, 'f')
ON_HOST_LETTER(double, 'd')
ON_HOST_LETTER(int, 'i')
ON_HOST_LETTER(unsigned, 'I')
ON_HOST_LETTER(short, 'h')
ON_HOST_LETTER(unsigned short, 'H')
ON_HOST_LETTER(long long, 'q')
ON_HOST_LETTER(long, 'q')
ON_HOST_LETTER(char, 'b')
ON_HOST_LETTER(signed char, 'b')
ON_HOST_LETTER(unsigned char, 'B')
ON_HOST_LETTER(bool, 'B')

template <class T> struct Parameter {
    static void write(char*& to) { *to++ = Letter<T>::value; }
};
template <class T> struct Parameter<T*> {
    static void write(char*& to) { *to++ = 'P', *to++ = Letter<T>::value; }
};
template <class T> struct Parameter<T* __restrict> : Parameter<T*> {};

static struct Kernel* kernels = nullptr;

struct Kernel {
    const char* name;
    int bound;  // the most threads of a block, as __launch_bounds__ said; 0 if it did not
    void (*function)();
    void (*call)(void (*)(), void**);
    char signature[512] = {};
    Kernel* next;

    template <class... P>
    Kernel(const char* name, int bound, void (*f)(P...))
        : name(name), bound(bound), function((void (*)())f), next(kernels) {
        call = [](void (*f)(), void** args) {
            unpack((void (*)(P...))f, args, std::index_sequence_for<P...>());
        };
        char* to = signature;
        (Parameter<P>::write(to), ...);
        kernels = this;
    }
    template <class... P, size_t... i>
    static void unpack(void (*f)(P...), void** args, std::index_sequence<i...>) {
        f(*(P*)args[i]...);
    }
};

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

// Memory. Who writes, then __threadfence(), then an atomic, releases what was written; who reads
// by load_acquire, or by an atomic and then __threadfence(), acquires it. ThreadSanitizer knows no
// fences, so there the fence goes into the atomic beside it.
namespace on_host {
static thread_local struct {
    bool fenced[1024];
    const int* read[1024];
} fences;
}  // namespace on_host

inline void __threadfence() {
#ifdef __SANITIZE_THREAD__
    on_host::fences.fenced[threadIdx.x] = true;
    if (const int* p = on_host::fences.read[threadIdx.x]) __atomic_load_n(p, __ATOMIC_ACQUIRE);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
inline void __threadfence_block() {}

namespace on_host {
inline int order(const void* p) {  // of an atomic that reads and writes
#ifdef __SANITIZE_THREAD__
    bool fenced = fences.fenced[threadIdx.x];
    fences.fenced[threadIdx.x] = false;
    fences.read[threadIdx.x] = (const int*)p;
    return fenced ? __ATOMIC_RELEASE : __ATOMIC_RELAXED;
#else
    (void)p;
    return __ATOMIC_RELAXED;
#endif
}

template <class T, class Bits> T add_by_bits(T* p, T value) {
    Bits* bits = (Bits*)p;
    int release = order(p);
    Bits before = __atomic_load_n(bits, __ATOMIC_RELAXED), after;
    T old;
    do {
        memcpy(&old, &before, sizeof old);
        T sum = old + value;
        memcpy(&after, &sum, sizeof sum);
    } while (!__atomic_compare_exchange_n(bits, &before, after, false, release, __ATOMIC_RELAXED));
    moved();
    return old;
}

template <class T> T add(T* p, T value) {
    if (value) moved();
    else back(spinning);  // a way to read
    return __atomic_fetch_add(p, value, order(p));
}
}  // namespace on_host

inline int atomicAdd(int* p, int value) { return on_host::add(p, value); }
inline unsigned atomicAdd(unsigned* p, unsigned value) { return on_host::add(p, value); }
inline float atomicAdd(float* p, float value) {
    return on_host::add_by_bits<float, unsigned>(p, value);
}
inline double atomicAdd(double* p, double value) {
    return on_host::add_by_bits<double, unsigned long long>(p, value);
}

// What kernels write in PTX where ON_HOST is not defined.
inline int load_acquire(const int* p) {
    on_host::back(on_host::spinning);  // the others have their turn first
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

inline unsigned short half_bits(float x) {  // IEEE: to the nearest, ties to even
    unsigned u;
    memcpy(&u, &x, sizeof u);
    unsigned sign = u >> 16 & 0x8000, size = u & 0x7FFFFFFF;
    if (size > 0x7F800000) return 0x7FFF;         // nan
    if (size >= 0x477FF000) return sign | 0x7C00;  // from 65520 on: infinity
    if (size < 0x38800000) {                       // below 2^-14: counts of 2^-24
        float magnitude;
        memcpy(&magnitude, &size, sizeof size);
        return sign | (unsigned)nearbyintf(magnitude * 16777216.0f);
    }
    size -= 0x38000000;  // the exponent's zero is 15 now, no longer 127
    return sign | (size + 0xFFF + (size >> 13 & 1)) >> 13;
}

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> void __stcg(T* p, T value) { *p = value; }

// Functions that CUDA has outside of <math.h>.
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline float __expf(float x) { return expf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }

// What the caller sees.
extern "C" void* on_host_find(const char* name) {
    for (auto k = on_host::kernels; k; k = k->next)
        if (!strcmp(k->name, name)) return k;
    return nullptr;
}
extern "C" const char* on_host_signature(on_host::Kernel* k) { return k->signature; }
extern "C" int on_host_bound(on_host::Kernel* k) { return k->bound; }
extern "C" int on_host_launch(
    on_host::Kernel* kernel, int blocks, int threads, int shared, bool together, double patience,
    void** args
) {
    on_host::Launch launch{kernel, args, (unsigned)blocks, (unsigned)threads, (unsigned)shared,
                           patience};
    return on_host::run(launch, together);
}

// A program that runs one launch, for the sanitizers. It reads numbers of 64 bits: blocks, threads,
// shared, how many arrays, their sizes, how many pointers are in them, four numbers for each (array,
// offset; array and offset of what it points at), how many arguments, two numbers for each (an
// array and an offset; -1 and an int; -2 and 0 for null); and then the bytes of the arrays.
#ifdef ON_HOST_MAIN
ON_HOST_UNWATCHED static long long number() {
    long long n;
    if (fread(&n, sizeof n, 1, stdin) != 1) abort();
    return n;
}

ON_HOST_UNWATCHED int main(int, char** argv) {
    auto kernel = (on_host::Kernel*)on_host_find(argv[1]);
    if (!kernel) abort();
    int blocks = number(), threads = number(), shared = number(), arrays = number();
    char** memory = (char**)malloc(arrays * sizeof(char*));
    size_t* sizes = (size_t*)malloc(arrays * sizeof(size_t));
    void *args[256], *values[256];  // as long as a signature
    for (int i = 0; i < arrays; i++) sizes[i] = number(), memory[i] = (char*)malloc(sizes[i]);
    struct Inside { long long array, offset, target, at; };
    long long pointers = number();
    Inside* inside = (Inside*)malloc(pointers * sizeof(Inside));
    for (int i = 0; i < pointers; i++)
        inside[i].array = number(), inside[i].offset = number(), inside[i].target = number(),
        inside[i].at = number();
    long long count = number();
    for (int i = 0; i < count; i++) {
        long long array = number(), value = number();
        values[i] = array == -1 ? (void*)value : array == -2 ? nullptr : memory[array] + value;
        args[i] = &values[i];
    }
    for (int i = 0; i < arrays; i++)
        if (fread(memory[i], 1, sizes[i], stdin) != sizes[i]) abort();
    for (int i = 0; i < pointers; i++) {
        char* to = memory[inside[i].target] + inside[i].at;
        memcpy(memory[inside[i].array] + inside[i].offset, &to, sizeof to);
    }
    int fault = on_host_launch(kernel, blocks, threads, shared, true, 20, args);
    if (fault) fprintf(stderr, "fault %d\n", fault);
    return fault;
}
#endif
