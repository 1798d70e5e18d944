// The elementwise mathematics of each recurrent cell on a GPU: one time step, forward and backward.
//
// A thread computes one unit j of one sequence b: all its gates, so that a step is one product with
// W_hh and one kernel. What a run needs is in a table in the memory of the device. A captured graph
// of some steps knows only where that table is, so it serves every run of this batch and size.
//
// The host puts `typedef float real;` or `typedef double real;` before this text. Arrays are dense,
// in the order of their axes; sequences that have ended leave zeros.

typedef unsigned short half_t;  // the bits of a float16

#ifndef ON_HOST
__device__ inline half_t half_bits(float x) {
    half_t y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
#endif

__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float tangent(float x) { return tanhf(x); }
__device__ inline double tangent(double x) { return tanh(x); }
#ifdef ON_HOST
__device__ inline float reciprocal(float x) { return 1 / x; }
#else
__device__ inline float reciprocal(float x) { return __fdividef(1, x); }  // no branch; 2 ulp
#endif
__device__ inline double reciprocal(double x) { return 1 / x; }
__device__ inline real sigmoid(real x) { return reciprocal(1 + exponential(-x)); }

struct Run {
    int t, T, B, H;           // t: of the first step of a captured graph
    const int* ends;          // (B): the lengths of the sequences; null: all are T
};

struct Forward : Run {
    const real* z;            // (B, G, H): W_hh h(t-1)
    const real* bias;         // (G + 1, H): of the gates, and the one that acts inside (GRU)
    real* gates;              // (T, B, G, H): comes as the share of x, goes as what backward needs
    real* memory;             // LSTM: c, (T + 1, B, H); GRU: W_hn h(t-1) + b_hn, (T, B, H)
    real* h;                  // (T + 1, B, H)
    real *last_h, *last_c;    // (B, H): the states after the last step of each sequence
    real* current;            // (B, H): h(t), where the product with W_hh finds it; or null, and
    half_t* current_half;     // it as float16; or null
};

struct Backward : Run {
    const real* g;            // (T, B, H): dDIV/dh(t) from outside; null: zeros
    const real *g_h, *g_c;    // (B, H): of the last states; null: zeros
    const real* through;      // (B, H): what comes from t + 1 through W_hh
    real* carry;              // (B, H): what comes from t + 1 past it: LSTM dc, GRU the part of dh
    const real *gates, *memory, *h;
    real* d;                  // (T, B, D, H): the gradients of what the gates apply their functions to
    real* current;            // (B, G, H): those that W_hh made, at t
};

static_assert(sizeof(Forward) <= 256 && sizeof(Backward) <= 256, "the host makes room for 256");

// What a cell computes: `gate` points at the unit's first gate, others follow at a distance of H;
// `now` is the place of (t, b, j) in an array (T, B, H), `next` that of (t + 1, b, j). All that is
// read is read first: a load that waits for a function makes the whole step wait for memory.

struct Tanh {
    static const int gates = 1, slots = 1;
    static const bool remembers = false;
    __device__ static real forward(const Forward& f, const real* z, const real* bias, real* gate,
                                   size_t now, size_t next) {
        return tangent(gate[0] + z[0] + bias[0]);
    }
    __device__ static void backward(const Backward& f, real dh, real, const real*, real* d, real*,
                                    size_t now, size_t next) {
        d[0] = dh * (1 - f.h[next] * f.h[next]);
    }
};

struct Relu {
    static const int gates = 1, slots = 1;
    static const bool remembers = false;
    __device__ static real forward(const Forward& f, const real* z, const real* bias, real* gate,
                                   size_t now, size_t next) {
        real sum = gate[0] + z[0] + bias[0];
        return sum <= 0 ? 0 : sum;  // a nan stays one
    }
    __device__ static void backward(const Backward& f, real dh, real, const real*, real* d, real*,
                                    size_t now, size_t next) {
        d[0] = f.h[next] <= 0 ? 0 : dh;
    }
};

struct Lstm {  // gates and d: i f g o
    static const int gates = 4, slots = 4;
    static const bool remembers = true;
    __device__ static real forward(const Forward& f, const real* z, const real* bias, real* gate,
                                   size_t now, size_t next) {
        const int H = f.H;
        real i = gate[0] + z[0] + bias[0], forget = gate[H] + z[1] + bias[H];
        real g = gate[2 * H] + z[2] + bias[2 * H], o = gate[3 * H] + z[3] + bias[3 * H];
        real c = f.memory[now];
        i = sigmoid(i), forget = sigmoid(forget), g = tangent(g), o = sigmoid(o);
        c = forget * c + i * g;
        gate[0] = i, gate[H] = forget, gate[2 * H] = g, gate[3 * H] = o;
        f.memory[next] = c;
        return o * tangent(c);
    }
    __device__ static void backward(const Backward& f, real dh, real dc, const real* gate, real* d,
                                    real* carry, size_t now, size_t next) {
        const int H = f.H;
        real i = gate[0], forget = gate[H], g = gate[2 * H], o = gate[3 * H];
        real before = f.memory[now], tanh_c = tangent(f.memory[next]);
        dc += dh * o * (1 - tanh_c * tanh_c);
        d[0] = dc * g * i * (1 - i);
        d[1] = dc * before * forget * (1 - forget);
        d[2] = dc * i * (1 - g * g);
        d[3] = dh * tanh_c * o * (1 - o);
        *carry = dc * forget;
    }
};

struct Gru {  // gates: r u n, where u (z in the literature) keeps h; z and d: n's inside first
    static const int gates = 3, slots = 4;
    static const bool remembers = false;
    __device__ static real forward(const Forward& f, const real* z, const real* bias, real* gate,
                                   size_t now, size_t next) {
        const int H = f.H;
        real r = gate[0] + z[1] + bias[0], u = gate[H] + z[2] + bias[H];
        real n = gate[2 * H] + bias[2 * H], inside = z[0] + bias[3 * H], before = f.h[now];
        r = sigmoid(r), u = sigmoid(u), n = tangent(n + r * inside);
        gate[0] = r, gate[H] = u, gate[2 * H] = n;
        f.memory[now] = inside;
        return n + u * (before - n);
    }
    __device__ static void backward(const Backward& f, real dh, real kept, const real* gate,
                                    real* d, real* carry, size_t now, size_t next) {
        const int H = f.H;
        real r = gate[0], u = gate[H], n = gate[2 * H];
        real inside = f.memory[now], before = f.h[now];
        dh += kept;
        real dn = dh * (1 - u) * (1 - n * n);
        d[0] = dn * r;
        d[1] = dn * inside * r * (1 - r);
        d[2] = dh * (before - n) * u * (1 - u);
        d[3] = dn;
        *carry = dh * u;
    }
};

template <class Cell>
__device__ inline void forward_unit(const Forward& f, int t, int b, int j, const real* z) {
    const size_t unit = (size_t)b * f.H + j, step = (size_t)f.B * f.H;
    const size_t now = t * step + unit, next = now + step;
    const int end = f.ends ? f.ends[b] : f.T;
    real h = 0;
    if (t < end) {
        real* gate = f.gates + ((size_t)t * f.B + b) * Cell::gates * f.H + j;
        h = Cell::forward(f, z, f.bias + j, gate, now, next);
    } else if (Cell::remembers) {
        f.memory[next] = 0;
    }
    f.h[next] = h;
    if (t == end - 1) {
        f.last_h[unit] = h;
        if (Cell::remembers) f.last_c[unit] = f.memory[next];
    }
    if (f.current) f.current[unit] = h;
    if (f.current_half) f.current_half[unit] = half_bits((float)h);
}

template <class Cell>
__device__ inline void backward_unit(const Backward& f, int t, int b, int j, real through) {
    const size_t unit = (size_t)b * f.H + j, step = (size_t)f.B * f.H;
    const size_t now = t * step + unit, next = now + step, row = (size_t)t * f.B + b;
    const int end = f.ends ? f.ends[b] : f.T;
    real d[Cell::slots] = {};
    if (t < end) {
        const bool last = t == end - 1;
        real dh = last ? (f.g_h ? f.g_h[unit] : 0) : through;
        real carry = last ? (f.g_c ? f.g_c[unit] : 0) : f.carry[unit];
        if (f.g) dh += f.g[now];
        const real* gate = f.gates + row * Cell::gates * f.H + j;
        Cell::backward(f, dh, carry, gate, d, f.carry + unit, now, next);
    }
    for (int k = 0; k < Cell::slots; ++k) f.d[(row * Cell::slots + k) * f.H + j] = d[k];
    if (f.current)
        for (int k = 0; k < Cell::gates; ++k)
            f.current[((size_t)b * Cell::gates + k) * f.H + j] = d[k];
}

// One step as a kernel, after the product with W_hh: thread (b, j). `k` is the number of the step
// within a captured graph, whose runs `steps_done` counts. B and H are the table's: a thread that
// knows them need not wait for it before it asks for the rest.

template <class Cell>
__device__ inline void forward_step(const Forward* table, int k, int B, int H) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * H) return;
    Forward f = *table;
    f.B = B, f.H = H;
    const int b = i / H, j = i % H;
    real z[Cell::gates];
    for (int s = 0; s < Cell::gates; ++s) z[s] = f.z[((size_t)b * Cell::gates + s) * H + j];
    forward_unit<Cell>(f, f.t + k, b, j, z);
}

