/* SPDX-License-Identifier: MIT */
#include "ref/config/alternates.h"

#include <string.h>
#include "model/training/generate.h"

enum { LONGEST = 32, DRAWS = 100 };    // the most tokens of an alternate, and the most draws until one has text

AlternateMaker alternate_maker(const MethodSettings *m)
{
    const Settings *s = &m->settings;
    return (AlternateMaker){ .instruction = s->unlearn_alternate_instruction, .temperature = s->unlearn_alternate_temperature,
                             .seed = (uint64_t)m->v.seed };
}

/* The first token of an answer to the sample. -1: the answer has no token, or the prompt cannot be made. */
static int32_t first_token(const AlternateMaker *m, const Sample *x, const char *answer, Arena *a, Error *e)
{
    Prompt p;
    return prompt_make(&p, &m->reader->style, x->question, answer, x->image != NULL, a, e) && p.answer_count ? p.ids[p.answer_begin] : -1;
}

/* Lists the tokens with which no alternate may begin. */
static bool banned_make(const AlternateMaker *m, const Sample *x, Sampling *how, Arena *a, Error *e)
{
    int32_t *ids = arena_array(a, x->option_count + 2, sizeof *ids);
    if (!ids)
        return false;
    ids[how->banned_count++] = m->reader->end;
    ids[how->banned_count++] = first_token(m, x, x->answer, a, e);
    for (size_t k = 0; k < x->option_count; k++)
        ids[how->banned_count++] = first_token(m, x, x->options[k], a, e);
    how->banned = ids;
    return !e->failed;
}

static bool blank(const char *text) { return !text[strspn(text, " \t\n\v\f\r")]; }

/* Draws one answer. It is "" where only special tokens were drawn, and NULL after a failure. */
static const char *draw(const AlternateMaker *m, const BatchSample *prompt, Sampling how, const char *purpose, Arena *a,
                        Error *e)
{
    int32_t out[LONGEST];
    size_t n;
    if (!purpose)
        return NULL;
    how.random = random_for(m->seed, purpose);
    return generate_sampled(m->model, prompt, &how, m->reader->end, out, LONGEST, &n, e)
        ? tokenizer_decode(m->reader->style.tokenizer, out, n, true, a, e) : NULL;
}

const char *alternate_make(const AlternateMaker *m, const Dataset *from, const Sample *x, Arena *a, Error *e)
{
    BatchSample prompt;
    Sample asked = *x;
    Sampling how = { .temperature = m->temperature };
    if (*m->instruction)
        asked.question = arena_format(a, "%s %s", m->instruction, x->question);
    const char *purpose = arena_format(a, "unlearn.alternate.%s", x->id), *text = "";
    if (!purpose || !asked.question || !reader_prompt(m->reader, from, &asked, &prompt, a, e) || !banned_make(m, x, &how, a, e))
        return error_prefix(e, "%s:%zu", from->path, x->line), NULL;
    for (int k = 0; k < DRAWS && text && blank(text); k++)
        text = draw(m, &prompt, how, k ? arena_format(a, "%s.%d", purpose, k) : purpose, a, e);
    if (text && blank(text))
        error_set(e, "no draw of %d is a text, expected a model that answers in words", DRAWS);
    return e->failed ? error_prefix(e, "%s:%zu", from->path, x->line), NULL : text;
}
