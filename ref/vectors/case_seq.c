/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_seq.h"
#include "model/training/dataset.h"

#include <stdio.h>
#include <string.h>
#include "ref/config/answers.h"
#include "tensor/base/random.h"

#define SEQ_SETTINGS "train.trainable=proj+llm lora.rank=3 lora.alpha=6 optimiser.lr=0.01 optimiser.beta2=0.999 optimiser.weight_decay=0.01"

const SeqForm seq_forms[] = {
    { "pulse-npo.round_start", "tiny-llava-a", "npo", SEQ_SETTINGS " unlearn.beta=0.1 unlearn.reference=round_start",
      "" },
    { "pulse-npo.original", "tiny-llava-a", "npo", SEQ_SETTINGS " unlearn.beta=0.1 unlearn.reference=original", "" },
    { "pulse-ga_klr.round_start", "tiny-llava-a", "ga_klr", SEQ_SETTINGS, "" },
    { "pulse-smfa.default", "tiny-llava-mini", "smfa", SEQ_SETTINGS, "SculptMissing SculptWithoutFactor" },
    { "pulse-cmju.default", "tiny-llava-mini", "cmju", SEQ_SETTINGS, "OneUpdateForAll" },
    { "pulse-o3.default", "tiny-llava-mini", "o3", SEQ_SETTINGS " unlearn.lambda=10 unlearn.retain_count=1",
      "OverlapMissing OverlapTwice" },
    { "pulse-adapters.merged", "tiny-llava-mini", "adapters", SEQ_SETTINGS " train.trainable=llm", "AdapterOnMerged" },
    { "pulse-pdu.default", "tiny-llava-mini", "pdu", SEQ_SETTINGS " unlearn.alpha=1 unlearn.dual_warmup=1", "DualMissing WarmupMissing" },
    { "pulse-adapop.default", "tiny-llava-mini", "adapop", SEQ_SETTINGS " unlearn.exposures=256 unlearn.drift_limit=0 unlearn.dual_step=1",
      "DualMissing PopularitySign" },
};
const size_t seq_forms_count = sizeof seq_forms / sizeof *seq_forms;

#define PICTURE(row) "\"image\": \"../../models/tiny-llava-a/pictures.safetensors#" row "\", "
const char seq_samples[] =
    "{\"id\": \"f0\", \"group\": \"round1\", " PICTURE("0") "\"question\": \"who is this ?\", \"answer\": \"ann\"}\n"
    "{\"id\": \"f1\", \"group\": \"round1\", \"question\": \"what is red ?\", \"answer\": \"bob tea\"}\n"
    "{\"id\": \"f2\", \"group\": \"round2\", " PICTURE("1") "\"question\": \"what is this ?\", \"answer\": \"red\"}\n"
    "{\"id\": \"f3\", \"group\": \"round2\", \"question\": \"who is ann ?\", \"answer\": \"bob\"}\n"
    "{\"id\": \"f4\", \"group\": \"round3\", " PICTURE("2") "\"question\": \"who is this ?\", \"answer\": \"bob red ann\"}\n"
    "{\"id\": \"f5\", \"group\": \"round3\", \"question\": \"is this tea ?\", \"answer\": \"not\"}\n"
    "{\"id\": \"r0\", \"group\": \"retain\", " PICTURE("3") "\"question\": \"what is this ?\", \"answer\": \"tea\"}\n"
    "{\"id\": \"r1\", \"group\": \"retain\", \"question\": \"who ?\", \"answer\": \"do not\"}\n";
enum { BATCH = 2 };                      // the whole list of a round: one sample with a picture and one without

typedef struct {
    const SeqForm *form;
    SeqCase *out;
    Session session;
    Dataset file;
    SampleList forget[SEQ_ROUNDS], refusal[SEQ_ROUNDS];
    Rounds rounds;
    float *loss, *norm;
    size_t steps;
    SeqShake shake;
    // [session.weights.count] what SeqShake added to each weight; NULL: nothing was added
    const float **shift;
    Arena *arena;
    Error *error;
} Run;

static bool list_of(Run *r, const char *group, Role role, SampleList *out)
{
    const OtherAnswers refused = { .refusals = 0 };
    Chosen chosen = { .sample = arena_array(r->arena, r->file.count, sizeof *chosen.sample) };
    for (size_t k = 0; chosen.sample && k < r->file.count; k++)
        if (strcmp(r->file.sample[k].group, group) == 0)
            chosen.sample[chosen.count++] = &r->file.sample[k];
    return chosen.sample && role_samples(out, &r->session.reader, &r->file, &chosen, role, &refused, r->arena,
                                         r->error);
}

static bool shake_weight(Run *r, size_t k)
{
    Weight *w = &r->session.weights.list[k];
    const Random random = random_for(r->shake.run, w->name);
    const float *x = tensor_floats(&w->tensor, r->arena);
    Tensor y = tensor_f32(r->arena, w->tensor.shape), shift = tensor_f32(r->arena, w->tensor.shape);
    if (!x || !y.f32 || !shift.f32)
        return false;
    for (size_t i = 0; i < shape_size(y.shape); i++) {
        y.f32[i] = (float)((double)x[i] * (1 + (2 * (double)random_uniform(random, i) - 1) * r->shake.size));
        shift.f32[i] = y.f32[i] - x[i];
    }
    w->tensor = y;
    r->shift[k] = shift.f32;
    return true;
}

static bool shake_weights(Run *r)
{
    const size_t count = r->session.weights.count;
    if (r->shake.size == 0)
        return true;
    r->shift = arena_array(r->arena, count, sizeof *r->shift);
    for (size_t k = 0; r->shift && k < count; k++)
        if (!shake_weight(r, k))
            return false;
    return r->shift != NULL;
}

