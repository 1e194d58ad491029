/* SPDX-License-Identifier: MIT */
/* The loop of unlearning on a tiny model: rounds, divergence, and the methods that edit weights. test_epochs.c tests
 * the order of samples. */
#include <math.h>
#include <string.h>
#include "tests/support/tiny_world.h"

static int setup(void **state)
{
    *state = tiny_world_make(check_seed());
    return 0;
}

static int teardown(void **state)
{
    tiny_world_close(*state);
    return 0;
}

/* The reference's outputs are stored once, and later steps use them again. With learning rate 0 the model is its own
 * reference, so every step must have the same loss. Outputs stored for another batch would change the loss. */
static void kept_outputs_of_the_reference_are_right(void **state)
{
    TinyWorld *w = *state;
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "npo_kl", "kl_norm=all_positions", 8);
    p.train.optimiser.schedule.lr = 0;
    float log_half = -0x1.62e43p-1f;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
    while (round_step(&r, &w->error))
        expect_float(r.trainer.stats.loss, -2 * log_half, "NPO and KL at the reference, step %lld", (long long)r.done);
    expect_fine(&w->error);
    assert_int_equal(r.done, 8);
    rounds_close(&r);
}

/* --- rounds --- */

static Digest two_rounds(const char *changes, MergeRounds merge, bool reset, bool shrinks, float *loss)
{
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } };
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "ga_klr", changes, 4);
    p.forget = forget;
    p.count = 2;
    p.batch = 2;
    p.merge = merge;
    p.reset_optimiser = reset;
    p.retain_shrinks = shrinks;
    tiny_world_run(w, &r, &p);
    *loss = r.trainer.stats.loss;
    assert_int_equal(r.trainer.optimiser.step, reset ? 4 : 8);
    Digest d = tiny_world_digest(w);
    rounds_close(&r);
    tiny_world_close(w);
    return d;
}

static void only_the_switches_of_rounds_change_the_outcome(void **state)
{
    (void)state;
    float loss;
    Digest all[6] = {
        two_rounds("", true, true, false, &loss),  two_rounds("reference=original", true, true, false, &loss),
        two_rounds("", false, true, false, &loss), two_rounds("", true, false, false, &loss),
        two_rounds("", true, true, true, &loss),   two_rounds("", true, true, false, &loss),
    };
    assert_string_equal(all[0].hex, all[5].hex);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(all[i].hex, all[k].hex) == 0)
                fail_msg("switches %d and %d have the same outcome", k, i);
}

/* When a round ends, its adapters are merged into the weights, and the next round begins with adapters that are zero.
 * So at its first step the model of each round is its reference, to the bit. */
static void a_round_begins_at_its_reference(void **state)
{
    TinyWorld *w = *state;
    Rounds r;
    SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } };
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "npo", "", 2);
    p.forget = forget;
    p.count = 2;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    for (int round = 0; round < 2; round++) {
        assert_true(round_begin(&r, &w->error) && round_step(&r, &w->error));
        expect_float(r.trainer.stats.loss, 2 * 0x1.62e43p-1f, "first step of round %d", round + 1);
        assert_true(round_step(&r, &w->error) && r.trainer.stats.loss < 2 * 0x1.62e43p-1f);
        assert_true(round_end(&r, &w->error));
    }
    rounds_close(&r);
}

/* The frozen copy of a model does not change when adapters are merged into the original. */
static void a_frozen_model_does_not_change(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_PROJ_LLM);
    Model *frozen = model_freeze(&w->model, true, &w->arena, &w->error);
    Hash before = hash_begin(), after = hash_begin();
    for (size_t k = 0; k < frozen->weights->count; k++)
        hash_tensor(&before, "w", frozen->weights->list[k].tensor);
    for (size_t k = 0; k < w->lora.count; k++)
        w->lora.pairs[k].b->tensor.f32[0] = 1;
    weights_find(&w->weights, "multi_modal_projector.linear_1.weight")->tensor.f32[0] += 1;
    assert_true(lora_merge(&w->lora, &w->weights, &w->error));
    for (size_t k = 0; k < frozen->weights->count; k++) {
        hash_tensor(&after, "w", frozen->weights->list[k].tensor);
        assert_false(frozen->weights->list[k].trainable);
        assert_ptr_equal(weights_find(frozen->weights, frozen->weights->list[k].name), &frozen->weights->list[k]);
    }
    assert_null(frozen->lora);                      // the adapters were zero when the model was frozen
    assert_string_equal(hash_end(&before).hex, hash_end(&after).hex);
    Model *adapted = model_freeze(&w->model, false, &w->arena, &w->error);
    assert_true(adapted->lora && adapted->lora->pairs[0].b->tensor.f32[0] == 1
                && adapted->lora->pairs[0].b != w->lora.pairs[0].b);
}

