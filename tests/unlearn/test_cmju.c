/* SPDX-License-Identifier: MIT */
/* CMJU: groups and gradients on numbers computed by hand, and the weights that a run changes. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/support/stand.h"
#include "tests/support/tiny_world.h"
#include "unlearn/methods/cmju.h"

/* Both lists are divided by their largest value, 10 and 4. So the tensors have the sums 1.1, 1.25, 1, 1.5 and 0.1; the
 * shares of text are 1/11, 4/5, 1/2, 2/3 and 1. */
static void groups_are_those_computed_by_hand(void **state)
{
    (void)state;
    static const double text[] = { 1, 10, 5, 10, 1 }, picture[] = { 4, 1, 2, 2, 0 };
    CmjuGroup group[5];
    static const CmjuGroup all[] = { CMJU_PICTURE, CMJU_TEXT, CMJU_SHARED, CMJU_TEXT, CMJU_TEXT },
                           three[] = { CMJU_PICTURE, CMJU_TEXT, CMJU_FROZEN, CMJU_TEXT, CMJU_FROZEN },
                           one[] = { CMJU_FROZEN, CMJU_FROZEN, CMJU_FROZEN, CMJU_TEXT, CMJU_FROZEN },
                           wide[] = { CMJU_PICTURE, CMJU_TEXT, CMJU_SHARED, CMJU_SHARED, CMJU_TEXT };
    assert_true(cmju_partition(text, picture, 5, 1, 0.15, group, &arena));
    assert_memory_equal(group, all, sizeof all);
    assert_true(cmju_partition(text, picture, 5, 0.7, 0.15, group, &arena));       // floor(3.5) tensors
    assert_memory_equal(group, three, sizeof three);
    assert_true(cmju_partition(text, picture, 5, 0, 0.15, group, &arena));         // at least one tensor
    assert_memory_equal(group, one, sizeof one);
    assert_true(cmju_partition(text, picture, 5, 1, 0.2, group, &arena));
    assert_memory_equal(group, wide, sizeof wide);
}

static void of_equal_scores_the_first_are_salient(void **state)
{
    (void)state;
    static const double same[] = { 1, 1, 1, 1 };
    CmjuGroup group[4];
    assert_true(cmju_partition(same, same, 4, 0.5, 0.15, group, &arena));
    assert_true(group[0] == CMJU_SHARED && group[1] == CMJU_SHARED && group[2] == CMJU_FROZEN && group[3] == CMJU_FROZEN);
}

enum { SLOTS = 12 };

/* Combines the gradients of text and pictures, one number for each slot; out[k] is NaN if slot k gets no gradient.
 * Slot 0 is shared, slots 1 … 5 are for text, the next `pictures` slots for pictures, and the rest is frozen. */
static void combine(const float text[SLOTS], const float picture[SLOTS], size_t pictures, float out[SLOTS])
{
    Hyperparameters v = { .shared_weight = 2, .balance = 0.5f };
    CmjuGroup group[SLOTS];
    Node *gradient[2][SLOTS], *sum[SLOTS];
    for (size_t k = 0; k < SLOTS; k++) {
        group[k] = k == 0 ? CMJU_SHARED : k < 6 ? CMJU_TEXT : k < 6 + pictures ? CMJU_PICTURE : CMJU_FROZEN;
        gradient[0][k] = stand_vector(&text[k], 1);
        gradient[1][k] = stand_vector(&picture[k], 1);
    }
    MethodStep s = { .tape = &tape, .hyper = &v };
    Gradients g = { .count = SLOTS, .sum = sum };
    g.of[ROLE_FORGET_TEXT] = gradient[0], g.of[ROLE_FORGET] = gradient[1];
    assert_true(cmju_forget(&s, &g, &(Cmju){ SLOTS, group }));
    expect_fine(&error);
    for (size_t k = 0; k < SLOTS; k++) {
        if (!sum[k])
            assert_true(group[k] == CMJU_FROZEN);
        out[k] = sum[k] ? sum[k]->out.f32[0] : NAN;
    }
}

/* In the slots 0, 1 and 6, the text gradients are 4, 4, 2 (norm 6), the picture gradients 1, 2, 2 (norm 3), and q,
 * the ratio of these norms, is 2. The sums text + q picture are 6, 8 and 6. That of the shared slot is doubled to 12.
 * The norms of the other groups, 8 and 6, are pulled half of the way to their mean 7: the values become 8 (1 - 1/16)
 * and 6 (1 + 1/12). */
