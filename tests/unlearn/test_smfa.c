/* SPDX-License-Identifier: MIT */
/* SMFA: sculpting on changes computed by hand, and whole runs against the trainings of idk and retain_ft that they
 * consist of. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tensor/ops.h"
#include "tests/support/stand.h"
#include "tests/support/tiny_world.h"
#include "unlearn/methods/smfa.h"

enum { STEPS = 3 };

static void expect_sculpted(const float *f, const float *a, float k, const float *want, size_t n)
{
    Node *got = smfa_sculpt(&tape, stand_vector(f, n), stand_vector(a, n), k);
    expect_fine(&error);
    expect_bits(got->out.f32, want, n, "a change that was sculpted with k = %g", (double)k);
}

/* Sculpting zeroes an entry of f whose sign is contrary to that of a, if k rho |a_i| < |f_i|; rho = |f| / |a|.
 * |f| = 10, |a| = 5 and rho = 2: with k = 1 both contrary entries are ties and stay; with k = 1/2 both are zeroed. */
static void sculpting_is_as_computed_by_hand(void **state)
{
    (void)state;
    static const float f[] = { 6, -8, 0 }, a[] = { -3, 4, 0 }, gone[] = { 0, 0, 0 };
    expect_sculpted(f, a, 1, f, 3);
    expect_sculpted(f, a, 0.5f, gone, 3);
    /* |g| = 13, |b| = 5, rho = 2.6 and k = 1: 3 and 12 are zeroed, because 2.6 < 3 and 5.2 < 12. -4 stays, because
     * 5.2 > 4, and so does the entry 0. */
    static const float g[] = { 3, -4, 12, 0 }, b[] = { -1, 2, -2, 4 }, want[] = { 0, -4, 0, 0 };
    expect_sculpted(g, b, 1, want, 4);
    /* An entry of the same sign always stays, even with k = 0. If all of a is zero, no entry is zeroed. */
    static const float same[] = { 1, 2, -12, 4 }, still[] = { 0, 0, 0, 0 };
    expect_sculpted(g, same, 0, (float[]){ 3, 0, 0, 0 }, 4);
    expect_sculpted(g, still, 0, g, 4);
}

/* `old` is the model before the request, f are one or two models that were trained on refusals, and a is one that was
 * trained on retained samples. Each trained weight of w must be that of `old` plus its change in each model of f,
 * sculpted with its change in a. The norms are summed in long double, which is precise enough for these floats. */
static void expect_weights(const TinyWorld *w, const TinyWorld *old, const TinyWorld *const f[2], const TinyWorld *a, const float k[2])
{
    for (size_t i = 0; i < w->weights.count; i++) {
        const size_t n = shape_size(w->weights.list[i].tensor.shape);
        const float *w0 = old->weights.list[i].tensor.f32, *wa = a->weights.list[i].tensor.f32;
        if (!w->weights.list[i].trainable)
            continue;
        for (size_t j = 0; j < n; j++) {
            double sum = w0[j];
            for (int c = 0; c < 2 && f[c]; c++) {
                const float *wf = f[c]->weights.list[i].tensor.f32;
                long double norm_f = 0, norm_a = 0;
                for (size_t m = 0; m < n; m++) {
                    const float df = wf[m] - w0[m], da = wa[m] - w0[m];
                    norm_f += (long double)df * (long double)df, norm_a += (long double)da * (long double)da;
                }
                const float rho = (float)sqrtl(norm_f) / ((float)sqrtl(norm_a) + 1e-8f), limit = k[c] * rho;
                const float df = wf[j] - w0[j], da = wa[j] - w0[j];
                if (!((double)df * (double)da < 0 && (double)limit * fabs((double)da) < fabs((double)df)))
                    sum += (double)df;                 // exact in binary64: the floats have similar sizes
            }
            expect_float(w->weights.list[i].tensor.f32[j], (float)sum, "element %zu of %s", j, w->weights.list[i].name);
        }
    }
}

static TinyWorld *world(void)
{
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_FULL);
    return w;
}

