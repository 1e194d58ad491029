/* SPDX-License-Identifier: MIT */
/* Formula: the formulas by which the first answer outside should have been computed. They help to look for the fault.
 * Each function returns a new array of texts, which the caller owns, and which may be empty. */
#ifndef PULSE_REF_VERIFY_FORMULA_H
#define PULSE_REF_VERIFY_FORMULA_H

#include "tensor/base/arena.h"
#include "tensor/base/json.h"

/* The formulas of an answer of a step, at most 12. `root` is trace.json.
 *     <module>@<answer>, hooked.…    the operators that the module runs in the answer's phase (forward, backward or
 *                                    update), each once, in order of execution
 *     loss                           the formula of the method, then the operators
 *     new weights and moments        the operators of the update
 *     t<k>                           the operator of the node
 *     any other answer               none */
json_t *formula_of_answer(const json_t *root, const char *answer, Arena *a);
/* The definition of a recorded case. */
json_t *formula_of_case(const char *folder, const char *id, Arena *a);

#endif
