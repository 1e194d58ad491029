/* SPDX-License-Identifier: MIT */
#include "model/training/stream.h"

#include <string.h>
#include "tensor/base/random.h"

/* A prompt is put together from words, so its special tokens must be those that config.json numbers. */
static bool has_special(const Tokenizer *t, const char *token, int64_t id, const char *key, const char *path, Error *e)
{
    return *token == 0 || (tokenizer_id(t, token) == id && tokenizer_is_special(t, (int32_t)id))
        || error_set(e, "%s: the special token \"%s\" of id %lld is missing, expected as config.json has it (%s)", path, token, (long long)id, key);
}

bool reader_open(Reader *r, const char *model_folder, const ModelConfig *c, PromptTemplate template, PromptMask mask, Arena *a, Error *e)
{
    char *tokenizer = arena_format(a, "%s/tokenizer.json", model_folder);
    char *preprocessor = arena_format(a, "%s/preprocessor_config.json", model_folder);
    size_t width, height;
    *r = (Reader){ .side = (size_t)c->vision.image_size, .end = (int32_t)c->text.eos_token_id, .positions = config_positions(c) };
    if (!tokenizer || !preprocessor || !image_settings_read(&r->images, preprocessor, e) || !image_settings_size(&r->images, &width, &height, e))
        return false;
    if (width != r->side || height != r->side)
        return error_set(e, "%s: pictures come out %zu x %zu, expected %zu x %zu (config.json)", preprocessor, width, height, r->side, r->side);
    const Tokenizer *text = tokenizer_open(tokenizer, a, e);
    if (!text)
        return false;
    if (tokenizer_size(text) > (size_t)c->text.vocab_size)
        return error_set(e, "%s: ids up to %zu, expected fewer than vocab_size %lld", tokenizer, tokenizer_size(text) - 1, (long long)c->text.vocab_size);
    if (!has_special(text, PROMPT_IMAGE, c->image_token_index, "image_token_index", tokenizer, e)
        || !has_special(text, prompt_template_end(template), c->text.eos_token_id, "eos_token_id", tokenizer, e))
        return false;
    r->style = (PromptStyle){ text, template, mask, config_image_tokens(c), false };
    return true;
}

static bool read_pixels(const Reader *r, const Samples *from, const Sample *x, uint64_t seed, int64_t use, BatchSample *out, Arena *a, Error *e)
{
    Image picture, augmented;
    float *pixels = arena_array(a, 3 * r->side * r->side, sizeof *pixels);
    if (!pixels || !sample_picture(from, x, &picture, a, e))
        return false;
    if (x->augment && use != NO_AUGMENT) {
        if (!image_augment(&augmented, &picture, seed, (uint64_t)use, a, e))
            return false;
        picture = augmented;
    }
    out->pixels = pixels;
    return image_prepare(pixels, &picture, &r->images, a, e);
}

static bool read_sample(const Reader *r, const Samples *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                        BatchSample *out, Arena *a, Error *e)
{
    Prompt p;
    *out = (BatchSample){ .ids = NULL };
    if (!prompt_make(&p, &r->style, x->question, answer, x->image != NULL, a, e))
        return error_prefix(e, "%s:%zu", from->path, x->line);
    if (p.n > r->positions)
        return error_set(e, "%s:%zu: %s %zu tokens, expected at most %zu (max_position_embeddings)", from->path, x->line,
                         answer ? "question and answer have" : "the question has", p.n, r->positions);
    out->ids = p.ids;
    out->targets = answer ? p.targets : NULL;
    out->n = p.n;
    return !x->image || read_pixels(r, from, x, seed, use, out, a, e);
}

bool reader_sample(const Reader *r, const Samples *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                   BatchSample *out, Arena *a, Error *e)
{
    return read_sample(r, from, x, answer ? answer : x->answer, seed, use, out, a, e);
}

bool reader_prompt(const Reader *r, const Samples *from, const Sample *x, BatchSample *out, Arena *a, Error *e)
{
    return read_sample(r, from, x, NULL, 0, NO_AUGMENT, out, a, e);
}

/* --- streams --- */

static bool index_steps(Stream *s, Arena *a, Error *e)
{
    const Samples *all = s->samples;
    s->steps = all->sample[all->count - 1].step + 1;
    if (s->steps < 1 || s->steps > (int64_t)all->count)
        return error_set(e, "%s: the last line is of step %lld, expected steps from 0, each with a line at least", all->path, (long long)s->steps - 1);
    s->begin = arena_array(a, (size_t)s->steps + 1, sizeof *s->begin);
    if (!s->begin)
        return false;
    int64_t step = -1;
    for (size_t k = 0; k < all->count; k++) {
        int64_t here = all->sample[k].step;
        if (here != step && here != step + 1)
            return error_set(e, "%s:%zu: step %lld follows step %lld, expected lines in the order of steps, from 0", all->path, all->sample[k].line,
                             (long long)here, (long long)step);
        if (here == step + 1)
            s->begin[step = here] = k;
    }
    s->begin[s->steps] = all->count;
    return true;
}

bool stream_make(Stream *s, const Reader *r, const Samples *samples, DataOrder order, size_t batch, uint64_t seed, Arena *a, Error *e)
{
    *s = (Stream){ .reader = r, .samples = samples, .order = order, .batch = batch, .seed = seed, .epoch = -1 };
    if (samples->count == 0 || samples->count > UINT32_MAX)
        return error_set(e, "%s: %zu samples, expected at least one", samples->path, samples->count);
    if (order == ORDER_STEP)
        return index_steps(s, a, e);
    s->shuffled = arena_array(a, samples->count, sizeof *s->shuffled);
    return s->shuffled && (batch > 0 || error_set(e, "data: batch is 0, expected at least 1"));
}

/* Place k of the endless sequence of epochs. */
static size_t shuffled_place(Stream *s, int64_t k)
{
    int64_t n = (int64_t)s->samples->count, epoch = k / n;
    if (epoch != s->epoch) {
        random_shuffle(random_for(s->seed + (uint64_t)epoch, "data.shuffle"), s->shuffled, s->samples->count);
        s->epoch = epoch;
    }
    return s->shuffled[k % n];
}

bool stream_next(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    Stream *s = context;
    int64_t first = s->order == ORDER_SHUFFLE ? (step - 1) * (int64_t)s->batch : 0;
    if (s->order == ORDER_STEP) {
        if (step > s->steps)
            return error_set(e, "%s: %lld steps were asked for, the stream has %lld", s->samples->path, (long long)step, (long long)s->steps);
        first = (int64_t)s->begin[step - 1];
    }
    *count = s->order == ORDER_SHUFFLE ? s->batch : s->begin[step] - (size_t)first;
    *samples = arena_array(a, *count, sizeof **samples);
    for (size_t k = 0; *samples && k < *count; k++) {
        int64_t use = first + (int64_t)k;
        size_t place = s->order == ORDER_SHUFFLE ? shuffled_place(s, use) : (size_t)use;
        if (!reader_sample(s->reader, s->samples, &s->samples->sample[place], NULL, s->seed, use, &(*samples)[k], a, e))
            return false;
    }
    return *samples != NULL;
}
