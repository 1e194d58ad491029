/* SPDX-License-Identifier: MIT */
/* Epochs of unlearning on a tiny model: each shows every sample of a list once, in batches that are never larger than the list. */
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

typedef struct { size_t forget[FORGET], retain[RETAIN]; } Uses;

static void use(const TinyWorld *w, Uses *u, const BatchSample *s, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t at = SAMPLES;
        for (size_t i = 0; i < SAMPLES; i++)
            if (w->sample[i].ids == s[k].ids)
                at = i;
        assert_true(at < SAMPLES);
        if (at < FORGET)
            u->forget[at]++;
        else
            u->retain[at - FORGET]++;
    }
}

static void an_epoch_shows_each_forget_sample_once_and_pictures_are_half(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "grad_diff", "", 1);
    UnlearnRequest q = { .method = p.method, .v = p.v, .batch = 2, .role = { { w->sample, FORGET }, { w->sample + FORGET, RETAIN } } };
    Unlearn *u = unlearn_make(&q, &w->model, &w->arena, &w->error);
    Objective o = unlearn_objective(u);
    assert_int_equal(unlearn_steps(&q, 1), 2);
    for (int epoch = 0; epoch < 3; epoch++) {
        Uses seen = { .forget = { 0 } };
        for (int64_t step = 1; step <= 2; step++) {
            BatchSample *s;
            size_t n;
            assert_true(o.samples(o.context, 2 * epoch + step, &s, &n, &w->arena, &w->error));
            assert_int_equal(n, 4);
            assert_true((s[0].pixels != NULL) + (s[1].pixels != NULL) == 1 && (s[2].pixels != NULL) + (s[3].pixels != NULL) == 1);
            use(w, &seen, s, n);
        }
        for (size_t k = 0; k < FORGET; k++)
            assert_int_equal(seen.forget[k], 1);
    }
}

/* A list of n samples, of which the first `pictures` have a picture and the others have none; they live in `to`. */
static SampleList mixed(const TinyWorld *w, size_t n, size_t pictures, BatchSample *to)
{
    size_t picture = 0;
    while (picture < SAMPLES && !w->sample[picture].pixels)
        picture++;
    for (size_t k = 0; k < n; k++) {
        to[k] = w->sample[k];
        to[k].pixels = k < pictures ? w->sample[picture].pixels : NULL;
    }
    return (SampleList){ to, n };
}

/* Whatever the batch and however many of the samples are pictures: an epoch shows each sample once, and no step more than `batch`. */
static void an_epoch_is_every_sample_once_whatever_the_batch_and_the_shares(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "ga", "", 1);
    for (size_t n = 1; n <= SAMPLES; n++)
        for (size_t pictures = 0; pictures <= n; pictures++)
            for (size_t batch = 1; batch <= n + 2; batch++) {
                BatchSample list[SAMPLES], *s;
                UnlearnRequest q = { .method = p.method, .v = p.v, .batch = batch, .role = { mixed(w, n, pictures, list) } };
                Objective o = unlearn_objective(unlearn_make(&q, &w->model, &w->arena, &w->error));
                const int64_t steps = unlearn_steps(&q, 1);
                assert_int_equal(steps, (n + batch - 1) / batch);
                for (int64_t epoch = 0; epoch < 2; epoch++) {
                    size_t seen[SAMPLES] = { 0 }, count, fewest = n, most = 0;
                    for (int64_t step = 1; step <= steps; step++) {
                        assert_true(o.samples(o.context, steps * epoch + step, &s, &count, &w->arena, &w->error));
                        assert_int_equal(count, step < steps ? batch : n - (size_t)(steps - 1) * batch);
                        size_t here = 0;
                        for (size_t k = 0; k < count; here += s[k++].pixels != NULL)
                            for (size_t i = 0; i < n; i++)
                                seen[i] += s[k].ids == list[i].ids;
                        if (step < steps && here < fewest)
                            fewest = here;
                        if (step < steps && here > most)
                            most = here;
                    }
                    assert_true(steps == 1 || most - fewest <= 1);                // the pictures are spread evenly
                    for (size_t i = 0; i < n; i++)
                        assert_int_equal(seen[i], 1);
                }
            }
}

static void phased_passes_take_turns(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "grad_diff", "schedule=phased", 1);
    UnlearnRequest q = { .method = p.method, .v = p.v, .batch = 2, .role = { { w->sample, FORGET }, { w->sample + FORGET, RETAIN } } };
    Objective o = unlearn_objective(unlearn_make(&q, &w->model, &w->arena, &w->error));
    assert_int_equal(unlearn_steps(&q, 1), 2 + 3);
    for (int64_t cycle = 0; cycle < 2; cycle++) {
        Uses seen = { .forget = { 0 } };
        for (int64_t step = 1; step <= 5; step++) {
            BatchSample *s;
            size_t n;
            assert_true(o.samples(o.context, 5 * cycle + step, &s, &n, &w->arena, &w->error));
            assert_int_equal(n, 2);
            assert_int_equal(s[0].ids >= w->ids[FORGET], step > 2);
            use(w, &seen, s, n);
        }
        for (size_t k = 0; k < FORGET; k++)
            assert_int_equal(seen.forget[k], 1);
        for (size_t k = 0; k < RETAIN; k++)
            assert_int_equal(seen.retain[k], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_epoch_shows_each_forget_sample_once_and_pictures_are_half, setup, teardown),
        cmocka_unit_test_setup_teardown(an_epoch_is_every_sample_once_whatever_the_batch_and_the_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(phased_passes_take_turns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
