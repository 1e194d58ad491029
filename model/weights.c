/* SPDX-License-Identifier: MIT */
#include "model/weights_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/random.h"
#include "tensor/base/team.h"

/* The standard deviation with which new values are drawn; llava_weights.def states the formulas. */
static float std_of(const WeightLine *l)
{
    if (l->start == START_TABLE)
        return .05f;
    size_t fan_in = 1;
    for (int i = 1; i < l->shape.rank; i++)
        fan_in *= l->shape.dim[i];
    double std = .7 / sqrt((double)fan_in);
    return (float)(l->start == START_RESIDUAL ? std / sqrt(2. * (double)l->run) : std);
}

/* The name with the layer's number in place of its %zu, if it has one. It is not used as a printf format, because it is
 * not a constant. */
static const char *layer_name(const char *pattern, size_t layer, Arena *a)
{
    const char *mark = strstr(pattern, "%zu");
    return mark ? arena_format(a, "%.*s%zu%s", (int)(mark - pattern), pattern, layer, mark + 3) : arena_text(a, pattern);
}

static bool plan_line(Planned *p, const WeightLine *l, size_t layer, Arena *a)
{
    *p = (Planned){ layer_name(l->name, layer, a), l->shape, l->dtype, l->start, std_of(l), layer >= l->run };
    return p->name != NULL;
}

/* Neighbouring lines of the same tower form a group. A group is listed layer by layer, and line by line in each
 * layer. */
Planned *weights_plan(const ModelConfig *c, size_t *count, Arena *a, Error *e)
{
    size_t lines_count, capacity = 0, n = 0;
    const WeightLine *lines = c->arch->weights(c, &lines_count, a);
    for (size_t i = 0; lines && i < lines_count; i++)
        capacity += lines[i].layers;
    Planned *plan = lines ? arena_array(a, capacity, sizeof *plan) : NULL;
    for (size_t i = 0, end; plan && i < lines_count; i = end) {
        for (end = i + 1; end < lines_count && lines[end].tower == lines[i].tower; )
            end++;
        for (size_t layer = 0; layer < lines[i].layers; layer++)
            for (size_t k = i; plan && k < end; k++)
                if (lines[k].present && !plan_line(&plan[n++], &lines[k], layer, a))
                    plan = NULL;
    }
    *count = n;
    if (!plan)
        error_no_memory(e, "no memory for the list of weights");
    return plan;
}

size_t weights_required(const ModelConfig *c, Arena *a)
{
    size_t count, required = 0;
    const WeightLine *lines = c->arch->weights(c, &count, a);
    for (size_t i = 0; lines && i < count; i++)
        required += lines[i].present ? lines[i].run : 0;
    return lines ? required : SIZE_MAX;
}

/* Names are unique, so this order is total, and qsort need not be stable. */
static int by_name(const void *a, const void *b)
{
    return strcmp((*(Weight *const *)a)->name, (*(Weight *const *)b)->name);
}

bool weights_index(Weights *w, Error *e)
{
    w->by_name = arena_array(w->arena, w->count, sizeof *w->by_name);
    if (!w->by_name)
        return error_no_memory(e, "no memory for the index of weights");
    for (size_t i = 0; i < w->count; i++)
        w->by_name[i] = &w->list[i];
    if (w->count)
        qsort(w->by_name, w->count, sizeof *w->by_name, by_name);
    return true;
}

typedef struct { float *out, std; Random random; } Normal;

/* RN(std * normal): the product of two floats, rounded once. */
static void normal_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Normal *n = context;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        n->out[i] = n->std * random_normal(n->random, i);
}

static bool start_one(Weight *w, const Planned *p, uint64_t seed, Arena *a)
{
    *w = (Weight){ .name = p->name, .tensor = tensor_f32(a, p->shape) };
    const size_t n = shape_size(p->shape);
    if (!w->tensor.data)
        return false;
    if (p->std > 0 && p->start <= START_TABLE)
        team_run(n, 256, normal_part, &(Normal){ w->tensor.f32, p->std, random_for(seed, p->name) }, NULL);
    else
        for (size_t i = 0; i < n; i++)
            w->tensor.f32[i] = p->start == START_ONE;
    return true;
}

bool weights_make(Weights *w, const ModelConfig *c, uint64_t seed, Arena *a, Error *e)
{
    size_t count;
    *w = (Weights){ .arch = c->arch, .arena = a, .tied = c->text.tie_word_embeddings };
    Planned *plan = config_check(c, "config", e) ? weights_plan(c, &count, a, e) : NULL;
    w->list = plan ? arena_array(a, count, sizeof *w->list) : NULL;
    bool good = w->list != NULL;
    for (size_t i = 0; good && i < count; i++)
        if (!plan[i].idle)
            good = start_one(&w->list[w->count++], &plan[i], seed, a);
    return (good || error_no_memory(e, "no memory for the weights")) && weights_index(w, e);
}

Weight *weights_find(const Weights *w, const char *name)
{
    if (w->tied && !strcmp(name, w->arch->head))
        name = w->arch->embedding;
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

bool weights_own(Weights *w, Weight *weight, Error *e)
{
    if (weight->tensor.dtype == F32 && !is_mapped(w, weight->tensor.data))
        return true;
    Tensor wide = tensor_f32(w->arena, weight->tensor.shape);
    if (!wide.data)
        return error_no_memory(e, "%s: no memory for a copy in F32", weight->name);
    tensor_widen(&weight->tensor, 0, shape_size(wide.shape), wide.f32);
    weight->tensor = wide;
    return true;
}

bool weights_train(Weights *w, const char *pattern, Error *e)
{
    size_t matched = 0;
    for (size_t i = 0; i < w->count; i++) {
        Weight *weight = &w->list[i];
        if (weight->idle || !name_matches(pattern, weight->name))
            continue;
        if (!weights_own(w, weight, e))
            return false;
        weight->trainable = true;
        matched++;
    }
    return matched || error_set(e, "no weight has a name that matches \"%s\"", pattern);
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
