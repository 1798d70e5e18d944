"""Kernels on which the stand-in for a GPU is tried; in some a part is left out on purpose."""

import functools

import numpy as np

# Several kernels for each of two types, as CUDA's own compiler would take them.
SOURCE = """
typedef REAL real;

#ifndef ON_HOST
__device__ inline unsigned short half_bits(float x) {
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
__device__ inline int load_acquire(const int* p) {
    int x;
    asm volatile("ld.acquire.gpu.global.b32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
    return x;
}
#endif

extern __shared__ char memory[];

__device__ __forceinline__ real smaller(real a, real b) { return a < b ? a : b; }

extern "C" __global__ void saxpy(const real* __restrict__ x, real* __restrict__ y, int n, int a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += a * __ldg(x + i);
}

extern "C" __global__ void halves(const float* x, unsigned short* y, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = half_bits(x[i]);
}

// The sum of each block, and the smallest element of all in the words that the host gave it.
#define SUM(name, BARRIER)                                                                  \\
    extern "C" __global__ void __launch_bounds__(8 * 32) name(const real* x, real* sums) {  \\
        __shared__ real part[8 * 32];                                                       \\
        real* least = (real*)memory;                                                        \\
        const int i = threadIdx.x;                                                          \\
        part[i] = x[blockIdx.x * blockDim.x + i];                                           \\
        least[i] = part[i];                                                                 \\
        for (int n = blockDim.x / 2; n; n /= 2) {                                           \\
            BARRIER                                                                         \\
            if (i < n) {                                                                    \\
                part[i] += part[i + n];                                                     \\
                least[i] = smaller(least[i], least[i + n]);                                 \\
            }                                                                               \\
        }                                                                                   \\
        if (i == 0) sums[2 * blockIdx.x] = part[0], sums[2 * blockIdx.x + 1] = least[0];    \\
    }
SUM(sum, __syncthreads();)
SUM(torn_sum, )

// Each step takes from the neighbour what it had before; needs zeros in the counter.
#define RING(name, RELEASE, COUNT, ACQUIRE)                                                 \\
    extern "C" __global__ void name(real* x, int* counter, int steps) {                     \\
        const int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;    \\
        for (int t = 0; t < steps; ++t) {                                                   \\
            x[(t + 1) % 2 * n + i] = __ldcg(x + t % 2 * n + (i + 1) % n) + 1;               \\
            __syncthreads();                                                                \\
            if (threadIdx.x == 0) {                                                         \\
                RELEASE                                                                     \\
                atomicAdd(counter, 1);                                                      \\
                while (COUNT < (t + 1) * (int)gridDim.x) {}                                 \\
                ACQUIRE                                                                     \\
            }                                                                               \\
            __syncthreads();                                                                \\
        }                                                                                   \\
    }
RING(ring, __threadfence();, load_acquire(counter), )
RING(ring_by_fences, __threadfence();, atomicAdd(counter, 0), __threadfence();)
RING(ring_without_wait, __threadfence();, load_acquire(counter) + (1 << 20), )
RING(ring_without_release, , load_acquire(counter), )
RING(ring_without_acquire, __threadfence();, atomicAdd(counter, 0), )

// The block that comes last adds up what the others left.
extern "C" __global__ void last_block(const real* x, real* sums, unsigned* counter, real* total) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = x[blockIdx.x];
        __threadfence();
        last = atomicAdd(counter, 1u) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (last && threadIdx.x < 2) {
        for (int b = threadIdx.x; b < gridDim.x; b += 2) atomicAdd(total, sums[b]);
    }
}

struct Table { int t; const real* x; };
extern "C" __global__ void fill_table(Table* table, const real* x) { *table = Table{1, x}; }
extern "C" __global__ void read_table(const Table* table, real* y, int i) {
    y[threadIdx.x] = table->x[i + threadIdx.x];
}

extern "C" __global__ void early(int n) { if (threadIdx.x < n) __syncthreads(); }
extern "C" __global__ void apart() {
    if (threadIdx.x < 2)
        __syncthreads();
    else
        __syncthreads();
}
extern "C" __global__ void overrun(int bytes) { memory[bytes] = 1; }
extern "C" __global__ void wide(long long n) {}
extern "C" __global__ void by_value(float x) {}
"""
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


@functools.cache
def source(dtype=np.float64):
    return SOURCE.replace("REAL", REALS[np.dtype(dtype)])
