/* SPDX-License-Identifier: MIT */
/* Reference answers: made again to the bit; every known mistake is outside the bounds and recognised; steps are judged module by module; damage is named. */
#include "tests/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/block_case.h"
#include "ref/suite.h"
#include "ref/verify.h"
#include "tensor/file.h"
#include "tests/scratch.h"
#include "tests/wrong.h"

enum { MOST = 4096 };
static const char suite[] = "fixtures/vectors/v1";

static Findings found;
static json_t *manifest;
static Entry right[MOST];            // all answers, as one file holds them: of the cases, of the steps' modules, of the steps end to end
static float *bound[MOST];           // NULL: has only one right answer, or is told end to end
static size_t right_count;

static void add(const char *name, Tensor t, const Tensor *b)
{
    assert_true(right_count < MOST);
    bound[right_count] = b ? b->f32 : NULL;
    right[right_count++] = (Entry){ name, t };
}

static void add_case(const char *path, const char *end)
{
    Store s;
    assert_true(store_open(&s, arena_format(&arena, "%s/%s", suite, path), &arena, &error));
    for (size_t i = 0; i < s.count; i++)
        if (strncmp(s.entries[i].name, "bound.", 6) != 0)
            add(arena_format(&arena, "%.*s/%s", (int)(end - path), path, s.entries[i].name), s.entries[i].tensor,
                store_find(&s, arena_format(&arena, "bound.%s", s.entries[i].name)));
}

static bool end_to_end(const char *name)
{
    static const char *const kinds[] = { "grad.", "after.", "adam.m.", "adam.v.", "sgd.momentum." };
    bool one = strcmp(name, "loss") == 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        one |= strncmp(name, kinds[k], strlen(kinds[k])) == 0 && strncmp(name, "grad.t", 6) != 0;       // grad.t<k> is of a node
    return one;
}

static void add_step(const char *id)
{
    Store values, bounds;
    json_t *trace = json_file(arena_format(&arena, "%s/%s/trace.json", suite, id), 4 << 20, &error), *module, *value;
    size_t k;
    const char *name;
    assert_true(store_open(&values, arena_format(&arena, "%s/%s/trace.safetensors", suite, id), &arena, &error));
    assert_true(store_open(&bounds, arena_format(&arena, "%s/%s/bound.safetensors", suite, id), &arena, &error));
    json_array_foreach(json_object_get(trace, "modules"), k, module)
        json_object_foreach(json_object_get(module, "answers"), name, value) {
            const char *full = arena_format(&arena, "%s@%s", json_string_value(json_object_get(module, "module")), name);
            const Tensor *t = store_find(&values, json_string_value(value));
            assert_non_null(t);
            add(arena_format(&arena, "%s/%s", id, full), *t, store_find(&bounds, arena_format(&arena, "bound.%s", full)));
        }
    for (k = 0; k < values.count; k++)
        if (end_to_end(values.entries[k].name))
            add(arena_format(&arena, "%s/%s", id, values.entries[k].name), values.entries[k].tensor, NULL);
    json_decref(trace);
}

static int start(void **state)
{
    stand_begin(state);
    found = (Findings){ .lines = json_array(), .json = true };
    manifest = json_file("fixtures/vectors/v1/manifest.json", 4 << 20, &error);
    expect_fine(&error);
    right_count = 0;
    json_t *files = json_object_get(manifest, "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, k), "path")), *end = strstr(path, "/out.safetensors");
        if (end)
            add_case(path, end);
    }
    for (size_t k = 0; k < step_forms_count; k++)
        add_step(arena_format(&arena, "step/%s", step_forms[k].id));
    return 0;
}

static int finish(void **state)
{
    json_decref(found.lines);
    json_decref(manifest);
    return stand_end(state);
}

/* What verify finds in the answers as they now stand in `right`. */
static void judge(void)
{
    const char *got = scratch("got.safetensors");
    json_array_clear(found.lines);
    found.exact = found.within = found.outside = found.unknown = found.unbounded = 0;
    assert_true(store_write(got, right, right_count, &error));
    assert_true(verify_got(&found, suite, got, manifest, &arena, &error));
    unlink(got);
}

