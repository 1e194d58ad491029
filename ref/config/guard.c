/* SPDX-License-Identifier: MIT */
#include "ref/config/guard.h"

#include <stdio.h>
#include <string.h>
#include "eval/formats/samples.h"
#include "model/names.h"
#include "model/training/score.h"
#include "tensor/base/random.h"

const char *const probe_names[PROBES] = { "forget", "retain", "general" };

/* --- Which samples --- */

static bool eligible(const Sample *x, const char *entities, Split split)
{
    return x->split == split && x->kind < KIND_REVERSE && (!*entities || name_matches(entities, x->entity));
}

static size_t count_of(const Dataset *x, const char *entities, Split split)
{
    size_t n = 0;
    for (size_t k = 0; k < x->count; k++)
        n += eligible(&x->sample[k], entities, split);
    return n;
}

/* Draws the samples of a probe, and reads them. */
static bool draw(Guard *g, Probe p, const char *entities, Error *e)
{
    const Dataset *x = &g->file[p];
    const Split split = count_of(x, entities, SPLIT_TEST) ? SPLIT_TEST : SPLIT_TRAIN;
    const size_t all = count_of(x, entities, split), most = (size_t)g->method->settings.unlearn_probe, n = all < most ? all : most;
    char purpose[64];
    snprintf(purpose, sizeof purpose, "unlearn.probe.%s", probe_names[p]);
    uint32_t *order = arena_array(g->arena, all + 1, sizeof *order),
        *index = arena_array(g->arena, all + 1, sizeof *index);
    BatchSample *list = arena_array(g->arena, n + 1, sizeof *list);
    if (!order || !index || !list)
        return false;
    for (size_t k = 0, found = 0; k < x->count; k++)
        if (eligible(&x->sample[k], entities, split))
            index[found++] = (uint32_t)k;
    random_shuffle(random_for((uint64_t)g->method->v.seed, purpose), order, all);
    g->list[p] = (SampleList){ list, n };
    for (size_t k = 0; k < n; k++)
        if (!reader_sample(&g->session->reader, x, &x->sample[index[order[k]]], NULL, 0, NO_AUGMENT, &list[k],
                           g->arena, e))
            return false;
    return true;
}

/* --- Measuring --- */

bool guard_measure(Guard *g, Error *e)
{
    const Model asked = model_merged(&g->session->model);
    for (Probe p = 0; p < PROBES; p++) {
        const SampleList *list = &g->list[p];
        Arena scratch = arena_make(e);
        SampleScore *score = arena_array(&scratch, list->count + 1, sizeof *score);
        g->now[p] = (Ratio){ 0, (int64_t)list->count };
        bool good = score && (list->count == 0 || score_samples(&asked, list->list, list->count, 0, score, &scratch, e));
        for (size_t k = 0; good && k < list->count; k++)
            g->now[p].count += score[k].exact;
        arena_free(&scratch);
        if (!good)
            return false;
    }
    return true;
}

/* --- The trained weights --- */

/* Sets *out to the list of the weights that train, and returns their number. */
static size_t trained_weights(const Session *s, Weight ***out, Arena *a)
{
    size_t n = 0;
    const Weights *all[] = { &s->weights, adapters_last(&s->adapters) ? &adapters_last(&s->adapters)->factors : NULL };
    *out = arena_array(a, s->weights.count + (all[1] ? all[1]->count : 0) + 1, sizeof **out);
    for (size_t i = 0; *out && i < 2 && all[i]; i++)
        for (size_t k = 0; k < all[i]->count; k++)
            if (all[i]->list[k].trainable)
                (*out)[n++] = &all[i]->list[k];
    return n;
}

/* Copies the trained weights to `kept` or, with `back`, from there. */
static bool copy_weights(Guard *g, bool back, Error *e)
{
    Weight **weight;
    const size_t n = trained_weights(g->session, &weight, g->arena);
    if (!weight || (!g->kept && !(g->kept = arena_zalloc(g->arena, (n + 1) * sizeof *g->kept))))
        return error_no_memory(e, "unlearn: no memory for a copy of the trained weights, which unlearn.probe_every = 0 does not need");
    for (size_t k = 0; k < n; k++) {
        const Tensor *t = &weight[k]->tensor;
        if (!g->kept[k] && !(g->kept[k] = arena_array(g->arena, shape_size(t->shape), sizeof(float))))
            return false;
        memcpy(back ? t->f32 : g->kept[k], back ? g->kept[k] : t->f32, tensor_bytes(*t));
    }
    return true;
}

