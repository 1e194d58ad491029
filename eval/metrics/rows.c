/* SPDX-License-Identifier: MIT */
#include "eval/metrics/rows.h"

Node *supervised_logits(const Model *m, Tape *t, const BatchSample *samples, size_t count, RowMap *map)
{
    Prefixes *x = prefixes_make(m, 0, t->error);
    Node *z = x ? prefixes_logits(x, t, samples, &count, SIZE_MAX, ROWS_SUPERVISED, map) : NULL;
    prefixes_free(x);
    return z;
}
