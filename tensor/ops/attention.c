/* SPDX-License-Identifier: MIT */
#include "tensor/ops/attention.h"

#include <inttypes.h>

Attrs attention_attrs(Tape *t, Attention a)
{
    return (Attrs){
        .index = tape_index(t, a.segments, 4 * a.count), .index_count = 4 * a.count,
        .n = {
            [ATTENTION_HEADS] = (int64_t)a.heads, [ATTENTION_KV_HEADS] = (int64_t)a.kv_heads,
            [ATTENTION_HEAD_DIM] = (int64_t)a.head_dim, [ATTENTION_CAUSAL] = a.causal,
        },
    };
}

static Segment segment_at(const int32_t *four, size_t scores)
{
    return (Segment){ (size_t)four[0], (size_t)four[1], (size_t)four[2], (size_t)four[3], scores };
}

Segment *attention_segments(const Call *c)
{
    size_t count = c->attrs->index_count / 4, scores = 0;
    Segment *s = arena_array(c->scratch, count + 1, sizeof *s);
    for (size_t k = 0; s && k < count; k++) {
        s[k] = segment_at(c->attrs->index + 4 * k, scores);
        scores += (size_t)c->attrs->n[ATTENTION_HEADS] * s[k].q_count * s[k].k_count;
    }
    if (s)
        s[count] = (Segment){ .scores = scores };
    return s;
}

bool attention_check(const Call *c, size_t *scores, Error *e)
{
    const Attrs *a = c->attrs;
    const int64_t heads = a->n[ATTENTION_HEADS], kv_heads = a->n[ATTENTION_KV_HEADS];
    if (heads < 1 || kv_heads < 1 || heads % kv_heads != 0 || heads > INT32_MAX)
        return error_set(e, "%s: %" PRId64 " heads and %" PRId64 " key heads, expected at least one of each, and the heads a "
                            "multiple of the key heads", c->op->name, heads, kv_heads);
    if (a->index_count % 4 != 0)
        return error_set(e, "%s: %zu segment numbers, expected 4 for each segment", c->op->name, a->index_count);
    *scores = 0;
    for (size_t k = 0; k < a->index_count; k++)
        if (a->index[k] < 0)
            return error_set(e, "%s: number %zu of segment %zu is %" PRId32 ", expected 0 or more", c->op->name,
                             k % 4, k / 4, a->index[k]);
    for (size_t k = 0; k < a->index_count; k += 4) {
        size_t block;
        if (!shape_size_checked(shape_of(3, (size_t)heads, (size_t)a->index[k + 1], (size_t)a->index[k + 3]), &block)
            || *scores + block < *scores)
            return error_set(e, "%s: segment %zu has more scores than fit memory", c->op->name, k / 4);
        if (heads / kv_heads * a->index[k + 1] > INT32_MAX)           // a sum of mix_t has so many terms; its bound allows fewer than 2^31
            return error_set(e, "%s: segment %zu has %" PRId32 " queries, and %" PRId64 " heads for each key head, expected a product "
                             "below 2^31",
                             c->op->name, k / 4, a->index[k + 1], heads / kv_heads);
        *scores += block;
    }
    return true;
}