/* The model after STEPS steps of another method; with `text`, only on the samples without a picture. */
static TinyWorld *trained(const char *method, const char *changes, bool text)
{
    TinyWorld *w = world();
    Rounds r;
    BatchSample forget[FORGET], refusal[FORGET], retain[RETAIN];
    SampleList lists[3] = { { forget, 0 }, { refusal, 0 }, { retain, 0 } };
    for (size_t k = 0; k < FORGET; k++)
        if (!text || !w->sample[k].pixels) {
            forget[lists[0].count++] = w->sample[k];
            refusal[lists[1].count++] = w->other[k];
        }
    for (size_t k = FORGET; k < SAMPLES; k++)
        if (!text || !w->sample[k].pixels)
            retain[lists[2].count++] = w->sample[k];
    RoundsPlan p = tiny_world_plan(w, method, changes, STEPS);
    p.forget = &lists[0], p.refusal = &lists[1], p.retain = lists[2];
    tiny_world_run(w, &r, &p);
    rounds_close(&r);
    return w;
}

static void a_run_is_two_trainings_and_sculpting(void **state)
{
    (void)state;
    static const char *const sculpts[] = { "sculpt=5", "sculpt=0.3", "sculpt=0" };
    static const float ks[] = { 5, 0.3f, 0 };
    for (int s = 0; s < 3; s++) {
        TinyWorld *w = world(), *old = world();
        TinyWorld *f = trained("idk", "retain_count=5", false), *a = trained("retain_ft", "retain_count=5", false);
        Rounds r;
        char changes[64];
        snprintf(changes, sizeof changes, "retain_count=5 %s", sculpts[s]);
        RoundsPlan p = tiny_world_plan(w, "smfa", changes, STEPS);
        tiny_world_run(w, &r, &p);
        expect_weights(w, old, (const TinyWorld *const[]){ f, NULL }, a, (float[]){ ks[s], 0 });
        rounds_close(&r);
        TinyWorld *all[] = { w, old, f, a };
        for (int k = 0; k < 4; k++)
            tiny_world_close(all[k]);
    }
}

/* The form of Open-MMUnlearning: the steps train on pictures; a training on text follows at the end of the request. */
static void two_changes_are_added(void **state)
{
    (void)state;
    TinyWorld *w = world(), *old = world(), *image = world(), *text = trained("idk", "", true), *a = trained("retain_ft", "", false);
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, "smfa", "smfa_form=open_mm sculpt=0.3 sculpt_text=1", STEPS);
    assert_true(rounds_make(&r, &p, &w->model, NULL, &w->arena, &w->error) && round_begin(&r, &w->error));
    while (round_step(&r, &w->error))
        ;
    expect_fine(&w->error);
    for (size_t k = 0; k < w->weights.count; k++)
        memcpy(image->weights.list[k].tensor.f32, w->weights.list[k].tensor.f32, tensor_bytes(w->weights.list[k].tensor));
    assert_true(round_end(&r, &w->error));
    expect_weights(w, old, (const TinyWorld *const[]){ image, text }, a, (float[]){ 0.3f, 1 });
    rounds_close(&r);
    TinyWorld *all[] = { w, old, image, text, a };
    for (int k = 0; k < 5; k++)
        tiny_world_close(all[k]);
}

/* The steps of open_mm read only samples with a picture: other words in the other samples change nothing. */
static void the_change_by_pictures_does_not_depend_on_text(void **state)
{
    (void)state;
    Digest d[2];
    for (int other = 0; other < 2; other++) {
        TinyWorld *w = world();
        Rounds r;
        for (size_t k = 0; k < SAMPLES && other; k++)
            if (!w->sample[k].pixels)
                for (size_t i = 0; i < w->sample[k].n; i++)
                    w->ids[k][i] = 5;
        RoundsPlan p = tiny_world_plan(w, "smfa", "smfa_form=open_mm", STEPS);
        assert_true(rounds_make(&r, &p, &w->model, NULL, &w->arena, &w->error) && round_begin(&r, &w->error));
        while (round_step(&r, &w->error))
            ;
        expect_fine(&w->error);
        d[other] = tiny_world_digest(w);
        rounds_close(&r);
        tiny_world_close(w);
    }
    assert_string_equal(d[0].hex, d[1].hex);
}

