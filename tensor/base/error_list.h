/* SPDX-License-Identifier: MIT */
/* ErrorList: everything that is wrong in a file of samples, one sentence for each wrong line, in the order in which the
 * reader finds it. (MMBench's reader goes through its file several times.)
 *
 * A reader with such a list skips the lines that it cannot read, and goes on. Without a list (NULL) it stops at the
 * first failure. It always stops when memory runs out. The sentences live in the arena. Only one thread may use a list
 * at a time. */
#ifndef PULSE_TENSOR_BASE_ERROR_LIST_H
#define PULSE_TENSOR_BASE_ERROR_LIST_H

#include <stddef.h>
#include "tensor/base/arena.h"

typedef struct {
    const char **sentence;           // [count]
    size_t count, capacity;
    Arena *arena;
} ErrorList;

/* Moves the failure into the list, unless the list has the same sentence already, and empties the Error. False: there
 * is no list, or memory ran out. */
bool error_list_take(ErrorList *list, Error *e);

#endif
