// Enough of CUDA for g++ or clang++ to compile kernels, and what calls them on the host.
//
// Their blocks and threads are run by blocks_on_host.h. Shared memory is thread_local, hence one for
// each block. Not imitated: warps, caches, streams, and limits of registers.
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "blocks_on_host.h"

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

#ifdef ON_HOST_MAIN
#include "program_on_host.h"
#endif
