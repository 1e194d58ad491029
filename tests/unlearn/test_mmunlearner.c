/* SPDX-License-Identifier: MIT */
/* MMUnlearner on a tiny model: its Fisher diagonals, its mask, and its masked gradients. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include <string.h>
#include "tests/support/tiny_world.h"
#include "unlearn/fisher.h"

enum { SLOTS = 64 };

/* Gradients, first moments and gradient norm of one step on whole lists. No weight changes; `w` owns the memory. */
typedef struct { size_t count; Tensor g[SLOTS], m[SLOTS]; float norm; } Taken;

static void take(TinyWorld *w, const char *method, const char *changes, SampleList forget, SampleList retain,
                 float max_norm, Taken *to)
{
    Trainer r;
    RoundsPlan p = tiny_world_plan(w, method, changes, 1);
    UnlearnRequest q = { .method = p.method, .v = p.v, .whole = true,
                         .role = { [ROLE_FORGET] = forget, [ROLE_RETAIN] = retain } };
    p.train.optimiser.max_norm = max_norm;
    assert_true(unlearn_split(&q, &w->arena) && trainer_make(&r, &w->model, &p.train, &w->arena, &w->error));
    Unlearn *u = unlearn_make(&q, &w->model, &w->arena, &w->error);
    expect_fine(&w->error);
    Objective o = unlearn_objective(u);
    assert_true(train_compute(&r, &o, &w->error) || (expect_fine(&w->error), false));
    *to = (Taken){ .count = r.optimiser.count, .norm = r.stats.norm };
    for (size_t k = 0; k < to->count; k++) {
        const OptimiserSlot *s = &r.optimiser.slots[k];
        const Node *from[] = { s->grad, s->new_m };
        Tensor *at[] = { &to->g[k], &to->m[k] };
        for (int i = 0; i < 2; i++) {
            *at[i] = tensor_f32(&w->arena, s->value->shape);
            memcpy(at[i]->f32, from[i]->out.f32, tensor_bytes(*at[i]));
        }
    }
    trainer_close(&r);
}

/* Of the `count` samples that begin with sample `from`, those that have a picture, or those that have none. Every
 * second sample has a picture. */
static SampleList half(const TinyWorld *w, size_t from, size_t count, bool picture, BatchSample *to)
{
    size_t n = 0;
    for (size_t k = from; k < from + count; k++)
        if ((w->sample[k].pixels != NULL) == picture)
            to[n++] = w->sample[k];
    return (SampleList){ to, n };
}

/* A model whose adapters are not zero, so that every trained weight has a gradient. */
static TinyWorld *world_make(void)
{
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_PROJ_LLM);
    for (size_t k = 0; k < w->lora.count; k++)
        data_fill(DATA_GAUSSIAN, check_seed() + k, w->lora.pairs[k].b->tensor.f32,
                  shape_size(w->lora.pairs[k].b->tensor.shape));
    return w;
}

static const SampleList nothing = { .count = 0 };

static void fisher_is_the_mean_of_the_squares_of_the_gradients_of_batches(void **state)
{
    (void)state;
    for (size_t batch = 0; batch < 4; batch++) {
        TinyWorld *w = world_make();
        const SampleList lists[] = { { w->sample, 3 }, { w->sample + 4, 5 } };
        const Tensor *f = fisher_diagonal(&w->model, lists, 2, batch, &w->arena, &w->error);
        expect_fine(&w->error);
        double *sum[SLOTS];
        size_t n = 0, slots = trainable_count(&w->model);
        assert_true(slots <= SLOTS);
        for (size_t k = 0; k < slots; k++)
            sum[k] = arena_zalloc(&w->arena, shape_size(f[k].shape) * sizeof(double));
        for (int l = 0; l < 2; l++)
            for (size_t at = 0, size; at < lists[l].count; at += size, n++) {
                Taken t;
                size = !batch || batch > lists[l].count - at ? lists[l].count - at : batch;
                take(w, "retain_ft", "", nothing, (SampleList){ lists[l].list + at, size }, 0, &t);
                for (size_t k = 0; k < slots; k++)
                    for (size_t i = 0; i < shape_size(f[k].shape); i++)
                        sum[k][i] += (double)t.g[k].f32[i] * (double)t.g[k].f32[i];
            }
        for (size_t k = 0; k < slots; k++)
            for (size_t i = 0; i < shape_size(f[k].shape); i++)
                expect_float(f[k].f32[i], (float)(sum[k][i] / (double)n), "F of %s, batches of %zu",
                             trainable_at(&w->model, k)->name, batch);
        tiny_world_close(w);
    }
}

