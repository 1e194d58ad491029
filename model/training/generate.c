/* SPDX-License-Identifier: MIT */
#include "model/training/generate.h"

#include <string.h>
#include "model/training/score.h"
#include "tensor/ops.h"

/* Gives the token after `text`, whose last k tokens are new ones. Only the last row of `text` has a target, so only its
 * logits are computed. */
typedef bool (*Next)(Prefixes *x, const BatchSample *text, const Sampling *how, size_t k, int32_t *out, Arena *a, Error *e);

static bool likeliest(Prefixes *x, const BatchSample *text, const Sampling *how, size_t k, int32_t *out, Arena *a, Error *e)
{
    SampleScore next;
    (void)how, (void)k;
    if (!score_with(x, text, 1, &next, a, e))
        return false;
    *out = next.argmax[0];
    return true;
}

static bool is_banned(const Sampling *how, int32_t id)
{
    for (size_t k = 0; k < how->banned_count; k++)
        if (how->banned[k] == id)
            return true;
    return false;
}

static bool drawn(Prefixes *x, const BatchSample *text, const Sampling *how, size_t k, int32_t *out, Arena *a, Error *e)
{
    RowMap map;
    size_t one = 1;
    Tape t = tape_make(a, e);
    t.no_grad = true;
    Node *z = prefixes_logits(x, &t, text, &one, SIZE_MAX, ROWS_SUPERVISED, &map);
    Node *p = z ? op_softmax(&t, op_ratio(&t, z, 1, how->temperature)) : NULL;
    if (!p)
        return false;
    const size_t v = shape_cols(p->out.shape);
    double all = 0, sum = 0;
    for (size_t i = 0; i < v; i++)
        all += k == 0 && is_banned(how, (int32_t)i) ? 0 : (double)p->out.f32[i];
    const double mark = (double)random_uniform(how->random, k) * all;
    for (size_t i = 0; i < v; i++) {
        sum += k == 0 && is_banned(how, (int32_t)i) ? 0 : (double)p->out.f32[i];
        if (sum > mark) {
            *out = (int32_t)i;
            return true;
        }
    }
    return error_set(e, "generate: no token is left to draw, expected finite logits, and a token that is not banned");
}

static bool generate(const Model *m, const BatchSample *prompt, Next next, const Sampling *how, int32_t end, int32_t *out,
                     size_t max_tokens, size_t *count, Error *e)
{
    Arena a = arena_make(e);
    Prefixes *x = prefixes_make(m, 0, e);
    const size_t length = prompt->n + max_tokens;
    int32_t *ids = arena_array(&a, length, sizeof *ids), *targets = arena_array(&a, length, sizeof *targets);
    BatchSample s = { ids, targets, prompt->n, prompt->pixels, 0 };
    bool good = x && ids && targets;
    if (good) {
        memcpy(ids, prompt->ids, prompt->n * sizeof *ids);
        prefixes_allow(x, length);
    }
    for (size_t i = 0; good && i < length; i++)
        targets[i] = -1;
    for (*count = 0; good && *count < max_tokens;) {
        targets[s.n - 1] = 0;                            // any target, so that the last row's logits are computed
        good = next(x, &s, how, *count, &out[*count], &a, e);
        if (!good)
            break;
        targets[s.n - 1] = -1;
        ids[s.n++] = out[*count];
        if (out[(*count)++] == end)
            break;
    }
    prefixes_free(x);
    arena_free(&a);
    return good && !e->failed;
}

bool generate_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t max_tokens, size_t *count, Error *e)
{
    return generate(m, prompt, likeliest, NULL, end, out, max_tokens, count, e);
}

bool generate_sampled(const Model *m, const BatchSample *prompt, const Sampling *how, int32_t end, int32_t *out, size_t max_tokens,
                      size_t *count, Error *e)
{
    return generate(m, prompt, drawn, how, end, out, max_tokens, count, e);
}
