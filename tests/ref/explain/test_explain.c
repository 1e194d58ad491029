/* SPDX-License-Identifier: MIT */
/* codes.def, which says what papers and codes compute: the settings in the field `switches` of a row, if it has some,
 * can be read. Each choice of a switch in fixtures/method_steps.txt has a row; there a switch is a hyperparameter whose
 * value is a word, or yes or no. (The field of a row may set numbers too.) Except for `seed`, which every method with
 * steps reads, method_keys.def lists exactly the keys that act on a method's steps. */
#include "tests/support/stand.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ref/explain/sheet.h"

static Tiny tiny;
static Arena kept;                        // of `tiny`, through all tests
static Error kept_error;

static int begin_all(void **state)
{
    (void)state;
    kept = arena_make(&kept_error);
    return tiny_make(&tiny, &kept, &kept_error) ? 0 : -1;
}

static int end_all(void **state)
{
    (void)state;
    arena_free(&kept);
    return 0;
}

static const struct { const char *key; ValueType type; const char *range; } keys[] = {
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { #key, TYPE_##TYPE, range },
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
};
enum { KEYS = sizeof keys / sizeof *keys };

static bool is_switch(const char *key)
{
    for (size_t k = 0; k < KEYS; k++)
        if (strcmp(keys[k].key, key) == 0)
            return keys[k].type == TYPE_CHOICE || keys[k].type == TYPE_BOOL;
    return false;
}

/* --- rows --- */

static void every_row_is_a_form_of_a_method(void **state)
{
    (void)state;
    for (size_t k = 0; k < codes_count; k++) {
        Form f;
        const Method *m = method_find(codes[k].method);
        if (!m)
            fail_msg("codes.def has a row of %s, which is not a method", codes[k].method);
        if (codes[k].switches && !form_read(&f, m, codes[k].switches, &error))
            fail_msg("codes.def, %s, %s: %s", codes[k].method, codes[k].who, error.text);
        assert_true(*codes[k].who && *codes[k].differs);
    }
    for (size_t k = 0; k < methods_count; k++) {
        bool there = false;
        for (size_t i = 0; i < codes_count; i++)
            there |= strcmp(codes[i].method, methods[k]->name) == 0;
        if (!there && strcmp(methods[k]->source, "") != 0)
            fail_msg("%s has no row in codes.def, expected one for its paper and one for each public code", methods[k]->name);
    }
}

static void our_own_choices_are_keys_that_the_method_reads(void **state)
{
    (void)state;
    for (size_t k = 0; k < ours_count; k++)
        if (!method_find(ours[k].method) || !method_reads_key(method_find(ours[k].method), ours[k].key))
            fail_msg("codes.def: OURS(%s, %s) names no key that the method reads", ours[k].method, ours[k].key);
    assert_non_null(ours_why("ga_klr", "lambda"));
    assert_null(ours_why("ga_klr", "klr"));
}

/* Whether a row of the method has the value that `setting`, "key=value", gives to the key. */
static bool has_row(const char *method, const char *setting)
{
    for (size_t k = 0; k < codes_count; k++) {
        Form f, g;
        if (strcmp(codes[k].method, method) != 0 || !codes[k].switches)
            continue;
        assert_true(form_read(&f, method_find(method), codes[k].switches, &error));
        g = f;
        assert_true(hyperparameters_apply(&g.v, setting, &error));
        if (strcmp(f.method->name, method) == 0 && memcmp(&f.v, &g.v, sizeof f.v) == 0)
            return true;
    }
    return false;
}

static void every_recorded_choice_of_a_switch_has_its_row(void **state)
{
    (void)state;
    char text[512], method[32], changes[96];
    FILE *f = fopen("fixtures/method_steps.txt", "r");
    size_t seen = 0;
    assert_non_null(f);
    while (fgets(text, sizeof text, f)) {
        if (*text == '#' || sscanf(text, "%31s %95s", method, changes) != 2)
            continue;
        char *rest = changes, *one, key[64];
        while ((one = strsep(&rest, ",")))
            if (sscanf(one, "%63[^=]=", key) == 1 && is_switch(key)) {
                seen++;
                if (!has_row(method, one))
                    fail_msg("%s with %s is recorded in fixtures/method_steps.txt and has no row in codes.def", method, one);
            }
    }
    fclose(f);
    assert_true(seen > 15);
}

static void switches_of_a_preset_are_written_out(void **state)
{
    (void)state;
    Form f;
    const Method *npo = method_find("npo");
    assert_string_equal(form_switches(npo, "preset=mllmu_bench", &arena),
                        "data.mask=all_text npo_ratio=batch_mean beta=0.4 reference=retain_only");
    assert_string_equal(form_switches(npo, "", &arena), "");
    assert_string_equal(form_switches(npo, "method=npo_gd preset=open_unlearning alpha=2", &arena),
                        "method=npo_gd beta=0.1 alpha=2");
    assert_true(form_read(&f, npo, "preset=mllmu_bench", &error) && f.all_text && f.v.npo_ratio == NPO_BATCH_MEAN && f.v.beta == 0.4f);
    assert_true(form_read(&f, npo, "method=npo_gd preset=open_unlearning alpha=2", &error) && !f.all_text && f.v.alpha == 2);
    assert_string_equal(f.method->name, "npo_gd");
    assert_false(form_read(&f, npo, "preset=strolch", &error));
    expect_sentence(&error, "npo", "unlearn.preset is \"strolch\"");
    assert_false(form_read(&f, npo, "method=strolch", &error));
    expect_sentence(&error, "there is no method strolch", "expected one of");
    assert_false(form_read(&f, npo, "strolch=1", &error));
    expect_sentence(&error, "unlearn.strolch is unknown", "expected one of");
}

/* --- keys --- */

/* Sets the key to the i-th (from 0) of some values that differ from its present one. False: there are fewer. */
static bool change(Hyperparameters *v, size_t k, int i)
{
    static const char *const numbers = "2.1|1|5|0.5|2|10|0.001", *const words = "yes|no";
    const Hyperparameters before = *v;
    const char *at = keys[k].type == TYPE_CHOICE ? keys[k].range : keys[k].type == TYPE_BOOL ? words : numbers;
    for (; *at; at += strcspn(at, "|"), at += *at == '|') {
        Error e = { .failed = false };
        char text[64];
        snprintf(text, sizeof text, "%s=%.*s", keys[k].key, (int)strcspn(at, "|"), at);
        if (hyperparameters_apply(v, text, &e) && memcmp(&before, v, sizeof before) != 0 && i-- == 0)
            return true;
        *v = before;
    }
    return false;
}

static bool same_walk(const Walk *a, const Walk *b)
{
    return a->steps == b->steps && memcmp(a->loss, b->loss, a->steps * sizeof *a->loss) == 0
        && memcmp(a->change, b->change, a->count * sizeof *a->change) == 0;
}

static void walk(const Form *f, Walk *out)
{
    if (!tiny_walk(&tiny, f, out, &arena, &error))
        fail_msg("%s: %s", f->method->name, error.text);
}

/* What else must be set so that a key has an effect. */
static const struct { const char *key, *beside; } conditions[] = {
    { "retain_steps", "schedule=interleaved" }, { "forget_epochs", "schedule=phased" },
    { "dual_step", "dual_warmup=1 lambda=2" }, { "drift_limit", "lambda=2" },
    { "balance", "salient_share=1 share_margin=0" }, { "shared_weight", "salient_share=1 share_margin=0.5" },
    { "sculpt_text", "smfa_form=open_mm" },
};

/* Whether one of the key's other values changes what the form does. */
static bool acts(Form f, size_t k)
{
    Walk before, after;
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        if (strcmp(conditions[i].key, keys[k].key) == 0)
            assert_true(hyperparameters_apply(&f.v, conditions[i].beside, &error));
    walk(&f, &before);
    for (int i = 0;; i++) {
        Form other = f;
        if (!change(&other.v, k, i))
            return false;
        walk(&other, &after);
        if (!same_walk(&before, &after))
            return true;
    }
}

static void the_keys_of_a_method_are_those_that_act(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t m = 0; m < methods_count; m++) {
        Form usual, others;
        Walk w, changed;
        assert_true(form_read(&usual, methods[m], "", &error));
        if (methods[m]->needs & RETAIN_IF_ALPHA && usual.v.alpha == 0)
            usual.v.alpha = 1;                                      // else no key of the retain set acts
        walk(&usual, &w);
        others = usual;
        for (size_t k = 0; k < KEYS; k++)
            if (method_reads_key(methods[m], keys[k].key)) {
                if (!acts(usual, k) && ++wrong)
                    print_error("method_keys.def: %s reads %s, but it changes nothing\n", methods[m]->name, keys[k].key);
            } else if (strcmp(keys[k].key, "seed") != 0)
                assert_true(change(&others.v, k, 0));
        walk(&others, &changed);
        if (!same_walk(&w, &changed) && ++wrong)
            print_error("method_keys.def: a key that %s does not name changes what it does\n", methods[m]->name);
        arena_reset(&arena);
    }
    assert_int_equal(wrong, 0);
}

