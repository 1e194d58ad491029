/* SPDX-License-Identifier: MIT */
/* Verdicts on whole steps and on hooked modules: nonsense is OUTSIDE at every precision; if nothing was judged, the
 * verdict is UNKNOWN. */
#include "tests/support/answers.h"

#include "ref/trace/noise_trace.h"

static const char step[] = "step/npo.adamw.b";

/* Judges at precision p the step's end tensors (loss, gradients, updated weights, moments), with their values in
 * `right`. They are the answers of the step that have no bound. */
static void judge_step(Precision p, bool partial)
{
    static Entry ends[MOST];
    size_t count = 0;
    const char *got = scratch("got.safetensors");
    for (size_t k = 0; k < right_count; k++)
        if (!bound[k] && strncmp(right[k].name, step, strlen(step)) == 0)
            ends[count++] = right[k];
    json_array_clear(found.lines);
    found = (Findings){ .lines = found.lines, .json = true };
    const OptionList only = { .item = { step }, .count = 1 };
    assert_true(store_write(got, ends, count, &error));
    const VerifyOptions asked = { .only = &only, .partial = partial, .precision_given = true, .precision = p };
    assert_true(verify_got(&found, suite, got, &asked, manifest, &arena, &error));
    unlink(got);
}

/* Fills the step's end tensors whose names begin with `start`. */
static void fill(const char *start, float with)
{
    const char *whole = arena_format(&arena, "%s/%s", step, start);
    for (size_t k = 0; k < right_count; k++)
        if (!bound[k] && strncmp(right[k].name, whole, strlen(whole)) == 0) {
            right[k].tensor = copy(right[k].tensor);
            for (size_t i = 0; i < shape_size(right[k].tensor.shape); i++)
                right[k].tensor.f32[i] = with;
        }
}

static void the_right_ends_are_bitexact_at_every_precision(void **state)
{
    (void)state;
    for (Precision p = 0; p < PRECISIONS; p++) {
        judge_step(p, false);
        assert_string_equal(findings_verdict(&found), "BITEXACT");
        assert_true(found.exact > 100 && found.outside + found.within + found.noisy + found.undecided == 0);
    }
}

static void nonsense_is_outside_at_every_precision(void **state)
{
    (void)state;
    fill("loss", 999);
    fill("grad.", 7);
    fill("after.", -3);
    for (Precision p = 0; p < PRECISIONS; p++) {
        judge_step(p, false);
        assert_string_equal(findings_verdict(&found), "OUTSIDE");
        assert_true(found.within + found.noisy == 0 && found.outside > 80);
    }
}

static void one_nan_is_outside(void **state)
{
    (void)state;
    size_t at = answer_index(arena_format(&arena, "%s/grad.multi_modal_projector.linear_1.bias", step));
    right[at].tensor = copy(right[at].tensor);
    right[at].tensor.f32[3] = __builtin_nanf("1");
    judge_step(PRECISION_BF16, false);
    assert_int_equal(found.outside, 1);
    assert_string_equal(findings_verdict(&found), "OUTSIDE");
}

/* The weights stay as they were, as with a learning rate of 0 or without an optimiser. */
static void weights_that_stay_are_outside_at_every_precision(void **state)
{
    (void)state;
    Store trace;
    size_t length = strlen(step) + strlen("/after.");
    assert_true(store_open(&trace, "fixtures/vectors/v1/step/npo.adamw.b/trace.safetensors", &arena, &error));
    for (size_t k = 0; k < right_count; k++)
        if (strncmp(right[k].name, arena_format(&arena, "%s/after.", step), length) == 0)
            right[k].tensor = *store_find(&trace, arena_format(&arena, "param.%s", right[k].name + length));
    for (Precision p = 0; p < PRECISIONS; p++) {
        judge_step(p, false);
        assert_true(found.outside > 20);
        assert_true(has_finding("step/npo.adamw.b/after.language_model.lm_head.weight", "OUTSIDE", ""));
    }
    store_close(&trace);
}

/* If one gradient is given, all are expected. Without this rule a wrong gradient could simply be left out. */
static void a_gradient_that_is_left_out_is_missed(void **state)
{
    (void)state;
    size_t at = answer_index(arena_format(&arena, "%s/grad.language_model.lm_head.weight", step));
    right[at] = right[--right_count];
    bound[at] = bound[right_count];
    judge_step(PRECISION_FP32, false);
    assert_true(found.undecided == 1 && has_finding("step/npo.adamw.b/grad.language_model.lm_head.weight", "MISSING", ""));
    assert_string_equal(findings_verdict(&found), "UNKNOWN");
    judge_step(PRECISION_FP32, true);
    assert_true(found.undecided == 0 && found.left_out == 1);
    assert_string_equal(findings_verdict(&found), "BITEXACT");
}

