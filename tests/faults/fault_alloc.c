/* SPDX-License-Identifier: MIT */
/* A library to preload (glibc): allocation number PULSE_FAULT_ALLOC of the process returns NULL. Calls of malloc,
 * calloc, realloc and the aligned variants are counted from 1. Counting begins when main ignores SIGXFSZ, which is the
 * first thing that main does. Other environment variables:
 *
 *     PULSE_FAULT_COUNT   a file of 8 bytes, with which all processes of the command share one counter
 *     PULSE_FAULT_SITES   a file: nothing fails, and a line "N SITE" for each allocation is appended to the file. Two
 *                         allocations have the same SITE if all return addresses on their stacks are equal
 *     PULSE_FAULT_EVERY   a folder: each allocation fails once, in a child made by fork, which is much faster than to
 *                         start the command anew. The child goes on in a copy of the working folder, so the command
 *                         must write only to relative names
 *
 * The file `all` in the folder of PULSE_FAULT_EVERY gets a line "N CODE TOLD TREE PROCESS" for each allocation:
 *
 *     CODE      the child's exit code, or 128 + the signal that ended it
 *     TOLD      1 if the child printed an error sentence, else 0; then the file N.err keeps its standard error
 *     TREE      a hash of the files that the child leaves (sum_one says which); 0 after a signal
 *     PROCESS   the process that made the allocation. At its own end it adds a line "end PROCESS TREE" */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

// DEPTH: frames of a stack; ITSELF: those of them that belong to this library; FILES: the descriptors that are looked
// at; SECONDS: how long a child may take
enum { DEPTH = 40, ITSELF = 2, FILES = 32, SECONDS = 120 };

// *seen: the calls so far, of this process or of all; at: the number of the call that fails
static atomic_long of_process, *seen = &of_process, at;
static atomic_bool begun;                                 // main has begun, so allocations are counted
static _Thread_local bool inside;                         // this library works; its own allocations are not counted
static FILE *sites;                                       // the file of PULSE_FAULT_SITES, or NULL
static const char *every;                                 // the folder of PULSE_FAULT_EVERY, or NULL; NULL in a child

static void site_print(long n)
{
    void *frame[DEPTH];
    unsigned long long hash = 0xcbf29ce484222325u;
    inside = true;
    for (int k = ITSELF, count = backtrace(frame, DEPTH); k < count; k++)
        hash = (hash ^ (unsigned long long)(uintptr_t)frame[k]) * 0x100000001b3u;
    fprintf(sites, "%ld %016llx\n", n, hash);
    inside = false;
}

/* --- A child and its folder --- */

static char home[PATH_MAX], tree[PATH_MAX];               // the working folder; its copy in a child, else ""
static unsigned long long *left;                          // the hash of a child's files, shared with its parent

/* In a child, an absolute path in the working folder becomes the path in its copy. Every other path stays as it is. */
static const char *here(const char *path, char buffer[PATH_MAX])
{
    const size_t n = strlen(home);
    if (!*tree || strncmp(path, home, n) != 0 || path[n] != '/')
        return path;
    snprintf(buffer, PATH_MAX, "%s%s", tree, path + n);
    return buffer;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    char buffer[PATH_MAX];
    va_start(rest, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return (int)syscall(SYS_openat, AT_FDCWD, here(path, buffer), flags, mode);
}

int unlink(const char *path)
{
    char buffer[PATH_MAX];
    return (int)syscall(SYS_unlinkat, AT_FDCWD, here(path, buffer), 0);
}

int rename(const char *from, const char *to)
{
    char buffer[2][PATH_MAX];
    return (int)syscall(SYS_renameat, AT_FDCWD, here(from, buffer[0]), AT_FDCWD, here(to, buffer[1]));
}

static int copy_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    char to[PATH_MAX];
    off_t from = 0;
    (void)walk;
    snprintf(to, sizeof to, "%s%s", tree, path + strlen(home));
    if (kind == FTW_D)
        return mkdir(to, 0777);
    const int in = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    const int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT, 0666);
    while (from < st->st_size && sendfile(out, in, &from, (size_t)(st->st_size - from)) > 0)
        ;
    close(in);
    close(out);
    return from < st->st_size;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static unsigned long long hash_bytes(unsigned long long hash, const void *p, size_t n)
{
    for (const unsigned char *c = p; n--; c++)
        hash = (hash ^ *c) * 0x100000001b3u;
    return hash;
}

static unsigned long long tree_sum;

/* Adds the hash of one file's name and bytes, so that the order of files does not matter. Files of durations, partial
 * files and locks are left out: a failure may change or leave them. */