/* Whether a finding about `where` has the verdict and the part. */
static bool said(const char *where, const char *verdict, const char *part)
{
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        if (strcmp(json_string_value(json_object_get(line, "where")), where) == 0 && strcmp(json_string_value(json_object_get(line, "verdict")), verdict) == 0
            && strstr(json_string_value(json_object_get(line, "what")), part))
            return true;
    }
    return false;
}

static size_t place(const char *name)
{
    for (size_t k = 0; k < right_count; k++)
        if (strcmp(right[k].name, name) == 0)
            return k;
    fail_msg("there is no answer %s", name);
    return 0;
}

static Tensor copy(Tensor t)
{
    Tensor c = t;
    c.data = arena_alloc(&arena, tensor_bytes(t));
    memcpy(c.data, t.data, tensor_bytes(t));
    return c;
}

static void recorded_answers_are_made_again_to_the_bit(void **state)
{
    (void)state;
    assert_true(verify_own(&found, suite, manifest, &arena, &error));
    for (size_t k = 0; k < json_array_size(found.lines); k++)
        if (strcmp(json_string_value(json_object_get(json_array_get(found.lines, k), "verdict")), "BITEXACT") != 0)
            fail_msg("%s", json_string_value(json_object_get(json_array_get(found.lines, k), "where")));
    assert_true(found.exact > 50 && found.outside + found.unknown == 0);
}

static void the_right_answers_of_others_are_bitexact(void **state)
{
    (void)state;
    judge();
    assert_int_equal(found.exact, right_count);
    assert_int_equal(found.outside + found.unknown + found.within + found.unbounded, 0);
}

/* The nearest floats to either side are within every bound (what is only moved has none); a quarter of the tensor's size is outside. */
static void neighbours_are_within_and_a_quarter_is_outside(void **state)
{
    (void)state;
    size_t changed = 0;
    for (size_t k = 0; k < right_count; k++) {
        right[k].tensor = copy(right[k].tensor);
        for (size_t i = 0; bound[k] && i < shape_size(right[k].tensor.shape); i++)
            if (bound[k][i] > 0)
                right[k].tensor.f32[i] = (float)((double)right[k].tensor.f32[i] * (i % 2 ? 1 + 0x1p-24 : 1 - 0x1p-24));
    }
    judge();
    assert_int_equal(found.outside + found.unknown, 0);
    assert_true(found.within > 700);
    for (size_t k = 0; k < right_count; k++) {
        bool any = false;                                              // gradients of A are zero throughout while B is zero
        for (size_t i = 0; bound[k] && i < shape_size(right[k].tensor.shape); i++) {
            right[k].tensor.f32[i] *= 1.25f;
            any |= right[k].tensor.f32[i] != 0;
        }
        changed += any;
    }
    judge();
    assert_int_equal(found.outside, changed);
}

/* "<case>@<flag>/<tensor>" in its parts. */
typedef struct { const char *id, *flag, *name; } Mistake;

static Mistake parts(const char *full)
{
    const char *at = strchr(full, '@'), *slash = strrchr(full, '/');
    return (Mistake){ arena_format(&arena, "%.*s", (int)(at - full), full), arena_format(&arena, "%.*s", (int)(slash - at - 1), at + 1), slash + 1 };
}

/* How many flags of its case come before its own. */
static size_t *turns_of(const Entry *wrong, size_t count)
{
    size_t *turn = arena_zalloc(&arena, (count + 1) * sizeof *turn);
    Mistake *all = arena_array(&arena, count, sizeof *all);
    for (size_t k = 0; k < count; k++) {
        all[k] = parts(wrong[k].name);
        for (size_t i = k; i-- > 0;)
            if (strcmp(all[i].id, all[k].id) == 0) {                   // the last of its case
                turn[k] = turn[i] + (strcmp(all[i].flag, all[k].flag) != 0);
                break;
            }
    }
    return turn;
}