static void without_answers_the_verdict_is_unknown(void **state)
{
    (void)state;
    Findings f = { .lines = json_array() };
    assert_string_equal(findings_verdict(&f), "UNKNOWN");
    finding(&f, "somewhere", "MODULES", "%s", "");
    assert_string_equal(findings_verdict(&f), "UNKNOWN");
    json_decref(f.lines);
}

/* A module that a user's hooks recorded: first right, then off by a few rounding errors, then off by a tenth. */
static void hooked_modules_have_verdicts(void **state)
{
    (void)state;
    static const char name[] = "step/npo.adamw.b/hooked.language_model.model.layers.1.mlp@out";
    size_t at = answer_index("step/npo.adamw.b/language_model.model.layers.1.mlp@out");
    right[at].name = name;
    judge();
    assert_true(has_finding(name, "BITEXACT", "") && has_finding(step, "MODULES", "hooked"));
    right[at].tensor = copy(right[at].tensor);
    for (size_t i = 0; i < shape_size(right[at].tensor.shape); i++)
        right[at].tensor.f32[i] *= 1 + 0x1p-22f;
    judge();
    assert_true(has_finding(name, "WITHIN", "hooked"));
    for (size_t i = 0; i < shape_size(right[at].tensor.shape); i++)
        right[at].tensor.f32[i] *= 1.1f;
    judge();
    assert_true(has_finding(name, "OUTSIDE", "hooked")
                && has_finding(step, "MODULES", "forward, is language_model.model.layers.1.mlp@out") == false);
    assert_true(has_finding(step, "MODULES", "forward, is hooked.language_model.model.layers.1.mlp@out"));
}

static bool listed(const json_t *list, const char *name)
{
    for (size_t k = 0; k < json_array_size(list); k++)
        if (strcmp(json_string_value(json_array_get(list, k)), name) == 0)
            return true;
    return false;
}

/* At every precision, a known mistake of a step is OUTSIDE, or the manifest lists it as below the noise of that
 * precision. */
static void known_mistakes_are_seen_or_listed(void **state)
{
    (void)state;
    Store wrong;
    size_t seen = 0;
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (size_t k = 0, end; k < wrong.count; k = end) {
        const char *name = wrong.entries[k].name, *slash = strrchr(name, '/');
        size_t length = (size_t)(slash - name) + 1, count = 0;
        const char *at = strchr(name, '@'), *got = scratch("wrong.safetensors");
        Entry list[64];
        for (end = k; end < wrong.count && strncmp(wrong.entries[end].name, name, length) == 0 && count < 64; end++)
            list[count++] = (Entry){ arena_format(&arena, "%.*s/%s", (int)(at - name), name, wrong.entries[end].name + length),
                    wrong.entries[end].tensor };
        if (strncmp(name, "step/", 5) != 0)
            continue;
        assert_true(store_write(got, list, count, &error));
        for (Precision p = 0; p < PRECISIONS; p++) {
            const json_t *below = json_object_get(json_object_get(manifest, "below"), precision_name(p));
            json_array_clear(found.lines);
            found = (Findings){ .lines = found.lines, .json = true };
            const VerifyOptions asked = { .only = &none, .partial = true, .precision_given = true, .precision = p };
            assert_true(verify_got(&found, suite, got, &asked, manifest, &arena, &error));
            if (found.outside == 0 && !listed(below, arena_format(&arena, "%.*s", (int)length - 1, name)))
                fail_msg("%.*s is neither outside at %s nor listed", (int)length - 1, name, precision_name(p));
            seen += found.outside > 0;
        }
        unlink(got);
    }
    assert_true(seen > 150);
    assert_int_equal(json_array_size(json_object_get(json_object_get(manifest, "below"), "fp32")), 0);
    store_close(&wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        answers_test(the_right_ends_are_bitexact_at_every_precision),
        answers_test(nonsense_is_outside_at_every_precision),
        answers_test(one_nan_is_outside),
        answers_test(weights_that_stay_are_outside_at_every_precision),
        answers_test(a_gradient_that_is_left_out_is_missed),
        answers_test(without_answers_the_verdict_is_unknown),
        answers_test(hooked_modules_have_verdicts),
        answers_test(known_mistakes_are_seen_or_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
