// Kernels of a source, each of which registers itself with its name, its bound and its signature.
#pragma once

#include <stddef.h>

#include <utility>

namespace on_host {

// A signature has a letter for each parameter, a P before pointers.
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

}  // namespace on_host
