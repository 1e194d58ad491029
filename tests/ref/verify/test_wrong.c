/* SPDX-License-Identifier: MIT */
/* Known mistakes: verify finds each of them OUTSIDE and names it. It names no mistake for a right value, nor for one
 * that is only near a mistake. All mistakes are recorded and listed. */
#include "tests/support/answers.h"

#include "tests/support/wrong/wrong.h"

/* Each wrong answer has a name of the form "<case>@<flag>/<tensor>". These are its three parts in this order: `id` is
 * the case, and `name` the tensor. A flag is the name of a known mistake. */
typedef struct { const char *id, *flag, *name; } Mistake;

static Mistake parts(const char *full)
{
    const char *at = strchr(full, '@'), *slash = strrchr(full, '/');
    return (Mistake){ arena_format(&arena, "%.*s", (int)(at - full), full), arena_format(&arena, "%.*s", (int)(slash - at - 1), at + 1),
            slash + 1 };
}

/* For each entry of `wrong`, the number of flags of the same case that come before its own flag. */
static size_t *turns_of(const Entry *wrong, size_t count)
{
    size_t *turn = arena_zalloc(&arena, (count + 1) * sizeof *turn);
    Mistake *all = arena_array(&arena, count, sizeof *all);
    for (size_t k = 0; k < count; k++) {
        all[k] = parts(wrong[k].name);
        for (size_t i = k; i-- > 0;)
            if (strcmp(all[i].id, all[k].id) == 0) {                   // the entry of this case just before k
                turn[k] = turn[i] + (strcmp(all[i].flag, all[k].flag) != 0);
                break;
            }
    }
    return turn;
}

static void expect_recognised(const Entry *wrong, const Entry *kept)
{
    Mistake m = parts(wrong->name);
    const char *where = arena_format(&arena, "%s/%s", m.id, m.name),
        *says = arena_format(&arena, "known mistake %s", m.flag);
    bool same_shape = shape_equal(kept[answer_index(where)].tensor.shape, wrong->tensor.shape);
    if (!has_finding(where, same_shape ? "OUTSIDE" : "MIS-SHAPED", says))
        fail_msg("%s is not recognised", wrong->name);
    if (strncmp(m.id, "step/", 5) == 0 && strchr(m.name, '@') && !has_finding(m.id, "MODULES", says))
        fail_msg("the line MODULES of %s does not name %s", m.id, m.flag);
}

/* Turns and the mistakes of a case count from 0. In turn n, every case has its mistake n, if there is one. */
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
                right[answer_index(arena_format(&arena, "%s/%s", m.id, m.name))].tensor = wrong[k].tensor;
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

/* Only the results of whole steps are changed. Round 0: values off by fp32 rounding errors are WITHIN. Round 1: values
 * also move three quarters of the way to each mistake in turn, and some become a NaN. Some answers are OUTSIDE, but no
 * mistake is named. */
static void what_is_only_near_a_mistake_is_not_named(void **state)
{
    (void)state;
    Store wrong;
    size_t near = 0;
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (int round = 0; round < 2; round++) {
        for (size_t k = 0; k < right_count; k++) {                     // the end tensors of steps
            right[k].tensor = copy(right[k].tensor);
            for (size_t i = 0; !bound[k] && strncmp(right[k].name, "step/", 5) == 0
                && i < shape_size(right[k].tensor.shape); i++)
                right[k].tensor.f32[i] *= i % 2 ? 1 + 0x1p-23f : 1 - 0x1p-23f;
        }
        for (size_t k = 0; k < wrong.count && round; k++) {
            Mistake m = parts(wrong.entries[k].name);
            Tensor w = wrong.entries[k].tensor;
            if (strncmp(m.id, "step/", 5) != 0 || strchr(m.name, '@'))
                continue;
            float *x = right[answer_index(arena_format(&arena, "%s/%s", m.id, m.name))].tensor.f32;
            for (size_t i = 0; i < shape_size(w.shape); i++)
                x[i] += 0.75f * (w.f32[i] - x[i]);
            x[0] = near++ % 2 ? x[0] : __builtin_nanf("1");
        }
        judge();
        for (size_t k = 0; k < json_array_size(found.lines); k++)
            assert_null(strstr(json_string_value(json_object_get(json_array_get(found.lines, k), "what")),
                               "known mistake"));
        if (found.within < 100 || found.undecided || (round ? found.outside < 10 : found.outside > 0))
            fail_msg("round %d: %zu within, %zu outside, %zu undecided", round, found.within, found.outside,
                     found.undecided);
    }
    assert_true(near > 20);
    store_close(&wrong);
}

