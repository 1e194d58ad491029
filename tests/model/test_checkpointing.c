/* SPDX-License-Identifier: MIT */
/* train.checkpointing = layer frees the values inside the layers of a step and runs the layers again. This changes no
 * bit of any gradient or weight. */
#include <string.h>
#include "model/modules.h"
#include "tensor/ops.h"
#include "tests/support/tiny_world.h"

/* The weights after some steps of a method, and the most memory that a step took. */
static Digest unlearned(const char *method, const char *changes, Trainable what, bool checkpointing, size_t *peak)
{
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, what);
    RoundsPlan p = tiny_world_plan(w, method, changes, 3);
    p.train.checkpointing = checkpointing;
    tiny_world_run(w, &r, &p);
    *peak = r.trainer.stats.peak;
    Digest d = tiny_world_digest(w);
    rounds_close(&r);
    tiny_world_close(w);
    return d;
}

/* The methods have losses on logits, with a reference model, and on hidden states. Each method is run
 * three times: it trains the adapters, the adapters and the projector, or all weights. */
static void no_bit_of_a_step_changes(void **state)
{
    (void)state;
    static const struct { const char *method, *changes; } steps[] = {
        { "ga", "" }, { "npo", "" }, { "ga_klr", "" }, { "npo_kl", "kl_norm=all_positions" }, { "rmu", "layer=1" },
        { "rmu", "layer=2" }, { "retain_ft", "" },
    };
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
        for (Trainable what = 0; what < TRAIN_COUNT; what++) {
            size_t with, without;
            Digest on = unlearned(steps[k].method, steps[k].changes, what, true, &with);
            Digest off = unlearned(steps[k].method, steps[k].changes, what, false, &without);
            if (strcmp(on.hex, off.hex) != 0)
                fail_msg("%s %s, %s: %s with checkpointing, %s without", steps[k].method, steps[k].changes, trainable_name(what), on.hex,
                         off.hex);
            if (with >= without)
                fail_msg("%s, %s: %zu bytes with checkpointing, %zu without", steps[k].method, trainable_name(what),
                         with, without);
        }
}

/* --- The tape alone: a chain that is cut into segments in every way --- */

enum { LINKS = 6, ROWS = 5, WIDTH = 7 };

typedef struct { Node **weight; size_t first, count; } Links;

/* Runs some links x + silu(x W) of the chain. Two links in a row have the same W, so a parameter can get contributions
 * from inside and from outside of a segment. */
static Node *links_run(Tape *t, Node *x, const void *context)
{
    const Links *l = context;
    for (size_t k = l->first; k < l->first + l->count; k++)
        x = op_add(t, x, op_silu(t, op_linear(t, x, l->weight[k / 2], NULL)));
    return x;
}

/* The gradients of the chain, which is cut after each link whose bit of `cuts` is set. Each piece is a segment. passes:
 * the number of backward passes. */
static void chain(unsigned cuts, bool checkpoint, int passes, Tensor out[LINKS / 2 + 1], Arena *keep, size_t *nodes)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Tape t = tape_make(&a, &e);
    Node *weight[LINKS / 2];
    t.checkpoint = checkpoint;
    for (size_t k = 0; k < LINKS / 2; k++)
        weight[k] = tape_param(&t, "w", data_tensor(keep, shape_of(2, WIDTH, WIDTH), DATA_GAUSSIAN, k), true);
    Node *start = tape_param(&t, "x", data_tensor(keep, shape_of(2, ROWS, WIDTH), DATA_GAUSSIAN, 50), true), *x = start;
    for (size_t first = 0, k = 0; k < LINKS; k++)
        if (k + 1 == LINKS || cuts >> k & 1) {
            Links *l = arena_alloc(&a, sizeof *l);
            *l = (Links){ weight, first, k + 1 - first };
            x = tape_segment(&t, x, (TapeSegment){ links_run, l });
            first = k + 1;
        }
    Node *y = op_linear(&t, x, weight[0], NULL);
    *nodes = t.count;
    for (int pass = 0; pass < passes; pass++) {
        tape_seed(&t, y, tape_input(&t, "dy", data_tensor(keep, shape_of(2, ROWS, WIDTH), DATA_GAUSSIAN, 60 + (uint64_t)pass)));
        tape_backward(&t);
    }
    expect_fine(&e);
    for (size_t k = 0; k <= LINKS / 2; k++) {
        const Tensor grad = (k < LINKS / 2 ? weight[k] : start)->grad->out;
        out[k] = tensor_f32(keep, grad.shape);
        memcpy(out[k].f32, grad.f32, tensor_bytes(grad));
    }
    arena_free(&a);
}

static void a_chain_has_the_same_gradients_wherever_it_is_cut(void **state)
{
    (void)state;
    Error e = { .failed = false };
    Arena keep = arena_make(&e);
    for (int passes = 1; passes <= 2; passes++) {
        Tensor want[LINKS / 2 + 1], got[LINKS / 2 + 1];
        size_t all, fewer;
        chain(0, false, passes, want, &keep, &all);
        for (unsigned cuts = 0; cuts < 1u << (LINKS - 1); cuts++) {
            chain(cuts, true, passes, got, &keep, &fewer);
            assert_true(fewer < all);
            for (size_t k = 0; k <= LINKS / 2; k++)
                expect_tensor(got[k], want[k], "gradient %zu with the cuts %x, %d backward passes", k, cuts, passes);
        }
    }
    arena_free(&keep);
}

static Node *with_a_parameter_inside(Tape *t, Node *x, const void *context)
{
    return op_mul(t, x, tape_param(t, "inside", *(const Tensor *)context, true));
}

/* If a segment that makes a parameter were freed, this parameter could not be found again. So such a segment is not
 * freed, and the parameter gets its gradient. */
static void a_segment_with_a_parameter_inside_is_kept(void **state)
{
    (void)state;
    Error e = { .failed = false };
    Arena a = arena_make(&e), keep = arena_make(&e);
    Tape t = tape_make(&a, &e);
    Tensor w = data_tensor(&keep, shape_of(1, WIDTH), DATA_GAUSSIAN, 1);
    t.checkpoint = true;
    Node *x = tape_param(&t, "x", data_tensor(&keep, shape_of(1, WIDTH), DATA_GAUSSIAN, 2), true);
    Node *y = tape_segment(&t, x, (TapeSegment){ with_a_parameter_inside, &w });
    assert_string_equal(y->op->name, "mul");
    tape_seed(&t, y, tape_input(&t, "dy", data_tensor(&keep, shape_of(1, WIDTH), DATA_GAUSSIAN, 3)));
    tape_backward(&t);
    expect_fine(&e);
    assert_non_null(y->in[1]->grad);
    arena_free(&a);
    arena_free(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bit_of_a_step_changes),
        cmocka_unit_test(a_chain_has_the_same_gradients_wherever_it_is_cut),
        cmocka_unit_test(a_segment_with_a_parameter_inside_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