/* --- Deciding --- */

/* Whether the share of right answers is now below `keep` times the share before. Both have the same total, because the
 * samples are the same. */
static bool below(Ratio now, Ratio before, float keep)
{
    return now.total > 0 && (double)now.count < (double)keep * (double)before.count;
}

/* The number x, lowered by more than the rounding error of a setting, which is an fp32 number. So 9 of 10 is not below
 * 0.9, and 7 of 20 is not above 0.35. */
static float lowered(float x) { return x * (1 - 0x1p-20f); }

static bool spoilt(Guard *g)
{
    const Settings *s = &g->method->settings;
    for (Probe p = PROBE_RETAIN; p < PROBES; p++)
        if (below(g->now[p], g->before[p], lowered(s->unlearn_keep))) {
            snprintf(g->why, sizeof g->why, "the %s probe fell from %lld to %lld of %lld, below %g of its first value; the weights are "
                     "those of the last probe that met unlearn.keep", probe_names[p], (long long)g->before[p].count,
                     (long long)g->now[p].count, (long long)g->now[p].total, (double)s->unlearn_keep);
            return true;
        }
    return false;
}

static bool enough(Guard *g)
{
    const Ratio *x = &g->now[PROBE_FORGET];
    const float most = g->method->settings.unlearn_enough;
    if (x->total == 0 || (double)x->count * (double)lowered(1) > (double)most * (double)x->total)
        return false;
    snprintf(g->why, sizeof g->why, "the forget probe is %lld of %lld, at most %g", (long long)x->count, (long long)x->total,
             (double)most);
    return true;
}

bool guard_probe(Guard *g, Error *e)
{
    if (!guard_measure(g, e))
        return false;
    if (spoilt(g)) {
        g->stop = true;
        return guard_restore(g, e);
    }
    g->stop = enough(g);
    return copy_weights(g, false, e);
}

bool guard_restore(Guard *g, Error *e)
{
    g->spoilt = true;
    return copy_weights(g, true, e) && guard_measure(g, e);
}

/* --- Opening --- */

static bool open_file(Guard *g, Probe p, const char *key, const char *path, Error *e)
{
    const char *full = *path ? settings_input(&g->method->settings, key, path, e) : NULL;
    return !*path || (full && samples_open(&g->file[p], full, g->arena, e));
}

bool guard_open(Guard *g, const MethodSettings *m, Session *s, Arena *a, Error *e)
{
    const Settings *t = &m->settings;
    *g = (Guard){ .method = m, .session = s, .arena = a };
    return open_file(g, PROBE_FORGET, "unlearn.forget", t->unlearn_forget, e)
        && open_file(g, PROBE_RETAIN, "unlearn.retain", t->unlearn_retain, e)
        && open_file(g, PROBE_GENERAL, "data.general", t->data_general, e);
}

bool guard_begin(Guard *g, const char *entities, Error *e)
{
    const char *who[PROBES] = { entities, g->method->settings.unlearn_retain_entities, "" };
    const Ratio first[PROBES] = { g->before[0], g->before[1], g->before[2] };
    for (Probe p = 0; p < PROBES; p++)
        if (g->file[p].count && (p == PROBE_FORGET || !g->measured) && !draw(g, p, who[p], e))
            return false;
    g->stop = g->spoilt = false;
    if (!guard_measure(g, e) || !copy_weights(g, false, e))
        return false;
    for (Probe p = 0; p < PROBES; p++)
        g->before[p] = g->measured && p != PROBE_FORGET ? first[p] : g->now[p];
    g->measured = true;
    return true;
}

void guard_close(Guard *g)
{
    for (Probe p = 0; p < PROBES; p++)
        if (g->file[p].pictures)
            dataset_close(&g->file[p]);
}