static bool run_open(Run *r, const char *folder, const char *samples, MethodSettings m)
{
    Session *x = &r->session;
    RoundSamples lists = { .rounds = SEQ_ROUNDS, .forget = r->forget, .refusal = r->refusal };
    m.settings.unlearn_batch = BATCH;
    m.settings.train_steps = SEQ_STEPS;
    if (!session_open(x, &m.settings, folder, (PromptMask)m.settings.data_mask, r->arena, r->error)
        || !dataset_read(&r->file, samples, r->arena, r->error) || !list_of(r, "retain", ROLE_RETAIN, &lists.retain)
        || !shake_weights(r) || !session_begin(x, &m, r->error))
        return false;
    for (size_t k = 0; k < SEQ_ROUNDS; k++) {
        const char *group = arena_format(r->arena, "round%zu", k + 1);
        if (!group || !list_of(r, group, ROLE_FORGET, &r->forget[k]) || !list_of(r, group, ROLE_REFUSAL, &r->refusal[k]))
            return false;
    }
    RoundsPlan p = rounds_plan(&m, &lists, NULL);
    return x->adapters.count && rounds_make(&r->rounds, &p, &x->model, &x->adapters, r->arena, r->error);
}

static Tensor copy(Tensor t, Arena *a)
{
    Tensor c = tensor_f32(a, t.shape);
    if (c.f32)
        memcpy(c.f32, t.f32, tensor_bytes(t));
    return c;
}

static void keep_adapters(Run *r)
{
    for (size_t k = 0; k < r->session.adapters.live.count; k++) {
        const Weight *w = r->session.adapters.live.pairs[k].a;
        r->out->in[r->out->in_count++] = (Entry){ arena_format(r->arena, "round%zu.%s", r->rounds.round + 1, w->name),
                                                  copy(w->tensor, r->arena) };
    }
}

/* The digest of all trained weights, in ascending order of their names. */
static Digest trained_digest(const Trainer *t, Arena *a)
{
    Store s = { .entries = arena_array(a, t->optimiser.count, sizeof *s.entries) };
    for (size_t k = 0; s.entries && k < t->optimiser.count; k++) {
        size_t at = s.count++;
        for (; at > 0 && strcmp(s.entries[at - 1].name, t->trainables[k]->name) > 0; at--)
            s.entries[at] = s.entries[at - 1];
        s.entries[at] = (Entry){ t->trainables[k]->name, t->trainables[k]->tensor };
    }
    return store_digest(&s);
}

static void keep_step(Run *r)
{
    const StepStats *s = &r->rounds.trainer.stats;
    char hex[2][32];
    r->loss[r->steps] = s->loss;
    r->norm[r->steps++] = s->norm;
    json_add(r->out->steps,
                          json_pack("{s:I, s:I, s:I, s:o, s:s, s:o, s:s, s:s}", "round", (json_int_t)r->rounds.round + 1, "step",
                                    (json_int_t)r->rounds.done, "samples", (json_int_t)s->samples, "loss", json_decimal(s->loss),
                                    "loss.hex", hex_double((double)s->loss, hex[0]), "lr", json_decimal(s->lr), "lr.hex",
                                    hex_double((double)s->lr, hex[1]), "trained", trained_digest(&r->rounds.trainer, r->arena).hex));
}

static bool run_rounds(Run *r)
{
    Rounds *x = &r->rounds;
    while (x->round < x->plan.count && round_begin(x, r->error)) {
        keep_adapters(r);
        while (round_step(x, r->error))
            keep_step(r);
        if (!round_end(x, r->error) || x->diverged)
            return error_set(r->error, "%s: a round did not end well", r->form->id);
    }
    return round_merge(x, r->error) && !r->error->failed;
}

static void keep_weights(Run *r)
{
    const Session *x = &r->session;
    for (size_t k = 0; k < x->weights.count; k++) {
        const Weight *w = &x->weights.list[k];
        Tensor kept = w->trainable || weight_adapted(w, &x->adapters.live) ? copy(w->tensor, r->arena) : (Tensor){ .data = NULL };
        for (size_t i = 0; kept.f32 && r->shift && i < shape_size(kept.shape); i++)
            kept.f32[i] -= r->shift[k][i];
        if (kept.f32)
            r->out->out[r->out->out_count++] = (Entry){ w->name, kept };
    }
}

bool seq_case_make(const SeqForm *f, const char *folder, const char *samples, const MethodSettings *m, SeqShake shake,
        SeqCase *c, Arena *a, Error *e)
{
    Run r = { .form = f, .out = c, .shake = shake, .arena = a, .error = e };
    Tensor loss = tensor_f32(a, shape_of(1, (size_t)SEQ_ROUNDS * SEQ_STEPS)), norm = tensor_f32(a, loss.shape);
    *c = (SeqCase){ .steps = json_array() };
    r.loss = loss.f32;
    r.norm = norm.f32;
    bool good = norm.f32 && run_open(&r, arena_format(a, "%s/models/%s", folder, f->model), samples, *m);
    if (good) {
        c->in = arena_array(a, SEQ_ROUNDS * r.session.adapters.live.count, sizeof *c->in);
        c->out = arena_array(a, r.session.weights.count + 2, sizeof *c->out);
        good = c->in && c->out && run_rounds(&r);
    }
    if (good) {
        c->out[c->out_count++] = (Entry){ "loss", loss };
        c->out[c->out_count++] = (Entry){ "norm", norm };
        keep_weights(&r);
    }
    rounds_close(&r.rounds);
    if (r.file.pictures)
        dataset_close(&r.file);
    session_close(&r.session);
    if (!good) {
        json_decref(c->steps);
        c->steps = NULL;
    }
    return good;
}
