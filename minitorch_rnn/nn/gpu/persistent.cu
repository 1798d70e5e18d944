// The whole time loop of a layer in one launch, for weights that fit into the shared memory.
//
// A block keeps the weights of some units there from the first step to the last. It computes these
// units for some sequences, because sequences never look at each other: the blocks of the same
// sequences are a group, and after each step a group waits until all its blocks have written what
// the others read. A step is one product of a factor (rows, K) with a block's weights (columns, K):
// forward h(t-1) with the rows of W_hh, K = H, backward d(t+1) with its columns, K = G H. Both lie
// with k side by side, so that a thread reads 16 bytes at a time.
//
// Text of kernels.cu comes before this. persistent.py chooses the numbers in Plan.

struct alignas(16) Vector {
    real at[16 / sizeof(real)];
};

const int wide = 16 / sizeof(real);  // numbers in a vector
const int tile = 32 * wide;          // numbers of a row of the factor that are fetched at a time
// Sums of a thread: as many as fit into its registers.
const int rows_each = 32 / sizeof(real), columns_each = 4, most_threads = 512;

struct Plan {
    int rows;    // sequences of a group
    int chunk;   // of them at a time; a multiple of rows_each
    int units;   // of a block
    int slices;  // parts of a sum over k, in different threads
};

#ifdef ON_HOST
inline void copy(real* to, const real* from) { *(Vector*)to = *(const Vector*)from; }
inline void copies_begun() {}
inline void wait_for_copies(bool) {}
#else
__device__ inline int load_acquire(const int* from) {
    int x;
    asm volatile("ld.acquire.gpu.global.b32 %0, [%1];" : "=r"(x) : "l"(from) : "memory");
    return x;
}

// 16 bytes from the L2 cache (another block wrote them; L1 may be stale) to shared memory.
__device__ inline void copy(real* to, const real* from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :: "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#else
    *(int4*)to = __ldcg((const int4*)from);
#endif
}

__device__ inline void copies_begun() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until all copies are there, or all but those that were begun last.
__device__ inline void wait_for_copies(bool all) {
#if __CUDA_ARCH__ >= 800
    if (all) asm volatile("cp.async.wait_group 0;" ::: "memory");
    else asm volatile("cp.async.wait_group 1;" ::: "memory");
#endif
}
#endif

struct Block {
    Plan plan;
    int K, columns, width;  // width: the distance between columns of the weights
    int parts;              // blocks of a group
    int first_row, rows, first_unit, units;  // what is this block's
    real *weights, *tiles;  // (columns, width); two tiles (chunk, tile + wide), or the sums
    int* arrived;           // of the group: how many times a block came to the end of a step

    // Rows at a distance of 16 bytes modulo 128 lie in different banks.
    __device__ Block(const Plan& p, Vector* memory, int* counters, int B, int H, int K, int of_unit)
        : plan(p), K(K) {
        parts = (H + p.units - 1) / p.units;
        const int group = blockIdx.x / parts;
        first_row = group * p.rows;
        rows = B - first_row < p.rows ? B - first_row : p.rows;
        first_unit = blockIdx.x % parts * p.units;
        units = H - first_unit < p.units ? H - first_unit : p.units;
        columns = (of_unit * p.units + columns_each - 1) / columns_each * columns_each;
        width = (K + 8 * wide - 1) / (8 * wide) * (8 * wide) + wide;
        weights = (real*)memory;
        tiles = weights + columns * width;
        arrived = counters + 32 * group;
    }

    // The numbers k to k + tile - 1 of `count` rows into one of the tiles, zeros behind the end.
    // Behind the last row lies whatever was there, and leads to sums that nobody reads.
    __device__ void fetch(const real* factor, size_t distance, int count, int k) const {
        real* to = tiles + k / tile % 2 * plan.chunk * (tile + wide);
        const bool whole = (((size_t)factor | distance * sizeof(real)) & 15) == 0;
        for (int i = threadIdx.x; i < count * 32; i += blockDim.x) {
            const int row = i / 32, offset = i % 32 * wide, left = K - k - offset;
            const real* from = factor + row * distance + k + offset;
            real* there = to + row * (tile + wide) + offset;
            if (whole && left >= wide) copy(there, from);
            else for (int e = 0; e < wide; ++e) there[e] = e < left ? __ldcg(from + e) : 0;
        }
        copies_begun();
    }

    // Adds what a thread's slice has of the n numbers of a tile, for the first `used` of its rows.
    template <int R = rows_each>
    __device__ void add(real (*sum)[columns_each], const real* factor, const real* weights,
                        int used, int n) const {
        if constexpr (R > 1)
            if (used <= R / 2) return add<R / 2>(sum, factor, weights, used, n);
        const int down = plan.chunk / rows_each * (tile + wide);
        const int across = columns / columns_each * width;
        for (int k = 0; k < n; k += plan.slices * wide) {
            Vector w[columns_each];
            for (int c = 0; c < columns_each; ++c)
                w[c] = *(const Vector*)(weights + c * across + k);
            for (int r = 0; r < R; ++r) {
                const Vector x = *(const Vector*)(factor + r * down + k);
                for (int c = 0; c < columns_each; ++c)
                    for (int e = 0; e < wide; ++e) sum[r][c] += x.at[e] * w[c].at[e];
            }
        }
    }

