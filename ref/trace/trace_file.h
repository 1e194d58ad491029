/* SPDX-License-Identifier: MIT */
/* Trace file: every number of a step, and how each was made, for a stranger to recompute (CONTRACT section 4).
 *
 * FOLDER/trace.safetensors: t<k> the result of node k; leaves under their own names, param.<name> and input.<name> (the
 * moments before the step are input.adam.m.<name>; a second leaf of one name is input.<name>.<k>); index.t<k> the index of
 * node k; grad.t<k> d loss / d t<k>; of every trainable tensor grad.<name>, after.<name>, adam.m.<name>, adam.v.<name>
 * (sgd.momentum.<name>); loss. All but index.* is what the operators read and wrote, bit for bit.
 * FOLDER/trace.json: nodes in order of execution, the digest of the tensors (store_digest), and "modules" (modules.c):
 * what to feed each module with and what it answers, as names in trace.safetensors.
 * FOLDER/bound.safetensors: bound.<module>@<answer>, how far fp32 may be off, so fed. */
#ifndef PULSE_REF_TRACE_TRACE_FILE_H
#define PULSE_REF_TRACE_TRACE_FILE_H

#include "model/training/train.h"
#include "tensor/base/json.h"

/* All tensors of the step that `r` computed and did not commit. */
bool trace_entries(const Trainer *r, Entry **out, size_t *count, Arena *a, Error *e);
/* The tensors of any tape alone: nodes, leaves, index data and gradients. The list has room for `more` entries behind them. */
bool trace_tape(const Tape *t, size_t more, Entry **out, size_t *count, Arena *a, Error *e);
/* "nodes" of trace.json. */
json_t *trace_nodes(const Tape *t, Arena *a, Error *e);
/* {"eps": 1e-05, "eps.hex": …}; the index as the name of its tensor, index.t<k>. */
json_t *trace_attributes(const Node *n);
/* "modules" of trace.json, and the bounds. */
json_t *trace_modules(const Trainer *r, Entry **bounds, size_t *count, Arena *a, Error *e);
/* What a node is called in trace.safetensors. */
const char *trace_name(const Tape *t, const Node *n, Arena *a);
/* Writes the three files into the folder, which is made where it is not there.
 * `head` becomes the object of trace.json; the call owns it. */
bool trace_write(const Trainer *r, const char *folder, json_t *head, Arena *a, Error *e);

#endif