template <class Cell>
__device__ inline void backward_step(const Backward* table, int k, int B, int H) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * H) return;
    Backward f = *table;
    f.B = B, f.H = H;
    backward_unit<Cell>(f, f.t - k, i / H, i % H, f.through[i]);
}

#define STEPS(name, Cell)                                                                     \
    extern "C" __global__ void forward_##name(const Forward* table, int k, int B, int H) {    \
        forward_step<Cell>(table, k, B, H);                                                   \
    }                                                                                         \
    extern "C" __global__ void backward_##name(const Backward* table, int k, int B, int H) {  \
        backward_step<Cell>(table, k, B, H);                                                  \
    }

STEPS(tanh, Tanh)
STEPS(relu, Relu)
STEPS(lstm, Lstm)
STEPS(gru, Gru)

// One thread: the steps of a captured graph are done.
extern "C" __global__ void steps_done(Run* table, int steps) { table->t += steps; }

// Before the first step: the table, and copies at fixed places of what changes from run to run. The
// weights are those of `gates` gates; if the last one is `inner` (GRU) it comes first in the copy.
// Threads: as many as the largest array needs, in any grid.

__device__ inline void copy_weights(const real* from, real* to, half_t* to_half, int H, int gates,
                                    int inner, size_t i, size_t threads) {
    const size_t size = (size_t)gates * H * H, gate = (size_t)H * H;
    for (; i < size; i += threads) {
        const real w = from[(i + (size_t)inner * (gates - 1) * gate) % size];
        if (to) to[i] = w;
        if (to_half) to_half[i] = half_bits((float)w);
    }
}

