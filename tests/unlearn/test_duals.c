/* SPDX-License-Identifier: MIT */
/* The loss weights that pdu and adapop carry from step to step, and AdaPop's exponents, which depend on exposures. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "tests/support/tiny_world.h"

enum { V = 5, ROWS = 3 };

/* Logits in which the label's logit is `lead` and all others are 0. The loss depends on `lead` alone. */
typedef struct { float z[ROWS * V]; int32_t labels[ROWS], offsets[3]; } Logits;

static Part part_of(Logits *x, float lead)
{
    *x = (Logits){ .labels = { 1, 0, 4 }, .offsets = { 0, 2, 3 } };
    for (size_t r = 0; r < ROWS; r++)
        x->z[r * V + (size_t)x->labels[r]] = lead;
    Node *z = tape_param(&tape, "z", tensor_view(x->z, shape_of(2, (size_t)ROWS, (size_t)V)), true);
    return (Part){ .z = z, .labels = x->labels, .offsets = x->offsets, .rows = ROWS, .samples = 2, .tokens = ROWS };
}

static float retain_loss(float lead)
{
    Logits x;
    MethodStep s = { .tape = &tape };
    Part p = part_of(&x, lead);
    return batch_ce(&s, &p, p.z)->out.f32[0];
}

/* Runs a retain step, whose loss has only one term. The step reads and changes the memory of the steps before. */
static float step(const char *method, const Hyperparameters *v, int64_t epoch, float lead, float memory[METHOD_MEMORY])
{
    Logits r;
    MethodStep s = { .tape = &tape, .hyper = v, .step = 1, .epoch = epoch };
    memcpy(s.memory, memory, sizeof s.memory);
    s.part[ROLE_RETAIN] = part_of(&r, lead);
    Node *loss = method_find(method)->loss(&s);
    expect_fine(&error);
    memcpy(memory, s.memory, sizeof s.memory);
    return loss->out.f32[0];
}

static Hyperparameters hyper_of(const char *method, const char *changes)
{
    Hyperparameters v;
    hyperparameters_make(&v, method_find(method), NULL, &error);
    hyperparameters_apply(&v, changes, &error);
    expect_fine(&error);
    return v;
}

static void the_weight_of_pdu_grows_by_the_excess_over_the_limit(void **state)
{
    (void)state;
    float memory[METHOD_MEMORY] = { 0 };
    const Hyperparameters v = hyper_of("pdu", "alpha=2 dual_step=4 retain_limit=0.25 dual_warmup=2");
    const float above = retain_loss(1) - 0.25f, below = retain_loss(9) - 0.25f;
    assert_true(above > 0.5f && below < -0.2f);
    expect_float(step("pdu", &v, 0, 1, memory), 2 * above, "the first step");
    expect_float(step("pdu", &v, 1, 1, memory), 2 * above, "a step of the warm-up does not change alpha");
    expect_float(step("pdu", &v, 2, 1, memory), 2 * above, "the first step after the warm-up computes with the old alpha");
    const float climb = 4 * above, next = 2 + climb;
    expect_float(step("pdu", &v, 2, 9, memory), next * below, "the next step computes with the new alpha");
    const float fall = 4 * below, last = next + fall;
    expect_float(step("pdu", &v, 3, 9, memory), last * below, "alpha falls if the loss is below the limit");
    for (int k = 0; k < 20; k++)
        step("pdu", &v, 4, 9, memory);
    expect_float(step("pdu", &v, 4, 1, memory), 0, "alpha is never below zero");
}

static void the_weight_of_adapop_follows_the_drift_of_an_epoch(void **state)
{
    (void)state;
    float memory[METHOD_MEMORY] = { 0 };
    const Hyperparameters v = hyper_of("adapop", "alpha=0.5 dual_step=0.5 drift_limit=0.125");
    const float low = retain_loss(3), high = retain_loss(0);
    expect_float(step("adapop", &v, 0, 3, memory), 0.5f * low, "lambda begins as 0");
    expect_float(step("adapop", &v, 0, 0, memory), 0.5f * high, "lambda is constant until the epoch is over");
    const float sum = low + high, mean = sum / 2, drift = mean - low, above = drift - 0.125f, lambda = 0.5f * above;
    assert_true(lambda > 0);
    expect_float(step("adapop", &v, 1, 0, memory), (0.5f + lambda) * high, "lambda then grows by the drift above the limit");
    for (int epoch = 2; epoch < 40; epoch++)
        step("adapop", &v, epoch, 0, memory);
    expect_float(step("adapop", &v, 40, 0, memory), 5.5f * high, "lambda is at most 5");
    for (int epoch = 41; epoch < 200; epoch++)
        step("adapop", &v, epoch, 3, memory);
    expect_float(step("adapop", &v, 200, 3, memory), 0.5f * low, "lambda falls to 0 if there is no drift");
}

/* The exponent is 58.7 (28 x)^-0.796 for x exposures, clipped to 0.05 … 2; for a fact without exposures it is 2. The
 * table has the ends of a narrow range around each expected exponent. */
static void more_exposures_give_a_smaller_exponent(void **state)
{
    (void)state;
    static const struct { const char *exposures; float low, high; } known[] = {
        { "exposures=0", 2, 2 }, { "exposures=1", 2, 2 }, { "exposures=4", 1.34f, 1.38f }, { "exposures=64", 0.148f, 0.152f },
        { "exposures=256", 0.0498f, 0.0502f }, { "exposures=1000000", 0.05f, 0.05f },
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        Logits f;
        const Hyperparameters v = hyper_of("adapop", known[k].exposures);
        MethodStep s = { .tape = &tape, .hyper = &v, .step = 1 };
        s.part[ROLE_FORGET] = part_of(&f, 1);
        assert_non_null(method_find("adapop")->loss(&s));
        const float *beta = NULL;
        for (size_t n = 0; n < tape.count; n++)
            if (!tape.nodes[n]->op && strcmp(tape.nodes[n]->name, "input.beta") == 0)
                beta = tape.nodes[n]->out.f32;
        assert_non_null(beta);
        if (!(beta[0] >= known[k].low && beta[0] <= known[k].high))
            fail_msg("%s: beta is %g, expected %g to %g", known[k].exposures, (double)beta[0], (double)known[k].low, (double)known[k].high);
        tape_reset(&tape);
    }
}

static Digest digest_after(const char *changes, int64_t exposures)
{
    TinyWorld *w = tiny_world_make(1);
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    for (size_t k = 0; k < FORGET; k++)
        w->sample[k].exposures = exposures;
    RoundsPlan p = tiny_world_plan(w, "adapop", changes, 3);
    tiny_world_run(w, &r, &p);
    rounds_close(&r);
    const Digest d = tiny_world_digest(w);
    tiny_world_close(w);
    return d;
}

static void the_exposures_of_a_sample_override_those_of_the_config(void **state)
{
    (void)state;
    const Digest config = digest_after("exposures=256", 0), sample = digest_after("exposures=16", 256), none = digest_after("", 0);
    assert_string_equal(config.hex, sample.hex);
    assert_string_not_equal(config.hex, none.hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(the_weight_of_pdu_grows_by_the_excess_over_the_limit),
        stand_test(the_weight_of_adapop_follows_the_drift_of_an_epoch),
        stand_test(more_exposures_give_a_smaller_exponent),
        stand_test(the_exposures_of_a_sample_override_those_of_the_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
