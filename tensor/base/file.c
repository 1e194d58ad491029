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

/* Opens a regular file and tells its size; anything else (a folder, a pipe, on which opening would wait) is refused. */
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

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool make_one(const char *path)
{
    struct stat st;
    return mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode));
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
        good = make_one(part);
        *p = '/';
    }
    good = good && make_one(path);
    int why = errno;
    arena_free(&names);
    return good || error_io(e, "%s: cannot make this folder: %s", path, strerror(why));
}

void folder_sweep(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *d; folder && (d = readdir(folder));) {
        const char *part = strstr(d->d_name, ".part-");
        if (part && part[6] && strspn(part + 6, "0123456789") == strlen(part + 6))
            unlinkat(dirfd(folder), d->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

bool folder_hold(FolderHold *h, const char *path, Error *e)
{
    *h = file_make_folder(path, e) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (*h >= 0 && flock(*h, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {      // a file system without locks is no reason to stop
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

/* The name that a rename may replace: of a link what it leads to, so that the link stays; NULL for a device, a pipe or a folder. */
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
    w->beside = w->path ? arena_format(&w->names, "%s.part-%ld", w->path, (long)getpid()) : NULL;
    int fd = w->path && w->beside ? open(w->beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666) : -1;
    if (fd >= 0 && !(w->stream = fdopen(fd, "wb"))) {
        close(fd);
        unlink(w->beside);
    }
    if (w->stream)
        return true;
    if (w->beside)
        error_io(e, "%s: cannot be written: %s", path, strerror(errno));
    arena_free(&w->names);
    return false;
}

/* A rename is safe from a power failure once its folder has reached the disk. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = 0;
    int fd = open(slash ? path : ".", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool file_finish(FileWriter *w, Error *e)
{
    if (!w->stream)
        return error_set(e, "a file is finished that was not begun");
    bool good = fflush(w->stream) == 0 && !ferror(w->stream) && fsync(fileno(w->stream)) == 0;
    good = (fclose(w->stream) == 0) && good;
    w->stream = NULL;
    good = good && rename(w->beside, w->path) == 0;
    if (good) {
        sync_folder(w->path);
    } else {
        error_io(e, "%s: cannot be written: %s", w->path, strerror(errno));
        unlink(w->beside);
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
    unlink(w->beside);
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
