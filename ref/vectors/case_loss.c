/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_loss.h"

#include <string.h>
#include "tensor/bounds/bound.h"
#include "tensor/base/random.h"

enum { V = 37, ROWS = 8 };               // V: the size of the vocabulary; ROWS: the most rows of a role

const LossForm loss_forms[] = {
    { "ga.default", "ga", "", "SumNotMean ShiftOff1 PadInMean", false, false },
    { "ga_klr.default", "ga_klr", "lambda=0.3", "KlReversed SumNotMean", false, false },
    { "ga_klr.all_positions", "ga_klr", "kl_norm=all_positions", "KlReversed KlBatchOnly", false, false },
    { "ga_klr.batch", "ga_klr", "kl_norm=batch", "KlReversed", false, false },
    { "ga_klr.muse_raw", "ga_klr", "klr=muse_raw kl_norm=batch", "", false, false },
    { "npo.sequence_sum", "npo", "beta=0.1",
      "NpoBatchMean NpoLogits SumNotMean RefNotDetached NpoTokenMean NpoOneOverBeta NpoSign", false, false },
    { "npo.batch_mean", "npo", "beta=0.4 npo_ratio=batch_mean", "NpoLogits", false, false },
    { "npo.raw_logits", "npo", "beta=0.1 npo_ratio=raw_logits", "NpoBatchMean", false, false },
    { "retain_ft.default", "retain_ft", "", "SumNotMean ShiftOff1 PadInMean", false, false },
    { "retain_ft.masked", "retain_ft", "", "ImageTokensInLoss PromptInLoss", true, false },
    { "grad_diff.default", "grad_diff", "gamma=0.7 alpha=1.3", "", false, false },
    { "kl_min.default", "kl_min", "alpha=0.6 lambda=1.7", "", false, false },
    { "kl_min.batch", "kl_min", "kl_norm=batch", "", false, false },
    { "idk.default", "idk", "", "", false, false },
    { "dpo.two", "dpo", "", "", false, false },
    { "dpo.one", "dpo", "dpo_scale=1", "", false, false },
    { "npo_gd.default", "npo_gd", "beta=0.1 alpha=1.3", "", false, false },
    { "npo_kl.default", "npo_kl", "beta=0.1 lambda=0.7", "", false, false },
    { "simnpo.default", "simnpo", "", "", false, false },
    { "undial.default", "undial", "beta=3", "", false, false },
    { "altpo.default", "altpo", "", "", false, false },
    { "wga.default", "wga", "beta=0.3", "", false, false },
    { "satimp.default", "satimp", "beta=0.5", "", false, false },
    { "pdu.default", "pdu", "alpha=3", "PduRange DualFirst", false, false },
    { "pdu.unshifted", "pdu", "alpha=3 forget_rows=unshifted", "PduShifted", false, false },
    { "pdu.all", "pdu", "alpha=3 forget_rows=all", "", false, false },
    { "adapop.default", "adapop", "", "", false, false },
    { "adapop.popular", "adapop", "exposures=256 lambda=0.4", "PopularitySign PopularityUnscaled WeightNotDetached", false, false },
    { "mmunlearner.default", "mmunlearner", "gamma=1.5 alpha=0.5", "SumNotMean OneMean WeightsSwapped ForgetDescent", false, false },
    { "scrub.default", "scrub", "alpha=0.6 lambda=0.3", "KlReversed KlNoTSquared", false, false },
    { "scrub.reverse", "scrub", "schedule=joint kl_direction=reverse temperature=1 kl_norm=batch", "", false, false },
    { "llmu.default", "llmu", "", "KlReversed KlSupervised KlCrossEntropy SumNotMean OneMean WeightsSwapped ForgetDescent", false, false },
    { "siu.default", "siu", "", "TargetNotMasked", false, true },
    { "o3.default", "o3", "gamma=0.8", "SumNotMean PadInMean RandomAscent", false, false },
    { "adapters.default", "adapters", "gamma=0.8 alpha=0.3", "SumNotMean OneMean WeightsSwapped", false, false },
    { "smfa.default", "smfa", "gamma=1.2 alpha=0.4", "SumNotMean OneMean WeightsSwapped", false, false },
    { "cmju.default", "cmju", "alpha=0.6", "SumNotMean OneMean PicturesAlone ForgetDescent", false, false },
};
const size_t loss_forms_count = sizeof loss_forms / sizeof *loss_forms;

static Tensor ints(const int32_t *from, size_t n, Arena *a)
{
    Tensor t = { .shape = shape_of(1, n), .dtype = I32, .i32 = arena_array(a, n, sizeof *t.i32) };
    if (t.i32)
        memcpy(t.i32, from, n * sizeof *from);
    return t;
}

/* Draws the logits of a role, for samples of different lengths: z_ref = 2 x and z = z_ref + 0.75 y, in fp32, with
 * normals x and y, so that the model differs from its reference. `gaps`: the rows 1, 4, 7, … have no label. */
