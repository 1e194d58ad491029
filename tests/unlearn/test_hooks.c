/* SPDX-License-Identifier: MIT */
/* What a method keeps from step to step and from round to round, on a tiny model: adapters of earlier rounds, numbers
 * in checkpoints, an early end. */
#include "tests/support/stand.h"

#include <mpfr.h>
#include <string.h>
#include "model/training/checkpoint.h"
#include "tests/support/oracle_methods.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_world.h"

static void begin(TinyWorld *w, Rounds *r, const RoundsPlan *p)
{
    assert_true(rounds_make(r, p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(r, &w->error));
}

/* The sum of x_k y_k, rounded once; dx and dy are the strides of x and y. */
static float dot(const float *x, size_t dx, const float *y, size_t dy, size_t n)
{
    mpfr_t sum, t;
    mpfr_inits2(1200, sum, t, (mpfr_ptr)0);
    mpfr_set_zero(sum, 1);
    for (size_t k = 0; k < n; k++) {
        mpfr_set_flt(t, x[k * dx], MPFR_RNDN);
        mpfr_mul_d(t, t, (double)y[k * dy], MPFR_RNDN);
        mpfr_add(sum, sum, t, MPFR_RNDN);
    }
    const float out = mpfr_get_flt(sum, MPFR_RNDN);
    mpfr_clears(sum, t, (mpfr_ptr)0);
    return out;
}

/* a and b = `before` are [r, n]. With P = a b^T, sets `to` to 2 lambda P b, and adds to `loss` lambda times the sum of
 * the squares of P. */
static void overlap(const float *a, const float *before, size_t r, size_t n, float lambda, float *to, float *loss)
{
    float p[16], square_sum;
    assert_true(r * r <= 16);
    for (size_t i = 0; i < r; i++)
        for (size_t k = 0; k < r; k++)
            p[i * r + k] = dot(a + i * n, 1, before + k * n, 1, n);
    square_sum = dot(p, 1, p, 1, r * r);
    *loss = axpy_mpfr(*loss, square_sum, lambda);
    for (size_t i = 0; i < r; i++)
        for (size_t c = 0; c < n; c++)
            to[i * n + c] = mul_mpfr(2 * lambda, dot(p + i * r, 1, before + c, n, r));
}

/* In the first step of the second round B is 0, so A's gradient comes only from the overlap with the adapters of the
 * first round. */
static void o3_stays_orthogonal_to_the_adapters_of_the_round_before(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } };
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "o3", "lambda=0.3", 3);
    p.forget = forget;
    p.count = 2;
    p.train.optimiser.max_norm = 0;
    begin(w, &r, &p);
    while (round_step(&r, &w->error))
        ;
    assert_true(round_end(&r, &w->error));
    Lora before;
    assert_true(lora_copy(&before, &w->lora, &w->arena));             // the adapters of the first round; the next round makes new ones
    assert_true(round_begin(&r, &w->error) && train_compute(&r.trainer, &r.objective, &w->error));
    float loss = 0, *want = arena_array(&w->arena, 1 << 16, sizeof *want);
    for (size_t k = 0; k < r.trainer.tape.count; k++)                 // first the CE; overlap() adds its terms below
        if (r.trainer.tape.nodes[k]->op == op_find("mean"))
            loss = r.trainer.tape.nodes[k]->out.f32[0];
    size_t moved = 0;
    for (size_t k = 0; k < w->lora.count; k++) {
        const Tensor a = w->lora.pairs[k].a->tensor;
        const size_t rank = a.shape.dim[0], n = a.shape.dim[1];
        bool used = false;
        for (size_t i = 0; i < r.trainer.optimiser.count; i++) {
            const OptimiserSlot *s = &r.trainer.optimiser.slots[i];
            if (s->value != &w->lora.pairs[k].a->tensor)
                continue;
            used = true;
            overlap(a.f32, before.pairs[k].a->tensor.f32, rank, n, 0.3f, want, &loss);
            for (size_t j = 0; j < rank * n; j++) {
                expect_float(s->grad->out.f32[j] + 0.0f, want[j] + 0.0f, "dA %zu of %s", j, s->name);
                moved += want[j] != 0;
            }
        }
        assert_true(used);
    }
    assert_true(moved > 100);
    expect_float(r.trainer.stats.loss, loss, "CE and the overlaps");
    rounds_close(&r);
    tiny_world_close(w);
}

