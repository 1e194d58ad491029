/* SPDX-License-Identifier: MIT */
/* Drawn tokens have the distribution that follows from the logits, the temperature and the banned tokens. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "model/training/generate.h"
#include "tests/support/tiny_world.h"

/* The logits of the last row of the prompt, from one pass over the whole prompt. */
static Tensor last_logits(TinyWorld *w, BatchSample *prompt)
{
    Batch b;
    int32_t targets[LONGEST];
    BatchSample wanted = *prompt;
    for (size_t k = 0; k < prompt->n; k++)
        targets[k] = k + 1 == prompt->n ? 0 : -1;
    wanted.targets = targets;
    Params p = params_make(&tape, &w->model);
    assert_true(batch_pack(&b, &wanted, 1, ROWS_SUPERVISED, &w->config, &arena, &error));
    Node *z = model_forward(&tape, &p, &b).logits;
    expect_fine(&error);
    return z->out;
}

/* The token at which the running sum of e^((z - z[0]) / temperature), over the ids that are not banned, passes u times
 * the whole sum. The exp of the C library is exact enough here. */
static int32_t token_at(const float *z, size_t v, double temperature, double u, const Sampling *how)
{
    double all = 0, sum = 0, p[512];
    for (size_t i = 0; i < v; i++) {
        p[i] = exp((double)(z[i] - z[0]) / temperature);
        for (size_t k = 0; k < how->banned_count; k++)
            p[i] = how->banned[k] == (int32_t)i ? 0 : p[i];
        all += p[i];
    }
    for (size_t i = 0; i < v; i++)
        if ((sum += p[i]) > u * all)
            return (int32_t)i;
    return -1;
}

static void sampled_tokens_are_drawn_from_the_distribution(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_FULL);
    BatchSample prompt = w->sample[0];
    const Tensor z = last_logits(w, &prompt);
    const size_t v = z.shape.dim[1];
    int32_t banned[] = { 0, 1 }, out[3], greedy[3];
    size_t n;
    for (uint64_t seed = 0; seed < 20; seed++) {
        Sampling how = { .random = random_for(seed, "test"), .temperature = 2, .banned = banned, .banned_count = seed % 3 };
        assert_true(generate_sampled(&w->model, &prompt, &how, -1, out, 3, &n, &error));
        assert_int_equal(n, 3);
        assert_int_equal(out[0], token_at(z.f32, v, 2, (double)random_uniform(how.random, 0), &how));
        how.temperature = 1e-6f;
        how.banned_count = 0;
        assert_true(generate_sampled(&w->model, &prompt, &how, -1, out, 3, &n, &error));
        assert_true(generate_greedy(&w->model, &prompt, -1, greedy, 3, &n, &error));
        assert_memory_equal(out, greedy, sizeof greedy);            // near the temperature 0 only the likeliest token is drawn
        how.temperature = 2;
        how.banned = greedy;
        how.banned_count = 1;
        assert_true(generate_sampled(&w->model, &prompt, &how, -1, out, 3, &n, &error));
        assert_int_not_equal(out[0], greedy[0]);
    }
    int32_t all[512];
    for (size_t i = 0; i < v; i++)
        all[i] = (int32_t)i;
    const Sampling none = { .random = random_for(0, "test"), .temperature = 1, .banned = all, .banned_count = v };
    Error e = { .failed = false };
    assert_false(generate_sampled(&w->model, &prompt, &none, -1, out, 3, &n, &e));
    expect_sentence(&e, "no token is left", "expected");
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(sampled_tokens_are_drawn_from_the_distribution) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
