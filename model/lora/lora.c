/* SPDX-License-Identifier: MIT */
#include "model/lora/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/weights_plan.h"
#include "tensor/base/limits.h"
#include "tensor/ops.h"
#include "tensor/base/random.h"
#include "tensor/exact/round.h"

static const char *const trainable_names[TRAIN_COUNT] = { "llm", "proj+llm", "full" };

const char *trainable_name(Trainable t)
{
    return trainable_names[t];
}

bool trainable_parse(const char *text, Trainable *out)
{
    for (int i = 0; i < TRAIN_COUNT; i++)
        if (!strcmp(text, trainable_names[i])) {
            *out = (Trainable)i;
            return true;
        }
    return false;
}

bool trainable_set(Weights *w, Trainable t, Error *e)
{
    for (size_t i = 0; i < w->count; i++)
        w->list[i].trainable = false;
    return t == TRAIN_LLM || weights_train(w, t == TRAIN_FULL ? "**" : w->arch->projector, e);
}

/* RN(alpha/r): rounding to double first and then to float is harmless for a quotient of two floats, because
 * 53 >= 2 * 24 + 2.
 * RN(alpha/sqrt(r)): the double v is off by less than v 2^-51. If this leaves two floats, their midpoint m decides.
 * m has 25 bits, so m^2 and alpha^2 are exact in double, and fma gives the sign of m^2 r - alpha^2. If the sign
 * were 0, sqrt(r) would be an integer and alpha a multiple of m, but alpha has only 24 bits. */
static float scale_of(float alpha, int64_t rank, bool rslora)
{
    float low;
    if (!rslora)
        return (float)((double)alpha / (double)rank);
    double v = (double)alpha / sqrt((double)rank);
    if (round_decides(v, v * 0x1p-51, &low))
        return low;
    float high = nextafterf(low, INFINITY);
    double m = ((double)low + high) / 2, alpha_squared = (double)alpha * alpha;
    return fma(m * m, (double)rank, -alpha_squared) < 0 ? high : low;
}

/* The path of the module whose weight this is, if it is a linear layer; otherwise NULL. Embedding tables are
 * matrices too, but they are looked up, not multiplied. */
static const char *linear_module_of(const Architecture *arch, const Weight *w, Arena *a)
{
    const char *end = strrchr(w->name, '.');
    if (w->tensor.shape.rank != 2 || !end || strcmp(end, ".weight") || name_matches(arch->tables, w->name))
        return NULL;
    return arena_format(a, "%.*s", (int)(end - w->name), w->name);
}

bool lora_config_check(const LoraConfig *c, Error *e)
{
    if (c->rank < 1 || c->rank > LIMIT_ADAPTER_RANK)
        return error_set(e, "lora: rank is %lld, expected 1 to %d", (long long)c->rank, LIMIT_ADAPTER_RANK);
    if (!(c->alpha >= 0x1p-30f && c->alpha <= 0x1p30f))
        return error_set(e, "lora: alpha is %g, expected 2^-30 to 2^30", (double)c->alpha);
    return true;
}

static bool add_pair(Lora *l, const char *module, const Weight *w, const LoraConfig *own, Arena *a)
{
    const size_t r = (size_t)own->rank;
    const Shape base = w->tensor.shape;
    LoraPair *p = &l->pairs[l->count++];
    *p = (LoraPair){ module, &l->factors.list[l->factors.count], &l->factors.list[l->factors.count + 1], own->alpha,
                     scale_of(own->alpha, own->rank, own->rslora), NULL };
    l->factors.count += 2;
    *p->a = (Weight){ arena_format(a, "%s.lora_A.weight", module), tensor_f32(a, shape_of(2, r, base.dim[1])),
                      !w->idle, w->idle };
    *p->b = (Weight){ arena_format(a, "%s.lora_B.weight", module), tensor_zeros(a, shape_of(2, base.dim[0], r)),
                      !w->idle, w->idle };
    return p->a->name && p->b->name && p->a->tensor.data && p->b->tensor.data;
}