static void o3_needs_fresh_adapters(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        tiny_world_adapt(w, full ? TRAIN_FULL : TRAIN_LLM);
        RoundsPlan p = tiny_world_plan(w, "o3", "", 1);
        if (!full)
            w->lora.pairs[1].b->tensor.f32[0] = 1;
        assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
        assert_false(round_begin(&r, &w->error));
        if (full)
            expect_sentence(&w->error, "o3: the model has no adapters", "train.trainable");
        else
            expect_sentence(&w->error, "is not zero, expected fresh adapters", "unlearn.merge = yes");
        rounds_close(&r);
        tiny_world_close(w);
    }
}

static void expect_same_weights(const TinyWorld *x, const TinyWorld *y)
{
    for (size_t k = 0; k < x->weights.count; k++) {
        const Tensor a = x->weights.list[k].tensor, b = y->weights.list[k].tensor;
        assert_memory_equal(a.data, b.data, tensor_bytes(a));
    }
}

/* Each round begins with the original weights and new adapters. In the end all adapters are merged one after another:
 * W + s B_1 A_1 is rounded, then s B_2 A_2 is added and the sum is rounded again. */
static void the_method_adapters_has_one_adapter_for_each_request(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed()), *two = tiny_world_make(check_seed());
    TinyWorld *first = tiny_world_make(check_seed());
    Rounds r;
    SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } };
    SampleList other[2] = { { w->other, 2 }, { w->other + 2, 2 } };
    Lora kept[2];
    tiny_world_adapt(w, TRAIN_LLM);
    tiny_world_adapt(two, TRAIN_LLM);
    tiny_world_adapt(first, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "adapters", "", 2);
    p.forget = forget;
    p.refusal = other;
    p.count = 2;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    while (r.round < 2) {
        const size_t round = r.round;
        assert_true(round_begin(&r, &w->error));
        expect_same_weights(w, first);
        for (size_t i = 0; i < shape_size(w->lora.pairs[0].b->tensor.shape); i++)
            assert_true(w->lora.pairs[0].b->tensor.f32[i] == 0);
        while (round_step(&r, &w->error))
            ;
        assert_true(lora_copy(&kept[round], &w->lora, &w->arena) && round_end(&r, &w->error));
    }
    assert_memory_not_equal(kept[0].pairs[0].a->tensor.f32, kept[1].pairs[0].a->tensor.f32, 16);
    assert_true(round_merge(&r, &w->error));
    for (int k = 0; k < 2; k++)
        assert_true(lora_merge(&kept[k], &two->weights, &two->error));
    expect_same_weights(w, two);
    rounds_close(&r);
    tiny_world_close(first);
    tiny_world_close(two);
    tiny_world_close(w);
}

static void the_method_adapters_refuses_weights_that_are_trained_themselves(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, TRAIN_PROJ_LLM);
    RoundsPlan p = tiny_world_plan(w, "adapters", "", 1);
    const SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } };
    const SampleList other[2] = { { w->other, 2 }, { w->other + 2, 2 } };
    p.forget = forget;
    p.refusal = other;
    p.count = 2;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    expect_sentence(&w->error, "is trained without an adapter", "expected train.trainable = llm, or proj+llm with unlearn.merge = no");
    rounds_close(&r);
    tiny_world_close(w);
}

