/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref/run/run.h"
#include "tensor/base/file.h"

/* Whether the path still names the locked file. The previous holder may have removed that file, and then another
 * process can lock a new file of this name. */
static bool still_named(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static bool wait_for(RunLock *l, Error *e)
{
    for (;;) {
        l->file = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (l->file < 0)
            return error_io(e, "%s: cannot be written: %s", l->path, strerror(errno));
        int failed;
        while ((failed = flock(l->file, LOCK_EX)) != 0 && errno == EINTR)
            ;
        if (failed || still_named(l->file, l->path))        // on a file system without locks the program goes on
            return true;
        close(l->file);
    }
}

bool run_lock(RunLock *l, const char *path, Error *e)
{
    *l = (RunLock){ path, -1 };
    return path && wait_for(l, e);
}

void run_unlock(RunLock *l)
{
    if (l->file < 0)
        return;
    unlink(l->path);
    close(l->file);
    l->file = -1;
}

bool run_lock_stage(RunLock *l, const Run *r, size_t stage, Arena *a, Error *e)
{
    *l = (RunLock){ NULL, -1 };
    const char *stages = arena_format(a, "%s/stages", r->out);
    return stages && file_make_folder(stages, e) && run_lock(l, arena_format(a, "%s.lock", stage_folder(r, stage, a)), e);
}

void run_locks_sweep(const Run *r)
{
    Error e = { 0 };
    Arena a = arena_make(&e);
    for (size_t k = 0; k < r->plan.stage_count; k++) {
        RunLock l = { arena_format(&a, "%s.lock", stage_folder(r, k, &a)), -1 };
        if (l.path && (l.file = open(l.path, O_RDWR | O_CLOEXEC)) >= 0 && flock(l.file, LOCK_EX | LOCK_NB) == 0)
            run_unlock(&l);
        else if (l.file >= 0)
            close(l.file);
    }
    arena_free(&a);
}

bool run_lock_folder(RunLock *l, const Run *r, Arena *a, Error *e)
{
    *l = (RunLock){ NULL, -1 };
    return file_make_folder(r->out, e) && run_lock(l, arena_format(a, "%s/collect.lock", r->out), e);
}