extern "C" __global__ void begin_forward(
        Forward* table, int T, int B, int H, const int* ends, const real* z, real* bias,
        real* gates, real* memory, real* h, real* last_h, real* last_c, real* current,
        half_t* current_half, int number, int inner, const real* h_0, const real* c_0,
        const real* bias_ih, const real* bias_hh, const real* weight_hh, real* weight,
        half_t* weight_half) {
    const size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * blockDim.x;
    if (first == 0)
        *table = Forward{{0, T, B, H, ends}, z, bias, gates, memory, h, last_h, last_c, current,
                         current_half};
    for (size_t i = first; i < (size_t)B * H; i += threads) {
        h[i] = h_0[i];
        if (c_0) memory[i] = c_0[i];
        if (current) current[i] = h_0[i];
        if (current_half) current_half[i] = half_bits((float)h_0[i]);
    }
    const size_t outer = (size_t)(number - inner) * H, all = (size_t)number * H;
    for (size_t i = first; i < all + H; i += threads) {
        real sum = 0;
        if (bias_ih && i < all) sum += bias_ih[i];
        if (bias_hh && i < outer) sum += bias_hh[i];
        if (bias_hh && inner && i >= all) sum += bias_hh[i - H];
        bias[i] = sum;
    }
    copy_weights(weight_hh, weight, weight_half, H, number, inner, first, threads);
}

extern "C" __global__ void begin_backward(
        Backward* table, int T, int B, int H, const int* ends, const real* g, const real* g_h,
        const real* g_c, const real* through, real* carry, const real* gates, const real* memory,
        const real* h, real* d, real* current, int number, int inner, const real* weight_hh,
        real* weight) {
    const size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * blockDim.x;
    if (first == 0)
        *table = Backward{{T - 1, T, B, H, ends}, g, g_h, g_c, through, carry, gates, memory, h, d,
                          current};
    copy_weights(weight_hh, weight, 0, H, number, inner, first, threads);
}
