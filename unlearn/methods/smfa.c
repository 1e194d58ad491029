/* SPDX-License-Identifier: MIT */
/* Sculpted memory forgetting (smfa, arXiv 2511.20196): refusal tuning, whose change of the weights is then sculpted.
 * Entries of the change that work strongly against a second change are zeroed. The second change is that of the anchor,
 * a model which is tuned on retained samples alone.
 *
 *     W_f = W_0 trained on L = gamma CE(refusals) + alpha CE(retain),  D_f = W_f - W_0
 *     W_a = W_0 trained on CE(retain), the anchor,                      D_a = W_a - W_0
 *     an entry of D_f is zeroed where D_f D_a < 0 and k rho |D_a| < |D_f|, rho = |D_f| / (|D_a| + eps);  W = W_0 + D_f'
 *
 * In rho, |.| is the norm of a whole tensor; elsewhere it is the absolute value of an entry. eps is 1e-8, and D_f' is
 * D_f after entries were zeroed. The steps of the request train W_f. After the last one, W_a is trained in as many
 * steps, with a new optimiser. `sculpt` is k. The paper leaves two things open, which we chose: the first
 * `retain_count` retained samples take part, and each weight tensor has its own rho.
 *
 * Open-MM's port (smfa_form = open_mm) trains W_f on the samples with a picture alone, and another W_f on those
 * without. It sculpts the change of each against the same D_a: k is `sculpt` for the first W_f, and sculpt_text for the
 * other. Then it adds both sculpted changes to W_0. The port's three adapters share one step and one clipping, while
 * here each is trained alone. Where adapters are trained, D = RN(s B A), and W is the weight that they adapt. A
 * sculpted change has no low rank, so the result is a whole model. */
#include "unlearn/methods/smfa.h"
#include "unlearn/unlearn.h"

/* A part of only the samples whose question has a picture. */
static Part with_pictures(MethodStep *s, Role role)
{
    const Part *p = &s->part[role];
    const SampleList *questions = &s->run->role[role == ROLE_RETAIN ? ROLE_RETAIN : ROLE_FORGET];
    bool *keep = arena_array(s->tape->arena, p->rows, sizeof *keep);
    for (size_t i = 0; keep && i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            keep[r] = questions->list[p->places[i]].pixels != NULL;
    return part_choose(s, p, keep);
}

static Node *smfa_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    if (s->hyper->smfa_form == SMFA_OPEN_MM && s->run)
        for (Role r = ROLE_RETAIN; r <= ROLE_REFUSAL; r++)
            if (has(s, r))
                s->part[r] = with_pictures(s, r);
    plus_ce(&loss, ROLE_REFUSAL, s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

/* --- the changes of the weights --- */

static bool smfa_begin(const MethodRun *run, void **state)
{
    return (*state = trained_make(run, "smfa")) != NULL;
}

/* Trains the present weights on CE(retain) or, where there are refusals, on the loss of idk. */
static bool train_on(const MethodRun *run, SampleList forget, SampleList refusal, SampleList retain, const char *what)
{
    Error *e = run->error;
    Arena a = arena_make(e);
    Features *features = run->model->features;
    UnlearnRequest q = { .method = method_find(refusal.count ? "idk" : "retain_ft"), .v = *run->hyper,
                         .batch = run->batch };
    TrainConfig c = *run->train;
    Trainer r = { .model = NULL };
    q.role[ROLE_FORGET] = forget, q.role[ROLE_REFUSAL] = refusal, q.role[ROLE_RETAIN] = retain;
    c.steps = c.optimiser.schedule.steps = run->steps;
    c.features = 0;
    run->model->features = NULL;                    // they belong to the request's own trainer, which is still open
    Unlearn *u = unlearn_make(&q, run->model, &a, e);
    bool good = u && trainer_make(&r, run->model, &c, &a, e);
    const Objective o = good ? unlearn_objective(u) : (Objective){ .context = NULL };
    while (good && r.optimiser.step < c.steps)
        good = train_step(&r, &o, e);
    if (r.model)
        trainer_close(&r);
    run->model->features = features;
    arena_free(&a);
    return good || error_prefix(e, "smfa: %s", what);
}

static bool smfa_finish(const MethodRun *run, void *state)
{
    const Trained *t = state;
    const SampleList none = { NULL, 0 }, forget = run->role[ROLE_FORGET], refusal = run->role[ROLE_REFUSAL],
                     retain = run->role[ROLE_RETAIN];
    Arena *a = run->arena;
    SmfaTrainings m = { .forget = trained_copies(t, a) };
    if (!run->train)
        return error_set(run->error, "smfa: there is no optimiser for the anchor, expected a run of all steps");
    if (!m.forget)
        return false;
    trained_restore(t);
    if (run->hyper->smfa_form == SMFA_OPEN_MM) {
        if (!train_on(run, samples_by_picture(forget, forget, false, a), samples_by_picture(refusal, forget, false, a),
                      samples_by_picture(retain, retain, false, a), "the change of text") || !(m.text = trained_copies(t, a)))
            return false;
        trained_restore(t);
    }
    return train_on(run, none, none, retain, "the anchor") && (m.anchor = trained_copies(t, a)) && smfa_write(run, t, &m);
}

const Method method_smfa = {
    .name = "smfa", .label = "SMFA",
    .source = "Sculpted memory forgetting adapter (2511.20196); Open-MM trains three adapters (smfa_form)",
    .formula = { .loss = "L = gamma CE(refusals to the forget questions) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = gamma/N on refusals, alpha/N on retain",
                 .variants = "smfa_form = open_mm: the samples with a picture and those without train two changes, which are sculpted "
                             "with sculpt and sculpt_text and added",
                 .notes = "After the last step D_f = RN(W_f - W_0); the anchor W_a is trained from W_0 on CE(retain), D_a = RN(W_a - "
                          "W_0); with rho = RN(|D_f| / RN(|D_a| + 1e-8)) of each weight, the entries of D_f with D_f D_a < 0 and "
                          "RN(sculpt rho) |D_a| < |D_f| are zeroed, and W = RN(W_0 + D_f). With adapters D = RN(s B A), and W is the "
                          "weight beside them" },
    .defaults = "retain_count=20", .needs = NEEDS_REFUSAL | NEEDS_RETAIN | WHOLE_RESULT,
    .begin = smfa_begin, .loss = smfa_loss, .finish = smfa_finish,
};