bool lora_begin(Lora *l, const Weights *w, LoraConfig config, LoraWanted wanted, const void *context, Arena *a,
                Error *e)
{
    *l = (Lora){ .config = config, .factors = { .arena = a } };
    if (!lora_config_check(&config, e))
        return false;
    l->scale = scale_of(config.alpha, config.rank, config.rslora);
    l->pairs = arena_array(a, w->count, sizeof *l->pairs);
    l->factors.list = arena_array(a, 2 * w->count, sizeof *l->factors.list);
    bool good = l->pairs && l->factors.list;
    for (size_t i = 0; good && i < w->count; i++) {
        const char *module = linear_module_of(w->arch, &w->list[i], a);
        LoraConfig own = config;
        if (module && wanted(module, &w->list[i], context, &own))
            good = (lora_config_check(&own, e) || error_prefix(e, "%s", module)) && add_pair(l, module, &w->list[i], &own, a);
    }
    return (good || e->failed || error_no_memory(e, "lora: no memory for the factors")) && !e->failed
        && weights_index(&l->factors, e);
}

static bool wanted_by_pattern(const char *module, const Weight *base, const void *context, LoraConfig *own)
{
    (void)own;
    return !base->idle && name_matches(context, module);
}

bool lora_make(Lora *l, const Weights *w, LoraConfig config, uint64_t seed, Arena *a, Error *e)
{
    const char *targets = arena_text(a, config.targets ? config.targets : w->arch->lora_targets);
    if (!targets)
        return error_no_memory(e, "lora: no memory");
    config.targets = targets;
    if (!lora_begin(l, w, config, wanted_by_pattern, targets, a, e))
        return false;
    if (l->count == 0)
        return error_set(e, "lora: no linear map has a name that matches \"%s\"", targets);
    for (size_t i = 0; i < l->count; i++) {
        const Weight *factor = l->pairs[i].a;
        const float std = scale_of(1, (int64_t)factor->tensor.shape.dim[1], true);
        const Random r = random_for(seed, factor->name);
        for (size_t k = 0; k < shape_size(factor->tensor.shape); k++)
            factor->tensor.f32[k] = std * random_normal(r, k);
    }
    return true;
}

const LoraPair *lora_find(const Lora *l, const char *module)
{
    char name[600];
    int n = l ? snprintf(name, sizeof name, "%s.lora_A.weight", module) : -1;
    const Weight *found = n >= 0 && (size_t)n < sizeof name ? weights_find(&l->factors, name) : NULL;
    return found ? &l->pairs[(found - l->factors.list) / 2] : NULL;
}

Weight *lora_base(const LoraPair *p, const Weights *w, Error *e)
{
    char name[600];
    snprintf(name, sizeof name, "%s.weight", p->module);
    Weight *base = weights_find(w, name);
    if (!base)
        error_set(e, "lora: the model has no module %s", p->module);
    return base;
}

const Tensor *lora_merged(const LoraPair *p, const Weight *base, Tape *t, Error *e)
{
    tape_reset(t);
    Node *y = tape_param(t, base->name, base->tensor, false);
    for (const LoraPair *one = p; y && one; one = one->next) {
        Node *a = tape_param(t, one->a->name, one->a->tensor, false);
        Node *b = tape_param(t, one->b->name, one->b->tensor, false);
        y = op_lora_merge(t, y, b, a, one->scale);
    }
    if (!y)
        return error_set(e, "lora: %s could not be merged", p->module), NULL;
    if (!tensor_finite(y->out))
        return error_set(e, "lora: %s merged with its adapter is not finite, expected an adapter of smaller numbers",
                         p->module), NULL;
    return &y->out;
}

/* Merges the adapters of one module. The tape is reset for each module, so scratch memory is needed only for the
 * largest weight. */
static bool merge_one(const LoraPair *p, Weights *w, Tape *t, Error *e)
{
    Weight *base = lora_base(p, w, e);
    const Tensor *merged = base ? lora_merged(p, base, t, e) : NULL;
    if (!merged || !weights_own(w, base, e))
        return error_set(e, "lora: %s could not be merged", p->module);
    memcpy(base->tensor.f32, merged->f32, tensor_bytes(*merged));
    return true;
}

bool lora_merge(const Lora *l, Weights *w, Error *e)
{
    Arena step = arena_make(e);
    Tape t = tape_make(&step, e);
    t.no_grad = true;
    bool good = !e->failed;
    for (size_t i = 0; good && i < l->count; i++)
        if (lora_find(l, l->pairs[i].module) == &l->pairs[i])
            good = merge_one(&l->pairs[i], w, &t, e);
    arena_free(&step);
    return good;
}
