/* SPDX-License-Identifier: MIT */
#include "model/training/generate.h"

#include "tensor/ops.h"

/* The token that the last row of `sample` predicts. Afterwards the cache holds the sample too. */
static bool next_token(const Model *m, Tape *t, const BatchSample *sample, Cache *cache, int32_t *token)
{
    Batch b;
    tape_reset(t);
    Params p = params_make(t, m);
    if (!batch_pack(&b, sample, 1, ROWS_SUPERVISED, &m->config, t->arena, t->error))
        return false;
    b.rows[0] = (int32_t)b.tokens - 1;             // the sample has one supervised row, which stands for its last
    Node *logits = model_forward_cached(t, &p, &b, cache).logits, *best = op_argmax(t, logits);
    if (!best)
        return false;
    *token = (int32_t)best->out.f32[0];
    const float most = logits->out.f32[*token];
    return (most - most == 0 && tensor_finite(logits->out))
        || error_set(t->error, "the logits of the next token are not numbers, expected a model whose numbers "
                                               "stay in fp32's range");
}

bool generate_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t room, size_t *count, Error *e)
{
    Arena scratch = arena_make(e), kept = arena_make(e);
    Tape t = tape_make(&scratch, e);
    t.no_grad = true;
    Cache cache;
    int32_t *targets = arena_array(&kept, prompt->n + 1, sizeof *targets);
    bool right = targets && cache_make(&cache, m, prompt->n + room, &kept);
    BatchSample sample = { .ids = prompt->ids, .targets = targets, .n = prompt->n, .pixels = prompt->pixels };
    for (size_t i = 0; right && i < prompt->n; i++)
        targets[i] = i + 1 < prompt->n ? -1 : 0;
    for (*count = 0; right && *count < room;) {
        right = next_token(m, &t, &sample, &cache, &out[*count]);
        if (right && out[(*count)++] == end)
            break;
        targets[0] = 0;
        sample = (BatchSample){ .ids = &out[*count ? *count - 1 : 0], .targets = targets, .n = 1 };
    }
    arena_free(&scratch);
    arena_free(&kept);
    return right && !e->failed;
}