static void gradients_are_those_computed_by_hand(void **state)
{
    (void)state;
    static const float text[SLOTS] = { [0] = 4, [1] = 4, [6] = 2, [11] = 100 }, picture[SLOTS] = { [0] = 1, [1] = 2, [6] = 2, [11] = 100 };
    float got[SLOTS];
    combine(text, picture, 5, got);
    expect_float(got[0], 12, "the shared tensor");
    expect_float(got[1], 8 * (1 + 0.5f * (7.0f / 8 - 1)), "the text");
    expect_float(got[6], 6 * (1 + 0.5f * (7.0f / 6 - 1)), "the picture");
    assert_true(isnan(got[11]) && got[2] == 0);
    combine(text, picture, 4, got);                    // a group of four slots is too small to be pulled
    assert_true(got[0] == 12 && got[1] == 8 && got[6] == 6);
}

/* --- on the tiny model --- */

static void only_salient_tensors_move(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed()), *old = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, TRAIN_FULL);
    tiny_world_adapt(old, TRAIN_FULL);
    RoundsPlan p = tiny_world_plan(w, "cmju", "salient_share=0.25", 6);
    p.train.optimiser.weight_decay = 0;
    tiny_world_run(w, &r, &p);
    size_t moved = 0, trainable = 0;
    for (size_t k = 0; k < w->weights.count; k++) {
        trainable += w->weights.list[k].trainable;
        moved += memcmp(w->weights.list[k].tensor.f32, old->weights.list[k].tensor.f32, tensor_bytes(w->weights.list[k].tensor)) != 0;
    }
    assert_int_equal(moved, trainable / 4);
    rounds_close(&r);
    tiny_world_close(old);
    tiny_world_close(w);
}

/* The CE on the retain set is near log 331 = 5.8. Step 2 is the first that reads retain samples; with schedule=joint it
 * is step 1. */
static void the_request_ends_when_retained_answers_are_lost(void **state)
{
    (void)state;
    static const char *const changes[] = { "stop_retain=5", "stop_retain=5 schedule=joint", "stop_retain=30" };
    static const int64_t steps[] = { 2, 1, 8 };
    for (int k = 0; k < 3; k++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        tiny_world_adapt(w, TRAIN_LLM);
        RoundsPlan p = tiny_world_plan(w, "cmju", changes[k], 8);
        assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
        while (round_step(&r, &w->error))
            ;
        expect_fine(&w->error);
        assert_int_equal(r.done, steps[k]);
        assert_true(r.stopped == (k < 2));
        if (k < 2)
            assert_non_null(strstr(r.note, "above unlearn.stop_retain, 5"));
        rounds_close(&r);
        tiny_world_close(w);
    }
}

static void a_bad_request_is_refused(void **state)
{
    (void)state;
    static const struct { const char *key, *value; } keys[] = {
        { "salient_share", "1.5" }, { "share_margin", "0.6" }, { "shared_weight", "-1" }, { "balance", "2" }, { "stop_retain", "-1" },
    };
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_LLM);
    for (int pictures = 0; pictures < 2; pictures++) {
        BatchSample list[2] = { w->sample[pictures], w->sample[2 + pictures] };
        SampleList forget = { list, 2 };
        RoundsPlan p = tiny_world_plan(w, "cmju", "", 2);
        Rounds r;
        p.forget = &forget;
        assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
        expect_sentence(&w->error, pictures ? "each forget sample has a picture" : "no forget sample has a picture", "cmju");
        rounds_close(&r);
    }
    Hyperparameters v;
    assert_true(hyperparameters_make(&v, method_find("cmju"), NULL, &w->error));
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        assert_false(hyperparameters_set(&v, keys[k].key, keys[k].value, &w->error));
        expect_sentence(&w->error, keys[k].key, "expected");
    }
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(groups_are_those_computed_by_hand),
        stand_test(of_equal_scores_the_first_are_salient),
        stand_test(gradients_are_those_computed_by_hand),
        cmocka_unit_test(only_salient_tensors_move),
        cmocka_unit_test(the_request_ends_when_retained_answers_are_lost),
        cmocka_unit_test(a_bad_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
