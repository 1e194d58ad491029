/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_mask.h"

#include <string.h>

const MaskForm mask_forms[] = {
    { "words", PROMPT_WORLD, MASK_ANSWER, "PromptInLoss ImageTokensInLoss ShiftOff1 PadInMean" },
    { "words", PROMPT_WORLD, MASK_ALL_TEXT, "ImageTokensInLoss ImageBorderShift ShiftOff1 PadInMean" },
    { "words", PROMPT_WORLD, MASK_ALL_PLUS_IMAGE, "ShiftOff1 PadInMean" },
    { "legacy", PROMPT_PLAIN, MASK_ANSWER, "PromptInLoss ImageTokensInLoss ShiftOff1 PadInMean" },
    { "legacy", PROMPT_PLAIN, MASK_ALL_TEXT, "ImageTokensInLoss ImageBorderShift ShiftOff1 PadInMean" },
    { "legacy", PROMPT_PLAIN, MASK_ALL_PLUS_IMAGE, "ShiftOff1 PadInMean" },
    { "legacy", PROMPT_VICUNA_V1, MASK_ANSWER, "PromptInLoss ImageTokensInLoss ShiftOff1 PadInMean" },
    { "legacy", PROMPT_VICUNA_V1, MASK_ALL_TEXT, "ImageTokensInLoss ImageBorderShift ShiftOff1 PadInMean" },
    { "legacy", PROMPT_VICUNA_V1, MASK_ALL_PLUS_IMAGE, "ShiftOff1 PadInMean" },
};
const size_t mask_forms_count = sizeof mask_forms / sizeof *mask_forms;

static const struct { const char *question, *answer; bool image; } turns[] = {
    { "what is this ?", "red", true },
    { "what is the capital of France ?", "Paris", false },
    { "which colour is the flag of this country ?", "red, blue and green", true },
};
enum { TURNS = sizeof turns / sizeof *turns };

json_t *mask_turns(const Tokenizer *t, const LossCase *c, Arena *a, Error *e)
{
    json_t *list = json_array();
    const int32_t *ids = c->out[1].tensor.i32, *offsets = c->out[2].tensor.i32;
    for (size_t k = 0; k < TURNS; k++)
        json_add(list, json_pack("{s:s, s:s, s:b, s:s}", "question", turns[k].question, "answer", turns[k].answer,
                                              "image", (int)turns[k].image, "text",
                                              tokenizer_decode(t, ids + offsets[k], (size_t)(offsets[k + 1] - offsets[k]), false,
                                                               a, e)));
    return list;
}

static Tensor ints(Shape s, Arena *a)
{
    return (Tensor){ .shape = s, .dtype = I32, .i32 = arena_array(a, shape_size(s), sizeof(int32_t)) };
}

bool mask_case_make(const MaskForm *f, const Tokenizer *t, LossCase *c, Arena *a, Error *e)
{
    const PromptStyle style = { .tokenizer = t, .template = f->template, .mask = f->mask,
                                .image_tokens = MASK_IMAGE_TOKENS };
    Prompt p[TURNS];
    size_t n = 0, at = 0;
    for (size_t k = 0; k < TURNS; n += p[k++].n)
        if (!prompt_make(&p[k], &style, turns[k].question, turns[k].answer, turns[k].image, a, e))
            return false;
    Tensor ids = ints(shape_of(1, n), a), targets = ints(shape_of(1, n), a),
        offsets = ints(shape_of(1, (size_t)TURNS + 1), a),
        image = ints(shape_of(2, (size_t)TURNS, (size_t)2), a), supervised = ints(shape_of(1, (size_t)TURNS), a);
    if (e->failed)
        return false;
    for (size_t k = 0; k < TURNS; at += p[k++].n) {
        memcpy(ids.i32 + at, p[k].ids, p[k].n * sizeof(int32_t));
        memcpy(targets.i32 + at, p[k].targets, p[k].n * sizeof(int32_t));
        offsets.i32[k] = (int32_t)at;
        image.i32[2 * k] = (int32_t)p[k].image_begin;
        image.i32[2 * k + 1] = (int32_t)p[k].image_count;
        supervised.i32[k] = 0;
        for (size_t i = 0; i < p[k].n; i++)
            supervised.i32[k] += p[k].targets[i] >= 0;
    }
    offsets.i32[TURNS] = (int32_t)n;
    *c = (LossCase){ .out = { { "targets", targets }, { "ids", ids }, { "offsets", offsets }, { "image", image },
                              { "supervised", supervised } }, .out_count = 5 };
    return true;
}
