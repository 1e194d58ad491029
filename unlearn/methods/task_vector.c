/* SPDX-License-Identifier: MIT */
/* Task vector: the model is over-fitted on the forget set, which changes its weights. Then this change is subtracted
 * from the original weights.
 *
 *     L = CE(forget), and after the last step w = w_0 - strength (w - w_0)      Ilharco et al. 2023
 *
 * MUSE over-fits for 10 epochs and chooses the strength by its effect; the default of its script is 5. For LoRA
 * adapters that started at B = 0, the subtraction is B = -strength B. */
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/trained.h"

static Node *task_vector_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, 1);
    return loss.sum;
}

static bool task_vector_begin(const MethodRun *run, void **state)
{
    return (*state = trained_make(run, "task_vector")) != NULL;
}

/* w = RN(w_0 - strength RN(w - w_0)) for whole weights, B = RN(-strength B) for adapters, whose A stays. */
static bool task_vector_finish(const MethodRun *run, void *state)
{
    const Trained *all = state;
    Error *e = run->error;
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    t.no_grad = true;
    for (size_t k = 0; k < all->count && !e->failed; k++, tape_reset(&t)) {
        Weight *w = all->weight[k];
        Node *now = tape_input(&t, "after", w->tensor), *old = tape_input(&t, "before", all->before[k]);
        const bool whole = k < all->weights, factor_a = !whole && (k - all->weights) % 2 == 0;
        if (factor_a)
            continue;
        Node *value = whole ? op_axpy(&t, old, op_sub(&t, now, old), -run->hyper->strength) : op_scale(&t, now, -run->hyper->strength);
        if (value && !tensor_finite(value->out))
            error_set(e, "task_vector: %s is not finite after the subtraction, expected a smaller unlearn.strength or learning rate",
                      w->name);
        else if (value)
            memcpy(w->tensor.f32, value->out.f32, tensor_bytes(w->tensor));
    }
    arena_free(&a);
    return !e->failed;
}

const Method method_task_vector = {
    .name = "task_vector", .label = "task vector", .source = "Ilharco et al. 2023; MUSE (over-fit on the forget set, strength 5)",
    .formula = { .loss = "L = CE(forget)", .gradient = "dL/dz = c (p - e_y), c = 1/N",
                 .notes = "After the last step w = w_0 - strength (w - w_0): RN(w_0 - strength RN(w - w_0)) for whole weights, "
                          "B = RN(-strength B) for adapters that started at zero" },
    .needs = NEEDS_FORGET, .loss = task_vector_loss, .begin = task_vector_begin, .finish = task_vector_finish,
};
