/* SPDX-License-Identifier: MIT */
/* Attention on packed rows: how queries, keys and scores lie in memory.
 *
 * A segment is one sample: q_count rows of queries from row q_begin on, and k_count rows of keys from row k_begin on.
 * The scores are one flat vector: for each segment and each head, a row-major matrix [q_count, k_count]. Query i sees
 * the first attention_allowed(…, i) keys; the rest of its row of scores is +0. In the Attrs of a call, `index` holds 4
 * numbers for each segment, and `n` holds the values that ops.h names ATTENTION_…. */
#ifndef PULSE_TENSOR_OPS_ATTENTION_H
#define PULSE_TENSOR_OPS_ATTENTION_H

#include "tensor/ops.h"

#define ATTENTION_INTS                                                                              \
    [ATTENTION_HEADS] = "heads", [ATTENTION_KV_HEADS] = "kv_heads", [ATTENTION_HEAD_DIM] = "head_dim", [ATTENTION_CAUSAL] = "causal"
#define ATTENTION_INDEX "segments [S, 4]: q_begin q_count k_begin k_count"

typedef struct {
    size_t q_begin, q_count, k_begin, k_count;
    size_t scores;       // the index in the flat vector where its first head begins
} Segment;

/* The Attrs of a node, without ATTENTION_ROWS. The segments are copied into the arena of the tape. */
Attrs attention_attrs(Tape *t, Attention a);

/* The segments in order, from attributes that attention_check has passed. One more follows the last: it is empty, and
 * its `scores` is the length of the flat vector. NULL: memory ran out. */
Segment *attention_segments(const Call *c);

/* Checks that heads and counts are valid, and that neither the length of the flat vector nor a sum of mix_t is too
 * long; *scores is set to the length of the flat vector. */
bool attention_check(const Call *c, size_t *scores, Error *e);

/* The number of keys that query i of the segment sees, i counted from 0; they are the first ones. */
static inline size_t attention_allowed(const Attrs *a, const Segment *s, size_t i)
{
    if (!a->n[ATTENTION_CAUSAL] || i + s->k_count >= s->q_count + s->k_count)
        return s->k_count;
    size_t last = i + s->k_count + 1;
    return last > s->q_count ? last - s->q_count : 0;
}

/* The rules of the five operators (bound_rule.h). */
void attention_scores_bound(BoundRule *r);
void attention_mix_bound(BoundRule *r);
void attention_mix_t_bound(BoundRule *r);
void attention_softmax_bound(BoundRule *r);
void attention_softmax_grad_bound(BoundRule *r);

#endif