static void expect_recognised(const Entry *wrong, const Entry *kept)
{
    Mistake m = parts(wrong->name);
    const char *where = arena_format(&arena, "%s/%s", m.id, m.name), *says = arena_format(&arena, "known mistake %s", m.flag);
    bool same_shape = shape_equal(kept[place(where)].tensor.shape, wrong->tensor.shape);
    if (!said(where, same_shape ? "OUTSIDE" : "MIS-SHAPED", says))
        fail_msg("%s is not recognised", wrong->name);
    if (strncmp(m.id, "step/", 5) == 0 && strchr(m.name, '@') && !said(m.id, "MODULES", says))
        fail_msg("%s does not sum up to %s", m.id, m.flag);
}

/* All cases at once, each with its first mistake, then with its second, … */
static void every_known_mistake_is_outside_and_recognised(void **state)
{
    (void)state;
    static Entry kept[MOST];
    Entry *wrong;
    size_t count, seen = 0;
    assert_true(wrong_make(suite, &wrong, &count, &arena, &error));
    const size_t *turn_of = turns_of(wrong, count);
    memcpy(kept, right, sizeof kept);
    for (size_t turn = 0; seen < count; turn++) {
        for (size_t k = 0; k < count; k++)
            if (turn_of[k] == turn) {
                Mistake m = parts(wrong[k].name);
                right[place(arena_format(&arena, "%s/%s", m.id, m.name))].tensor = wrong[k].tensor;
            }
        judge();
        for (size_t k = 0; k < count; k++)
            if (turn_of[k] == turn) {
                expect_recognised(&wrong[k], kept);
                seen++;
            }
        memcpy(right, kept, sizeof kept);
    }
}

/* A hundredth of the way short of the mistake, or a NaN in it; and off the right value by what fp32 makes of a step. */
static void what_is_only_near_a_mistake_is_not_named(void **state)
{
    (void)state;
    Store wrong;
    size_t near = 0;
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (int round = 0; round < 2; round++) {
        for (size_t k = 0; k < right_count; k++) {                     // the steps' own, end to end
            right[k].tensor = copy(right[k].tensor);
            for (size_t i = 0; !bound[k] && strncmp(right[k].name, "step/", 5) == 0 && i < shape_size(right[k].tensor.shape); i++)
                right[k].tensor.f32[i] *= i % 2 ? 1 + 0x1p-18f : 1 - 0x1p-18f;
        }
        for (size_t k = 0; k < wrong.count && round; k++) {
            Mistake m = parts(wrong.entries[k].name);
            Tensor w = wrong.entries[k].tensor;
            if (strncmp(m.id, "step/", 5) != 0 || strchr(m.name, '@'))
                continue;
            float *x = right[place(arena_format(&arena, "%s/%s", m.id, m.name))].tensor.f32;
            for (size_t i = 0; i < shape_size(w.shape); i++)
                x[i] += 0.99f * (w.f32[i] - x[i]);
            x[0] = near++ % 2 ? x[0] : __builtin_nanf("1");
        }
        judge();
        for (size_t k = 0; k < json_array_size(found.lines); k++)
            assert_null(strstr(json_string_value(json_object_get(json_array_get(found.lines, k), "what")), "known mistake"));
        assert_true(found.unbounded > 100 && found.outside + found.unknown == 0);
    }
    assert_true(near > 20);
    store_close(&wrong);
}

