/* SPDX-License-Identifier: MIT */
/* The Unlearning Depth Score: its formula on numbers computed by hand, and its patches against models that are put
 * together from two. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eval/knowledge/depth.h"
#include "model/training/score.h"
#include "tests/support/stand.h"
#include "tests/support/tiny.h"

/* Three layers. d1 is what it costs, at each layer, to patch in the states of the oracle. The other lists are what it
 * costs to patch in the states of a model. */
static void depth_is_the_share_of_what_the_oracle_loses(void **state)
{
    (void)state;
    const double d1[] = { 1, 0.05, 3 };                                // layer 2 does not count: 0.05 is not above the threshold
    const double all[] = { 2, 0, 3 }, none[] = { 0, 5, -1 }, half[] = { 0.5, 9, 1.5 };
    expect_real(depth_of(d1, all, 3), 1);
    expect_real(depth_of(d1, none, 3), 0);
    expect_real(depth_of(d1, half, 3), 0.5);
    expect_real(depth_of(d1, (double[]){ 1, 0, 0 }, 3), 0.25);
    expect_real(depth_of((double[]){ 0.05, -1, 0 }, all, 3), NAN);    // no layer counts
    expect_real(depth_of(d1, d1, 0), NAN);
}

static void the_floor_is_a_mean_with_negative_values(void **state)
{
    (void)state;
    expect_real(depth_floor((double[]){ 0.5, -0.25, 0.25, 0.5 }, 2, 2), 0.25);
    expect_real(depth_floor(NULL, 0, 2), NAN);
}

/* --- patches --- */

enum { SAMPLES = 3, TOKENS = 8 };

typedef struct {
    Weights weights;
    Model model;
} Tiny;

static ModelConfig deep(void)
{
    ModelConfig c = tiny_config();
    c.text.num_hidden_layers = 3;
    return c;
}

static void make_tiny(Tiny *x, const ModelConfig *c, uint64_t seed)
{
    assert_true(weights_make(&x->weights, c, seed, &arena, &error) && model_make(&x->model, c, &x->weights, NULL, 64, &arena, &error));
}

static int32_t ids[SAMPLES][TOKENS], targets[SAMPLES][TOKENS];

/* Sample k has an answer of 1 + k tokens and the end token. */
static void fill(BatchSample sample[SAMPLES])
{
    for (int k = 0; k < SAMPLES; k++) {
        for (int i = 0; i < TOKENS; i++) {
            ids[k][i] = 5 + 7 * k + 11 * i;
            targets[k][i] = -1;
        }
        for (int i = TOKENS - 3 - k; i + 1 < TOKENS; i++)
            targets[k][i] = ids[k][i + 1];
        sample[k] = (BatchSample){ ids[k], targets[k], TOKENS, NULL, 0 };
    }
}

static void a_model_patched_with_itself_loses_nothing(void **state)
{
    (void)state;
    const ModelConfig c = deep();
    Tiny x;
    BatchSample sample[SAMPLES];
    double d[SAMPLES * 2];
    fill(sample);
    make_tiny(&x, &c, 1);
    assert_int_equal(depth_layers(&x.model), 2);
    assert_true(depth_patch(&x.model, &x.model, sample, SAMPLES, d, &error));
    for (int k = 0; k < SAMPLES * 2; k++)
        expect_real(d[k], 0);
}

static double log_p(const Model *m, const BatchSample *sample)
{
    SampleScore s;
    double sum = 0;
    assert_true(score_samples(m, sample, 1, 0, &s, &arena, &error));
    for (size_t k = 0; k + 1 < s.tokens; k++)                          // without the end token
        sum += -(double)s.token_nll[k];
    return sum;
}

/* Whether a weight belongs to the vision tower, the projector, the embeddings or the first `layer` decoder layers. */
static bool is_below(const char *name, size_t layer)
{
    char part[40];
    for (size_t l = 0; l < layer; l++) {
        snprintf(part, sizeof part, "language_model.model.layers.%zu.", l);
        if (strncmp(name, part, strlen(part)) == 0)
            return true;
    }
    return strstr(name, "embed_tokens") || strncmp(name, "language_model.", 15) != 0;
}

/* A patch at layer l acts as a model with the embeddings, the vision tower, the projector and the first l layers of the
 * source, and the rest of `full`. */
static void a_patch_acts_as_a_model_of_two_halves(void **state)
{
    (void)state;
    const ModelConfig c = deep();
    Tiny full, source, halves;
    BatchSample sample[SAMPLES];
    double d[SAMPLES * 2];
    fill(sample);
    make_tiny(&full, &c, 1);
    make_tiny(&source, &c, 2);
    assert_true(depth_patch(&full.model, &source.model, sample, SAMPLES, d, &error));
    expect_fine(&error);
    for (size_t layer = 1; layer <= 2; layer++) {
        make_tiny(&halves, &c, 1);
        for (size_t k = 0; k < halves.weights.count; k++)
            if (is_below(halves.weights.list[k].name, layer))
                halves.weights.list[k].tensor = source.weights.list[k].tensor;
        for (size_t k = 0; k < SAMPLES; k++) {
            const double want = log_p(&full.model, &sample[k]) - log_p(&halves.model, &sample[k]);
            expect_real(d[k * 2 + layer - 1], want);
            assert_true(want != 0);
        }
    }
}

static void models_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const ModelConfig c = deep(), other = tiny_config();
    ModelConfig single = c;
    Tiny x, y, one;
    BatchSample sample[SAMPLES];
    double d[SAMPLES * 2];
    single.text.num_hidden_layers = 1;
    fill(sample);
    make_tiny(&x, &c, 1);
    make_tiny(&y, &other, 1);
    make_tiny(&one, &single, 1);
    assert_false(depth_patch(&x.model, &y.model, sample, SAMPLES, d, &error));
    expect_sentence(&error, "3 layers", "2 layers", "expected the same architecture");
    assert_false(depth_patch(&one.model, &one.model, sample, SAMPLES, d, &error));
    expect_sentence(&error, "one layer");
    memset(targets[1], -1, sizeof targets[1]);
    assert_false(depth_patch(&x.model, &x.model, sample, SAMPLES, d, &error));
    expect_sentence(&error, "no supervised token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(depth_is_the_share_of_what_the_oracle_loses),
        stand_test(the_floor_is_a_mean_with_negative_values),
        stand_test(a_model_patched_with_itself_loses_nothing),
        stand_test(a_patch_acts_as_a_model_of_two_halves),
        stand_test(models_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
