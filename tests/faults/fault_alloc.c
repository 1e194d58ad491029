/* SPDX-License-Identifier: MIT */
/* A library to preload: the allocation number PULSE_FAULT_ALLOC (malloc, calloc, realloc and the aligned ones, counted from 1 after main
 * has begun, which ignores SIGXFSZ first of all) returns NULL. When the process ends, "allocations: C" is appended to the file
 * PULSE_FAULT_COUNT. glibc. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

static atomic_long seen, at;
static atomic_bool begun;

static bool lost(void)
{
    if (!begun || ++seen != at)
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
    const char *text = getenv("PULSE_FAULT_ALLOC");
    if (number == SIGXFSZ && text) {
        at = atol(text);
        begun = true;
    }
    return real(number, handler);
}

__attribute__((destructor)) static void tell(void)
{
    char text[64];
    const char *path = getenv("PULSE_FAULT_COUNT");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    begun = false;
    if (fd >= 0 && write(fd, text, (size_t)snprintf(text, sizeof text, "%ld\n", (long)seen)) > 0)
        close(fd);
}
