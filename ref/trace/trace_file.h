/* SPDX-License-Identifier: MIT */
/* Trace file: every number of a step, and how each was made, so that anyone can recompute it.
 *
 * FOLDER/trace.safetensors holds what the operators read and wrote, bit for bit, and their index data:
 *     t<k>                         the result of node k
 *     param.<name>, input.<name>   the leaves; the moments before the step are input.adam.m.<name> and so on. If leaf k
 *                                  has the name of an earlier leaf, it is input.<name>.<k>
 *     index.t<k>                   the index data of node k
 *     grad.t<k>                    d loss / d t<k>
 *     grad.<name>, after.<name>    the gradient of a trainable tensor, and its value after the step
 *     adam.m.<name>, adam.v.<name> the moments of a trainable tensor after the step; for SGD sgd.momentum.<name>
 *     loss
 * FOLDER/trace.json holds the specification and the method of the step; if `pulse-ref trace` wrote it (ref/trace.c),
 * also the settings and the samples; and in any case
 *     "loss"      the node of the loss, and its value
 *     "nodes"     the results of operators, in order of execution
 *     "digest"    the digest of the tensors (store_digest)
 *     "aliases"   for loss, grad.<name>, grad.t<k>, after.<name> and the moments: the node whose result each of them is
 *     "modules"   the inputs and the answers of each module, as names of trace.safetensors (modules.c)
 * FOLDER/bound.safetensors holds bound.<module>@<answer>, the error bound of an fp32 implementation of the module that
 * is given the module's inputs. */
#ifndef PULSE_REF_TRACE_TRACE_FILE_H
#define PULSE_REF_TRACE_TRACE_FILE_H

#include "model/training/train.h"
#include "tensor/base/json.h"

/* All tensors of the step that `r` has computed and not yet committed. */
bool trace_entries(const Trainer *r, Entry **out, size_t *count, Arena *a, Error *e);
/* The tensors of any tape alone: nodes, leaves, index data and gradients. The caller may append up to `more` entries to
 * the list. */
bool trace_tape(const Tape *t, size_t more, Entry **out, size_t *count, Arena *a, Error *e);
/* "nodes" of trace.json. */
json_t *trace_nodes(const Tape *t, Arena *a, Error *e);
/* "aliases" of trace.json: {"loss": "t172", "grad.t12": "t301", …}. */
json_t *trace_aliases(const Trainer *r, Arena *a);
/* The attributes of a node: {"eps": 1e-05, "eps.hex": …}. Index data is given as the name of its tensor, index.t<k>. */
json_t *trace_attributes(const Node *n);
/* "modules" of trace.json, and the bounds. */
json_t *trace_modules(const Trainer *r, Entry **bounds, size_t *count, Arena *a, Error *e);
/* The name of a node's result in trace.safetensors. */
const char *trace_name(const Tape *t, const Node *n, Arena *a);
/* Writes the three files into the folder, which is made if it does not exist. `head` holds the first keys of
 * trace.json; trace_write adds the others and frees it. */
bool trace_write(const Trainer *r, const char *folder, json_t *head, Arena *a, Error *e);

#endif
