/* SPDX-License-Identifier: MIT */
/* Mistakes: whether the answers of a case that are outside have the values of a known mistake.
 *
 * A mistake is named only if it explains every answer of GOT that it changes: each is much nearer to the value of
 * the mistake than to the right value. If it explains only some of them, the line says "near NAME on 1 of 4 tensors".
 * An answer that the mistake changes too little to be recognised does not count. */
#ifndef PULSE_REF_VERIFY_MISTAKES_H
#define PULSE_REF_VERIFY_MISTAKES_H

#include "ref/trace/noise.h"
#include "ref/verify/findings.h"
#include "tensor/store.h"

/* An answer `got`, the right value, and what the answer is judged by. bound, before and noise may be NULL. before: for
 * weights after the step, the same weights before it. */
typedef struct {
    const Tensor *right, *got, *bound, *before;
    const Tensor *noise;             // as noise_tensor makes it
    const char *way;                 // "fed", "hooked", "ends", "exact"
    bool exact;                      // every bit must be right
} Answer;

/* An answer that was judged, for mistakes that are made afterwards. Then `got` is the answer: x.got points to a tensor
 * that is gone. */
typedef struct { const char *id, *name; Answer x; Tensor got; json_t *line; } Judged;

enum { MISTAKES = 64, SIGHTINGS = 8192 };
typedef struct {
    // the values of the known mistakes, named "<case>@<flag>/<answer>"; count 0: there are none
    Store wrong;
    Precision precision;
    Arena *arena;
    // flag: the name of the mistake; shown: how many answers of GOT it changes enough to be recognised; near: how many
    // of these answers have the value of the mistake
    struct { const char *flag; size_t shown, near; } mistake[MISTAKES];
    size_t mistakes;
    // a sighting: the answer of this line has the value of this mistake, and is `nearer` times nearer to this value
    // than to the right one
    struct { json_t *line; size_t mistake; double nearer; } sighting[SIGHTINGS];
    size_t sightings;
    // judged answers are kept, and later compared with one mistake after another, which the caller puts into `wrong`
    bool keeps;
    Judged *judged;
    size_t judged_count, judged_capacity;
} Mistakes;

/* Begins a new case, and forgets the previous one. */
void mistakes_begin(Mistakes *m);
/* Compares an answer <id>/<name> with every mistake of the case or, if m->keeps, keeps the answer. `line` is its
 * finding; NULL: it is not outside. */
void mistakes_see(Mistakes *m, const char *id, const char *name, const Answer *x, json_t *line);
/* Compares a kept answer with the mistakes that `wrong` has now. Returns whether any of them changes this answer
 * enough to be recognised. */
bool mistakes_see_kept(Mistakes *m, const Judged *j);
/* Says in the lines of the case what was recognised: a mistake by name, or what the answer is near to. Returns the
 * names of the recognised mistakes, such as "A, B", and in *lines how many lines they explain;
 * NULL: none was recognised. */
const char *mistakes_settle(Mistakes *m, size_t *lines);

#endif
