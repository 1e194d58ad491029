/* SPDX-License-Identifier: MIT */
/* Noise of a trace: the noise of every answer of a traced step, from the files that trace_write wrote. */
#ifndef PULSE_REF_TRACE_NOISE_TRACE_H
#define PULSE_REF_TRACE_NOISE_TRACE_H

#include "ref/trace/noise.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* The noise of one tensor is an F32 tensor [PRECISIONS, 2]: for each precision the root mean square and the largest
 * difference. */
Tensor noise_tensor(const Noise noise[PRECISIONS], Arena *a);
Noise  noise_at(const Tensor *t, Precision p);

/* Computes the precisions that are `wanted`; the rows of the others are 0. The entries are
 *     t<k>, input.reference.<role>     end to end
 *     <module>@<answer>                of the module alone, given the right inputs ("modules" of trace.json)
 * in ascending order of their names, as a Store needs them. Everything lives in `a`. */
bool noise_of_trace(const json_t *root, const Store *values, const char *path, const bool wanted[PRECISIONS], Entry **out, size_t *count,
        Arena *a, Error *e);
/* The noise of the nodes of a tape that is not a step: noise[p][k] is that of node k at precision p. */
bool noise_of_tape(const Tape *t, Noise *noise[PRECISIONS], Arena *a, Error *e);

#endif
