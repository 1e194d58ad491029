/* SPDX-License-Identifier: MIT */
/* Task: one product of attention for one head of one segment, which one thread computes. */
#ifndef PULSE_TENSOR_OPS_ATTENTION_TASK_H
#define PULSE_TENSOR_OPS_ATTENTION_TASK_H

#include "tensor/ops/attention.h"

typedef struct {
    const Attrs *attrs;
    Segment s;
    size_t head;                        // a head of the queries or, for mix_t, of the keys
    const float *a, *b;                 // scores: q and k; mix: p of the segment, and v; mix_t: p of the segment, and x
    float *out;                         // scores: the scores of the segment; mix and mix_t: all rows
    double *scratch;                    // attention_scratch_size doubles of scratch memory
    Error *audit;                       // receives a wrong sum that the audit of this task finds; NULL: no audit
} Task;

/* How many doubles a task needs. */
size_t attention_scratch_size(const Attrs *a);
/* Each function returns how many floats the rounding test left to Exact. */
size_t scores_task(const Task *t);
size_t mix_task(const Task *t);
size_t mix_t_task(const Task *t);

#endif
