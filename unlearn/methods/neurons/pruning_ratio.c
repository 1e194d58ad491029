/* SPDX-License-Identifier: MIT */
/* The forms of MANU that the public codes run (official, open_mm, cmju). They prune outputs of linear maps in the last
 * layers of the vision tower and of the language model, where the forget set excites an output more than the retain set
 * does. pruning.h states the scores. The comments here count the language model as a tower, too. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/team.h"
#include "unlearn/methods/neurons/pruning.h"

/* Five linear maps are pruned: two in the layers of the vision tower, and three in those of the language model. The
 * last three layers of each tower are pruned, or all if the tower has fewer. GRAIN is the least number of channels in
 * one part of the threads' work (team.h). */
enum { SITES = 5, VISION_SITES = 2, LAST = 3, GRAIN = 8 };

/* A site is one linear map, such as fc1, in all layers of its tower. */
typedef struct {
    const char *layers, *name;
    size_t run, pruned;                 // how many layers the tower runs; how many of them, the last ones, are pruned
    size_t width;                       // channels of the map
    ManuMeans *means[2];                // [forget, retain], each [pruned][width], or [1][width] if layers_share
    ManuSums *sums[2];                  // only cmju: over all rows of a set, which are one group; shaped like `means`
} Site;

typedef struct {
    const MethodRun *edit;
    bool layers_share;                  // only official: all layers of a tower share one measure
    ManuCount count;
    Site site[SITES];
    size_t scores, vision_scores;       // how many scores all sites have, and the first VISION_SITES
    Arena *arena;
} Pruning;

static void sites_make(Pruning *p)
{
    const ModelConfig *c = &p->edit->model->config;
    const size_t run[] = { config_vision_layers(c), (size_t)c->text.num_hidden_layers };
    const size_t inner[] = { (size_t)c->vision.intermediate_size, (size_t)c->text.intermediate_size },
                 outer[] = { (size_t)c->vision.hidden_size, (size_t)c->text.hidden_size };
    static const char *const layers[] = { "vision_tower.vision_model.encoder.layers", "language_model.model.layers" },
                            *const names[SITES] = { "fc1", "fc2", "gate_proj", "up_proj", "down_proj" };
    for (size_t k = 0; k < SITES; k++) {
        const size_t tower = k >= VISION_SITES, back = k == 1 || k == 4;        // fc2, down_proj: back to hidden_size
        Site *s = &p->site[k];
        *s = (Site){ .layers = layers[tower], .name = names[k], .run = run[tower],
                     .pruned = run[tower] < LAST ? run[tower] : LAST, .width = back ? outer[tower] : inner[tower] };
        const size_t measures = (p->layers_share ? 1 : s->pruned) * s->width;
        for (int set = 0; set < 2; set++) {
            s->means[set] = arena_zalloc(p->arena, measures * sizeof *s->means[set]);
            s->sums[set] = arena_zalloc(p->arena, measures * sizeof *s->sums[set]);
        }
        p->scores += s->pruned * s->width;
        p->vision_scores += tower ? 0 : s->pruned * s->width;
    }
}

/* The input of one measurement. positions_part reads `outputs`, the map's outputs in all layers. rows_part reads z, the
 * outputs in pruned layer l. */
typedef struct {
    Pruning *p;
    Site    *s;
    int      set;
    size_t   rows, l;
    const Node *const *outputs;
    const float *z;
} Measured;

static void positions_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Measured *m = context;
    (void)worker;
    for (size_t k = begin; k < end; k++)
        for (size_t r = 0; r < m->rows; r++) {
            ManuSums sums = { .rows = 0 };
            for (size_t l = 0; l < m->s->run; l++)
                manu_add(&sums, m->outputs[l]->out.f32 + r * m->s->width, 1, m->s->width, k, m->p->count);
            manu_group(&m->s->means[m->set][k], &sums, true);
        }
}

/* official: the values of all layers at one position are one group. */
static void measure_positions(Pruning *p, Site *s, int set, size_t rows, const Node *const *outputs)
{
    team_run(s->width, GRAIN, positions_part, &(Measured){ p, s, set, rows, 0, outputs, NULL }, NULL);
}

static void rows_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Measured *m = context;
    const bool whole = m->p->edit->hyper->manu_form == MANU_CMJU;
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        const size_t at = m->l * m->s->width + k;
        ManuSums group = { .rows = 0 };
        manu_add(whole ? &m->s->sums[m->set][at] : &group, m->z, m->rows, m->s->width, k, m->p->count);
        if (!whole)
            manu_group(&m->s->means[m->set][at], &group, false);
    }
}

/* open_mm: the rows of one sample are one group. cmju: all rows of the set are one group. */
static void measure_rows(Pruning *p, Site *s, int set, size_t rows, const Node *const *outputs)
{
    for (size_t l = 0; l < s->pruned; l++) {
        const float *z = outputs[s->run - s->pruned + l]->out.f32;
        team_run(s->width, GRAIN, rows_part, &(Measured){ p, s, set, rows, l, outputs, z }, NULL);
    }
}

static bool measure_site(Pruning *p, Site *s, const Tape *t, int set, Error *e)
{
    const Node **outputs = arena_array(t->arena, s->run, sizeof *outputs);
    for (size_t l = 0; outputs && l < s->run; l++)
        if (!(outputs[l] = mlp_map_output(t, s->layers, l, s->name)))
            return error_set(e, "manu: layer %zu of %s has no %s", l, s->layers, s->name);
    if (!outputs)
        return false;
    const size_t rows = shape_size(outputs[0]->out.shape) / s->width;
    if (p->layers_share)
        measure_positions(p, s, set, rows, outputs);
    else
        measure_rows(p, s, set, rows, outputs);
    return true;
}