/* --- distances --- */

static void distances_are_those_worked_out_by_hand(void **state)
{
    (void)state;
    double one[] = { 3, 4, 0 }, other[] = { 3, 0, 3 }, none[] = { 0, 0, 0 };
    const Walk a = { .loss = { 1, -3 }, .steps = 2, .change = one, .count = 3 };
    const Walk b = { .loss = { 2, -2 }, .steps = 2, .change = other, .count = 3 };
    const Walk still = { .loss = { 0, 0 }, .steps = 2, .change = none, .count = 3 };
    assert_true(walk_losses_apart(&a, &b) == 0.5 && walk_losses_apart(&a, &a) == 0);
    assert_true(walk_updates_apart(&a, &b) == 1 && walk_updates_apart(&a, &a) == 0 && walk_updates_apart(&a, &still) == 1);
    assert_true(walk_losses_apart(&still, &a) < 0 && walk_updates_apart(&still, &a) < 0);
}

/* With the loss doubled, its value at the first step is twice as large, because the weights are still the same. */
static void a_walk_begins_at_the_same_trained_model(void **state)
{
    (void)state;
    Form f;
    Walk one, two, again;
    assert_true(form_read(&f, method_find("grad_diff"), "", &error));
    walk(&f, &one);
    walk(&f, &again);
    assert_true(form_read(&f, method_find("grad_diff"), "gamma=2 alpha=2", &error));
    walk(&f, &two);
    assert_true(one.steps == TINY_ROUNDS * TINY_STEPS && 2 * one.loss[0] == two.loss[0]);
    assert_true(same_walk(&one, &again));
}

static void a_sheet_has_a_row_for_each_code(void **state)
{
    (void)state;
    Sheet s;
    assert_true(sheet_make(&s, &tiny, method_find("npo"), &arena, &error));
    assert_string_equal(s.rows[0].switches, "beta=0.1");
    size_t none = 0, rows = 0;
    for (size_t k = 0; k < s.row_count; k++)
        none += s.rows[k].switches == NULL && s.rows[k].loss == NULL;
    for (size_t k = 0; k < codes_count; k++)
        rows += strcmp(codes[k].method, "npo") == 0;
    assert_int_equal(s.row_count, rows);
    assert_int_equal(none, 1);
    assert_string_equal(s.keys[0].key, "beta");
    assert_non_null(s.keys[0].ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(every_row_is_a_form_of_a_method),
        stand_test(our_own_choices_are_keys_that_the_method_reads),
        stand_test(every_recorded_choice_of_a_switch_has_its_row),
        stand_test(switches_of_a_preset_are_written_out),
        stand_test(the_keys_of_a_method_are_those_that_act),
        stand_test(distances_are_those_worked_out_by_hand),
        stand_test(a_walk_begins_at_the_same_trained_model),
        stand_test(a_sheet_has_a_row_for_each_code),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