    // The product of `count` rows with the weights. A thread's sums are a row of `down`, and those
    // at a distance of `down` and its multiples; the same across the columns.
    __device__ void multiply(const real* factor, size_t distance, int count) const {
        const int down = plan.chunk / rows_each, across = columns / columns_each;
        const int row = threadIdx.x % down, column = threadIdx.x / down % across;
        const int slice = threadIdx.x / (down * across), used = (count + down - 1) / down;
        real sum[rows_each][columns_each] = {};
        __syncthreads();  // all have read the sums of the chunk before this
        fetch(factor, distance, count, 0);
        for (int k = 0; k < K; k += tile) {
            if (k + tile < K) fetch(factor, distance, count, k + tile);
            wait_for_copies(k + tile >= K);
            __syncthreads();
            const int left = K - k < tile ? K - k : tile, skip = slice * wide;
            const int place = k / tile % 2 * plan.chunk + row;
            add(sum, tiles + place * (tile + wide) + skip, weights + column * width + k + skip,
                used, left - skip);
            __syncthreads();
        }
        real* to = tiles + (slice * plan.chunk + row) * (columns + 1) + column;
        for (int r = 0; r < rows_each; ++r)
            for (int c = 0; c < columns_each; ++c)
                to[r * down * (columns + 1) + c * across] = sum[r][c];
        __syncthreads();
    }

    // An element of that product.
    __device__ real total(int row, int column) const {
        real sum = 0;
        for (int s = 0; s < plan.slices; ++s)
            sum += tiles[(s * plan.chunk + row) * (columns + 1) + column];
        return sum;
    }

    // How many rows belong to the chunk that begins at row `at`.
    __device__ int count(int at) const {
        return rows - at < plan.chunk ? rows - at : plan.chunk;
    }

    // Waits until all blocks of the group have done so many steps. What they wrote can be read.
    __device__ void wait(unsigned steps) const {
        __syncthreads();
        if (threadIdx.x == 0 && parts > 1) {
            __threadfence();
            atomicAdd(arrived, 1);
            while ((int)((unsigned)load_acquire(arrived) - steps * parts) < 0) {}
        }
        __syncthreads();
    }
};

extern __shared__ Vector memory[];

// Steps t, t + 1, ... of a table.
template <class Cell>
__device__ inline void forward_loop(const Forward* table, const real* weight, int* arrived,
                                    int steps, const Plan& plan) {
    const Forward f = *table;
    const int H = f.H;
    const Block block(plan, memory, arrived, f.B, H, H, Cell::gates);
    for (int i = threadIdx.x; i < block.columns * block.width; i += blockDim.x) {
        const int column = i / block.width, k = i % block.width;
        const int gate = column / plan.units, j = column % plan.units;
        const bool inside = gate < Cell::gates && j < block.units && k < H;
        block.weights[i] = inside ? weight[((size_t)gate * H + block.first_unit + j) * H + k] : 0;
    }
    for (int n = 0; n < steps; ++n) {
        const int t = f.t + n;
        for (int at = 0; at < block.rows; at += plan.chunk) {
            const int count = block.count(at), first = block.first_row + at;
            block.multiply(f.h + ((size_t)t * f.B + first) * H, H, count);
            for (int i = threadIdx.x; i < count * block.units; i += blockDim.x) {
                const int row = i / block.units, j = i % block.units;
                real z[Cell::gates];
                for (int g = 0; g < Cell::gates; ++g) z[g] = block.total(row, g * plan.units + j);
                forward_unit<Cell>(f, t, first + row, block.first_unit + j, z);
            }
        }
        if (n + 1 < steps) block.wait(n + 1);
    }
}

// Steps t, t - 1, ... of a table, and then what comes through W_hh from the last of them.
template <class Cell>
__device__ inline void backward_loop(const Backward* table, const real* weight, real* through,
                                     int* arrived, int steps, const Plan& plan) {
    const Backward f = *table;
    const int H = f.H, K = Cell::gates * H;
    const Block block(plan, memory, arrived, f.B, H, K, 1);
    for (int i = threadIdx.x; i < block.columns * block.width; i += blockDim.x) {
        const int j = i % block.columns, k = i / block.columns;
        const bool inside = j < block.units && k < K;
        block.weights[j * block.width + k] =
            inside ? weight[(size_t)k * H + block.first_unit + j] : 0;
    }
    for (int n = 0; n <= steps; ++n) {
        const int t = f.t - n;
        for (int at = 0; at < block.rows; at += plan.chunk) {
            const int count = block.count(at), first = block.first_row + at;
            const size_t distance = (size_t)Cell::slots * H;
            if (t + 1 < f.T)
                block.multiply(f.d + ((size_t)(t + 1) * f.B + first) * distance, distance, count);
            for (int i = threadIdx.x; i < count * block.units; i += blockDim.x) {
                const int row = i / block.units, j = i % block.units;
                const int b = first + row, unit = block.first_unit + j;
                const real sum = t + 1 < f.T ? block.total(row, j) : 0;
                if (n < steps) backward_unit<Cell>(f, t, b, unit, sum);
                else through[(size_t)b * H + unit] = sum;
            }
        }
        if (n < steps) block.wait(n + 1);
    }
}

#define LOOPS(name, Cell)                                                                     \
    extern "C" __global__ void __launch_bounds__(most_threads) forward_loop_##name(           \
            const Forward* table, const real* weight, int* arrived, int steps, int rows,      \
            int chunk, int units, int slices) {                                               \
        forward_loop<Cell>(table, weight, arrived, steps, Plan{rows, chunk, units, slices});  \
    }                                                                                         \
    extern "C" __global__ void __launch_bounds__(most_threads) backward_loop_##name(          \
            const Backward* table, const real* weight, real* through, int* arrived,           \
            int steps, int rows, int chunk, int units, int slices) {                          \
        backward_loop<Cell>(table, weight, through, arrived, steps,                           \
                            Plan{rows, chunk, units, slices});                                \
    }

LOOPS(tanh, Tanh)
LOOPS(relu, Relu)
LOOPS(lstm, Lstm)
LOOPS(gru, Gru)
