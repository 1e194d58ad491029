/* SPDX-License-Identifier: MIT */
#include "model/training/held_out.h"

#include <string.h>
#include "tensor/ops.h"

enum { AT_A_TIME = 64 };       // samples whose pictures are in memory at once

/* The next samples of the split "test" from index *at on, read into `a`. */
static bool next_samples(const Reader *r, const Dataset *from, size_t *at, BatchSample list[AT_A_TIME], size_t *count,
                         Arena *a, Error *e)
{
    for (*count = 0; *at < from->count && *count < AT_A_TIME; ++*at)
        if (from->sample[*at].split == SPLIT_TEST
            && !reader_sample(r, from, &from->sample[*at], NULL, 0, NO_AUGMENT, &list[(*count)++], a, e))
            return false;
    return true;
}

static bool score_all(HeldOut *out, SampleScore *scores, const Model *m, const Reader *r, const Dataset *from,
                      Arena *kept, Error *e)
{
    BatchSample list[AT_A_TIME];
    Arena scratch = arena_make(e);
    bool good = true;
    for (size_t at = 0, count; good && at < from->count;) {
        arena_reset(&scratch);
        good = next_samples(r, from, &at, list, &count, &scratch, e) && score_samples(m, list, count, 0, scores + out->samples, kept, e);
        out->samples += good ? count : 0;
    }
    arena_free(&scratch);
    return good;
}

static bool mean_loss(HeldOut *out, const SampleScore *scores, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    t.no_grad = true;
    Tensor nll = tensor_f32(a, shape_of(1, out->tokens));
    if (!nll.f32)
        return false;
    for (size_t i = 0, at = 0; i < out->samples; at += scores[i++].tokens)
        memcpy(nll.f32 + at, scores[i].token_nll, scores[i].tokens * sizeof(float));
    Node *mean = op_mean(&t, tape_input(&t, "nll", nll));
    if (mean)
        out->loss = mean->out.f32[0];
    return mean != NULL;
}

bool held_out_score(HeldOut *out, const Model *m, const Reader *r, const Dataset *from, Error *e)
{
    Arena kept = arena_make(e);
    SampleScore *scores = arena_array(&kept, from->count + 1, sizeof *scores);
    *out = (HeldOut){ .loss = 0 };
    bool good = scores && score_all(out, scores, m, r, from, &kept, e);
    if (good && out->samples == 0)
        good = error_set(e, "%s:1: no sample has \"split\": \"test\", expected some that are held out", from->path);
    for (size_t i = 0; good && i < out->samples; i++) {
        out->exact += scores[i].exact;
        out->tokens += scores[i].tokens;
        out->right += scores[i].right;
    }
    good = good && mean_loss(out, scores, &kept, e);
    arena_free(&kept);
    return good;
}
