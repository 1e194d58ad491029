/* SPDX-License-Identifier: MIT */
/* A library to preload: the allocation number PULSE_FAULT_ALLOC (malloc, calloc, realloc and the aligned ones, counted from 1 after main
 * has begun, which ignores SIGXFSZ first of all) returns NULL. With PULSE_FAULT_SITES, a file, nothing
 * fails, and the file gets a line "N SITE" for each allocation: two allocations of one SITE were made from the same place, by the same
 * way. glibc. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

enum { DEPTH = 40, ITSELF = 2 };

static atomic_long seen, at;
static atomic_bool begun;
static _Thread_local bool inside;
static FILE *sites;

static void tell_site(long n)
{
    void *frame[DEPTH];
    unsigned long long hash = 0xcbf29ce484222325u;
    inside = true;
    for (int k = ITSELF, count = backtrace(frame, DEPTH); k < count; k++)
        hash = (hash ^ (unsigned long long)(uintptr_t)frame[k]) * 0x100000001b3u;
    fprintf(sites, "%ld %016llx\n", n, hash);
    inside = false;
}

static bool lost(void)
{
    if (!begun || inside)
        return false;
    const long n = ++seen;
    if (sites)
        tell_site(n);
    if (sites || n != at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)                            { return lost() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size)               { return lost() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n)                  { return lost() ? NULL : __libc_realloc(p, n); }
void *memalign(size_t alignment, size_t n)        { return lost() ? NULL : __libc_memalign(alignment, n); }
void *aligned_alloc(size_t alignment, size_t n)   { return lost() ? NULL : __libc_memalign(alignment, n); }

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *q = lost() ? NULL : __libc_memalign(alignment, n);
    if (q)
        *p = q;
    return q ? 0 : ENOMEM;
}

sighandler_t signal(int number, sighandler_t handler)
{
    sighandler_t (*real)(int, sighandler_t) = (sighandler_t (*)(int, sighandler_t))dlsym(RTLD_NEXT, "signal");
    const char *text = getenv("PULSE_FAULT_ALLOC"), *path = getenv("PULSE_FAULT_SITES");
    if (number == SIGXFSZ && (text || path)) {
        at = text ? atol(text) : 0;
        sites = path ? fopen(path, "w") : NULL;
        begun = true;
    }
    return real(number, handler);
}

__attribute__((destructor)) static void end(void)
{
    begun = false;
    if (sites)
        fclose(sites);
}
