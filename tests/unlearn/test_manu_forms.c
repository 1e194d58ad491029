/* SPDX-License-Identifier: MIT */
/* The forms of MANU on the tiny model: the pruned channels are those with the highest scores. This file computes the
 * scores from the activations by plain two-pass formulas. With ties, more channels are pruned; in the form "official",
 * layers share a score. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/tiny_world.h"

/* The linear maps whose output channels are pruned, in LAYERS layers each. `picture`: the map is measured on the
 * samples with a picture; else on those without. */
enum { SITES = 5, LAYERS = 2, WIDEST = 22, ROWS = 64 };
static const struct { const char *layers, *name; size_t width; bool picture; } site[SITES] = {
    { "vision_tower.vision_model.encoder.layers", "fc1", 20, true }, { "vision_tower.vision_model.encoder.layers", "fc2", 12, true },
    { "language_model.model.layers", "gate_proj", 22, false }, { "language_model.model.layers", "up_proj", 22, false },
    { "language_model.model.layers", "down_proj", 18, false },
};

/* The outputs of every site for one sample. `rows`: how many outputs each channel has at the sites that are measured on
 * this sample. */
typedef struct { size_t rows; bool picture, retain; double z[SITES][LAYERS][ROWS][WIDEST]; } Seen;
static Seen seen[SAMPLES];

/* Channels 3 and 4 of each linear map have the same weights, so their scores tie. Biases are not zero. */
static TinyWorld *world(void)
{
    TinyWorld *w = tiny_world_make(check_seed());
    for (int i = 0; i < SITES; i++)
        for (size_t l = 0; l < LAYERS; l++) {
            char name[128];
            snprintf(name, sizeof name, "%s.%zu.mlp.%s.weight", site[i].layers, l, site[i].name);
            Tensor *x = &weights_find(&w->weights, name)->tensor;
            const size_t n = x->shape.dim[1];
            memcpy(x->f32 + 4 * n, x->f32 + 3 * n, n * sizeof(float));
            snprintf(name, sizeof name, "%s.%zu.mlp.%s.bias", site[i].layers, l, site[i].name);
            Weight *bias = weights_find(&w->weights, name);
            if (!bias)
                continue;
            data_fill(DATA_GAUSSIAN, 90 + l, bias->tensor.f32, site[i].width);
            bias->tensor.f32[4] = bias->tensor.f32[3];
        }
    tiny_world_adapt(w, TRAIN_FULL);
    return w;
}

/* Records the outputs of all sites. A linear map with its bias is one operator on the tape, so its node has the
 * outputs. */
static void look(TinyWorld *w)
{
    for (int k = 0; k < SAMPLES; k++) {
        Tape t = tape_make(&w->arena, &w->error);
        Batch b;
        Params p = params_make(&t, &w->model);
        assert_true(batch_pack(&b, &w->sample[k], 1, ROWS_ALL, &w->config, &w->arena, &w->error));
        model_forward(&t, &p, &b);
        expect_fine(&w->error);
        seen[k].picture = w->sample[k].pixels != NULL;
        seen[k].retain = k >= FORGET;
        for (size_t n = 0; n < t.count; n++)
            for (int i = 0; i < SITES; i++)
                for (size_t l = 0; l < LAYERS; l++) {
                    char name[128];
                    snprintf(name, sizeof name, "param.%s.%zu.mlp.%s.weight", site[i].layers, l, site[i].name);
                    const Node *x = t.nodes[n];
                    if (x->n_in < 2 || !x->in[1]->name || strcmp(x->in[1]->name, name) != 0)
                        continue;
                    if (seen[k].picture == site[i].picture)
                        seen[k].rows = x->out.shape.dim[0];
                    for (size_t r = 0; r < x->out.shape.dim[0]; r++)
                        for (size_t c = 0; c < site[i].width; c++)
                            seen[k].z[i][l][r][c] = x->out.f32[r * site[i].width + c];
                }
    }
}

/* Adds to m the mean absolute value, the standard deviation (with the divisor n - less) and the root mean square. */
static void measure(const double *z, size_t n, double less, double m[3])
{
    double mean = 0, a = 0, q = 0, d = 0;
    for (size_t k = 0; k < n; k++)
        mean += z[k] / (double)n, a += fabs(z[k]) / (double)n, q += z[k] * z[k] / (double)n;
    for (size_t k = 0; k < n; k++)
        d += (z[k] - mean) * (z[k] - mean) / ((double)n - less);
    m[0] += a, m[1] += sqrt(d), m[2] += sqrt(q);
}

