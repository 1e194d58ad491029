/* SPDX-License-Identifier: MIT */
/* Files: read whole within a limit; written beside, flushed, renamed, so that no half file is ever seen. */
#ifndef PULSE_TENSOR_BASE_FILE_H
#define PULSE_TENSOR_BASE_FILE_H

#include <stdio.h>
#include "tensor/base/arena.h"

/* The whole regular file, with a zero byte after it; `limit` bytes at most. NULL on failure. */
char *file_read(const char *path, size_t limit, size_t *size, Arena *a, Error *e);
/* The same for a file of text in UTF-8. The byte order mark that Windows programs put first is passed over; a file in UTF-16 is
 * refused by name. */
char *file_text(const char *path, size_t limit, size_t *size, Arena *a, Error *e);
bool  file_exists(const char *path);                                   // false only where there surely is none
bool  file_make_folder(const char *path, Error *e);                    // and its parents; an existing one is fine

/* The folder (made when it is not there) belongs to this process until folder_leave or the process's end: a second one is
 * refused. What a killed process left half written ("<name>.part-<process>") is removed. */
typedef int FolderHold;
void  folder_sweep(const char *path);               // removes the parts of files that a killed process left; file_begin does so too
bool  folder_hold(FolderHold *h, const char *path, Error *e);
void  folder_leave(FolderHold h);

/* A file being written: fprintf/fwrite to `stream`, then finish (true: it stands under its name) or drop.
 * Until file_finish, and after a failure, what stood under the name before still stands there. A link is followed;
 * a device or a pipe is refused. */
typedef struct {
    FILE *stream;              // NULL: nothing is open
    char *path, *beside;       // the name, and "<name>.part-<process>" where the bytes go first
    Arena names;
} FileWriter;
bool  file_begin(FileWriter *w, const char *path, Error *e);
bool  file_finish(FileWriter *w, Error *e);
void  file_drop(FileWriter *w);
bool  file_write(const char *path, const void *data, size_t n, Error *e);

#endif