/* Measures a sample: in the vision tower if it has a picture, else in the language model. */
static bool measure_sample(Pruning *p, const Model *frozen, const BatchSample *sample, int set, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Batch b;
    Params params = params_make(&t, frozen);
    if (!e->failed && batch_pack(&b, sample, 1, ROWS_SUPERVISED, &frozen->config, &a, e))
        model_forward(&t, &params, &b);
    for (size_t k = sample->pixels ? 0 : VISION_SITES; k < (sample->pixels ? VISION_SITES : SITES) && !e->failed; k++)
        measure_site(p, &p->site[k], &t, set, e);
    arena_free(&a);
    return !e->failed;
}

static bool both_modalities(const MethodRun *x, Error *e)
{
    for (Role role = ROLE_FORGET; role <= ROLE_RETAIN; role++) {
        size_t pictures = 0;
        for (size_t k = 0; k < x->role[role].count; k++)
            pictures += x->role[role].list[k].pixels != NULL;
        if (pictures == 0 || pictures == x->role[role].count)
            return error_set(e, "manu: %s %s sample has a picture, expected samples with a picture and without one for this "
                             "unlearn.manu_form",
                             pictures ? "each" : "no", role_name(role));
    }
    return true;
}

/* The scores, site by site, in each site layer by layer, in each layer channel by channel. */
static bool score_all(Pruning *p, double *score, Error *e)
{
    for (size_t i = 0; i < SITES; i++) {
        Site *s = &p->site[i];
        for (size_t k = 0; k < s->pruned * s->width; k++, score++) {
            const size_t at = p->layers_share ? k % s->width : k;
            for (int set = 0; set < 2; set++)
                if (p->edit->hyper->manu_form == MANU_CMJU)
                    manu_group(&s->means[set][at], &s->sums[set][at], false);
            *score = manu_ratio(&s->means[0][at], &s->means[1][at]);
            if (!isfinite(*score))
                return error_set(e, "manu: the score of a channel of %s is not finite, expected a model with "
                                    "finite activations", s->name);
        }
    }
    return true;
}

/* Zeroes row k of a weight, and its bias where there is one. */
static bool zero_output(Weights *w, const Site *s, size_t layer, size_t k, Error *e)
{
    for (int bias = 0; bias < 2; bias++) {
        char name[160];
        snprintf(name, sizeof name, "%s.%zu.mlp.%s.%s", s->layers, layer, s->name, bias ? "bias" : "weight");
        Weight *weight = weights_find(w, name);
        if (!weight && bias)
            return true;
        if (!weight || !weights_own(w, weight, e))
            return error_set(e, "manu: there is no weight %s", name);
        const size_t columns = bias ? 1 : weight->tensor.shape.dim[1];
        memset(weight->tensor.f32 + k * columns, 0, columns * sizeof(float));
    }
    return true;
}

/* Prunes among the n scores at `score`, which belong to the sites first … last - 1. */
static bool prune(Pruning *p, const double *score, size_t first, size_t last, size_t n, Error *e)
{
    const Hyperparameters *v = p->edit->hyper;
    size_t k = (size_t)((double)v->percent * (double)n / 100);
    double threshold;
    if (k == 0 && v->manu_form == MANU_OFFICIAL)
        return error_set(e, "manu: unlearn.percent %g of %zu channels is less than one channel, expected at least one "
                            "(manu_form = official)",
                         (double)v->percent, n);
    if (v->percent == 0 && v->manu_form == MANU_OPEN_MM)
        return true;
    if (!manu_threshold(score, n, k ? k : 1, &threshold, p->arena))
        return false;
    for (size_t i = first; i < last; i++)
        for (size_t c = 0; c < p->site[i].pruned * p->site[i].width; c++, score++) {
            const Site *s = &p->site[i];
            const size_t layer = s->run - s->pruned + c / s->width;
            if (*score >= threshold && !zero_output(p->edit->model->weights, s, layer, c % s->width, e))
                return false;
        }
    return true;
}

bool manu_ratio_edit(const MethodRun *x)
{
    Error *e = x->error;
    const int form = x->hyper->manu_form;
    Arena a = arena_make(e);
    Pruning p = { .edit = x, .layers_share = form == MANU_OFFICIAL, .arena = &a,
                  .count = { .tau = x->hyper->tau, .most = form == MANU_OPEN_MM ? 0 : 1000 } };
    sites_make(&p);
    double *score = arena_array(&a, p.scores, sizeof *score);
    Model *frozen = model_freeze(x->model, false, &a, e);
    bool good = !e->failed && score && frozen && both_modalities(x, e);
    if (good && p.layers_share && (p.site[0].run < 2 || p.site[SITES - 1].run < 2))
        good = error_set(e, "manu: a tower runs one layer, expected at least 2, because manu_form = official takes a "
                            "deviation over the layers");
    for (int set = 0; set < 2; set++)
        for (size_t k = 0; good && k < x->role[set].count; k++)
            good = measure_sample(&p, frozen, &x->role[set].list[k], set, e);
    good = good && score_all(&p, score, e);
    if (good && form == MANU_CMJU)
        good = prune(&p, score, 0, SITES, p.scores, e);
    else if (good)
        good = prune(&p, score, 0, VISION_SITES, p.vision_scores, e)
            && prune(&p, score + p.vision_scores, VISION_SITES, SITES, p.scores - p.vision_scores, e);
    arena_free(&a);
    return good && !e->failed;
}
