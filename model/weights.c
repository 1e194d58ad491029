/* SPDX-License-Identifier: MIT */
#include "model/weights_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/random.h"

typedef enum { ONCE, VISION_LAYERS, TEXT_LAYERS } Repeat;
typedef struct { Repeat repeat; const char *name; bool there; Shape shape; Keep keep; Start start; } Line;

/* weights.def with its letters filled in. */
#define SHAPE(rank, ...) { rank, { __VA_ARGS__ } }
#define WEIGHT(repeat, name, there, shape, keep, start) { repeat, name, there, shape, keep, start },
static const Line *lines_make(const ModelConfig *c, size_t *count, Arena *a)
{
    const TextConfig *t = &c->text;
    const size_t d = (size_t)c->vision.hidden_size, m = (size_t)c->vision.intermediate_size, p = (size_t)c->vision.patch_size;
    const size_t ch = (size_t)c->vision.num_channels, P = config_patches(c), h = (size_t)t->hidden_size, f = (size_t)t->intermediate_size;
    const size_t q = (size_t)(t->num_attention_heads * t->head_dim), k = (size_t)(t->num_key_value_heads * t->head_dim), V = (size_t)t->vocab_size;
    const bool bias = c->multimodal_projector_bias, tied = t->tie_word_embeddings;
    const Line lines[] = {
#include "model/weights.def"
    };
    *count = sizeof lines / sizeof *lines;
    Line *copy = arena_alloc(a, sizeof lines);
    return copy ? memcpy(copy, lines, sizeof lines) : NULL;
}

static size_t layers_of(Repeat r, const ModelConfig *c)
{
    return r == ONCE ? 1 : (size_t)(r == VISION_LAYERS ? c->vision.num_hidden_layers : c->text.num_hidden_layers);
}

static float std_of(const Line *l, size_t layers)
{
    if (l->start == TABLE)
        return .05f;
    size_t fan_in = 1;
    for (int i = 1; i < l->shape.rank; i++)
        fan_in *= l->shape.dim[i];
    double std = .7 / sqrt((double)fan_in);
    return (float)(l->start == RESIDUAL ? std / sqrt(2. * (double)layers) : std);
}

/* A format with one %zu, or none: made here, so that no format string comes out of a table. */
static const char *layer_name(const char *pattern, size_t layer, Arena *a)
{
    const char *mark = strstr(pattern, "%zu");
    return mark ? arena_format(a, "%.*s%zu%s", (int)(mark - pattern), pattern, layer, mark + 3) : arena_text(a, pattern);
}

static bool plan_line(Planned *p, const Line *l, size_t layer, const ModelConfig *c, Arena *a)
{
    const size_t run = config_vision_layers(c);
    *p = (Planned){ layer_name(l->name, layer, a), l->shape, l->keep, l->start, 0, false };
    p->idle = (l->repeat == VISION_LAYERS && layer >= run) || strstr(l->name, "post_layernorm.") == l->name + sizeof "vision_tower.vision_model." - 1;
    p->std = std_of(l, l->repeat == VISION_LAYERS ? run : (size_t)c->text.num_hidden_layers);
    return p->name != NULL;
}

/* Neighbouring lines with the same repeat are one group: layer by layer, line by line. */
Planned *weights_plan(const ModelConfig *c, size_t *count, Arena *a, Error *e)
{
    size_t lines_count, room = 0, n = 0;
    const Line *lines = lines_make(c, &lines_count, a);
    for (size_t i = 0; lines && i < lines_count; i++)
        room += layers_of(lines[i].repeat, c);
    Planned *plan = lines ? arena_array(a, room, sizeof *plan) : NULL;
    for (size_t i = 0, end; plan && i < lines_count; i = end) {
        for (end = i + 1; end < lines_count && lines[end].repeat == lines[i].repeat; )
            end++;
        for (size_t layer = 0; layer < layers_of(lines[i].repeat, c); layer++)
            for (size_t k = i; plan && k < end; k++)
                if (lines[k].there && !plan_line(&plan[n++], &lines[k], layer, c, a))
                    plan = NULL;
    }
    *count = n;
    if (!plan)
        error_set(e, "no memory for the list of weights");
    return plan;
}

