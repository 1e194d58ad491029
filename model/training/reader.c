/* SPDX-License-Identifier: MIT */
#include "model/training/reader.h"

#include "model/arch.h"
#include "model/image/augment.h"
#include "model/text/text_config.h"
#include "model/image/orientation.h"

/* Prompts are built as text, so the special tokens in them must have the ids that config.json gives. */
static bool has_special(const Tokenizer *t, const char *token, int64_t id, const char *key, const char *path, Error *e)
{
    return *token == 0 || (tokenizer_id(t, token) == id && tokenizer_is_special(t, (int32_t)id))
        || error_set(e, "%s: the special token \"%s\" does not have the id %lld, which config.json gives it (%s)", path, token,
                     (long long)id, key);
}

bool reader_open(Reader *r, const char *model_folder, const ModelConfig *c, PromptTemplate template, PromptMask mask, Arena *a, Error *e)
{
    char *tokenizer_path = arena_format(a, "%s/tokenizer.json", model_folder);
    size_t width, height;
    *r = (Reader){ .pixels = config_pixels(c), .end = (int32_t)c->text.eos_token_id, .positions = config_positions(c) };
    if (!tokenizer_path || !image_processor_open(&r->images, model_folder, e)
        || !image_processor_size(&r->images, &width, &height, e))
        return false;
    const size_t *want = r->pixels.dim;
    if (width != want[2] || height != want[1])
        return error_set(e, "%s: the picture processor makes pictures of %zu x %zu, expected %zu x %zu (config.json)", model_folder,
                         width, height, want[2], want[1]);
    if (want[0] != IMAGE_CHANNELS || c->arch->pictures != 1)
        return error_set(e, "%s: the model wants %zu pictures of %zu channels for each sample, expected one picture of %d channels",
                         model_folder,
                         c->arch->pictures, want[0], IMAGE_CHANNELS);
    const Tokenizer *tokenizer = tokenizer_open(tokenizer_path, a, e);
    if (!tokenizer)
        return false;
    if (tokenizer_size(tokenizer) > (size_t)c->text.vocab_size)
        return error_set(e, "%s: ids go up to %zu, expected ids below vocab_size %lld", tokenizer_path, tokenizer_size(tokenizer) - 1,
                         (long long)c->text.vocab_size);
    if (!has_special(tokenizer, PROMPT_IMAGE, c->image_token_index, "image_token_index", tokenizer_path, e)
        || !has_special(tokenizer, prompt_template_end(template), c->text.eos_token_id, "eos_token_id", tokenizer_path, e)
        || !text_config_check(model_folder, tokenizer, c->text.eos_token_id, e))
        return false;
    generation_config_check(model_folder, tokenizer, c->text.eos_token_id, false, &r->generation);
    r->style = (PromptStyle){ tokenizer, template, mask, config_image_tokens(c), false };
    return true;
}

bool reader_generates(const Reader *r, Error *e)
{
    return !r->generation.failed || error_set_kind(e, r->generation.kind, "%s", r->generation.text);
}

/* Makes the picture's pixels. r->change, if there is one, changes the picture before it is normalised. */
static bool preprocess(const Reader *r, float *pixels, const Image *picture, const char *name, Arena *a, Error *e)
{
    Image fitted, changed;
    if (!r->change)
        return image_preprocess(pixels, picture, &r->images, a, e);
    if (!image_fit(&fitted, picture, &r->images, a, e) || !r->change->run(&changed, &fitted, name, r->change->context, a, e))
        return false;
    image_normalise(pixels, &changed, &r->images);
    return true;
}

static bool read_pixels(const Reader *r, const Dataset *from, const Sample *x, uint64_t seed, int64_t use, BatchSample *out,
                        Arena *a, Error *e)
{
    Image picture, augmented;
    float *pixels = arena_array(a, shape_size(r->pixels), sizeof *pixels);
    if (!pixels || !dataset_picture(from, x, &picture, a, e) || (r->upright && !orientation_apply(&picture, a, e)))
        return false;
    if (x->augment && use != NO_AUGMENT) {
        if (!image_augment(&augmented, &picture, seed, (uint64_t)use, a, e))
            return false;
        picture = augmented;
    }
    out->pixels = pixels;
    return preprocess(r, pixels, &picture, x->image, a, e);
}

static bool read_text(const Reader *r, const Dataset *from, const Sample *x, const char *answer, Prompt *out, Arena *a, Error *e)
{
    if (!prompt_make(out, &r->style, x->question, answer, x->image != NULL, a, e))
        return error_prefix(e, "%s:%zu", from->path, x->line);
    return out->n <= r->positions
        || error_set(e, "%s:%zu: %s %zu tokens, expected at most %zu (max_position_embeddings)", from->path, x->line,
                     answer ? "question and answer have" : "the question has", out->n, r->positions);
}

static bool read_ids(const Reader *r, const Dataset *from, const Sample *x, const char *answer, BatchSample *out, Arena *a, Error *e)
{
    Prompt p;
    *out = (BatchSample){ .ids = NULL };
    if (!read_text(r, from, x, answer, &p, a, e))
        return false;
    out->ids = p.ids;
    out->targets = answer ? p.targets : NULL;
    out->n = p.n;
    out->exposures = x->exposures > 0 ? x->exposures : 0;
    return true;
}

static bool read_sample(const Reader *r, const Dataset *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                        BatchSample *out, Arena *a, Error *e)
{
    return read_ids(r, from, x, answer, out, a, e) && (!x->image || read_pixels(r, from, x, seed, use, out, a, e));
}

bool reader_sample(const Reader *r, const Dataset *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                   BatchSample *out, Arena *a, Error *e)
{
    return read_sample(r, from, x, answer ? answer : x->answer, seed, use, out, a, e);
}

bool reader_prompt(const Reader *r, const Dataset *from, const Sample *x, BatchSample *out, Arena *a, Error *e)
{
    return read_sample(r, from, x, NULL, 0, NO_AUGMENT, out, a, e);
}

bool reader_check(const Reader *r, const Dataset *from, const Sample *x, bool options, Arena *scratch, Error *e)
{
    BatchSample read;
    Prompt p;
    if (!reader_sample(r, from, x, NULL, 0, NO_AUGMENT, &read, scratch, e))
        return false;
    for (size_t k = 0; options && k < x->option_count; k++)
        if (!read_text(r, from, x, x->options[k], &p, scratch, e))
            return false;
    return true;
}

bool reader_again(const Reader *r, const Dataset *from, const Sample *x, const char *answer, bool prompt, const float *pixels,
                  BatchSample *out, Arena *a, Error *e)
{
    if (!read_ids(r, from, x, prompt ? NULL : answer ? answer : x->answer, out, a, e))
        return false;
    out->pixels = x->image ? pixels : NULL;
    return true;
}
