/* SPDX-License-Identifier: MIT */
/* Trace read: the tape of a step, made again from the files that trace_write wrote. */
#ifndef PULSE_REF_TRACE_TRACE_READ_H
#define PULSE_REF_TRACE_TRACE_READ_H

#include "tensor/base/json.h"
#include "tensor/store.h"
#include "tensor/tape.h"

/* Fills `out` with the nodes of trace.json: operators, inputs, attributes, phases and modules. Their results are the
 * tensors of trace.safetensors, in the memory of `values`. These nodes have the ids that they had in the step. The
 * leaves that they read get the ids in between, in the order in which the nodes read them first. An id that is still
 * free has a leaf without a name. The links from nodes to their gradients are not restored (again_gradients does that).
 * `root` and `values` must outlive the tape. Returns false, with an error that names `path`, if the two files do not
 * fit together. */
bool trace_read(Tape *out, const json_t *root, const Store *values, const char *path, Arena *a, Error *e);
/* The id of the node whose result has the name `name` in the trace ("t12", or one of "aliases");
 * -1: it names no result. */
long trace_node(const json_t *root, const char *name);

#endif
