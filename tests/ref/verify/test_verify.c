/* SPDX-License-Identifier: MIT */
/* The recorded answers are made again to the bit; others' answers are judged; damage is named; PyTorch is WITHIN. */
#include "tests/support/answers.h"

#include "tensor/base/file.h"

static void recorded_answers_are_made_again_to_the_bit(void **state)
{
    (void)state;
    assert_true(verify_own(&found, suite, manifest, &arena, &error));
    for (size_t k = 0; k < json_array_size(found.lines); k++)
        if (strcmp(json_string_value(json_object_get(json_array_get(found.lines, k), "verdict")), "BITEXACT") != 0)
            fail_msg("%s", json_string_value(json_object_get(json_array_get(found.lines, k), "where")));
    assert_true(found.exact > 50 && found.outside + found.undecided == 0);
}

static void the_right_answers_of_others_are_bitexact(void **state)
{
    (void)state;
    judge();
    assert_int_equal(found.exact, right_count);
    assert_int_equal(found.outside + found.undecided + found.within + found.noisy, 0);
}

/* Values moved to a neighbouring float are WITHIN. (Only values with a bound above 0 are moved; a value that is merely
 * copied has the bound 0.) Values that are a quarter too large are OUTSIDE. */
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
    assert_int_equal(found.outside + found.undecided, 0);
    assert_true(found.within > 700);
    for (size_t k = 0; k < right_count; k++) {
        // a factor does not change a tensor of zeros, such as the gradient of LoRA's A while B is 0
        bool any = false;
        for (size_t i = 0; bound[k] && i < shape_size(right[k].tensor.shape); i++) {
            right[k].tensor.f32[i] *= 1.25f;
            any |= right[k].tensor.f32[i] != 0;
        }
        changed += any;
    }
    judge();
    assert_int_equal(found.outside, changed);
}

/* One answer of each kind of case that has bounds. */
static const char *const one_of_each[] = { "op/linear.square/y", "loss/npo.sequence_sum/dz.forget",
        "block/swiglu.b/language_model.model.layers.0.mlp@out",
                                           "step/npo.adamw.b/language_model.model.layers.1.mlp.up_proj@grad.weight" };
enum { KINDS = sizeof one_of_each / sizeof *one_of_each };

static void missing_extra_misshapen_and_nan_are_named(void **state)
{
    (void)state;
    size_t at[KINDS];
    for (size_t k = 0; k < KINDS; k++) {
        at[k] = answer_index(one_of_each[k]);
        right[at[k]].tensor = copy(right[at[k]].tensor);
        right[at[k]].tensor.f32[7] = __builtin_nanf("1");
    }
    judge();
    for (size_t k = 0; k < KINDS; k++) {
        assert_true(has_finding(one_of_each[k], "OUTSIDE", "1 of"));
        right[at[k]].tensor.shape = shape_of(1, shape_size(right[at[k]].tensor.shape));
    }
    judge();
    for (size_t k = 0; k < KINDS; k++) {
        assert_true(has_finding(one_of_each[k], "MIS-SHAPED", "expected F32"));
        right[at[k]].name = arena_format(&arena, "%s.other", one_of_each[k]);
    }
    judge();
    for (size_t k = 0; k < KINDS; k++)                                 // tensors of a step may be left out
        assert_true(has_finding(right[at[k]].name, "EXTRA", "") && (has_finding(one_of_each[k], "MISSING", "")
                || strncmp(one_of_each[k], "step/", 5) == 0));
    assert_int_equal(found.undecided, 2 * KINDS - 1);
}

static void flipped_bits_and_swapped_tensors_are_seen(void **state)
{
    (void)state;
    Tensor kept[KINDS];
    for (int bit = 0; bit < 31; bit += 30) {                           // the lowest bit, and the highest one of the exponent
        for (size_t k = 0; k < KINDS; k++) {
            Entry *one = &right[answer_index(one_of_each[k])];
            uint32_t b;
            kept[k] = one->tensor;
            one->tensor = copy(one->tensor);
            memcpy(&b, &one->tensor.f32[3], 4);
            b ^= 1u << bit;
            memcpy(&one->tensor.f32[3], &b, 4);
        }
        judge();
        for (size_t k = 0; k < KINDS; k++) {
            assert_true(has_finding(one_of_each[k], bit ? "OUTSIDE" : "WITHIN", ""));
            right[answer_index(one_of_each[k])].tensor = kept[k];
        }
    }
    for (size_t k = 0; k < KINDS; k++)
        right[answer_index(one_of_each[k])].tensor = kept[(k + 1) % KINDS];
    judge();
    for (size_t k = 0; k < KINDS; k++)
        assert_true(has_finding(one_of_each[k], "OUTSIDE", "") || has_finding(one_of_each[k], "MIS-SHAPED", ""));
}

static void spoil(const char *name)
{
    size_t i = answer_index(arena_format(&arena, "step/npo.adamw.b/%s", name));
    right[i].tensor = copy(right[i].tensor);
    for (size_t k = 0; k < shape_size(right[i].tensor.shape); k++)
        right[i].tensor.f32[k] *= 1.25f;
}

/* The order is that of the computation: forward, then backward (beginning at the module nearest to the loss), then
 * update. */