static bool fill(Part *p, Tensor *z, Tensor *ref, Role role, bool gaps, Arena *a)
{
    static const int32_t ends[ROLE_COUNT][4] = { { 0, 2, 3, 6 }, { 0, 5, 8 }, { 0, 1, 3, 5 }, { 0, 3, 4, 6 },
                                                 { 0, 2, 4 }, { 0, 1, 4, 5 } };
    static const size_t samples[ROLE_COUNT] = { 3, 2, 3, 3, 2, 3 };
    const Random x = random_for((uint64_t)role, "vectors.logits"), y = random_for((uint64_t)role, "vectors.away"),
                 l = random_for((uint64_t)role, "vectors.labels");
    size_t rows = (size_t)ends[role][samples[role]];
    int32_t labels[ROWS];
    *p = (Part){ .rows = rows, .samples = samples[role] };
    *z = tensor_f32(a, shape_of(2, rows, (size_t)V));
    *ref = tensor_f32(a, shape_of(2, rows, (size_t)V));
    if (!z->f32 || !ref->f32)
        return false;
    for (size_t i = 0; i < rows * V; i++) {
        ref->f32[i] = 2 * random_normal(x, i);
        z->f32[i] = ref->f32[i] + 0.75f * random_normal(y, i);
    }
    for (size_t i = 0; i < rows; i++) {
        labels[i] = gaps && i % 3 == 1 ? -1 : (int32_t)random_below(l, i, V);
        p->tokens += labels[i] >= 0;
    }
    p->labels = ints(labels, rows, a).i32;
    p->offsets = ints(ends[role], samples[role] + 1, a).i32;
    return p->labels && p->offsets;
}

static void put(Entry *list, size_t *n, const char *name, Tensor t)
{
    list[(*n)++] = (Entry){ name, t };
}

/* Takes the labels away from all rows that do not predict a token of an answer. The rows of the first sample predict
 * tokens of picture, picture, prompt, answer, answer; those of the second predict prompt, answer, answer. */
static void mask_rows(LossCase *c, Part *p, int32_t *labels, Arena *a)
{
    static const char kinds[ROWS + 1] = "iipaapaa";
    int32_t next[ROWS];
    p->tokens = 0;
    for (size_t i = 0; i < p->rows; i++) {
        next[i] = kinds[i] == 'i' ? V - 1 : labels[i] % (V - 1);
        labels[i] = kinds[i] == 'a' ? next[i] : -1;
        p->tokens += labels[i] >= 0;
    }
    put(c->in, &c->in_count, "next.retain", ints(next, p->rows, a));
}

/* Lets the alternate of each sample begin with the first token of its forget answer, as answers
 * do that differ in a name alone. */
static void share_tokens(const Part *forget, const Part *alternate, int32_t *labels)
{
    for (size_t i = 0; i < alternate->samples; i++)
        labels[alternate->offsets[i]] = forget->labels[forget->offsets[i]];
}

static bool role_make(LossCase *c, MethodStep *s, Role r, Node **z, unsigned needs, const LossForm *f, Arena *a)
{
    Part *p = &s->part[r];
    Tensor logits, ref;
    const char *name = role_name(r);
    if (!fill(p, &logits, &ref, r, method_reads_all_rows(needs, s->hyper, r), a))
        return false;
    if (f->masked)
        mask_rows(c, p, (int32_t *)(uintptr_t)p->labels, a);
    if (f->shared && r == ROLE_ALTERNATE)
        share_tokens(&s->part[ROLE_FORGET], p, (int32_t *)(uintptr_t)p->labels);
    *z = p->z = tape_param(s->tape, arena_format(a, "z.%s", name), logits, true);
    put(c->in, &c->in_count, arena_format(a, "z.%s", name), logits);
    put(c->in, &c->in_count, arena_format(a, "labels.%s", name), ints(p->labels, p->rows, a));
    put(c->in, &c->in_count, arena_format(a, "offsets.%s", name), ints(p->offsets, p->samples + 1, a));
    if (needs & (unsigned)REFERENCE_FORGET << r) {
        p->z_ref = tape_input(s->tape, "z_ref", ref);
        put(c->in, &c->in_count, arena_format(a, "z_ref.%s", name), ref);
    }
    return true;
}

static void result(LossCase *c, const char *name, const Node *n, const float *const *bounds, Arena *a)
{
    c->node[c->out_count] = n->id;
    put(c->out, &c->out_count, name, n->out);
    put(c->out, &c->out_count, arena_format(a, "bound.%s", name),
        tensor_view((float *)(uintptr_t)bounds[n->id], n->out.shape));
}

bool loss_case_make(const LossForm *f, LossCase *c, Arena *a, Error *e)
{
    Hyperparameters v;
    Tape t = tape_make(a, e);
    Node *z[ROLE_COUNT] = { NULL };
    const Method *m = method_find(f->method);
    MethodStep s = { .tape = &t, .hyper = &v, .step = 1 };
    *c = (LossCase){ .in_count = 0 };
    if (!m || !hyperparameters_make(&v, m, NULL, e) || !hyperparameters_apply(&v, f->variants, e))
        return error_set(e, "record: %s is not a form of a method", f->id);
    unsigned needs = method_needs(m, &v);
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (method_reads(needs, r) && !role_make(c, &s, r, &z[r], needs, f, a))
            return error_no_memory(e, "record: no memory for %s", f->id);
    Node *loss = m->loss(&s);
    tape_backward(&t);
    const float **bounds;
    if (e->failed || !bound_tape(&t, &bounds, a, e))
        return error_prefix(e, "%s", f->id);
    result(c, "loss", loss, bounds, a);
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (z[r] && z[r]->grad)
            result(c, arena_format(a, "dz.%s", role_name(r)), z[r]->grad, bounds, a);
    c->tape = t;
    return !e->failed;
}