/* Whether (f + eps) / (p + eps) >= threshold with eps = 1e-15. The inequality is multiplied by 10^15 and by the
 * divisor; with 1000 bits nothing is rounded. Unless `both`, eps is added only to the divisor. */
static bool selects_mpfr(float f, float p, float threshold, bool both)
{
    mpfr_t x, y;
    mpfr_inits2(1000, x, y, (mpfr_ptr)0);
    mpfr_set_flt(x, f, MPFR_RNDN);
    mpfr_mul_d(x, x, 1e15, MPFR_RNDN);
    mpfr_set_flt(y, p, MPFR_RNDN);
    mpfr_mul_d(y, y, 1e15, MPFR_RNDN);
    mpfr_add_ui(x, x, both, MPFR_RNDN);
    mpfr_add_ui(y, y, 1, MPFR_RNDN);
    mpfr_mul_d(y, y, (double)threshold, MPFR_RNDN);
    const bool out = mpfr_cmp(x, y) >= 0;
    mpfr_clears(x, y, (mpfr_ptr)0);
    return out;
}

static void the_mask_compares_real_numbers_and_keeps_ties(void **state)
{
    (void)state;
    static const float values[] = { 0, 0x1p-149f, 1e-30f, 1e-16f, 0x1.203af8p-50f, 0x1.203afap-50f, 1e-15f, 2e-15f, 1e-8f,
                                    0x1.000002p-3f, 0x1p-3f, 0x1p-2f, 1, 3, 0x1.fffffep127f };
    static const float thresholds[] = { 0, 0.5f, 1, 0x1.000002p0f, 2, 1e6f };
    Hyperparameters v;
    hyperparameters_make(&v, method_find("mmunlearner"), NULL, &error);
    size_t chosen = 0, all = 0;
    for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
        for (int eps = 0; eps < 2; eps++)
            for (size_t f = 0; f < sizeof values / sizeof *values; f++)
                for (size_t p = 0; p < sizeof values / sizeof *values; p++, all++) {
                    v.threshold = thresholds[t];
                    v.fisher_eps = eps;
                    const bool got = fisher_selects(values[f], values[p], &v);
                    chosen += got;
                    if (got != selects_mpfr(values[f], values[p], v.threshold, eps == FISHER_EPS_BOTH))
                        fail_msg("F_f %a, F_p %a, threshold %a, fisher_eps %d: %d", (double)values[f],
                                 (double)values[p], (double)v.threshold, eps, got);
                }
    assert_true(chosen > all / 4 && chosen < all);
    v.threshold = 1, v.fisher_eps = FISHER_EPS_BOTH;
    assert_true(fisher_selects(0, 0, &v) && fisher_selects(1, 1, &v) && !fisher_selects(1, 0x1.000002p0f, &v));
    v.fisher_eps = FISHER_EPS_BELOW;
    assert_true(!fisher_selects(0, 0, &v) && fisher_selects(1, 0.5f, &v));
}

/* The mask, from the Fisher diagonals and fisher_selects, which are tested above. */
static bool **mask_of(TinyWorld *w, const char *changes)
{
    RoundsPlan p = tiny_world_plan(w, "mmunlearner", changes, 1);
    BatchSample picture[SAMPLES], kept[3][SAMPLES];
    const SampleList forget = half(w, 0, FORGET, true, picture);
    const SampleList preserved[] = { half(w, FORGET, RETAIN, true, kept[0]), half(w, FORGET, RETAIN, false, kept[1]),
                                     half(w, 0, FORGET, false, kept[2]) };
    const Tensor *f = fisher_diagonal(&w->model, &forget, 1, p.v.fisher == FISHER_SAMPLE, &w->arena, &w->error);
    const Tensor *q = fisher_diagonal(&w->model, preserved, 3, p.v.fisher == FISHER_SAMPLE, &w->arena, &w->error);
    const size_t slots = trainable_count(&w->model);
    bool **m = arena_array(&w->arena, slots, sizeof *m);
    for (size_t k = 0; k < slots; k++) {
        m[k] = arena_array(&w->arena, shape_size(f[k].shape), sizeof **m);
        for (size_t i = 0; i < shape_size(f[k].shape); i++)
            m[k][i] = fisher_selects(f[k].f32[i], q[k].f32[i], &p.v);
    }
    return m;
}

