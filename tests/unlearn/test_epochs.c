/* SPDX-License-Identifier: MIT */
/* Epochs of unlearning on a tiny model: each epoch shows every sample of a list once, in batches. */
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

/* How often each sample was used. */
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

static void an_epoch_shows_each_forget_sample_once_and_each_batch_is_half_pictures(void **state)
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

/* A list of n samples, stored in `to`. The first `pictures` of them have a picture (all the same), the others none. */
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

/* For any batch size and any share of pictures, an epoch shows each sample once, and a step at most `batch` samples. */
static void an_epoch_shows_each_sample_once_for_any_batch_and_share(void **state)
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

static void a_phased_schedule_alternates_passes_over_the_lists(void **state)
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

/* Step k reads the samples that letter k of `want` names: f forget, r retain, b both. A request of `epochs` epochs has
 * `steps` steps. */
static void expect_turns(TinyWorld *w, const char *method, const char *changes, const char *want, int64_t epochs, int64_t steps)
{
    RoundsPlan p = tiny_world_plan(w, method, changes, 1);
    UnlearnRequest q = { .method = p.method, .v = p.v, .batch = 2, .role = { { w->sample, FORGET }, { w->sample + FORGET, RETAIN } } };
    Objective o = unlearn_objective(unlearn_make(&q, &w->model, &w->arena, &w->error));
    expect_fine(&w->error);
    assert_int_equal(unlearn_steps(&q, epochs), steps);
    for (int64_t step = 1; want[step - 1]; step++) {
        BatchSample *s;
        size_t n, retain = 0;
        assert_true(o.samples(o.context, step, &s, &n, &w->arena, &w->error));
        for (size_t k = 0; k < n; k++)
            retain += s[k].ids >= w->ids[FORGET];
        const char got = retain == 0 ? 'f' : retain == n ? 'r' : 'b';
        if (got != want[step - 1])
            fail_msg("%s, step %lld: %c, expected %s", changes, (long long)step, got, want);
    }
}

/* The forget set has 2 batches and the retain set 3. */
static void each_schedule_has_its_order_of_steps(void **state)
{
    TinyWorld *w = *state;
    tiny_world_adapt(w, TRAIN_LLM);
    expect_turns(w, "grad_diff", "", "bbbbb", 3, 6);
    expect_turns(w, "grad_diff", "schedule=phased", "ffrrrffrrrff", 2, 10);
    expect_turns(w, "grad_diff", "schedule=phased forget_epochs=1", "ffrrrrrrrrr", 3, 11);
    expect_turns(w, "grad_diff", "schedule=phased forget_epochs=2", "ffrrrffrrrrrrr", 2, 10);
    expect_turns(w, "grad_diff", "schedule=interleaved", "frfrfrfr", 1, 6);
    expect_turns(w, "grad_diff", "schedule=interleaved retain_steps=2", "frrfrrfrr", 1, 5);
    expect_turns(w, "grad_diff", "schedule=interleaved retain_steps=4", "frrrrfrrrrf", 2, 8);
    expect_turns(w, "ga", "schedule=interleaved", "ffff", 3, 6);
}

/* A random sample is a forget question followed by the answer of a retain sample. The same step draws the same answers
 * again. */
static void random_answers_come_from_retain_samples_and_vary_by_step(void **state)
{
    TinyWorld *w = *state;
    enum { STEPS = 6, DRAWS = 3 };
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "llmu", "random_answers=3", 1);
    UnlearnRequest q = { .method = p.method, .v = p.v, .batch = 2, .reference = &w->model,
                         .role = { { w->sample, FORGET }, { w->sample + FORGET, RETAIN } } };
    Objective o = unlearn_objective(unlearn_make(&q, &w->model, &w->arena, &w->error));
    size_t seen[STEPS][2 * DRAWS], differ = 0;
    for (int64_t step = 1; step <= STEPS; step++) {
        BatchSample *s, *again;
        size_t n;
        assert_true(o.samples(o.context, step, &again, &n, &w->arena, &w->error));
        assert_true(o.samples(o.context, step, &s, &n, &w->arena, &w->error));
        assert_int_equal(n, 2 + 2 + 2 * DRAWS);
        for (size_t k = 0; k < 2 * DRAWS; k++) {
            const BatchSample *x = &s[4 + k], *question = &s[k / DRAWS], *answer = NULL;
            size_t prompt = 0, length = 0;
            while (question->targets[prompt] < 0)
                prompt++;
            assert_memory_equal(x->ids, question->ids, (prompt + 1) * sizeof *x->ids);
            assert_ptr_equal(x->pixels, question->pixels);
            assert_true(x->n == again[4 + k].n && memcmp(x->ids, again[4 + k].ids, x->n * sizeof *x->ids) == 0);
            for (size_t i = 0; i < RETAIN && !answer; i++) {
                const BatchSample *one = &w->sample[FORGET + i];
                size_t from = 0;
                while (one->targets[from] < 0)
                    from++;
                length = one->n - 1 - from;
                if (length == x->n - 1 - prompt && memcmp(one->targets + from, x->ids + prompt + 1, length * sizeof *x->ids) == 0)
                    answer = one, seen[step - 1][k] = i;
            }
            assert_non_null(answer);
            for (size_t i = 0; i < x->n; i++)
                assert_int_equal(x->targets[i], i < prompt || i + 1 == x->n ? -1 : x->ids[i + 1]);
        }
        differ += step > 1 && memcmp(seen[step - 1], seen[step - 2], sizeof *seen) != 0;
    }
    assert_true(differ >= STEPS - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_epoch_shows_each_forget_sample_once_and_each_batch_is_half_pictures, setup, teardown),
        cmocka_unit_test_setup_teardown(an_epoch_shows_each_sample_once_for_any_batch_and_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_phased_schedule_alternates_passes_over_the_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(each_schedule_has_its_order_of_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(random_answers_come_from_retain_samples_and_vary_by_step, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