/* --- divergence --- */

static bool all_finite(const TinyWorld *w)
{
    const Weights *lists[] = { &w->weights, &w->lora.factors };
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < lists[i]->count; k++)
            for (size_t j = 0; j < shape_size(lists[i]->list[k].tensor.shape); j++)
                if (!isfinite(lists[i]->list[k].tensor.f32[j]))
                    return false;
    return true;
}

static void divergence_stops_the_round_and_keeps_the_last_good_weights(void **state)
{
    (void)state;
    for (int clip = 0; clip < 2; clip++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        tiny_world_adapt(w, TRAIN_PROJ_LLM);
        RoundsPlan p = tiny_world_plan(w, "ga", "", 50);
        p.train.optimiser.schedule.lr = 1e30f;
        p.train.optimiser.max_norm = clip ? 1 : 0;
        assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
        Digest good = tiny_world_digest(w);
        while (round_step(&r, &w->error))
            good = tiny_world_digest(w);
        expect_fine(&w->error);
        assert_true(r.diverged && r.done < 50 && strstr(r.note, "expected finite numbers"));
        assert_string_equal(tiny_world_digest(w).hex, good.hex);
        assert_true(all_finite(w));
        assert_true(round_end(&r, &w->error));
        rounds_close(&r);
        tiny_world_close(w);
    }
}

/* A subtraction that overflows fp32, and adapters that are too large to be merged, are errors: only finite weights
 * become a result. */
static void weights_that_are_not_finite_are_refused(void **state)
{
    TinyWorld *w = *state;
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "task_vector", "strength=1e6", 1);
    p.train.optimiser.schedule.lr = 1e36f;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error)
                && round_step(&r, &w->error));
    assert_false(round_step(&r, &w->error));
    expect_fine(&w->error);
    assert_false(round_end(&r, &w->error));
    expect_sentence(&w->error, "is not finite after the subtraction", "unlearn.strength");
    for (size_t i = 0; i < shape_size(w->lora.pairs[0].a->tensor.shape); i++)
        w->lora.pairs[0].a->tensor.f32[i] *= 0x1p20f;
    assert_false(round_merge(&r, &w->error));
    expect_sentence(&w->error, "merged with its adapter is not finite");
    rounds_close(&r);
}

/* Without clipping, gradients whose squares overflow fp32 would freeze a weight for ever, so moments must be finite
 * too. */
static void moments_that_are_not_finite_are_a_divergence(void **state)
{
    TinyWorld *w = *state;
    Rounds r;
    tiny_world_adapt(w, TRAIN_PROJ_LLM);
    RoundsPlan p = tiny_world_plan(w, "grad_diff", "gamma=1e6", 3);
    p.train.optimiser.max_norm = 0;
    for (size_t k = 0; k < w->lora.count; k++)
        for (size_t i = 0; i < shape_size(w->lora.pairs[k].a->tensor.shape); i++)
            w->lora.pairs[k].a->tensor.f32[i] *= 0x1p60f;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
    Digest before = tiny_world_digest(w);
    assert_false(round_step(&r, &w->error));
    assert_true(r.diverged && strstr(r.note, "moments"));
    assert_string_equal(tiny_world_digest(w).hex, before.hex);
    rounds_close(&r);
}

/* --- methods that edit weights --- */

/* The model is trained on the forget set; then the change is subtracted: for adapters B' = -strength B, for weights
 * w' = w0 - strength (w - w0). */
static void the_task_vector_is_subtracted(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        tiny_world_adapt(w, full ? TRAIN_FULL : TRAIN_LLM);
        Weight *one = full ? weights_find(&w->weights, "multi_modal_projector.linear_1.weight") : w->lora.pairs[2].b;
        size_t n = shape_size(one->tensor.shape);
        float *before = arena_array(&w->arena, n, sizeof *before), *after = arena_array(&w->arena, n, sizeof *after);
        memcpy(before, one->tensor.f32, n * sizeof *before);
        RoundsPlan p = tiny_world_plan(w, "task_vector", "strength=4", 2);
        assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error)
                    && round_begin(&r, &w->error));
        while (round_step(&r, &w->error))
            ;
        memcpy(after, one->tensor.f32, n * sizeof *after);
        assert_true(round_end(&r, &w->error));
        for (size_t k = 0; k < n; k++) {
            float step = after[k] - before[k];       // 4 step is exact, so only the subtraction rounds, as in fmaf
            expect_float(one->tensor.f32[k], fmaf(-4, step, before[k]), "element %zu of %s", k, one->name);
            assert_true(full || step != 0 || after[k] == 0);
        }
        rounds_close(&r);
        tiny_world_close(w);
    }
}

