/* SPDX-License-Identifier: MIT */
/* A library to preload (glibc): allocation number PULSE_FAULT_ALLOC of the process returns NULL. Calls of malloc, calloc, realloc and
 * the aligned ones are counted from 1. Counting begins when main ignores SIGXFSZ, which is the first thing that it does. Other
 * variables of the environment:
 *
 *     PULSE_FAULT_COUNT   a file of 8 bytes, in which all processes that the command starts count together
 *     PULSE_FAULT_SITES   a file: nothing fails, and a line "N SITE" for each allocation is appended to it. Two allocations have the
 *                         same SITE where all return addresses on their stacks are equal
 *     PULSE_FAULT_EVERY   a folder: one after another, each allocation fails in a child of fork, which runs to its end. Its standard
 *                         output and error are N.out and N.err in the folder, and N.status gets its exit code, or 128 + its signal.
 *                         That is far quicker than to start the command anew, but only for commands that write no files */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

enum { DEPTH = 40, ITSELF = 2, FILES = 32 };

static atomic_long of_process, *seen = &of_process, at;
static atomic_bool begun;
static _Thread_local bool inside;
static FILE *sites;
static const char *every;

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

/* The new file begins with what this process has written to the old one, where that is a file too. */
static void redirect(long n, const char *what, int to)
{
    char path[512];
    off_t from = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", to);
    const int written = open(path, O_RDONLY | O_NONBLOCK);
    const off_t size = written < 0 ? -1 : lseek(written, 0, SEEK_END);
    snprintf(path, sizeof path, "%s/%ld.%s", every, n, what);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    while (from < size && sendfile(fd, written, &from, (size_t)(size - from)) > 0)
        ;
    if (fd < 0 || from < size || dup2(fd, to) < 0)
        _exit(125);
    close(fd);
    if (written >= 0)
        close(written);
}

static bool apart;                                        // this process is a child, whose files are written nowhere

/* Every file that is open for writing becomes a copy in memory. */
static void part_files(const off_t *offset)
{
    struct stat st;
    for (int fd = 3; fd < FILES; fd++) {
        const int how = fcntl(fd, F_GETFL);
        if (how < 0 || (how & O_ACCMODE) == O_RDONLY || fstat(fd, &st) || !S_ISREG(st.st_mode))
            continue;
        off_t from = 0;
        const int copy = memfd_create("apart", 0);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const int old = open(path, O_RDONLY);
        while (from < st.st_size && sendfile(copy, old, &from, (size_t)(st.st_size - from)) > 0)
            ;
        if (from < st.st_size || lseek(copy, offset[fd], SEEK_SET) < 0 || dup2(copy, fd) < 0)
            _exit(125);
        close(copy);
        close(old);
    }
    apart = true;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (apart && (flags & O_ACCMODE) != O_RDONLY)
        return memfd_create("apart", 0);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int rename(const char *from, const char *to) { return apart ? 0 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to); }
int mkdir(const char *path, mode_t mode)     { return apart ? 0 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode); }
int unlink(const char *path)                 { return apart ? 0 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return apart ? 0 : (int)syscall(SYS_unlinkat, folder, path, flags); }

/* Whether this process is the child in which the allocation fails. */
static bool forked(long n)
{
    off_t offset[FILES];                                   // of open files, which a child shares
    int status = 0;
    inside = true;
    for (int fd = 3; fd < FILES; fd++)
        offset[fd] = lseek(fd, 0, SEEK_CUR);
    const pid_t child = fork();
    if (child == 0) {
        redirect(n, "out", STDOUT_FILENO);
        redirect(n, "err", STDERR_FILENO);
        part_files(offset);
        every = NULL;
        inside = false;
        return true;
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        _exit(125);
    for (int fd = 3; fd < FILES; fd++)
        if (offset[fd] >= 0)
            lseek(fd, offset[fd], SEEK_SET);
    char path[512];
    snprintf(path, sizeof path, "%s/%ld.status", every, n);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dprintf(fd, "%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    close(fd);
    inside = false;
    return false;
}

static bool lost(void)
{
    if (!begun || inside)
        return false;
    const long n = ++*seen;
    if (sites)
        tell_site(n);
    if (every ? !forked(n) : sites || n != at)
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

static void count_together(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT, 0666);
    void *p = fd < 0 || ftruncate(fd, sizeof *seen) ? MAP_FAILED : mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        _exit(125);
    close(fd);
    seen = p;
}

sighandler_t signal(int number, sighandler_t handler)
{
    sighandler_t (*real)(int, sighandler_t) = (sighandler_t (*)(int, sighandler_t))dlsym(RTLD_NEXT, "signal");
    const char *text = getenv("PULSE_FAULT_ALLOC"), *path = getenv("PULSE_FAULT_SITES"),
        *count = getenv("PULSE_FAULT_COUNT");
    if (number == SIGXFSZ && (text || path || getenv("PULSE_FAULT_EVERY"))) {
        every = getenv("PULSE_FAULT_EVERY");
        at = text ? atol(text) : 0;
        sites = path ? fopen(path, "a") : NULL;
        if (sites)
            setvbuf(sites, NULL, _IOLBF, 4096);         // so that lines of concurrent processes stay whole
        if (count)
            count_together(count);
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
