/* SPDX-License-Identifier: MIT */
/* The products of attention for one head of one segment, by one thread. */
#ifndef PULSE_TENSOR_OPS_ATTENTION_TASK_H
#define PULSE_TENSOR_OPS_ATTENTION_TASK_H

#include "tensor/ops/attention.h"

typedef struct {
    const Attrs *attrs;
    Segment s;
    size_t head;                        // of the queries; of the keys for mix_t
    const float *a, *b;                 // scores: q, k; mix: p of the segment, v; mix_t: p of the segment, x
    float *out;                         // scores: of the segment; otherwise all rows
    double *room;                       // attention_room doubles
    Error *audit;                       // one block of this task is audited; NULL: none
} Task;

size_t attention_room(const Attrs *a);
/* Each returns how many floats the rounding test left to Exact. */
size_t scores_task(const Task *t);
size_t mix_task(const Task *t);
size_t mix_t_task(const Task *t);

#endif
