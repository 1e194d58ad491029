/* SPDX-License-Identifier: MIT */
/* MMUnlearner: gradient difference with a mask m. The forget term moves only those weights that matter more to what is
 * forgotten than to what is preserved.
 *
 *     L = -gamma CE(forget) + alpha CE(retain), the gradient of the first term times m
 *     m = [(F_forget + eps) / (F_preserved + eps) >= threshold]          Huo et al. 2025
 *
 * F is the Fisher information (fisher.h). The method unlearns pictures: only forget samples with a picture are
 * forgotten. All retain samples and the forget samples without a picture are preserved. The public code takes forget
 * steps and retain steps in turn, and masks the clipped gradient (schedule = interleaved). The port of
 * Open-MMUnlearning masks the forget gradient before clipping and adds the retain gradient in the same step (schedule =
 * joint). Retain gradients are never masked, so every weight moves, and momentum goes on across the steps. */
#include "tensor/ops.h"
#include "unlearn/fisher.h"

static Node *mmunlearner_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -s->hyper->gamma);
    plus_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

/* The state has an array of flags for each slot: 1 where the element moves under the forget term. */
static bool mmunlearner_begin(const MethodRun *run, void **state)
{
    Arena *a = run->arena;
    const size_t n = trainable_count(run->model), batch = run->hyper->fisher == FISHER_SAMPLE ? 1 : run->batch;
    const SampleList retain = run->role[ROLE_RETAIN],
        preserved[] = { samples_by_picture(retain, retain, true, a), samples_by_picture(retain, retain, false, a),
                        run->role[ROLE_FORGET_TEXT] };
    int32_t **keep = arena_array(a, n, sizeof *keep);
    const Tensor *f = keep ? fisher_diagonal(run->model, &run->role[ROLE_FORGET], 1, batch, a, run->error) : NULL;
    const Tensor *p = f ? fisher_diagonal(run->model, preserved, 3, batch, a, run->error) : NULL;
    for (size_t k = 0; p && k < n; k++) {
        const size_t size = shape_size(f[k].shape);
        if (!(keep[k] = arena_array(a, size, sizeof *keep[k])))
            return false;
        for (size_t i = 0; i < size; i++)
            keep[k][i] = fisher_selects(f[k].f32[i], p[k].f32[i], run->hyper);
    }
    *state = keep;
    return p != NULL;
}

static Node *masked(MethodStep *s, size_t slot, Node *g)
{
    int32_t *const *keep = s->state;
    return g ? op_mask(s->tape, g, keep[slot], shape_size(g->out.shape)) : NULL;
}

/* In a joint step, g = RN(m g_forget + g_retain). */
static bool mmunlearner_gradients(MethodStep *s, const Gradients *g)
{
    for (size_t k = 0; k < g->count && s->phase == STEP_JOINT; k++) {
        Node *forget = masked(s, k, g->of[ROLE_FORGET][k]), *retain = g->of[ROLE_RETAIN][k];
        g->sum[k] = forget && retain ? op_add(s->tape, forget, retain) : forget ? forget : retain;
    }
    return !s->tape->error->failed;
}

/* In a forget step, the clipped gradient is masked. */
static Node *mmunlearner_clipped(MethodStep *s, size_t slot, Node *g)
{
    return s->phase == STEP_FORGET ? masked(s, slot, g) : g;
}

const Method method_mmunlearner = {
    .name = "mmunlearner", .label = "MMUnlearner",
    .source = "Huo et al. 2025 (MMUnlearner), as in its public code; Open-MMUnlearning (schedule = joint)",
    .formula = { .loss = "L = -gamma CE(forget samples with a picture) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = -gamma/N on forget, alpha/N on retain; dL/dw of the forget term is multiplied "
                             "by m = [(F_f + 1e-15)/(F_p + 1e-15) >= threshold], of real numbers: after clipping in a forget step, "
                             "before the retain gradient is added in a joint step",
                 .variants = "fisher = sample: F is of single samples; fisher_eps = below: 1e-15 stands in the denominator alone",
                 .notes = "F is the mean of the squared gradients of CE over batches: F_f of the forget samples with a picture, F_p "
                          "of the retain samples with one, those without, and the forget samples without, which are preserved by "
                          "design. With LoRA at B = 0 both F of A are 0, so all of A is selected where threshold <= 1, and nothing of "
                          "it above" },
    .defaults = "schedule=interleaved",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | NEEDS_FORGET_TEXT | TEXT_ASIDE | GRADIENTS_APART,
    .loss = mmunlearner_loss, .begin = mmunlearner_begin, .gradients = mmunlearner_gradients,
    .clipped = mmunlearner_clipped,
};
