// A program that runs one launch, for the sanitizers. It reads numbers of 64 bits: blocks, threads,
// shared, how many arrays, their sizes, how many pointers are in them, four numbers for each (array,
// offset; array and offset of what it points at), how many arguments, two numbers for each (an
// array and an offset; -1 and an int; -2 and 0 for null); and then the bytes of the arrays.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
