/* SPDX-License-Identifier: MIT */
/* Sculpted memory forgetting (smfa, 2511.20196): refusal tuning whose changes are sculpted by those of a little
 * tuning on retained samples.
 *
 *     W_f = W_0 trained on L = gamma CE(refusals) + alpha CE(retain),  D_f = W_f - W_0
 *     W_a = W_0 trained on CE(retain), the anchor,                      D_a = W_a - W_0
 *     an entry of D_f is zeroed where D_f D_a < 0 and k rho |D_a| < |D_f|, rho = |D_f| / (|D_a| + eps);  W = W_0 + D_f'
 *
 * The steps of the request train W_f. After the last one, W_a is trained in as many steps, with a new optimiser.
 * `sculpt` is k. The paper does not say how many retained samples take part, nor whether rho is of each weight: here
 * the first `retain_count` do, and it is. Open-MM's port (smfa_form = open_mm) trains a second W_f on the samples
 * without a picture, sculpts it with sculpt_text, and adds both changes; its three adapters share one step and one
 * clipping, while here each is trained alone. Where adapters are trained, D = RN(s B A), and W is the weight beside
 * them: a sculpted change has no low rank, so the result is a whole model. */
#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/methods/smfa.h"
#include "unlearn/unlearn.h"

#define EPS 1e-8f

/* The tensors that are trained, and what they were before: weights, then the factors of adapters, pair by pair. */
typedef struct {
    size_t count, weights;              // the first `weights` of them are weights
    Weight **weight;
    Tensor *before;
} Trained;

/* A copy of the part with its samples that have a picture alone. */
static Part with_pictures(MethodStep *s, Role role)
{
    const Part *p = &s->part[role];
    const Role list = role == ROLE_RETAIN ? ROLE_RETAIN : ROLE_FORGET;      // a refusal has the picture of its question
    Arena *a = s->tape->arena;
    int32_t *labels = arena_array(a, p->rows, sizeof *labels),
            *offsets = arena_array(a, p->samples + 1, sizeof *offsets), *rows = arena_array(a, p->rows, sizeof *rows);
    uint32_t *places = arena_array(a, p->samples, sizeof *places);
    Part out = { .labels = labels, .offsets = offsets, .places = places };
    if (!labels || !offsets || !rows || !places)
        return out;
    offsets[0] = 0;
    for (size_t i = 0; i < p->samples; i++) {
        if (!s->run->role[list].list[p->places[i]].pixels)
            continue;
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++) {
            out.tokens += p->labels[r] >= 0;
            labels[out.rows] = p->labels[r];
            rows[out.rows++] = r;
        }
        places[out.samples++] = p->places[i];
        offsets[out.samples] = (int32_t)out.rows;
    }
    out.z = out.samples ? op_gather_rows(s->tape, p->z, rows, out.rows) : NULL;
    return out;
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

static Tensor *copies(const Trained *t, Arena *a)
{
    Tensor *list = arena_array(a, t->count, sizeof *list);
    for (size_t k = 0; list && k < t->count; k++) {
        list[k] = tensor_f32(a, t->weight[k]->tensor.shape);
        if (!list[k].f32)
            return NULL;
        memcpy(list[k].f32, t->weight[k]->tensor.f32, tensor_bytes(list[k]));
    }
    return list;
}

static void restore(const Trained *t)
{
    for (size_t k = 0; k < t->count; k++)
        memcpy(t->weight[k]->tensor.f32, t->before[k].f32, tensor_bytes(t->before[k]));
}

static bool smfa_begin(const MethodRun *run, void **state)
{
    const Weights *w = run->model->weights;
    const Lora *l = run->model->lora;
    Trained *t = arena_zalloc(run->arena, sizeof *t);
    if (!t || !(t->weight = arena_array(run->arena, w->count + (l ? 2 * l->count : 0), sizeof *t->weight)))
        return false;
    for (size_t k = 0; k < w->count; k++)
        if (w->list[k].trainable)
            t->weight[t->count++] = &w->list[k];
    t->weights = t->count;
    for (size_t k = 0; l && k < l->count; k++) {
        const Tensor *b = &l->pairs[k].b->tensor;
        for (size_t i = 0; i < shape_size(b->shape); i++)
            if (b->f32[i] != 0)
                return error_set(run->error, "smfa: the adapter of %s is not zero, expected fresh adapters "
                                             "(unlearn.merge = yes)",
                                 l->pairs[k].module);
        t->weight[t->count++] = l->pairs[k].a;
        t->weight[t->count++] = l->pairs[k].b;
    }
    *state = t;
    return (t->before = copies(t, run->arena)) != NULL;
}

/* Trains the weights as they are on CE(retain), or, where there are refusals, on the loss of idk. */
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
    run->model->features = NULL;                    // those of the trainer that is open
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

/* The samples of a list that have no picture; refusals go by the questions that they belong to. */
static SampleList without_pictures(SampleList of, SampleList by, Arena *a)
{
    BatchSample *list = arena_array(a, of.count, sizeof *list);
    SampleList out = { list, 0 };
    for (size_t k = 0; list && k < of.count; k++)
        if (!by.list[k].pixels)
            list[out.count++] = of.list[k];
    return out;
}