/* A mistake that makes values larger also makes their rounding errors larger. Without clipping, a second moment and the
 * rounding errors in it are 2000 times too large. Both mistakes below are recognised nevertheless. */
static void a_mistake_with_noise_of_its_own_size_is_named(void **state)
{
    (void)state;
    static const char *const larger[] = { "step/npo.adamw.b@ClipMissing/", "step/npo.adamw.b@BiasCorrectionMissing/" };
    Store wrong;
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (size_t f = 0; f < 2; f++) {
        static Entry kept[MOST];
        size_t named = 0;
        memcpy(kept, right, sizeof kept);
        for (int pass = 0; pass < 2; pass++) {
            for (size_t k = 0; k < wrong.count; k++) {
                Mistake m = parts(wrong.entries[k].name);
                const char *where = arena_format(&arena, "%s/%s", m.id, m.name);
                if (strncmp(wrong.entries[k].name, larger[f], strlen(larger[f])) != 0)
                    continue;
                if (pass == 0) {
                    Tensor x = copy(wrong.entries[k].tensor);
                    for (size_t i = 0; !strchr(m.name, '@') && i < shape_size(x.shape); i++)
                        x.f32[i] *= i % 2 ? 1 + 0x1p-20f : 1 - 0x1p-20f;
                    right[answer_index(where)].tensor = x;
                } else if (!strchr(m.name, '@') && !has_finding(where, "OUTSIDE", arena_format(&arena, "known mistake %s", m.flag)))
                    fail_msg("%s is not recognised", wrong.entries[k].name);
                else
                    named += !strchr(m.name, '@');
            }
            if (pass == 0)
                judge();
        }
        assert_true(named >= 1);
        memcpy(right, kept, sizeof kept);
    }
    store_close(&wrong);
}

/* The mistakes, made again, are those in wrong.safetensors; each case.json lists its mistakes by flag and digest. */
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
        assert_true(t->dtype == wrong[k].tensor.dtype && shape_equal(t->shape, wrong[k].tensor.shape)
                && memcmp(t->data, wrong[k].tensor.data, tensor_bytes(*t)) == 0);
        json_t *json = json_file(arena_format(&arena, "%s/%s/case.json", suite, m.id), 1 << 20, &error), *one;
        size_t i;
        bool listed = false;
        json_array_foreach(json_object_get(json, "wrong"), i, one) {
            const char *flag = json_string_value(json_object_get(one, "flag")),
                    *digest = json_string_value(json_object_get(json_object_get(json_object_get(one, "tensors"), m.name),
                    "content_sha256"));
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
        char *start = arena_format(&arena, "%s@%s/", json_string_value(json_object_get(one, "id")),
                json_string_value(json_array_get(flags, f)));
        for (size_t k = 0; k < wrong->count; k++)
            there |= strncmp(wrong->entries[k].name, start, strlen(start)) == 0;
        if (!there)
            fail_msg("%s has no value in wrong.safetensors", start);
    }
}

/* fixtures/pytorch/planted.safetensors has the answers of PyTorch and NumPy with each mistake planted in them. Every
 * answer that the mistake changes is OUTSIDE, and the mistake is named. */