/* wrong.safetensors is what the mistakes make today, and each case.json lists its own by flag and digest. */
static void recorded_mistakes_are_made_again_and_listed(void **state)
{
    (void)state;
    Entry *wrong;
    size_t count;
    Store recorded;
    assert_true(wrong_make(suite, &wrong, &count, &arena, &error));
    assert_true(store_open(&recorded, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    assert_int_equal(recorded.count, count);
    for (size_t k = 0; k < count; k++) {
        const Tensor *t = store_find(&recorded, wrong[k].name);
        Mistake m = parts(wrong[k].name);
        if (!t)
            fail_msg("%s is not recorded", wrong[k].name);
        assert_true(t->dtype == wrong[k].tensor.dtype && shape_equal(t->shape, wrong[k].tensor.shape) && memcmp(t->data, wrong[k].tensor.data, tensor_bytes(*t)) == 0);
        json_t *json = json_file(arena_format(&arena, "%s/%s/case.json", suite, m.id), 1 << 20, &error), *one;
        size_t i;
        bool listed = false;
        json_array_foreach(json_object_get(json, "wrong"), i, one) {
            const char *flag = json_string_value(json_object_get(one, "flag")), *digest = json_string_value(json_object_get(json_object_get(json_object_get(one, "tensors"), m.name), "content_sha256"));
            listed |= strcmp(flag, m.flag) == 0 && digest && strcmp(digest, digest_tensor(m.name, wrong[k].tensor).hex) == 0;
        }
        if (!listed)
            fail_msg("%s is not listed in its case.json", wrong[k].name);
        json_decref(json);
    }
    store_close(&recorded);
}

static void check_flags(const json_t *one, const Store *wrong)
{
    json_t *flags = json_object_get(one, "flags");
    for (size_t f = 0; f < json_array_size(flags); f++) {
        bool there = false;
        char *start = arena_format(&arena, "%s@%s/", json_string_value(json_object_get(one, "id")), json_string_value(json_array_get(flags, f)));
        for (size_t k = 0; k < wrong->count; k++)
            there |= strncmp(wrong->entries[k].name, start, strlen(start)) == 0;
        if (!there)
            fail_msg("%s has no value in wrong.safetensors", start);
    }
}

static void every_flag_has_its_value(void **state)
{
    (void)state;
    Store wrong;
    json_t *cases = json_object_get(manifest, "cases");
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (size_t k = 0; k < json_array_size(cases); k++)
        check_flags(json_array_get(cases, k), &wrong);
    store_close(&wrong);
}

/* One answer of each kind of case. */
static const char *const one_of_each[] = { "op/linear.square/y", "loss/npo.sequence_sum/dz.forget", "block/swiglu.b/language_model.model.layers.0.mlp@out",
                                           "step/npo.adamw.b/language_model.model.layers.1.mlp.up_proj@grad.weight" };
enum { KINDS = sizeof one_of_each / sizeof *one_of_each };

static void missing_extra_misshapen_and_nan_are_named(void **state)
{
    (void)state;
    size_t at[KINDS];
    for (size_t k = 0; k < KINDS; k++) {
        at[k] = place(one_of_each[k]);
        right[at[k]].tensor = copy(right[at[k]].tensor);
        right[at[k]].tensor.f32[7] = __builtin_nanf("1");
    }
    judge();
    for (size_t k = 0; k < KINDS; k++) {
        assert_true(said(one_of_each[k], "OUTSIDE", "1 of"));
        right[at[k]].tensor.shape = shape_of(1, shape_size(right[at[k]].tensor.shape));
    }
    judge();
    for (size_t k = 0; k < KINDS; k++) {
        assert_true(said(one_of_each[k], "MIS-SHAPED", "expected F32"));
        right[at[k]].name = arena_format(&arena, "%s.other", one_of_each[k]);
    }
    judge();
    for (size_t k = 0; k < KINDS; k++)                                 // what a step holds is free
        assert_true(said(right[at[k]].name, "EXTRA", "") && (said(one_of_each[k], "MISSING", "") || strncmp(one_of_each[k], "step/", 5) == 0));
    assert_int_equal(found.unknown, 2 * KINDS - 1);
}

static void flipped_bits_and_swapped_tensors_are_seen(void **state)
{
    (void)state;
    Tensor kept[KINDS];
    for (int bit = 0; bit < 31; bit += 30) {
        for (size_t k = 0; k < KINDS; k++) {
            Entry *one = &right[place(one_of_each[k])];
            uint32_t b;
            kept[k] = one->tensor;
            one->tensor = copy(one->tensor);
            memcpy(&b, &one->tensor.f32[3], 4);
            b ^= 1u << bit;
            memcpy(&one->tensor.f32[3], &b, 4);
        }
        judge();
        for (size_t k = 0; k < KINDS; k++) {
            assert_true(said(one_of_each[k], bit ? "OUTSIDE" : "WITHIN", ""));
            right[place(one_of_each[k])].tensor = kept[k];
        }
    }
    for (size_t k = 0; k < KINDS; k++)
        right[place(one_of_each[k])].tensor = kept[(k + 1) % KINDS];
    judge();
    for (size_t k = 0; k < KINDS; k++)
        assert_true(said(one_of_each[k], "OUTSIDE", "") || said(one_of_each[k], "MIS-SHAPED", ""));
}

static void spoil(const char *name)
{
    size_t i = place(arena_format(&arena, "step/npo.adamw.b/%s", name));
    right[i].tensor = copy(right[i].tensor);
    for (size_t k = 0; k < shape_size(right[i].tensor.shape); k++)
        right[i].tensor.f32[k] *= 1.25f;
}

/* Backward, the module nearest to the loss is the first; forward comes before it, the update after. */
static void the_first_module_that_differs_is_named(void **state)
{
    (void)state;
    static const char step[] = "step/npo.adamw.b";
    judge();
    assert_int_equal(found.exact, right_count);
    assert_true(said(step, "MODULES", "") && !said(step, "MODULES", "first"));
    spoil("optimiser@after.language_model.lm_head.weight");
    judge();
    assert_true(said(step, "MODULES", "update, is optimiser@after.language_model.lm_head.weight"));
    spoil("language_model.model.layers.0.mlp.down_proj@grad.weight");
    spoil("language_model.model.layers.1.self_attn.k_proj@grad.in");
    judge();
    assert_true(said(step, "MODULES", "backward, is language_model.model.layers.1.self_attn.k_proj@grad.in"));
    spoil("multi_modal_projector@out");
    spoil("language_model.model.layers.1.mlp@out");
    judge();
    assert_true(said(step, "MODULES", "forward, is multi_modal_projector@out"));
    assert_int_equal(found.outside, 5);
}

/* Copies of files of each kind in a suite of their own: whole, with a bit flipped, cut short, with a key renamed. */
static void damaged_files_are_named(void **state)
{
    (void)state;
    static const char *const paths[] = { "loss/ga.default/out.safetensors", "op/gelu.default/in.safetensors", "block/rmsnorm.b/out.safetensors", "step/grad_diff.sgd.a/bound.safetensors",
                                         "step/grad_diff.sgd.a/trace.json", "models/tiny-llava-a/config.json" };
    enum { FILES = sizeof paths / sizeof *paths };
    char *folder = arena_text(&arena, scratch("suite")), *there[FILES];
    for (int damage = 0; damage < 4; damage++) {
        Findings f = { .lines = json_array(), .json = true };
        json_t *files = json_array(), *one = json_pack("{s:s, s:o}", "spec", "1", "files", files);
        for (size_t p = 0; p < FILES; p++) {
            size_t size;
            char *bytes = file_read(arena_format(&arena, "%s/%s", suite, paths[p]), 1 << 20, &size, &arena, &error), *key = memchr(bytes + 8, '"', size - 8);
            json_array_append_new(files, json_pack("{s:s, s:s}", "path", paths[p], "sha256", digest_bytes(bytes, size).hex));
            bytes[size - 1] ^= damage == 1;
            key[1] ^= damage == 3;
            there[p] = arena_format(&arena, "%s/%s", folder, paths[p]);
            *strrchr(there[p], '/') = '\0';
            assert_true(file_make_folder(there[p], &error));
            there[p][strlen(there[p])] = '/';
            assert_true(file_write(there[p], bytes, size - (damage == 2), &error));
        }
        assert_true(verify_whole(&f, folder, one, &arena, &error));
        size_t named = 0;
        for (size_t k = 0; k < json_array_size(f.lines); k++)
            for (size_t p = 0; p < FILES; p++)
                named += strcmp(json_string_value(json_object_get(json_array_get(f.lines, k), "verdict")), "DAMAGED") == 0
                      && strcmp(json_string_value(json_object_get(json_array_get(f.lines, k), "where")), paths[p]) == 0;
        assert_int_equal(named, damage ? FILES : 0);
        assert_int_equal(verify_got(&f, folder, folder, one, &arena, &error), damage == 0);
        error = (Error){ 0 };
        json_decref(f.lines);
        json_decref(one);
        for (size_t p = 0; p < FILES; p++)
            unlink(there[p]);
    }
}

/* What PyTorch really answered (fixtures/pytorch): nothing is wrong, and it needs more than a hundredth of a bound in each kind of case. */
static void pytorch_is_within_and_uses_the_bounds(void **state)
{
    (void)state;
    static const char *const kinds[] = { "op/", "loss/", "block/", "step/" };
    double used[4] = { 0 };
    assert_true(verify_got(&found, suite, "fixtures/pytorch/answers.safetensors", manifest, &arena, &error));
    assert_int_equal(found.outside, 0);
    assert_true(found.within > 250);
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        const SuiteKind *kind = suite_kind(json_string_value(json_object_get(line, "where")));
        found.unknown -= strcmp(json_string_value(json_object_get(line, "verdict")), "MISSING") == 0 && kind && kind->judge == JUDGE_EXACT;   // pictures, tokens, masks
        const char *what = json_string_value(json_object_get(line, "what")), *comma = strchr(what, ',');
        assert_null(strstr(what, "known mistake"));
        for (size_t i = 0; i < 4 && strcmp(json_string_value(json_object_get(line, "verdict")), "WITHIN") == 0; i++)
            if (strncmp(json_string_value(json_object_get(line, "where")), kinds[i], strlen(kinds[i])) == 0 && strtod(comma + 1, NULL) > used[i])
                used[i] = strtod(comma + 1, NULL);
    }
    assert_int_equal(found.unknown, 0);
    for (size_t i = 0; i < 4; i++)
        if (!(used[i] >= 0.01 && used[i] <= 1))
            fail_msg("%s uses %g of a bound at most", kinds[i], used[i]);
}

/* PyTorch's answers with a mistake planted, in the place of the right ones: each of them is outside, by the mistake's name. */
static void pytorch_with_a_planted_mistake_is_named(void **state)
{
    (void)state;
    static const struct { const char *file, *says; } planted[] = {
        { "fixtures/pytorch/gelu_tanh.safetensors", "known mistake GeluTanh" }, { "fixtures/pytorch/npo_batch_mean.safetensors", "known mistake NpoBatchMean" },
    };
    Store s[2];
    for (size_t p = 0; p < 2; p++) {
        assert_true(store_open(&s[p], planted[p].file, &arena, &error));
        for (size_t k = 0; k < s[p].count; k++)
            right[place(s[p].entries[k].name)].tensor = s[p].entries[k].tensor;
    }
    judge();
    for (size_t p = 0; p < 2; p++) {
        size_t named = 0;
        for (size_t k = 0; k < s[p].count; k++) {
            bool bias = strstr(s[p].entries[k].name, "linear_2.bias") != NULL;        // does not see what comes before it
            assert_true(bias || said(s[p].entries[k].name, "OUTSIDE", planted[p].says));
            named += !bias;
        }
        assert_true(named >= 2);
        store_close(&s[p]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recorded_answers_are_made_again_to_the_bit, start, finish),
        cmocka_unit_test_setup_teardown(the_right_answers_of_others_are_bitexact, start, finish),
        cmocka_unit_test_setup_teardown(neighbours_are_within_and_a_quarter_is_outside, start, finish),
        cmocka_unit_test_setup_teardown(every_known_mistake_is_outside_and_recognised, start, finish),
        cmocka_unit_test_setup_teardown(what_is_only_near_a_mistake_is_not_named, start, finish),
        cmocka_unit_test_setup_teardown(recorded_mistakes_are_made_again_and_listed, start, finish),
        cmocka_unit_test_setup_teardown(every_flag_has_its_value, start, finish),
        cmocka_unit_test_setup_teardown(missing_extra_misshapen_and_nan_are_named, start, finish),
        cmocka_unit_test_setup_teardown(flipped_bits_and_swapped_tensors_are_seen, start, finish),
        cmocka_unit_test_setup_teardown(the_first_module_that_differs_is_named, start, finish),
        cmocka_unit_test_setup_teardown(damaged_files_are_named, start, finish),
        cmocka_unit_test_setup_teardown(pytorch_is_within_and_uses_the_bounds, start, finish),
        cmocka_unit_test_setup_teardown(pytorch_with_a_planted_mistake_is_named, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