Node *smfa_sculpt(Tape *t, Node *f, Node *a, float k)
{
    Node *norm_f = op_square_norm(t, 1, &f), *norm_a = op_square_norm(t, 1, &a);
    const size_t n = norm_a ? shape_size(f->out.shape) : 0;
    int32_t *keep = norm_a ? arena_array(t->arena, n, sizeof *keep) : NULL;
    if (!keep)
        return NULL;
    const float rho = norm_f->out.f32[0] / (norm_a->out.f32[0] + EPS), limit = k * rho;
    for (size_t i = 0; i < n; i++) {
        const double x = f->out.f32[i], y = a->out.f32[i];      // products of two floats are exact
        keep[i] = !(x * y < 0 && (double)limit * fabs(y) < fabs(x));
    }
    return op_mask(t, f, keep, n);
}

/* The change of weight i: RN(W - W_0) in a list of copies, or RN(s B A) where i is the first factor of a pair. */
static Node *change(Tape *t, const Tensor *list, size_t i, Node *old, const LoraPair *pair)
{
    if (!pair)
        return op_sub(t, tape_input(t, "after", list[i]), old);
    Tensor zero = tensor_f32(t->arena, old->out.shape);
    if (!zero.f32)
        return NULL;
    memset(zero.f32, 0, tensor_bytes(zero));
    Node *b = tape_input(t, "b", list[i + 1]), *a = tape_input(t, "a", list[i]);
    return op_lora_merge(t, tape_input(t, "zero", zero), b, a, pair->scale);
}

/* What the trainings made: copies of all tensors; text is NULL but for open_mm. */
typedef struct { const Tensor *forget, *text, *anchor; } Made;

/* W = RN(W_0 + D_f' + …) for weight w, whose change is tensor i of the lists, or that of an adapter beside it. */
static bool put(Weight *w, Tensor before, const Made *m, size_t i, const LoraPair *pair, const Hyperparameters *v,
                Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    t.no_grad = true;
    Node *old = tape_input(&t, "before", before), *anchor = old ? change(&t, m->anchor, i, old, pair) : NULL;
    Node *list[3] = { old };
    if (anchor)
        list[1] = smfa_sculpt(&t, change(&t, m->forget, i, old, pair), anchor, v->sculpt);
    if (m->text && anchor)
        list[2] = smfa_sculpt(&t, change(&t, m->text, i, old, pair), anchor, v->sculpt_text);
    Node *sum = op_sum_n(&t, m->text ? 3 : 2, list);
    if (sum && !tensor_finite(sum->out))
        error_set(e, "smfa: %s is not finite after sculpting, expected a smaller learning rate", w->name);
    else if (sum)
        memcpy(w->tensor.f32, sum->out.f32, tensor_bytes(w->tensor));
    arena_free(&a);
    return !e->failed;
}

/* Writes all weights anew; the adapters are then as they were before the first step, so that they add nothing. */
static bool put_all(const MethodRun *run, const Trained *t, const Made *m)
{
    const Lora *l = run->model->lora;
    bool good = true;
    restore(t);
    for (size_t k = 0; good && k < t->weights; k++)
        good = put(t->weight[k], t->before[k], m, k, NULL, run->hyper, run->error);
    for (size_t k = 0; good && l && k < l->count; k++) {
        Weight *base = lora_base(&l->pairs[k], run->model->weights, run->error);
        good = base && weights_own(run->model->weights, base, run->error)
            && put(base, base->tensor, m, t->weights + 2 * k, &l->pairs[k], run->hyper, run->error);
    }
    return good;
}

static bool smfa_finish(const MethodRun *run, void *state)
{
    const Trained *t = state;
    const SampleList none = { NULL, 0 }, forget = run->role[ROLE_FORGET], refusal = run->role[ROLE_REFUSAL],
                     retain = run->role[ROLE_RETAIN];
    Arena *a = run->arena;
    Made m = { .forget = copies(t, a) };
    if (!run->train)
        return error_set(run->error, "smfa: there is no optimiser for the anchor, expected a run of all steps");
    if (!m.forget)
        return false;
    restore(t);
    if (run->hyper->smfa_form == SMFA_OPEN_MM) {
        if (!train_on(run, without_pictures(forget, forget, a), without_pictures(refusal, forget, a),
                      without_pictures(retain, retain, a), "the change of text") || !(m.text = copies(t, a)))
            return false;
        restore(t);
    }
    return train_on(run, none, none, retain, "the anchor") && (m.anchor = copies(t, a)) && put_all(run, t, &m);
}

const Method method_smfa = {
    .name = "smfa", .label = "SMFA",
    .source = "Sculpted memory forgetting adapter (2511.20196); Open-MM trains "
                                               "three adapters (smfa_form)",
    .formula = { .loss = "L = gamma CE(refusals to the forget questions) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = gamma/N on refusals, alpha/N on retain",
                 .variants = "smfa_form = open_mm: the samples with a picture and those without train two changes, "
                             "which are sculpted with "
                             "sculpt and sculpt_text and added",
                 .notes = "After the last step D_f = RN(W_f - W_0); the anchor W_a is trained from W_0 on "
                          "CE(retain), D_a = RN(W_a - W_0); with "
                          "rho = RN(|D_f| / RN(|D_a| + 1e-8)) of each weight, the entries of D_f with D_f D_a < 0 "
                          "and RN(sculpt rho) |D_a| < "
                          "|D_f| are zeroed, and W = RN(W_0 + D_f). With adapters D = RN(s B A), and W is the weight "
                          "beside them" },
    .defaults = "retain_count=20", .needs = NEEDS_REFUSAL | NEEDS_RETAIN | WHOLE_RESULT,
    .begin = smfa_begin, .loss = smfa_loss, .finish = smfa_finish,
};
