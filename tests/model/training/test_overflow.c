/* SPDX-License-Identifier: MIT */
/* Scoring and generation fail with a sentence when the logits overflow fp32, although every weight is finite. */
#include "tests/support/stand.h"

#include "model/training/generate.h"
#include "model/training/score.h"
#include "tests/support/tiny.h"

enum { TOKENS = 5 };
static int32_t ids[TOKENS] = { 1, 9, 10, 11, 2 }, targets[TOKENS] = { -1, -1, 10, 11, 2 };

static void scale(Weights *w, const char *name, float by)
{
    Weight *one = weights_find(w, name);
    assert_true(one && weights_own(w, one, &error));
    for (size_t k = 0; k < shape_size(one->tensor.shape); k++)
        one->tensor.f32[k] *= by;
    assert_true(tensor_finite(one->tensor));
}

static void logits_that_overflow_are_an_error(void **state)
{
    (void)state;
    static const struct { float head, norm; bool good; } cases[] = { { 1, 1, true }, { 1e38f, 1, true }, { 1e38f, 1e4f, false } };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Weights w;
        ModelConfig c;
        SampleScore score;
        int32_t out[3];
        size_t count;
        arena_reset(&arena);
        error = (Error){ 0 };
        Model m;
        c = tiny_config();
        assert_true(weights_make(&w, &c, 1, &arena, &error));
        scale(&w, "language_model.lm_head.weight", cases[k].head);
        scale(&w, "language_model.model.norm.weight", cases[k].norm);
        assert_true(model_make(&m, &c, &w, NULL, config_positions(&c), &arena, &error));
        const BatchSample s = { ids, targets, TOKENS, NULL, 0 };
        assert_true(score_samples(&m, &s, 1, 0, &score, &arena, &error) == cases[k].good);
        assert_true(error.failed != cases[k].good);
        if (!cases[k].good)
            expect_sentence(&error, "expected a model whose numbers stay in fp32's range");
        error = (Error){ 0 };
        assert_true(generate_greedy(&m, &s, -1, out, 3, &count, &error) == cases[k].good);
        if (!cases[k].good)
            expect_sentence(&error, "expected a model whose numbers stay in fp32's range");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(logits_that_overflow_are_an_error) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