/* If the adapters stay unmerged, each of them has a projector of its own, which starts from the original one. */
static void unmerged_adapters_may_have_weights_that_are_trained_themselves(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed()), *first = tiny_world_make(check_seed());
    Rounds r;
    const SampleList forget[2] = { { w->sample, 2 }, { w->sample + 2, 2 } }, other[2] = { { w->other, 2 }, { w->other + 2, 2 } };
    tiny_world_adapt(w, TRAIN_PROJ_LLM);
    tiny_world_adapt(first, TRAIN_PROJ_LLM);
    RoundsPlan p = tiny_world_plan(w, "adapters", "", 2);
    p.forget = forget;
    p.refusal = other;
    p.count = 2;
    p.merge = MERGE_NO;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    const Tensor *bias = weights_get(&w->weights, "multi_modal_projector.linear_2.bias");
    const Tensor *was = weights_get(&first->weights, "multi_modal_projector.linear_2.bias");
    while (r.round < 2) {
        assert_true(round_begin(&r, &w->error));
        expect_same_weights(w, first);
        while (round_step(&r, &w->error))
            ;
        assert_memory_not_equal(bias->f32, was->f32, tensor_bytes(*bias));
        assert_true(round_end(&r, &w->error));
    }
    rounds_close(&r);
    tiny_world_close(first);
    tiny_world_close(w);
}

/* --- an early end --- */

static void llmu_ends_when_the_forget_loss_is_above_its_limit(void **state)
{
    (void)state;
    static const struct { const char *changes; int64_t steps; } cases[] = {
        { "stop_loss=1e-3", 1 }, { "stop_loss=0", 4 }, { "", 4 },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        tiny_world_adapt(w, TRAIN_LLM);
        RoundsPlan p = tiny_world_plan(w, "llmu", cases[k].changes, 4);
        begin(w, &r, &p);
        while (round_step(&r, &w->error))
            ;
        expect_fine(&w->error);
        assert_int_equal(r.done, cases[k].steps);
        assert_int_equal(r.steps, cases[k].steps);
        assert_int_equal(r.stopped, cases[k].steps < 4);
        assert_true(!r.stopped || (strstr(r.note, "the forget loss is") && strstr(r.note, "above unlearn.stop_loss")));
        assert_true(!r.diverged && round_end(&r, &w->error));
        rounds_close(&r);
        tiny_world_close(w);
    }
}

/* A request that is resumed from a checkpoint ends at the same step. */
static void the_memory_of_a_method_is_in_the_checkpoint(void **state)
{
    (void)state;
    for (int resumed = 0; resumed < 2; resumed++) {
        TinyWorld *w = tiny_world_make(check_seed());
        Rounds r;
        LogMark mark = { .bytes = 0 };
        tiny_world_adapt(w, TRAIN_LLM);
        RoundsPlan p = tiny_world_plan(w, "llmu", "stop_loss=1e-3", 4);
        begin(w, &r, &p);
        if (resumed)
            assert_true(checkpoint_load(&r.trainer, scratch("checkpoint"), "llmu", &mark, &w->error));
        else
            assert_true(round_step(&r, &w->error)
                        && checkpoint_save(&r.trainer, scratch("checkpoint"), "llmu", mark, &w->error));
        assert_true(r.trainer.memory[0] > 1e-3f);
        assert_false(round_step(&r, &w->error));
        expect_fine(&w->error);
        assert_true(r.stopped && r.done == 1);
        rounds_close(&r);
        tiny_world_close(w);
    }
}

static void random_answers_need_a_question_before_the_answer_and_retain_samples(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    RoundsPlan p = tiny_world_plan(w, "o3", "", 1);
    p.retain.count = 0;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    expect_sentence(&w->error, "the retain set is empty", "o3 needs at least one sample");
    rounds_close(&r);
    for (size_t k = 0; k < FORGET; k++)
        w->targets[k][0] = w->ids[k][1];                              // as with data.mask = all_text
    p = tiny_world_plan(w, "o3", "", 1);
    begin(w, &r, &p);
    assert_false(round_step(&r, &w->error));
    expect_sentence(&w->error, "has no question before its answer", "data.mask = answer");
    rounds_close(&r);
    tiny_world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(o3_stays_orthogonal_to_the_adapters_of_the_round_before),
        stand_test(o3_needs_fresh_adapters),
        stand_test(the_method_adapters_has_one_adapter_for_each_request),
        stand_test(the_method_adapters_refuses_weights_that_are_trained_themselves),
        stand_test(unmerged_adapters_may_have_weights_that_are_trained_themselves),
        stand_test(llmu_ends_when_the_forget_loss_is_above_its_limit),
        stand_test(the_memory_of_a_method_is_in_the_checkpoint),
        stand_test(random_answers_need_a_question_before_the_answer_and_retain_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