/* Names are unique, so the order is total. */
static int by_name(const void *a, const void *b)
{
    return strcmp((*(Weight *const *)a)->name, (*(Weight *const *)b)->name);
}

bool weights_index(Weights *w, Error *e)
{
    w->by_name = arena_array(w->arena, w->count, sizeof *w->by_name);
    if (!w->by_name)
        return error_set(e, "no memory for the index of weights");
    for (size_t i = 0; i < w->count; i++)
        w->by_name[i] = &w->list[i];
    if (w->count)
        qsort(w->by_name, w->count, sizeof *w->by_name, by_name);
    return true;
}

/* RN(std * normal): both floats, one rounding. */
static void fill_normal(float *out, size_t n, float std, Random r)
{
    #pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++)
        out[i] = std * random_normal(r, i);
}

static bool start_one(Weight *w, const Planned *p, uint64_t seed, Arena *a)
{
    *w = (Weight){ .name = p->name, .tensor = tensor_f32(a, p->shape) };
    const size_t n = shape_size(p->shape);
    if (!w->tensor.data)
        return false;
    if (p->std > 0 && p->start <= TABLE)
        fill_normal(w->tensor.f32, n, p->std, random_for(seed, p->name));
    else
        for (size_t i = 0; i < n; i++)
            w->tensor.f32[i] = p->start == ONE;
    return true;
}

bool weights_make(Weights *w, const ModelConfig *c, uint64_t seed, Arena *a, Error *e)
{
    size_t count;
    *w = (Weights){ .arena = a, .tied = c->text.tie_word_embeddings };
    Planned *plan = config_check(c, "config", e) ? weights_plan(c, &count, a, e) : NULL;
    w->list = plan ? arena_array(a, count, sizeof *w->list) : NULL;
    bool good = w->list != NULL;
    for (size_t i = 0; good && i < count; i++)
        if (!plan[i].idle)
            good = start_one(&w->list[w->count++], &plan[i], seed, a);
    return (good || error_set(e, "no memory for the weights")) && weights_index(w, e);
}

Weight *weights_find(const Weights *w, const char *name)
{
    if (w->tied && !strcmp(name, "language_model.lm_head.weight"))
        name = "language_model.model.embed_tokens.weight";
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, w->by_name[middle]->name);
        if (order == 0)
            return w->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const Tensor *weights_get(const Weights *w, const char *format, ...)
{
    char name[600];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const Weight *found = n >= 0 && (size_t)n < sizeof name ? weights_find(w, name) : NULL;
    return found ? &found->tensor : NULL;
}

static bool is_mapped(const Weights *w, const void *data)
{
    for (size_t i = 0; i < w->file_count; i++) {
        const char *begin = w->files[i].mapping, *at = data;
        if (begin && at >= begin && at <= begin + w->files[i].mapped)
            return true;
    }
    return false;
}

bool weights_own(Weights *w, Weight *one, Error *e)
{
    if (one->tensor.dtype == F32 && !is_mapped(w, one->tensor.data))
        return true;
    Tensor wide = tensor_f32(w->arena, one->tensor.shape);
    if (!wide.data)
        return error_set(e, "%s: no memory for a copy in F32", one->name);
    tensor_widen(&one->tensor, 0, shape_size(wide.shape), wide.f32);
    one->tensor = wide;
    return true;
}

bool weights_train(Weights *w, const char *pattern, Error *e)
{
    size_t matched = 0;
    for (size_t i = 0; i < w->count; i++) {
        Weight *one = &w->list[i];
        if (one->idle || !name_matches(pattern, one->name))
            continue;
        if (!weights_own(w, one, e))
            return false;
        one->trainable = true;
        matched++;
    }
    return matched || error_set(e, "no weight is called \"%s\"", pattern);
}

size_t weights_parameters(const Weights *w, bool trainable_only)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!w->list[i].idle && (w->list[i].trainable || !trainable_only))
            n += shape_size(w->list[i].tensor.shape);
    return n;
}

void weights_close(Weights *w)
{
    for (size_t i = 0; i < w->file_count; i++)
        store_close(&w->files[i]);
    *w = (Weights){ .arena = w->arena };
}
