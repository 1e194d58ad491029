/* SPDX-License-Identifier: MIT */
/* Mistakes: whether the answers of a case that are outside have the values that a known mistake gives.
 *
 * A mistake is named only if each of its answers that GOT has, and that can be told from the right one, is much nearer to its value than
 * to the right value. Otherwise the line says "near NAME on 1 of 4 tensors". */
#ifndef PULSE_REF_VERIFY_MISTAKES_H
#define PULSE_REF_VERIFY_MISTAKES_H

#include "ref/trace/noise.h"
#include "ref/verify/verdict.h"
#include "tensor/store.h"

/* An answer, the right value, and what it is judged by; bound and noise may be NULL. */
typedef struct {
    const Tensor *right, *got, *bound, *before;
    const Tensor *noise;             // as noise_tensor makes it
    const char *way;                 // "fed", "hooked", "ends", "exact"
    bool exact;                      // every bit must be right
} Answer;

/* An answer that was judged, for mistakes that are made afterwards. */
typedef struct { const char *id, *name; Answer x; Tensor got; json_t *line; } Judged;

enum { MISTAKES = 64, SIGHTINGS = 8192 };
typedef struct {
    Store wrong;                     // the values of the known mistakes, named "<case>@<flag>/<answer>"; count 0: there are none
    Precision precision;
    Arena *arena;
    struct { const char *flag; size_t shown, near; } mistake[MISTAKES];    // shown: answers of GOT on which it can be told; near: those
                                                                           // that have its value
    size_t mistakes;
    struct { json_t *line; size_t mistake; double nearer; } sighting[SIGHTINGS];
    size_t sightings;
    bool keeps;                      // judged answers are kept; `wrong` is filled in later, by one mistake after another
    Judged *judged;
    size_t judged_count, judged_room;
} Mistakes;

/* Forgets what was seen of the case before. */
void mistakes_begin(Mistakes *m);
/* Holds an answer <id>/<name> against every mistake of the case. `line` is its finding; NULL: it is not outside. */
void mistakes_see(Mistakes *m, const char *id, const char *name, const Answer *x, json_t *line);
/* Holds a kept answer against the mistakes that `wrong` has now. Returns whether any can be told on it. */
bool mistakes_see_kept(Mistakes *m, const Judged *j);
/* Says in the lines of the case what was recognised: a mistake by name, or what the answer is near to. Returns the names of the recognised
 * mistakes, such as "A, B", and in *lines how many lines they explain; NULL: none was recognised. */
const char *mistakes_settle(Mistakes *m, size_t *lines);

#endif
