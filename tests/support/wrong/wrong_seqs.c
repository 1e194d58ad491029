/* SPDX-License-Identifier: MIT */
/* Requests one after another with their known mistakes: the run is made again with other
 * settings, or by another method. */
#include <math.h>
#include <string.h>
#include "ref/trace/step.h"
#include "ref/vectors/case_seq.h"
#include "tests/support/wrong/wrong.h"

/* method NULL: that of the case. With the sign wrong (PopularitySign) the exponent is 2, as without exposures. */
static const struct { const char *flag, *method, *settings; } mistakes[] = {
    { "SculptMissing", NULL, "unlearn.sculpt=1000000" },
    { "SculptWithoutFactor", NULL, "unlearn.sculpt=1" },
    { "OneUpdateForAll", NULL, "unlearn.schedule=joint" },
    { "OverlapMissing", NULL, "unlearn.lambda=0" },
    { "OverlapTwice", NULL, "unlearn.lambda=20" },
    { "AdapterOnMerged", "idk", "" },
    { "DualMissing", NULL, "unlearn.dual_step=0" },
    { "WarmupMissing", NULL, "unlearn.dual_warmup=0" },
    { "PopularitySign", NULL, "unlearn.exposures=0" },
};
enum { MISTAKES = sizeof mistakes / sizeof *mistakes };

/* The answers that are written, each only if the mistake moves it. */
static const char *const answers[] = { "loss", "norm", "multi_modal_projector.linear_2.bias",
                                       "language_model.model.layers.0.self_attn.q_proj.weight" };

static bool run(Wrong *w, const SeqForm *f, const char *method, const char *settings, SeqCase *c)
{
    Settings s;
    MethodSettings m;
    const char *all = arena_format(w->arena, "%s %s", f->settings, settings),
               *samples = arena_format(w->arena, "%s/seq/%s/samples.jsonl", w->suite, f->id);
    if (!step_settings(&s, all, w->arena, w->error) || !settings_method(&s, method, &m, w->error)
        || !seq_case_make(f, w->suite, samples, &m, (SeqShake){ .size = 0 }, c, w->arena, w->error))
        return false;
    json_decref(c->steps);
    return true;
}

static const Tensor *find(const SeqCase *c, const char *name)
{
    for (size_t k = 0; k < c->out_count; k++)
        if (strcmp(c->out[k].name, name) == 0)
            return &c->out[k].tensor;
    return NULL;
}

/* Whether the mistake moves the answer by much more than fp32 arithmetic does. */
static bool moves(const Tensor *right, const Tensor *wrong)
{
    double most = 0, way = 0;
    for (size_t i = 0; i < shape_size(right->shape); i++) {
        most = fmax(most, fabs((double)right->f32[i]));
        way = fmax(way, fabs((double)wrong->f32[i] - (double)right->f32[i]));
    }
    return way > 0x1p-8 * most;
}

static void wrong_run(Wrong *w, const SeqForm *f, const SeqCase *right, const char *flag)
{
    const char *id = arena_format(w->arena, "seq/%s", f->id);
    const size_t before = w->count;
    size_t which = 0;
    SeqCase wrong;
    while (which < MISTAKES && strcmp(mistakes[which].flag, flag) != 0)
        which++;
    if (which == MISTAKES || !run(w, f, mistakes[which].method ? mistakes[which].method : f->method, mistakes[which].settings, &wrong)) {
        error_set(w->error, "wrong: %s has no mistake %s", id, flag);
        return;
    }
    for (size_t k = 0; k < sizeof answers / sizeof *answers; k++) {
        const Tensor *x = find(right, answers[k]), *y = find(&wrong, answers[k]);
        if (x && y && moves(x, y))
            wrong_tensor(w, id, flag, answers[k], *y);
    }
    if (w->count == before)
        error_set(w->error, "wrong: %s has no answer that %s moves", id, flag);
}

void wrong_seqs(Wrong *w)
{
    for (size_t k = 0; k < seq_forms_count && !w->error->failed; k++) {
        const SeqForm *f = &seq_forms[k];
        const char *flags = f->mistakes, *flag;
        SeqCase right;
        if (!*flags || !run(w, f, f->method, "", &right))
            continue;
        while (!w->error->failed && (flag = wrong_flag(w, &flags)))
            wrong_run(w, f, &right, flag);
    }
}