static int sum_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    static const char *const skipped[] = { ".part-", ".lock", "timing.json" };
    unsigned long long hash = hash_bytes(0xcbf29ce484222325u, path, strlen(path));
    unsigned char bytes[1 << 14];
    ssize_t n;
    (void)st, (void)walk;
    for (size_t k = 0; k < sizeof skipped / sizeof *skipped; k++)
        if (strstr(path, skipped[k]))
            return 0;
    const int fd = kind == FTW_F ? open(path, O_RDONLY) : -1;
    while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
        hash = hash_bytes(hash, bytes, (size_t)n);
    if (fd >= 0)
        close(fd);
    tree_sum += hash;
    return 0;
}

static unsigned long long tree_hash(void)
{
    fflush(NULL);
    tree_sum = 0;
    nftw(".", sum_one, 16, FTW_PHYS);
    return tree_sum;
}

/* Every file of the working folder that is open for writing is replaced by the same file of the copy. */
static void redirect_files(const off_t *offset)
{
    char link[64], path[PATH_MAX], buffer[PATH_MAX];
    for (int fd = STDOUT_FILENO; fd < FILES; fd++) {
        const int how = fcntl(fd, F_GETFL);
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t n = how < 0 || (how & O_ACCMODE) == O_RDONLY ? -1 : readlink(link, path, sizeof path - 1);
        if (n <= 0 || fd == STDERR_FILENO)
            continue;
        path[n] = 0;
        if (here(path, buffer) == path || access(buffer, F_OK))
            continue;
        const int own = open(buffer, how & (O_ACCMODE | O_APPEND)), exec = fcntl(fd, F_GETFD);
        if (own < 0 || lseek(own, offset[fd], SEEK_SET) < 0 || dup3(own, fd, exec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
            _exit(125);
        close(own);
        flock(fd, LOCK_EX | LOCK_NB);                     // because another process deletes an unlocked partial file
    }
}

/* Moves a new child into its own copy of the working folder. */
static void enter_copy(long n, const off_t *offset)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%ld.err", every, n);
    const int err = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    snprintf(tree, sizeof tree, "%s/%ld.tree", every, n);
    if (err < 0 || dup2(err, STDERR_FILENO) < 0 || nftw(home, copy_one, 16, FTW_PHYS) || chdir(tree))
        _exit(125);
    close(err);
    redirect_files(offset);
    unsetenv("PULSE_FAULT_EVERY");                        // so that processes of the child do not fork again
    every = NULL;
    seen = &of_process;
    alarm(SECONDS);
}

/* Whether standard error of child n has an error sentence; if so, its file is removed. */
static bool has_sentence(long n)
{
    char path[PATH_MAX], line[4096];
    bool found = false;
    snprintf(path, sizeof path, "%s/%ld.err", every, n);
    FILE *f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, "pulse-ref: ", 11) == 0 && strlen(line) > 24;
    if (f)
        fclose(f);
    if (found)
        unlink(path);
    return found;
}

static void add_line(const char *format, ...)
{
    char path[PATH_MAX];
    va_list rest;
    snprintf(path, sizeof path, "%s/all", every);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    va_start(rest, format);
    if (fd < 0 || vdprintf(fd, format, rest) < 0)
        _exit(125);
    va_end(rest);
    close(fd);
}

/* Forks a child in which allocation n fails, and waits for its end. Returns true in the child, false in the parent. */
static bool forked(long n)
{
    off_t offset[FILES];                                  // a child shares the offsets of open files with its parent
    char path[PATH_MAX];
    int status = 0;
    inside = true;
    for (int fd = 0; fd < FILES; fd++)
        offset[fd] = lseek(fd, 0, SEEK_CUR);
    *left = 0;
    const pid_t child = fork();
    if (child == 0) {
        enter_copy(n, offset);
        inside = false;
        return true;
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        _exit(125);
    for (int fd = 0; fd < FILES; fd++)
        if (offset[fd] >= 0)
            lseek(fd, offset[fd], SEEK_SET);
    add_line("%ld %d %d %llx %d\n", n, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), has_sentence(n), *left,
             (int)getpid());
    snprintf(path, sizeof path, "%s/%ld.tree", every, n);
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    inside = false;
    return false;
}

/* --- The allocations --- */

/* Counts an allocation. Returns whether it must fail. */
static bool is_to_fail(void)
{
    if (!begun || inside)
        return false;
    const long n = ++*seen;
    if (sites)
        site_print(n);
    if (every ? !forked(n) : sites || n != at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)                            { return is_to_fail() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size)               { return is_to_fail() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n)                  { return is_to_fail() ? NULL : __libc_realloc(p, n); }
void *memalign(size_t alignment, size_t n)        { return is_to_fail() ? NULL : __libc_memalign(alignment, n); }
void *aligned_alloc(size_t alignment, size_t n)   { return is_to_fail() ? NULL : __libc_memalign(alignment, n); }

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *q = is_to_fail() ? NULL : __libc_memalign(alignment, n);
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
        left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (left == MAP_FAILED || !getcwd(home, sizeof home))
            _exit(125);
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
    if (*tree)
        *left = tree_hash();
    else if (every)
        add_line("end %d %llx\n", (int)getpid(), tree_hash());
    if (sites)
        fclose(sites);
}
