/* SPDX-License-Identifier: MIT */
#include "eval/metrics/rows.h"

Node *supervised_logits(const Model *m, Tape *t, const BatchSample *samples, size_t count, Batch *batch)
{
    Params p = params_make(t, m);
    return batch_pack(batch, samples, count, ROWS_SUPERVISED, &m->config, t->arena, t->error)
             ? model_forward(t, &p, batch).logits
             : NULL;
}