/* Open-MMUnlearning's form: a step uses the masked forget gradient plus the whole retain gradient. */
static void a_joint_step_adds_the_masked_and_the_unmasked_gradient(void **state)
{
    (void)state;
    static const char *const changes[] = { "schedule=joint", "schedule=joint fisher=sample threshold=0.5",
                                           "schedule=joint fisher_eps=below" };
    for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
        TinyWorld *w = world_make();
        BatchSample list[SAMPLES];
        const SampleList all = { w->sample, FORGET }, retain = { w->sample + FORGET, RETAIN };
        bool **m = mask_of(w, changes[c]);
        Taken got, up, down;
        size_t kept = 0, size = 0;
        take(w, "mmunlearner", changes[c], all, retain, 0, &got);
        take(w, "ga", "", half(w, 0, FORGET, true, list), nothing, 0, &up);
        take(w, "retain_ft", "", nothing, retain, 0, &down);
        for (size_t k = 0; k < got.count; k++)
            for (size_t i = 0; i < shape_size(got.g[k].shape); i++) {
                const float want = (m[k][i] ? up.g[k].f32[i] : 0) + down.g[k].f32[i];
                if (got.g[k].f32[i] != want)
                    fail_msg("%s, gradient %zu of slot %zu: %a, expected %a", changes[c], i, k,
                             (double)got.g[k].f32[i], (double)want);
                kept += m[k][i];
                size++;
            }
        assert_true(kept > size / 20 && kept < size);
        tiny_world_close(w);
    }
}

/* The form of the public code: the norm is that of the unmasked gradient, and the moments get the clipped gradient
 * times the mask. */
static void a_forget_step_is_masked_after_it_was_clipped(void **state)
{
    (void)state;
    TinyWorld *w = world_make();
    BatchSample list[SAMPLES];
    bool **m = mask_of(w, "");
    Taken got, up;
    const SampleList all = { w->sample, FORGET }, retain = { w->sample + FORGET, RETAIN };
    take(w, "mmunlearner", "", all, retain, 0.25f, &got);
    take(w, "ga", "", half(w, 0, FORGET, true, list), nothing, 0.25f, &up);
    expect_float(got.norm, up.norm, "the norm before the mask");
    assert_true(got.norm > 0.25f);
    for (size_t k = 0; k < got.count; k++)
        for (size_t i = 0; i < shape_size(got.m[k].shape); i++)
            if (got.m[k].f32[i] != (m[k][i] ? up.m[k].f32[i] : 0))
                fail_msg("moment %zu of slot %zu: %a, expected %a where the mask is %d", i, k, (double)got.m[k].f32[i],
                         (double)up.m[k].f32[i], m[k][i]);
    tiny_world_close(w);
}

/* With B = 0 the gradient of A is 0. So both Fisher diagonals are 0, and their ratio is 1. */
static void the_mask_of_fresh_adapters_selects_all_of_factor_a(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_LLM);
    bool **one = mask_of(w, ""), **two = mask_of(w, "threshold=2");
    for (size_t k = 0; k < trainable_count(&w->model); k++) {
        const Weight *x = trainable_at(&w->model, k);
        for (size_t i = 0; strstr(x->name, "lora_A") && i < shape_size(x->tensor.shape); i++)
            assert_true(one[k][i] && !two[k][i]);
    }
    tiny_world_close(w);
}

static void a_forget_set_without_pictures_is_refused(void **state)
{
    (void)state;
    TinyWorld *w = world_make();
    BatchSample list[SAMPLES];
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, "mmunlearner", "", 1);
    const SampleList text = half(w, 0, FORGET, false, list);
    p.forget = &text;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    expect_sentence(&w->error, "the forget set is empty: no forget sample has a picture",
                    "mmunlearner needs at least one sample");
    rounds_close(&r);
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(fisher_is_the_mean_of_the_squares_of_the_gradients_of_batches),
        stand_test(the_mask_compares_real_numbers_and_keeps_ties),
        stand_test(a_joint_step_adds_the_masked_and_the_unmasked_gradient),
        stand_test(a_forget_step_is_masked_after_it_was_clipped),
        stand_test(the_mask_of_fresh_adapters_selects_all_of_factor_a),
        stand_test(a_forget_set_without_pictures_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
