// Three functions of cuBLAS, by the prototypes of cublas_api.h, on the memory of the host: what came
// in is written down, and a product is computed by the definition of BLAS, column by column.

#include <cmath>
#include <cstddef>
#include <cstdint>

extern "C" {

struct Call {
    int function;  // 0 cublasSetStream_v2, 1 cublasSetWorkspace_v2, 2 cublasGemmEx
    int64_t arguments[19];
};

Call on_host_calls[256];
int on_host_count;
int on_host_status[3];  // what each function answers; a function that fails does nothing
}

namespace {

enum { real16 = 2, real32 = 0, real64 = 1 };
enum { sums32 = 68, sums64 = 70, sums32_rounding_to_tf32 = 77 };
enum { success = 0, invalid_value = 7, not_supported = 15 };

template <class... Numbers>
int note(int function, Numbers... numbers) {
    Call& call = on_host_calls[__atomic_fetch_add(&on_host_count, 1, __ATOMIC_SEQ_CST) % 256];
    call = {function, {(int64_t)numbers...}};
    return on_host_status[function];
}

double wide(uint16_t bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    return bits >> 15 ? -size : size;
}

uint16_t narrow(double x) {  // finite numbers, to the nearest, ties to even
    int exponent;
    std::frexp(x, &exponent);
    exponent = exponent < -13 ? -13 : exponent;
    // A mantissa that is rounded up to 2048 carries into the exponent, as it should.
    int mantissa = (int)std::nearbyint(std::ldexp(std::fabs(x), 11 - exponent));
    int bits = mantissa < 1024 ? mantissa : ((exponent + 13) << 10) + mantissa;
    return (uint16_t)(std::signbit(x) << 15 | bits);
}

double read(const void* matrix, int kind, int64_t place) {
    if (kind == real16) return wide(((const uint16_t*)matrix)[place]);
    return kind == real32 ? ((const float*)matrix)[place] : ((const double*)matrix)[place];
}

void write(void* matrix, int kind, int64_t place, double x) {
    if (kind == real16) ((uint16_t*)matrix)[place] = narrow(x);
    else if (kind == real32) ((float*)matrix)[place] = (float)x;
    else ((double*)matrix)[place] = x;
}

template <class Sum>
void multiply(
    bool turned_a, bool turned_b, int m, int n, int k, Sum alpha, const void* a, int kind_a,
    int step_a, const void* b, int kind_b, int step_b, Sum beta, void* c, int kind_c, int step_c) {
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            Sum sum = 0;
            for (int64_t l = 0; l < k; l++) {
                sum += (Sum)read(a, kind_a, turned_a ? i * step_a + l : l * step_a + i) *
                       (Sum)read(b, kind_b, turned_b ? l * step_b + j : j * step_b + l);
            }
            int64_t place = j * step_c + i;
            sum *= alpha;
            if (beta != 0) sum += beta * (Sum)read(c, kind_c, place);
            write(c, kind_c, place, sum);
        }
    }
}

}  // namespace

extern "C" {

int cublasSetStream_v2(void* handle, void* stream) { return note(0, handle, stream); }

int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
    return note(1, handle, workspace, bytes);
}

int cublasGemmEx(
    void* handle, int turned_a, int turned_b, int m, int n, int k, const void* alpha, const void* a,
    int kind_a, int step_a, const void* b, int kind_b, int step_b, const void* beta, void* c,
    int kind_c, int step_c, int sums, int algorithm) {
    int status = note(
        2, handle, turned_a, turned_b, m, n, k, alpha, a, kind_a, step_a, b, kind_b, step_b, beta,
        c, kind_c, step_c, sums, algorithm);
    if (status) return status;
    auto fits = [](int step, int rows) { return step >= (rows > 1 ? rows : 1); };
    if (turned_a < 0 || turned_a > 1 || turned_b < 0 || turned_b > 1 || m < 0 || n < 0 || k < 0 ||
        !fits(step_a, turned_a ? k : m) || !fits(step_b, turned_b ? n : k) || !fits(step_c, m))
        return invalid_value;
    bool half = kind_a == real16 && sums == sums32 && (kind_c == real16 || kind_c == real32);
    bool single = kind_a == real32 && kind_c == real32 &&
                  (sums == sums32 || sums == sums32_rounding_to_tf32);
    bool twice = kind_a == real64 && kind_c == real64 && sums == sums64;
    if (kind_a != kind_b || !(half || single || twice) || algorithm != -1) return not_supported;
    if (twice)
        multiply(
            turned_a, turned_b, m, n, k, *(const double*)alpha, a, kind_a, step_a, b, kind_b,
            step_b, *(const double*)beta, c, kind_c, step_c);
    else
        multiply(
            turned_a, turned_b, m, n, k, *(const float*)alpha, a, kind_a, step_a, b, kind_b, step_b,
            *(const float*)beta, c, kind_c, step_c);
    return success;
}
}