/* Sets m to the three measures of channel c of site i in layer l, averaged over the groups of the form: a position in
 * both layers (official), a sample (open_mm) or all rows (cmju). */
static void means(int form, int i, size_t l, size_t c, bool retain, double m[3])
{
    static double all[SAMPLES * ROWS * LAYERS];
    size_t n = 0, groups = 0;
    memset(m, 0, 3 * sizeof *m);
    for (int k = 0; k < SAMPLES; k++) {
        const Seen *s = &seen[k];
        if (s->retain != retain || s->picture != site[i].picture)
            continue;
        for (size_t r = 0; r < s->rows; r++) {
            if (form == MANU_OFFICIAL) {
                measure((double[]){ s->z[i][0][r][c], s->z[i][1][r][c] }, 2, 1, m);
                groups++;
            } else
                all[n++] = s->z[i][l][r][c];
        }
        if (form == MANU_OPEN_MM) {
            measure(all, n, 0, m);
            groups++;
            n = 0;
        }
    }
    if (form == MANU_CMJU) {
        measure(all, n, 0, m);
        groups = 1;
    }
    for (int k = 0; k < 3; k++)
        m[k] /= (double)groups;
}

static double score_of(int form, int i, size_t l, size_t c)
{
    double f[3], r[3], sum = 0;
    means(form, i, l, c, false, f);
    means(form, i, l, c, true, r);
    for (int k = 0; k < 3; k++)
        sum += 2 * (f[k] / (r[k] + 1e-5) - 1);
    return sum;
}

/* Whether row c of a map is zero. If the map has a bias, its entry must be zero too. */
static bool pruned(const TinyWorld *w, int i, size_t l, size_t c)
{
    const Tensor *x = weights_get(&w->weights, "%s.%zu.mlp.%s.weight", site[i].layers, l, site[i].name);
    const Weight *bias = NULL;
    char name[128];
    snprintf(name, sizeof name, "%s.%zu.mlp.%s.bias", site[i].layers, l, site[i].name);
    bias = weights_find(&w->weights, name);
    size_t zeros = 0, n = x->shape.dim[1];
    for (size_t k = 0; k < n; k++)
        zeros += x->f32[c * n + k] == 0;
    assert_true(zeros == 0 || zeros == n);
    if (bias)
        assert_int_equal(bias->tensor.f32[c] == 0, zeros == n);
    return zeros == n;
}

static void run_form(TinyWorld *w, const char *changes)
{
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, "manu", changes, 0);
    tiny_world_run(w, &r, &p);
    rounds_close(&r);
}

/* The scores of this file differ from the program's in the last bits. So no score may be close to the threshold without
 * being equal to it. */
static bool reaches(double score, double threshold)
{
    assert_true(score == threshold || fabs(score - threshold) > 1e-9 || fabs(score - threshold) < 1e-12);
    return score > threshold - 1e-10;
}

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Sites first … last - 1 share a threshold that prunes at least k channels, `percent` percent of theirs. Returns how
 * many more than k are pruned. */
static size_t expect_pruned(const TinyWorld *w, int form, int first, int last, double percent)
{
    static double score[SITES * LAYERS * WIDEST], sorted[SITES * LAYERS * WIDEST];
    size_t n = 0, count = 0;
    for (int i = first; i < last; i++)
        for (size_t l = 0; l < LAYERS; l++)
            for (size_t c = 0; c < site[i].width; c++)
                sorted[n] = score[n] = score_of(form, i, l, c), n++;
    qsort(sorted, n, sizeof *sorted, descending);
    const size_t k = (size_t)(percent * (double)n / 100);
    n = 0;
    for (int i = first; i < last; i++)
        for (size_t l = 0; l < LAYERS; l++)
            for (size_t c = 0; c < site[i].width; c++) {
                const bool want = reaches(score[n++], sorted[k - 1]);
                if (pruned(w, i, l, c) != want)
                    fail_msg("channel %zu of %s in layer %zu: pruned %d, expected %d", c, site[i].name, l, !want, want);
                count += want;
            }
    assert_true(count >= k);
    return count - k;
}

