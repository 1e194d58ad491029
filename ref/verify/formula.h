/* SPDX-License-Identifier: MIT */
/* Formula: what the first answer that is outside should have been computed by, for those who look for the fault.
 * Each function returns a new array of sentences, which the caller owns, and which may be empty. */
#ifndef PULSE_REF_VERIFY_FORMULA_H
#define PULSE_REF_VERIFY_FORMULA_H

#include "tensor/base/arena.h"
#include "tensor/base/json.h"

/* Of an answer of a step, "hooked.<module>@grad.in" or "<module>@out": the operators that its module runs in that
 * phase, each once, in order of execution; of the loss, the formula of the method; of new weights and moments, the
 * operators of the update; of "t<k>", that of the node. `root` is trace.json. */
json_t *formula_of_answer(const json_t *root, const char *answer, Arena *a);
/* The definition of a recorded case. */
json_t *formula_of_case(const char *folder, const char *id, Arena *a);

#endif
