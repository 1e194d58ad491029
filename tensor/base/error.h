/* SPDX-License-Identifier: MIT */
/* Error: the first failure of a run of calls, as a sentence and a kind.
 *
 *     Error e = { 0 };
 *     if (!store_open(&s, path, &arena, &e))
 *         fprintf(stderr, "%s\n", e.text);          // "w.safetensors: tensor "x" overlaps another"
 *
 * The library never prints, exits or aborts because of a user's mistake. A function that can fail takes an Error,
 * writes one sentence into it (file and line, what is wrong, what was expected) and returns false or NULL. A later
 * failure does not replace the first one. Only ref/ shows the sentence to people and turns it into an exit code.
 * Always: `text` is empty and `kind` is ERROR_NONE until something has failed.
 * The Error of every function here may be NULL; the failure is then only returned. An Error belongs to one thread at
 * a time. */
#ifndef PULSE_TENSOR_BASE_ERROR_H
#define PULSE_TENSOR_BASE_ERROR_H

#include <stdbool.h>

typedef enum {
    ERROR_NONE,
    ERROR_INPUT,             // a file, a value or a call is not what was expected: the user can mend it
    ERROR_MEMORY,            // memory ran out, or a limit on it was reached
    ERROR_IO,                // the operating system could not open, read, write or rename a file
    ERROR_ENVIRONMENT,       // the machine, its floating-point environment or a library is not as this program needs it
    ERROR_UNDECIDED,         // the last bit of a result could not be decided: a bug in this program
    ERROR_KINDS              // how many kinds there are
} ErrorKind;

typedef struct {
    bool failed;
    ErrorKind kind;
    char text[1024];
} Error;

/* Records the sentence and the kind ERROR_INPUT, unless a failure is recorded already. Returns false, so that a
 * function may end with `return error_set(...)`. */
bool error_set(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for the other kinds. */
bool error_set_kind(Error *e, ErrorKind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool error_no_memory(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_io(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the sentence of a recorded failure, for instance the name of the file that is being read.
 * Returns false. */
bool error_prefix(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "bad input", "no memory", …: the kind in words. */
const char *error_kind_name(ErrorKind kind);

#endif
