/* SPDX-License-Identifier: MIT */
#include "tensor/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file and gives its size. Anything else is refused, such as a folder or a pipe (opening a pipe could
 * wait for ever). */
static FILE *open_regular(const char *path, size_t limit, size_t *size, Error *e)
{
    struct stat st;
    FILE *f = NULL;
    if (stat(path, &st))
        error_io(e, "%s: cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        error_set(e, "%s: is not a regular file", path);
    else if ((uintmax_t)st.st_size > limit)
        error_set(e, "%s: has %jd bytes, at most %zu were expected", path, (intmax_t)st.st_size, limit);
    else if (!(f = fopen(path, "rb")))
        error_io(e, "%s: cannot be read: %s", path, strerror(errno));
    else
        *size = (size_t)st.st_size;
    return f;
}

char *file_read(const char *path, size_t limit, size_t *size, Arena *a, Error *e)
{
    size_t n;
    FILE *f = open_regular(path, limit < SIZE_MAX ? limit : SIZE_MAX - 1, &n, e);
    if (!f)
        return NULL;
    char *data = arena_alloc(a, n + 1);
    if (!data) {
        error_no_memory(e, "%s: no memory for its %zu bytes", path, n);
    } else if (fread(data, 1, n, f) != n) {
        error_io(e, "%s: reading failed, %zu bytes were expected", path, n);
        data = NULL;
    } else {
        data[n] = 0;
        if (size)
            *size = n;
    }
    fclose(f);
    return data;
}

char *file_text(const char *path, size_t limit, size_t *size, Arena *a, Error *e)
{
    size_t n;
    char *text = file_read(path, limit, &n, a, e);
    if (!text)
        return NULL;
    if (n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return error_set(e, "%s: is text in UTF-16 (its byte order mark says so), UTF-8 was expected", path), NULL;
    const size_t mark = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (size)
        *size = n - mark;
    return text + mark;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* The folder that the file or folder `path` is in. */
static const char *folder_of(const char *path, Arena *a)
{
    const char *slash = strrchr(path, '/');
    return !slash ? arena_text(a, ".") : slash == path ? arena_text(a, "/") : arena_format(a, "%.*s", (int)(slash - path), path);
}

/* Waits until the name `path` is on the disk. A rename or a new folder survives a power failure only after the parent
 * folder has been synced. A file system that cannot sync a folder answers EINVAL or ENOTSUP; then there is nothing to
 * wait for. */
static bool sync_name(const char *path, Arena *a)
{
    const char *folder = folder_of(path, a);
    int fd = folder ? open(folder, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
    int why = errno;
    close(fd);
    errno = why;
    return good;
}

static bool make_one_folder(const char *path, Arena *names)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return sync_name(path, names);
    return errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_make_folder(const char *path, Error *e)
{
    Arena names = arena_make(e);
    char *part = arena_text(&names, path);
    bool good = part != NULL;
    for (char *p = part; good && *p; p++) {
        if (*p != '/' || p == part)
            continue;
        *p = 0;
        good = make_one_folder(part, &names);
        *p = '/';
    }
    good = good && make_one_folder(path, &names);
    int why = errno;
    arena_free(&names);
    return good || error_io(e, "%s: cannot make this folder: %s", path, strerror(why));
}

/* Adds one name to a list, whose memory doubles when it is full. */
static const char **with_name(const char **names, size_t count, const char *name, Arena *a)
{
    const size_t least = 16;
    if (count == 0 || (count >= least && (count & (count - 1)) == 0)) {
        const char **more = arena_array(a, count ? 2 * count : least, sizeof *more);
        if (more && count)
            memcpy(more, names, count * sizeof *more);
        names = more;
    }
    return names && (names[count] = arena_text(a, name)) ? names : NULL;
}

const char **folder_names(const char *path, size_t *count, Arena *a, Error *e)
{
    DIR *folder = opendir(path);
    const char **names = arena_array(a, 1, sizeof *names);
    int why = folder ? 0 : errno;
    *count = 0;
    while (folder && names) {
        errno = 0;
        const struct dirent *d = readdir(folder);
        why = d ? 0 : errno;                              // readdir returns NULL at the end, too
        if (!d)
            break;
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 && (names = with_name(names, *count, d->d_name, a)))
            ++*count;
    }
    if (folder)
        closedir(folder);
    if (why)
        error_io(e, "%s: cannot be read: %s", path, strerror(why));
    return why ? NULL : names;
}

/* Removes an unfinished ".part-" file, unless a process holds a lock on it, which means that it is still being
 * written. */
static void sweep_one(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    if (fd >= 0)
        close(fd);
}

void folder_sweep(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *d; folder && (d = readdir(folder));) {
        const char *part = strstr(d->d_name, ".part-");
        if (part && part[6] && strspn(part + 6, "0123456789") == strlen(part + 6))
            sweep_one(dirfd(folder), d->d_name);
    }
    if (folder)
        closedir(folder);
}

bool folder_hold(FolderHold *h, const char *path, Error *e)
{
    *h = file_make_folder(path, e) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    // on a file system without locks, flock fails with another errno, and the program goes on
    if (*h >= 0 && flock(*h, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        folder_leave(*h);
        *h = -1;
        return error_set(e, "%s: another process is writing into this folder, expected one at a time", path);
    }
    if (*h < 0)
        return error_io(e, "%s: cannot be opened: %s", path, strerror(errno));
    folder_sweep(path);
    return true;
}

void folder_leave(FolderHold h)
{
    if (h >= 0)
        close(h);
}

/* The name that a rename may replace. For a link it is the name of its target, so that the link stays. NULL: `path` is
 * a device, a pipe or a folder. */
static char *replaceable(const char *path, Arena *a, Error *e)
{
    struct stat st;
    if (stat(path, &st))
        return arena_text(a, path);
    if (!S_ISREG(st.st_mode))
        return error_set(e, "%s: is not a regular file, expected the name of one or a new name", path), NULL;
    char *real = realpath(path, NULL), *name = arena_text(a, real ? real : path);
    free(real);
    return name;
}

bool file_begin(FileWriter *w, const char *path, Error *e)
{
    *w = (FileWriter){ .names = arena_make(e) };
    w->path = replaceable(path, &w->names, e);
    w->part = w->path ? arena_format(&w->names, "%s.part-%ld", w->path, (long)getpid()) : NULL;
    const char *folder = w->part ? folder_of(w->path, &w->names) : NULL;
    if (!folder) {
        arena_free(&w->names);
        return false;
    }
    folder_sweep(folder);
    int fd = open(w->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0)
        flock(fd, LOCK_EX | LOCK_NB);                     // shows folder_sweep that the part is being written
    if (fd >= 0 && (w->stream = fdopen(fd, "wb")))
        return true;
    error_io(e, "%s: cannot be written: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(w->part);
    }
    arena_free(&w->names);
    return false;
}

bool file_finish(FileWriter *w, Error *e)
{
    if (!w->stream)
        return error_set(e, "a file is finished that was not begun");
    // if an earlier write failed, the stream's error flag is set, but errno no longer tells why
    errno = 0;
    bool good = fflush(w->stream) == 0 && !ferror(w->stream) && fsync(fileno(w->stream)) == 0;
    int why = errno;
    if (fclose(w->stream) != 0 && good) {
        good = false;
        why = errno;
    }
    w->stream = NULL;
    if (good && (rename(w->part, w->path) != 0 || !sync_name(w->path, &w->names))) {
        good = false;
        why = errno;
    }
    if (!good) {
        error_io(e, "%s: cannot be written: %s", w->path, why ? strerror(why) : "an earlier write to it failed");
        unlink(w->part);
    }
    arena_free(&w->names);
    return good;
}

void file_drop(FileWriter *w)
{
    if (!w->stream)
        return;
    fclose(w->stream);
    w->stream = NULL;
    unlink(w->part);
    arena_free(&w->names);
}

bool file_write(const char *path, const void *data, size_t n, Error *e)
{
    FileWriter w;
    if (!file_begin(&w, path, e))
        return false;
    if (n)
        fwrite(data, 1, n, w.stream);
    return file_finish(&w, e);
}

bool text_begin(TextWriter *w, Error *e)
{
    *w = (TextWriter){ .stream = NULL };
    w->stream = open_memstream(&w->text, &w->size);
    return w->stream || error_no_memory(e, "no memory for a text");
}

bool text_finish(TextWriter *w, Error *e)
{
    const bool written = !ferror(w->stream);
    const bool whole = fclose(w->stream) == 0 && written && w->text;
    w->stream = NULL;
    return whole || error_no_memory(e, "no memory for a text");
}
