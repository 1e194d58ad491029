/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tests/support/scratch.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[200];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static void remove_all(void)
{
    if (getpid() == owner)                 // a forked child must not remove the folder
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(const char *format, ...)
{
    static char texts[16][600];
    static int next;
    if (!*folder) {
        const char *top = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/pulse-test-XXXXXX", top ? top : "/tmp");
        if (!mkdtemp(folder))
            abort();
        owner = getpid();
        atexit(remove_all);
    }
    char *text = texts[next++ % 16];
    int n = snprintf(text, sizeof texts[0], "%s/", folder);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof texts[0] - (size_t)n, format, args);
    va_end(args);
    return text;
}
