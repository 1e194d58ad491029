/* SPDX-License-Identifier: MIT */
/* Attention on packed rows: where the numbers of a segment lie.
 *
 * A segment is one sample: q_count rows of queries from q_begin, k_count rows of keys from k_begin.
 * Scores are one flat vector: segment by segment, head by head, [q_count, k_count] row-major. Query i
 * sees the first attention_allowed(…, i) keys; the rest of its row of scores is +0.
 * In Attrs: `index` holds 4 numbers a segment, `n` the ATTENTION_… of ops.h. */
#ifndef PULSE_TENSOR_OPS_ATTENTION_H
#define PULSE_TENSOR_OPS_ATTENTION_H

#include "tensor/ops.h"

#define ATTENTION_INTS                                                                              \
    [ATTENTION_HEADS] = "heads", [ATTENTION_KV_HEADS] = "kv_heads", [ATTENTION_HEAD_DIM] = "head_dim", [ATTENTION_CAUSAL] = "causal"
#define ATTENTION_INDEX "segments [S, 4]: q_begin q_count k_begin k_count"

typedef struct {
    size_t q_begin, q_count, k_begin, k_count;
    size_t scores;       // where its first head begins in the flat vector
} Segment;

/* The Attrs of a node; segments are copied into the step arena. */
Attrs attention_attrs(Tape *t, Attention a);

/* All segments in order, from attributes that attention_check has passed; count + 1 of them, the last
 * one empty with `scores` the length of the flat vector. NULL: out of memory. */
Segment *attention_segments(const Call *c);

/* Heads and counts are sane, the flat length does not overflow; fills *scores with it. */
bool attention_check(const Call *c, size_t *scores, Error *e);

/* How many keys query i of the segment sees: the first ones. */
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
