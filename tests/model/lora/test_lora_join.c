/* SPDX-License-Identifier: MIT */
/* Several adapters beside one model: their changes are added, in their order, whether they are
 * merged or stay beside the weights. */
#include "tests/support/stand_model.h"

#include <stdio.h>
#include <string.h>
#include "model/lora/adapters.h"
#include "model/model.h"
#include "tensor/ops.h"
#include "tests/support/scratch.h"

static const char *const names[2] = { "one", "two" };
#define HEAD "language_model.lm_head"
#define UP "language_model.model.layers.1.mlp.up_proj"

/* Two adapters: both adapt the head, only the first adapts up_proj of layer 1, and only the second linear_1 of the
 * projector. */
static void make_two(Lora l[2])
{
    make(&l[0], 2, 3, false, HEAD "," UP);
    make(&l[1], 3, 5, true, HEAD ",multi_modal_projector.linear_1");
    tiny_fill_b(&l[0]);
    tiny_fill_b(&l[1]);
}

static void every_pair_is_found_and_has_a_name(void **state)
{
    (void)state;
    Lora l[2], both;
    make_two(l);
    assert_true(lora_join(&both, l, names, 2, &arena, &error));
    assert_int_equal(both.count, 4);
    assert_int_equal(both.factors.count, 8);
    const LoraPair *head = lora_find(&both, HEAD), *up = lora_find(&both, UP);
    assert_non_null(head);
    assert_non_null(head->next);
    assert_null(head->next->next);
    assert_true(up && !up->next && lora_find(&both, "multi_modal_projector.linear_1"));
    assert_string_equal(head->a->name, HEAD ".lora_A.weight");
    assert_string_equal(head->next->a->name, HEAD ".lora_A.2.weight");
    assert_string_equal(head->next->b->name, HEAD ".lora_B.2.weight");
    assert_ptr_equal(weights_find(&both.factors, HEAD ".lora_B.2.weight"), head->next->b);
    assert_true(head->a->tensor.f32 == lora_find(&l[0], HEAD)->a->tensor.f32);
    assert_true(head->next->a->tensor.f32 == lora_find(&l[1], HEAD)->a->tensor.f32);
    expect_float(head->next->scale, l[1].scale, "the scale of each is its own");
}

static Forward forward(Model *m, const Lora *l, bool merged, Tape *t)
{
    static const int32_t ids[4] = { 1, 5, 6, 7 }, targets[4] = { -1, 6, 7, 2 };
    const BatchSample one = { ids, targets, 4, NULL, 0 };
    const ModelConfig c = tiny_config();
    Batch b;
    *t = tape_make(&arena, &error);
    t->no_grad = merged;
    assert_true(model_make(m, &c, &model, l, 16, &arena, &error)
                && batch_pack(&b, &one, 1, ROWS_SUPERVISED, &m->config, &arena, &error));
    m->merged = merged;
    Params *p = arena_alloc(&arena, sizeof *p);
    *p = params_make(t, m);
    Forward f = model_forward(t, p, &b);
    expect_fine(&error);
    return f;
}

/* The head computes y_0 = RN(W x), y_1 = RN(y_0 + s_1 RN(B_1 RN(A_1 x))) and y_2 = RN(y_1 + s_2 RN(B_2 RN(A_2 x))). RN
 * rounds to the nearest float. */
static void separate_adapters_are_added_in_their_order(void **state)
{
    (void)state;
    Lora l[2], both;
    Model m;
    Tape t;
    make_two(l);
    assert_true(lora_join(&both, l, names, 2, &arena, &error));
    const Forward f = forward(&m, &both, false, &t);
    const Node *second = f.logits, *first = second->in[0], *base = first->in[0];
    assert_true(second->op == op_find("axpy") && first->op == op_find("axpy") && base->op == op_find("linear"));
    Tape own = tape_make(&arena, &error);
    Node *x = tape_input(&own, "x", base->in[0]->out);
    Node *y = op_linear(&own, x, tape_input(&own, "w", *weights_get(&model, HEAD ".weight")), NULL);
    for (int k = 0; k < 2; k++) {
        const LoraPair *p = lora_find(&l[k], HEAD);
        Node *z = op_linear(&own, x, tape_input(&own, "a", p->a->tensor), NULL);
        y = op_axpy(&own, y, op_linear(&own, z, tape_input(&own, "b", p->b->tensor), NULL), l[k].scale);
    }
    expect_fine(&error);
    expect_tensor(f.logits->out, y->out, "logits");
}

/* Merging both gives the weights of merging one and then the other. The answers of model_merged
 * are those of the merged model. */
static void merged_adapters_are_rounded_one_after_another(void **state)
{
    (void)state;
    Lora l[2], both;
    Weights other;
    Model m;
    Tape t;
    const ModelConfig c = tiny_config();
    make_two(l);
    assert_true(lora_join(&both, l, names, 2, &arena, &error) && weights_make(&other, &c, 1, &arena, &error));
    const Forward f = forward(&m, &both, true, &t);
    for (int k = 0; k < 2; k++)
        assert_true(lora_merge(&l[k], &other, &error));
    assert_true(lora_merge(&both, &model, &error));
    for (size_t k = 0; k < model.count; k++)
        expect_tensor(model.list[k].tensor, other.list[k].tensor, "%s", model.list[k].name);
    expect_tensor(f.logits->out, forward(&m, NULL, false, &t).logits->out, "logits");
}

/* Saves an adapter together with the whole projector, as train.trainable = proj+llm does, and returns its folder. */
static const char *saved_with_projector(const char *folder, float value)
{
    Lora l;
    make(&l, 1, 1, false, UP);
    assert_true(trainable_set(&model, TRAIN_PROJ_LLM, &error));
    weights_find(&model, "multi_modal_projector.linear_1.bias")->tensor.f32[0] = value;
    assert_true(lora_save(&l, &model, scratch("%s", folder), &error) && trainable_set(&model, TRAIN_LLM, &error));
    return arena_text(&arena, scratch("%s", folder));
}

static void at_most_one_adapter_has_a_weight_whole(void **state)
{
    (void)state;
    Lora l[3], all;
    const char *const folders[2] = { saved_with_projector("first", 1), saved_with_projector("second", 2) };
    for (int k = 0; k < 2; k++)
        assert_true(lora_load(&l[k], &model, folders[k], &arena, &error));
    make(&l[2], 2, 3, false, HEAD);
    assert_false(lora_join(&all, l, folders, 2, &arena, &error));
    expect_sentence(&error, "both adapters replace multi_modal_projector.linear_1.", "expected at most one");
    error = (Error){ .failed = false };
    assert_true(lora_join(&all, l + 1, (const char *const[]){ folders[1], "plain" }, 2, &arena, &error));
    expect_float(weights_get(&model, "multi_modal_projector.linear_1.bias")->f32[0], 2, "that of the adapter that was read last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_model_test(every_pair_is_found_and_has_a_name),
        stand_model_test(separate_adapters_are_added_in_their_order),
        stand_model_test(merged_adapters_are_rounded_one_after_another),
        stand_model_test(at_most_one_adapter_has_a_weight_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
