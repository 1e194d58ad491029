/* SPDX-License-Identifier: MIT */
/* Faults: everything that is wrong in a file of samples, one sentence a line of it, in the order of the file.
 *
 * A reader that is given a list leaves out what it cannot read and goes on; without a list (NULL) it stops at the first failure. Lack of
 * memory always stops it. The sentences live in the arena. One thread at a time. */
#ifndef PULSE_TENSOR_BASE_FAULTS_H
#define PULSE_TENSOR_BASE_FAULTS_H

#include <stddef.h>
#include "tensor/base/arena.h"

typedef struct {
    const char **sentence;           // [count]
    size_t count, room;
    Arena *arena;
} Faults;

/* Moves the failure into the list, so that the Error is free again. False: there is no list, or nothing that the file is to blame for. */
bool faults_take(Faults *f, Error *e);

#endif