static void channels_at_the_threshold_and_above_are_pruned(void **state)
{
    (void)state;
    static const struct { const char *name; int form; } forms[] = {
        { "official", MANU_OFFICIAL }, { "open_mm", MANU_OPEN_MM }, { "cmju", MANU_CMJU },
    };
    size_t ties[3] = { 0 };
    for (int f = 0; f < 3; f++)
        for (int percent = 5; percent <= 60; percent += 11) {
            char changes[64];
            TinyWorld *w = world();
            look(w);
            snprintf(changes, sizeof changes, "manu_form=%s percent=%d", forms[f].name, percent);
            run_form(w, changes);
            if (forms[f].form == MANU_CMJU)
                ties[f] += expect_pruned(w, forms[f].form, 0, SITES, percent);
            else
                ties[f] += expect_pruned(w, forms[f].form, 0, 2, percent) + expect_pruned(w, forms[f].form, 2, SITES, percent);
            for (int i = 0; i < SITES; i++) {
                for (size_t c = 0; c < site[i].width && forms[f].form == MANU_OFFICIAL; c++)
                    assert_int_equal(pruned(w, i, 0, c), pruned(w, i, 1, c));
                for (size_t l = 0; l < LAYERS; l++)
                    assert_int_equal(pruned(w, i, l, 3), pruned(w, i, l, 4));
            }
            tiny_world_close(w);
        }
    assert_true(ties[0] > 0);                      // official: all layers share a score, so ties occur
}

/* Four neurons, a tenth of 44 rounded down, are scaled: their columns of down_proj become 0.9 w. The rest stays. */
static void the_form_of_mip_editor_scales_columns(void **state)
{
    (void)state;
    TinyWorld *w = world(), *old = world();
    run_form(w, "manu_form=mip_editor tau=0.1 percent=10");
    size_t scaled = 0;
    for (size_t l = 0; l < LAYERS; l++) {
        const Tensor *x = weights_get(&w->weights, "language_model.model.layers.%zu.mlp.down_proj.weight", l);
        const Tensor *y = weights_get(&old->weights, "language_model.model.layers.%zu.mlp.down_proj.weight", l);
        for (size_t c = 0; c < WIDEST; c++) {
            size_t same = 0, less = 0;
            for (size_t k = 0; k < 18; k++) {
                same += x->f32[k * WIDEST + c] == y->f32[k * WIDEST + c];
                less += x->f32[k * WIDEST + c] == 0.9f * y->f32[k * WIDEST + c];
            }
            assert_true(same == 18 || less == 18);
            scaled += same != 18;
        }
    }
    assert_int_equal(scaled, 4);
    for (size_t k = 0; k < w->weights.count; k++)
        if (!strstr(w->weights.list[k].name, "language_model.model.layers") || !strstr(w->weights.list[k].name, "down_proj"))
            assert_memory_equal(w->weights.list[k].tensor.f32, old->weights.list[k].tensor.f32, tensor_bytes(w->weights.list[k].tensor));
    tiny_world_close(old);
    tiny_world_close(w);
}

static void refused(TinyWorld *w, RoundsPlan p, const char *part, const char *other)
{
    Rounds r;
    assert_false(rounds_make(&r, &p, &w->model, NULL, &w->arena, &w->error) && round_begin(&r, &w->error));
    expect_sentence(&w->error, part, other);
    rounds_close(&r);
}

static void a_bad_request_is_refused(void **state)
{
    (void)state;
    TinyWorld *w = world();
    RoundsPlan p = tiny_world_plan(w, "manu", "manu_form=official percent=0.1", 0);
    refused(w, p, "unlearn.percent 0.1", "expected at least one");
    BatchSample text[2] = { w->sample[0], w->sample[2] };
    SampleList one = { text, 2 };
    p = tiny_world_plan(w, "manu", "manu_form=open_mm", 0);
    p.forget = &one;
    refused(w, p, "no forget sample has a picture", "expected samples with a picture and without one");
    BatchSample pictures[2] = { w->sample[5], w->sample[7] };
    p = tiny_world_plan(w, "manu", "manu_form=cmju", 0);
    p.retain = (SampleList){ pictures, 2 };
    refused(w, p, "each retain sample has a picture", "expected samples with a picture and without one");
    assert_false(hyperparameters_set(&p.v, "manu_form", "ours", &w->error));
    expect_sentence(&w->error, "unlearn.manu_form", "paper|official|open_mm|cmju|mip_editor");
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_at_the_threshold_and_above_are_pruned),
        cmocka_unit_test(the_form_of_mip_editor_scales_columns),
        cmocka_unit_test(a_bad_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
