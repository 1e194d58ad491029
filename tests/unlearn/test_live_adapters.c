/* SPDX-License-Identifier: MIT */
/* Frozen adapters that are live beside the one that trains, on a tiny model. */
#include "tests/support/stand.h"

#include <string.h>
#include "tests/support/tiny_world.h"

enum { ROUNDS = 3 };

/* A plan of three rounds with live adapters: requests of one or two samples. */
static RoundsPlan live_plan(TinyWorld *w, const char *method, SampleList forget[ROUNDS])
{
    RoundsPlan p = tiny_world_plan(w, method, "", 2);
    forget[0] = (SampleList){ w->sample, 2 };
    forget[1] = (SampleList){ w->sample + 2, 1 };
    forget[2] = (SampleList){ w->sample + 3, 1 };
    p.forget = forget;
    p.count = ROUNDS;
    p.merge = MERGE_LIVE;
    return p;
}

static void run_round(TinyWorld *w, Rounds *r)
{
    assert_true(round_begin(r, &w->error) || (expect_fine(&w->error), false));
    while (round_step(r, &w->error))
        ;
    assert_true(round_end(r, &w->error));
}

static void same_factors(const Lora *a, const Lora *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t k = 0; k < a->factors.count; k++)
        assert_memory_equal(a->factors.list[k].tensor.f32, b->factors.list[k].tensor.f32, tensor_bytes(a->factors.list[k].tensor));
}

/* The logits of the first sample. */
static Tensor logits(TinyWorld *w, const Lora *l)
{
    Model m;
    Batch b;
    Tape *t = arena_alloc(&w->arena, sizeof *t);
    Params *p = arena_alloc(&w->arena, sizeof *p);
    *t = tape_make(&w->arena, &w->error);
    assert_true(model_make(&m, &w->config, &w->weights, l, 128, &w->arena, &w->error)
                && batch_pack(&b, w->sample, 1, ROWS_SUPERVISED, &w->config, &w->arena, &w->error));
    *p = params_make(t, &m);
    Node *y = model_forward(t, p, &b).logits;
    expect_fine(&w->error);
    return y->out;
}

static void same_logits(TinyWorld *w, const Lora *a, const Lora *b)
{
    const Tensor x = logits(w, a), y = logits(w, b);
    assert_memory_equal(x.f32, y.f32, tensor_bytes(x));
}

static void each_round_trains_a_new_adapter_and_changes_no_other_adapter(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed()), *first = tiny_world_make(check_seed());
    SampleList forget[ROUNDS];
    Lora kept[ROUNDS];
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    const RoundsPlan p = live_plan(w, "grad_diff", forget);
    const size_t trained = w->lora.factors.count;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    for (size_t k = 0; k < ROUNDS; k++) {
        run_round(w, &r);
        assert_int_equal(w->adapters.count, k + 1);
        assert_int_equal(w->adapters.live.frozen, k * w->lora.count);
        assert_int_equal(r.trainer.optimiser.count, trained);
        for (size_t j = 0; j < k; j++)
            same_factors(&w->adapters.list[j], &kept[j]);
        assert_true(lora_copy(&kept[k], adapters_last(&w->adapters), &w->arena));
        assert_non_null(lora_moved(&kept[k]));
    }
    for (size_t i = 0; i < w->weights.count; i++)
        assert_memory_equal(w->weights.list[i].tensor.data, first->weights.list[i].tensor.data, tensor_bytes(w->weights.list[i].tensor));
    Lora all;
    assert_true(lora_join(&all, kept, (const char *const[]){ "1", "2", "3" }, ROUNDS, &w->arena, &w->error));
    same_logits(w, &all, adapters_live(&w->adapters));
    rounds_close(&r);
    tiny_world_close(first);
    tiny_world_close(w);
}

/* A new adapter has B = 0, so that the model is the one with the frozen adapters alone. */
static void a_new_adapter_changes_no_answer_before_its_first_step(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    SampleList forget[ROUNDS];
    Lora before;
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    const RoundsPlan p = live_plan(w, "grad_diff", forget);
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    run_round(w, &r);
    assert_true(lora_copy(&before, adapters_live(&w->adapters), &w->arena) && round_begin(&r, &w->error));
    assert_null(lora_moved_last(adapters_live(&w->adapters)));
    assert_non_null(lora_moved(adapters_live(&w->adapters)));
    same_logits(w, &before, adapters_live(&w->adapters));
    rounds_close(&r);
    tiny_world_close(w);
}

/* The reference model of a round is the model with the frozen adapters, whatever the round then trains. */
static void the_reference_keeps_the_frozen_adapters(void **state)
{
    (void)state;
    TinyWorld *w = tiny_world_make(check_seed());
    SampleList forget[ROUNDS];
    Rounds r;
    tiny_world_adapt(w, TRAIN_LLM);
    const RoundsPlan p = live_plan(w, "ga_klr", forget);
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    run_round(w, &r);
    const Tensor before = logits(w, adapters_live(&w->adapters));
    assert_true(round_begin(&r, &w->error));
    const Model *reference = model_freeze(&w->model, false, &w->arena, &w->error);
    while (round_step(&r, &w->error))
        ;
    assert_true(round_end(&r, &w->error) && reference);
    const Tensor now = logits(w, adapters_live(&w->adapters)), kept = logits(w, reference->lora);
    assert_memory_equal(kept.f32, before.f32, tensor_bytes(before));
    assert_memory_not_equal(now.f32, before.f32, tensor_bytes(before));
    rounds_close(&r);
    tiny_world_close(w);
}

/* The overlap of O3 is between the adapter that trains and those before it. In the first step of the second round, both
 * adapters have the same factors whether the earlier one is live or merged, so the overlap is the same. */
static void o3_overlaps_with_the_frozen_adapters(void **state)
{
    (void)state;
    float loss[2];
    for (int live = 0; live < 2; live++) {
        TinyWorld *w = tiny_world_make(check_seed());
        SampleList forget[ROUNDS];
        Rounds r;
        tiny_world_adapt(w, TRAIN_LLM);
        RoundsPlan p = live_plan(w, "o3", forget);
        p.merge = live ? MERGE_LIVE : MERGE_YES;
        p.v.gamma = 0;                                        // the overlap alone
        p.v.lambda = 0.5f;
        p.train.steps = 1;
        assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
        run_round(w, &r);
        assert_true(round_begin(&r, &w->error) && round_step(&r, &w->error));
        loss[live] = r.trainer.stats.loss;
        assert_true(loss[live] != 0);
        rounds_close(&r);
        tiny_world_close(w);
    }
    expect_float(loss[1], loss[0], "the overlap");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(each_round_trains_a_new_adapter_and_changes_no_other_adapter),
        stand_test(a_new_adapter_changes_no_answer_before_its_first_step),
        stand_test(the_reference_keeps_the_frozen_adapters),
        stand_test(o3_overlaps_with_the_frozen_adapters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