/* With adapters the change of a weight is s B A, rounded once. The change is sculpted and added to the weight, and the
 * adapters become zero. */
static void adapters_end_in_the_weights(void **state)
{
    (void)state;
    TinyWorld *w[3];                                    // smfa, idk, retain_ft
    static const char *const methods[] = { "smfa", "idk", "retain_ft" };
    for (int k = 0; k < 3; k++) {
        Rounds r;
        w[k] = tiny_world_make(check_seed());
        tiny_world_adapt(w[k], TRAIN_LLM);
        RoundsPlan p = tiny_world_plan(w[k], methods[k], k ? "retain_count=5" : "retain_count=5 sculpt=0.3", STEPS);
        tiny_world_run(w[k], &r, &p);
        rounds_close(&r);
    }
    size_t zeroed = 0;
    for (size_t i = 0; i < w[0]->lora.count; i++) {
        const LoraPair *f = &w[1]->lora.pairs[i], *a = &w[2]->lora.pairs[i];
        const Weight *base = lora_base(&w[0]->lora.pairs[i], &w[0]->weights, &w[0]->error);
        const Tensor *old = weights_get(&w[1]->weights, "%s", base->name), *b = &w[0]->lora.pairs[i].b->tensor;
        const size_t n = shape_size(old->shape);
        Tensor zero = tensor_view(arena_zalloc(&arena, n * sizeof(float)), old->shape);
        Node *d[2];
        for (int k = 0; k < 2; k++) {
            const LoraPair *pair = k ? a : f;
            d[k] = op_lora_merge(&tape, tape_input(&tape, "zero", zero), tape_input(&tape, "b", pair->b->tensor),
                                 tape_input(&tape, "a", pair->a->tensor), pair->scale);
        }
        const Node *sculpted = smfa_sculpt(&tape, d[0], d[1], 0.3f);
        for (size_t j = 0; j < n; j++) {
            expect_float(base->tensor.f32[j], (float)((double)old->f32[j] + (double)sculpted->out.f32[j]), "element %zu of %s", j,
                         base->name);
            zeroed += sculpted->out.f32[j] == 0 && d[0]->out.f32[j] != 0;
        }
        for (size_t j = 0; j < shape_size(b->shape); j++)
            assert_true(b->f32[j] == 0);
    }
    assert_true(zeroed > 0);
    for (int k = 0; k < 3; k++)
        tiny_world_close(w[k]);
}

static void a_bad_request_is_refused(void **state)
{
    (void)state;
    static const struct { const char *key, *value, *part; } keys[] = {
        { "sculpt", "-1", "unlearn.sculpt is \"-1\"" }, { "sculpt_text", "x", "unlearn.sculpt_text is \"x\"" },
        { "smfa_form", "ours", "paper|open_mm" }, { "retain_count", "-2", "unlearn.retain_count is \"-2\"" },
    };
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    w->lora.pairs[1].b->tensor.f32[0] = 1;
    RoundsPlan p = tiny_world_plan(w, "smfa", "", 2);
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
    expect_sentence(&w->error, "smfa: the adapter of", "expected fresh adapters");
    rounds_close(&r);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        assert_false(hyperparameters_set(&p.v, keys[k].key, keys[k].value, &w->error));
        expect_sentence(&w->error, keys[k].part, "expected");
    }
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(sculpting_is_as_computed_by_hand),
        cmocka_unit_test(a_run_is_two_trainings_and_sculpting),
        cmocka_unit_test(two_changes_are_added),
        cmocka_unit_test(the_change_by_pictures_does_not_depend_on_text),
        stand_test(adapters_end_in_the_weights),
        cmocka_unit_test(a_bad_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