static void the_first_module_that_differs_is_named(void **state)
{
    (void)state;
    static const char step[] = "step/npo.adamw.b";
    judge();
    assert_int_equal(found.exact, right_count);
    assert_true(has_finding(step, "MODULES", "") && !has_finding(step, "MODULES", "first"));
    spoil("optimiser@after.language_model.lm_head.weight");
    judge();
    assert_true(has_finding(step, "MODULES", "update, is optimiser@after.language_model.lm_head.weight"));
    spoil("language_model.model.layers.0.mlp.down_proj@grad.weight");
    spoil("language_model.model.layers.1.self_attn.k_proj@grad.in");
    judge();
    assert_true(has_finding(step, "MODULES", "backward, is language_model.model.layers.1.self_attn.k_proj@grad.in"));
    spoil("multi_modal_projector@out");
    spoil("language_model.model.layers.1.mlp@out");
    judge();
    assert_true(has_finding(step, "MODULES", "forward, is multi_modal_projector@out"));
    assert_int_equal(found.outside, 5);
}

/* A suite of six copied files, made four times (`damage`): all files are unchanged (0), have a bit flipped (1), are cut
 * short (2), or have a key renamed (3). */
static void damaged_files_are_named(void **state)
{
    (void)state;
    static const char *const paths[] = { "loss/ga.default/out.safetensors", "op/gelu.default/in.safetensors",
            "block/rmsnorm.b/out.safetensors", "step/grad_diff.sgd.a/bound.safetensors",
                                         "step/grad_diff.sgd.a/trace.json", "models/tiny-llava-a/config.json" };
    enum { FILES = sizeof paths / sizeof *paths };
    char *folder = arena_text(&arena, scratch("suite")), *there[FILES];
    for (int damage = 0; damage < 4; damage++) {
        Findings f = { .lines = json_array(), .json = true };
        json_t *files = json_array(), *one = json_pack("{s:s, s:o}", "spec", "1", "files", files);
        for (size_t p = 0; p < FILES; p++) {
            size_t size;
            char *bytes = file_read(arena_format(&arena, "%s/%s", suite, paths[p]), 1 << 20, &size, &arena, &error),
                    *key = memchr(bytes + 8, '"', size - 8);
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
                named += strcmp(json_string_value(json_object_get(json_array_get(f.lines, k), "verdict")),
                                "DAMAGED") == 0
                      && strcmp(json_string_value(json_object_get(json_array_get(f.lines, k), "where")), paths[p]) == 0;
        assert_int_equal(named, damage ? FILES : 0);
        assert_int_equal(verify_got(&f, folder, folder, &everything, one, &arena, &error), damage == 0);
        error = (Error){ 0 };
        json_decref(f.lines);
        json_decref(one);
        for (size_t p = 0; p < FILES; p++)
            unlink(there[p]);
    }
}

/* PyTorch's recorded answers (fixtures/pytorch): none is OUTSIDE. In each kind of case that has bounds, the largest
 * error is at least a hundredth of its bound, so the bounds are not too wide. */
static void pytorch_is_within_and_uses_the_bounds(void **state)
{
    (void)state;
    static const char *const kinds[] = { "op/", "loss/", "block/", "step/" };
    double used[4] = { 0 };
    assert_true(verify_got(&found, suite, "fixtures/pytorch/answers.safetensors", &everything, manifest, &arena,
                           &error));
    assert_int_equal(found.outside, 0);
    assert_true(found.within > 250);
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        const SuiteKind *kind = suite_kind(json_string_value(json_object_get(line, "where")));
        bool missing = strcmp(json_string_value(json_object_get(line, "verdict")), "MISSING") == 0;
        // the file has no answers about pictures, tokens and masks
        found.undecided -= missing && kind && kind->judge == JUDGE_EXACT;
        const char *what = json_string_value(json_object_get(line, "what")), *comma = strchr(what, ',');
        assert_null(strstr(what, "known mistake"));
        // the sentence of WITHIN: "fed: scaled error 1e-07, 0.12 of the bound, …"
        for (size_t i = 0; i < 4 && strcmp(json_string_value(json_object_get(line, "verdict")), "WITHIN") == 0; i++)
            if (strncmp(json_string_value(json_object_get(line, "where")), kinds[i], strlen(kinds[i])) == 0
                    && strtod(comma + 1, NULL) > used[i])
                used[i] = strtod(comma + 1, NULL);
    }
    assert_int_equal(found.undecided, 0);
    for (size_t i = 0; i < 4; i++)
        if (!(used[i] >= 0.01 && used[i] <= 1))
            fail_msg("%s uses %g of a bound at most", kinds[i], used[i]);
}

/* Sequential requests computed with transformers and torch.optim, for every method but cmju. */
static void pytorch_is_within_over_all_requests(void **state)
{
    (void)state;
    assert_true(verify_got(&found, suite, "fixtures/pytorch/sequences.safetensors", &everything, manifest, &arena, &error));
    assert_int_equal(found.outside, 0);
    assert_true(found.within >= 121);
    for (size_t k = 0; k < json_array_size(found.lines); k++) {
        json_t *line = json_array_get(found.lines, k);
        const char *where = json_string_value(json_object_get(line, "where"));
        if (strncmp(where, "seq/", 4) == 0 && strcmp(json_string_value(json_object_get(line, "verdict")), "WITHIN") != 0)
            assert_non_null(strstr(where, "pulse-cmju"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        answers_test(recorded_answers_are_made_again_to_the_bit),
        answers_test(the_right_answers_of_others_are_bitexact),
        answers_test(neighbours_are_within_and_a_quarter_is_outside),
        answers_test(missing_extra_misshapen_and_nan_are_named),
        answers_test(flipped_bits_and_swapped_tensors_are_seen),
        answers_test(the_first_module_that_differs_is_named),
        answers_test(damaged_files_are_named),
        answers_test(pytorch_is_within_and_uses_the_bounds),
        answers_test(pytorch_is_within_over_all_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