/* Four neurons, a tenth of 44 rounded down, are zeroed: all their rows and columns. All others are unchanged. */
static void manu_zeroes_whole_neurons(void **state)
{
    TinyWorld *w = *state, *old = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "manu", "percent=10", 0);
    tiny_world_run(w, &r, &p);
    size_t zeroed = 0, channels = (size_t)w->config.text.intermediate_size, width = (size_t)w->config.text.hidden_size;
    for (size_t l = 0; l < 2; l++)
        for (size_t k = 0; k < channels; k++) {
            static const char *const names[] = { "gate_proj", "up_proj", "down_proj" };
            size_t zeros = 0, same = 0;
            for (int i = 0; i < 3; i++) {
                const Tensor *x = weights_get(&w->weights, "language_model.model.layers.%zu.mlp.%s.weight", l,
                                              names[i]);
                const Tensor *y = weights_get(&old->weights, "language_model.model.layers.%zu.mlp.%s.weight", l,
                                              names[i]);
                for (size_t j = 0; j < width; j++) {
                    size_t at = i < 2 ? k * width + j : j * channels + k;
                    zeros += x->f32[at] == 0;
                    same += x->f32[at] == y->f32[at];
                }
            }
            assert_true(zeros == 3 * width || same == 3 * width);
            zeroed += zeros == 3 * width;
        }
    assert_int_equal(zeroed, 4);
    rounds_close(&r);
    tiny_world_close(old);
}

/* --- refusals --- */

static void refused(TinyWorld *w, RoundsPlan p, const char *part, const char *other)
{
    Rounds r;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error)
                 && round_step(&r, &w->error));
    expect_sentence(&w->error, part, other);
    rounds_close(&r);
}

static void a_bad_request_is_refused(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "grad_diff", "", 2);
    p.retain.count = 0;
    refused(w, p, "the retain set is empty", "grad_diff");
    SampleList none = { w->sample, 0 };
    p = tiny_world_plan(w, "ga", "", 2);
    p.forget = &none;
    refused(w, p, "the forget set is empty", "ga");
    p = tiny_world_plan(w, "grad_diff", "", 2);
    p.retain = (SampleList){ w->sample + 2, 5 };
    refused(w, p, "forget sample 2 is retain sample 0", "without a common sample");
    p = tiny_world_plan(w, "npo", "", 2);
    p.v.beta = -1;
    refused(w, p, "beta is -1", "beta > 0");
    p = tiny_world_plan(w, "npo", "reference=retain_only", 2);
    refused(w, p, "retain_only", "never saw");
    p = tiny_world_plan(w, "rmu", "layer=3", 2);
    refused(w, p, "unlearn.layer is 3", "0 to 2");
    p = tiny_world_plan(w, "dpo", "", 2);
    SampleList few = { w->other, 2 };
    p.refusal = &few;
    refused(w, p, "2 refusal samples for 4 forget samples", "one for each");
    p = tiny_world_plan(w, "ga", "", 2);
    p.train.accumulate = 2;
    refused(w, p, "accumulate", "accumulate = 1");
    p = tiny_world_plan(w, "ga", "", 2);
    p.count = 0;
    refused(w, p, "0 rounds", "at least one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kept_outputs_of_the_reference_are_right, setup, teardown),
        cmocka_unit_test(only_the_switches_of_rounds_change_the_outcome),
        cmocka_unit_test_setup_teardown(a_round_begins_at_its_reference, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frozen_model_does_not_change, setup, teardown),
        cmocka_unit_test(divergence_stops_the_round_and_keeps_the_last_good_weights),
        cmocka_unit_test_setup_teardown(weights_that_are_not_finite_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(moments_that_are_not_finite_are_a_divergence, setup, teardown),
        cmocka_unit_test(the_task_vector_is_subtracted),
        cmocka_unit_test_setup_teardown(manu_zeroes_whole_neurons, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_request_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
