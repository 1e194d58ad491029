/* SPDX-License-Identifier: MIT */
/* Files are read as a whole, up to a limit. They are written under another name, flushed and then renamed, so that
 * nobody ever sees half a file. */
#ifndef PULSE_TENSOR_BASE_FILE_H
#define PULSE_TENSOR_BASE_FILE_H

#include <stdio.h>
#include "tensor/base/arena.h"

/* Reads a whole regular file of at most `limit` bytes, and adds a zero byte. *size becomes the number of bytes without
 * it; `size` may be NULL. NULL: it failed. */
char *file_read(const char *path, size_t limit, size_t *size, Arena *a, Error *e);
/* The same for a file of text in UTF-8. A byte order mark, as Windows programs write it, is skipped, and a file in
 * UTF-16 is refused with a sentence that says so. */
char *file_text(const char *path, size_t limit, size_t *size, Arena *a, Error *e);
bool  file_exists(const char *path);                                   // false only if there is certainly no such file
bool  file_make_folder(const char *path, Error *e);                    // with its parents, synced to the disk; it may exist already
/* All names in a folder except "." and "..", in no particular order. NULL: the folder cannot be read to its end, or
 * memory ran out. */
const char **folder_names(const char *path, size_t *count, Arena *a, Error *e);

/* folder_hold makes the folder if it does not exist, and reserves it for this process until folder_leave or the end of
 * the process; another process is refused, unless the file system has no locks. It also removes the unfinished
 * files ("<name>.part-<process>") that a killed process has left. */
typedef int FolderHold;
// removes the unfinished files that a killed process has left; file_begin calls it too
void  folder_sweep(const char *path);
bool  folder_hold(FolderHold *h, const char *path, Error *e);
void  folder_leave(FolderHold h);

/* A file that is being written: write to `stream`, then call file_finish (true: the file has its name) or
 * file_drop. Until file_finish succeeds, the file that had the name before stays as it was, with one exception: if only
 * the last step fails, the sync of the folder, the new file has the name already. A link is followed; a device, a pipe
 * or a folder is refused. */
typedef struct {
    FILE *stream;              // NULL: nothing is open
    char *path, *part;         // the name of the file, and "<name>.part-<process>", where the bytes go first
    Arena names;               // the memory of path and part
} FileWriter;
bool  file_begin(FileWriter *w, const char *path, Error *e);
bool  file_finish(FileWriter *w, Error *e);
void  file_drop(FileWriter *w);
bool  file_write(const char *path, const void *data, size_t n, Error *e);

/* A text that is being written into memory: write to `stream`, then call text_finish (true: all of it is there).
 * The caller frees `text`, after a failure too. A bare open_memstream is not enough: if there is no
 * memory left to trim the text, glibc's fclose returns 0 although `text` is NULL. */
typedef struct {
    FILE *stream;              // NULL: nothing is open
    char *text;                // [size], and a zero byte after it
    size_t size;
} TextWriter;
bool text_begin(TextWriter *w, Error *e);
bool text_finish(TextWriter *w, Error *e);

#endif
