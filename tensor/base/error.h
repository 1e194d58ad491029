/* SPDX-License-Identifier: MIT */
/* Error: the first failure, as a sentence.
 *
 * The library never prints, exits or aborts on a user's mistake. It writes one sentence
 * ("FILE:LINE: what is wrong, what was expected") into the Error it was given; whatever
 * fails later does not replace it. Only ref/ shows it to people and turns it into an exit code.
 * Always: text is empty until something failed. */
#ifndef PULSE_TENSOR_BASE_ERROR_H
#define PULSE_TENSOR_BASE_ERROR_H

#include <stdbool.h>

typedef struct {
    bool failed;
    char text[1024];
} Error;

/* Records the sentence unless one is there already. Returns false, so that a function may end
 * with `return error_set(...)`. A NULL Error is allowed: the failure is only returned. */
bool error_set(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the sentence of a failure (for instance the file being read). */
bool error_prefix(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