static void every_mistake_that_pytorch_makes_is_named(void **state)
{
    (void)state;
    static Entry got[MOST];
    static const VerifyOptions some = { .only = &none, .partial = true };
    Store planted, wrong;
    size_t seen = 0, named = 0;
    assert_true(store_open(&planted, "fixtures/pytorch/planted.safetensors", &arena, &error));
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    const size_t *turn_of = turns_of(planted.entries, planted.count);
    for (size_t turn = 0; seen < planted.count; turn++) {
        size_t count = 0;
        for (size_t k = 0; k < planted.count; k++)
            if (turn_of[k] == turn) {
                Mistake m = parts(planted.entries[k].name);
                got[count++] = (Entry){ arena_format(&arena, "%s/%s", m.id, m.name), planted.entries[k].tensor };
            }
        judge_these(got, count, &some);
        for (size_t k = 0; k < planted.count; k++) {
            Mistake m = parts(planted.entries[k].name);
            const bool moved = store_find(&wrong, planted.entries[k].name) != NULL;
            if (turn_of[k] != turn)
                continue;
            seen++;
            named += moved;
            if (moved && !has_finding(arena_format(&arena, "%s/%s", m.id, m.name), "OUTSIDE",
                                      arena_format(&arena, "known mistake %s", m.flag)))
                fail_msg("%s is not recognised", planted.entries[k].name);
        }
    }
    assert_true(named > 100);
    store_close(&planted);
    store_close(&wrong);
}

/* Every mistake of the cases below, and of all cases of weights/, is among the planted ones. */
static void no_mistake_of_the_newer_methods_is_left_unplanted(void **state)
{
    (void)state;
    static const char *const cases[] = { "loss/mmunlearner.default", "loss/llmu.default", "loss/o3.default", "loss/adapters.default",
                                         "loss/smfa.default", "loss/cmju.default", "loss/pdu.default", "loss/adapop.popular",
                                         "step/smfa.lora.mini", "step/o3.lora.mini", "step/adapters.lora.mini", "step/mip_editor.lora.mini",
                                         "step/cmju.lora.mini", "step/pdu.proj.mini", "step/adapop.proj.mini" };
    Store planted, wrong;
    assert_true(store_open(&planted, "fixtures/pytorch/planted.safetensors", &arena, &error));
    assert_true(store_open(&wrong, "fixtures/vectors/v1/wrong.safetensors", &arena, &error));
    for (size_t k = 0; k < wrong.count; k++) {
        Mistake m = parts(wrong.entries[k].name);
        const char *start = arena_format(&arena, "%s@%s/", m.id, m.flag);
        bool asked = false, there = false;
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
            asked |= strcmp(cases[c], m.id) == 0 || strncmp(m.id, "weights/", 8) == 0;
        for (size_t i = 0; i < planted.count; i++)
            there |= strncmp(planted.entries[i].name, start, strlen(start)) == 0;
        if (asked && !there)
            fail_msg("%s is not planted", start);
    }
    store_close(&planted);
    store_close(&wrong);
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

/* Some right answers are replaced by those of PyTorch with one of two planted mistakes. Each of these is OUTSIDE and
 * its mistake is named, except for the gradients of one bias. */
static void pytorch_with_a_planted_mistake_is_named(void **state)
{
    (void)state;
    static const struct { const char *file, *says; } planted[] = {
        { "fixtures/pytorch/gelu_tanh.safetensors", "known mistake GeluTanh" }, { "fixtures/pytorch/npo_batch_mean.safetensors",
                "known mistake NpoBatchMean" },
    };
    Store s[2];
    for (size_t p = 0; p < 2; p++) {
        assert_true(store_open(&s[p], planted[p].file, &arena, &error));
        for (size_t k = 0; k < s[p].count; k++)
            right[answer_index(s[p].entries[k].name)].tensor = s[p].entries[k].tensor;
    }
    judge();
    for (size_t p = 0; p < 2; p++) {
        size_t named = 0;
        for (size_t k = 0; k < s[p].count; k++) {
            // the gradient of the last bias does not depend on what comes before it in the forward pass
            bool bias = strstr(s[p].entries[k].name, "linear_2.bias") != NULL;
            assert_true(bias || has_finding(s[p].entries[k].name, "OUTSIDE", planted[p].says));
            named += !bias;
        }
        assert_true(named >= 2);
        store_close(&s[p]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        answers_test(every_known_mistake_is_outside_and_recognised),
        answers_test(what_is_only_near_a_mistake_is_not_named),
        answers_test(a_mistake_with_noise_of_its_own_size_is_named),
        answers_test(recorded_mistakes_are_made_again_and_listed),
        answers_test(every_mistake_that_pytorch_makes_is_named),
        answers_test(no_mistake_of_the_newer_methods_is_left_unplanted),
        answers_test(every_flag_has_its_value),
        answers_test(pytorch_with_a_planted_mistake_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
