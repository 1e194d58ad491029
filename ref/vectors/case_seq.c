/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_seq.h"
#include "model/training/dataset.h"

#include <stdio.h>
#include <string.h>

#define SEQ_SETTINGS "train.trainable=proj+llm lora.rank=3 lora.alpha=6 optimiser.lr=0.01 optimiser.beta2=0.999 optimiser.weight_decay=0.01"

const SeqForm seq_forms[] = {
    { "pulse-npo.round_start", "tiny-llava-a", "npo", SEQ_SETTINGS " unlearn.beta=0.1 unlearn.reference=round_start", "" },
    { "pulse-npo.original", "tiny-llava-a", "npo", SEQ_SETTINGS " unlearn.beta=0.1 unlearn.reference=original", "" },
    { "pulse-ga_klr.round_start", "tiny-llava-a", "ga_klr", SEQ_SETTINGS, "" },
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
enum { BATCH = 2 };                      // a picture and a text: a round's whole list

typedef struct {
    const SeqForm *form;
    SeqCase *out;
    ModelConfig config;
    Weights weights;
    Lora lora;
    Model model;
    Dataset samples;
    SampleList forget[SEQ_ROUNDS];
    Rounds rounds;
    float *loss, *norm;
    size_t steps;
    Arena *arena;
    Error *error;
} Run;

static bool list_of(Run *r, const Reader *reader, const char *group, SampleList *out)
{
    BatchSample *list = arena_array(r->arena, r->samples.count, sizeof *list);
    *out = (SampleList){ list, 0 };
    for (size_t k = 0; list && k < r->samples.count; k++) {
        const Sample *x = &r->samples.sample[k];
        if (strcmp(x->group, group) == 0 && !reader_sample(reader, &r->samples, x, NULL, 0, NO_AUGMENT, &list[out->count++], r->arena, r->error))
            return false;
    }
    return list != NULL;
}

static bool run_open(Run *r, const char *folder, const char *samples, const Settings *settings)
{
    Arena *a = r->arena;
    Error *e = r->error;
    Settings s;
    Reader reader;
    RoundsPlan p = { .batch = BATCH, .count = SEQ_ROUNDS, .forget = r->forget };
    bool adapters;
    if (!settings_method(settings, r->form->method, &s, &p.method, &p.v, e) || !model_load(folder, &r->config, &r->weights, a, e)
        || !reader_open(&reader, folder, &r->config, (PromptTemplate)s.data_template, (PromptMask)s.data_mask, a, e) || !dataset_read(&r->samples, samples, a, e)
        || !list_of(r, &reader, "retain", &p.retain) || !train_targets(&s, &r->weights, &r->lora, &adapters, a, e)
        || !model_make(&r->model, &r->config, &r->weights, &r->lora, config_positions(&r->config), a, e))
        return false;
    for (size_t k = 0; k < SEQ_ROUNDS; k++)
        if (!list_of(r, &reader, arena_format(a, "round%zu", k + 1), &r->forget[k]))
            return false;
    p.train = train_config(&s);
    p.train.steps = SEQ_STEPS;
    p.merge = s.unlearn_merge;
    p.reset_optimiser = s.unlearn_reset_optimiser;
    p.retain_shrinks = s.unlearn_retain_shrinks;
    return adapters && rounds_make(&r->rounds, &p, &r->model, &r->lora, a, e);
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
    for (size_t k = 0; k < r->lora.count; k++) {
        const Weight *w = r->lora.pairs[k].a;
        r->out->in[r->out->in_count++] = (Entry){ arena_format(r->arena, "round%zu.%s", r->rounds.round + 1, w->name), copy(w->tensor, r->arena) };
    }
}

/* What is trained, ascending by name. */
static Digest trained(const Trainer *t, Arena *a)
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
    json_array_append_new(r->out->steps, json_pack("{s:I, s:I, s:I, s:o, s:s, s:o, s:s, s:s}", "round", (json_int_t)r->rounds.round + 1, "step", (json_int_t)r->rounds.done,
                                                   "samples", (json_int_t)s->samples, "loss", json_decimal(s->loss), "loss.hex", hex_double((double)s->loss, hex[0]),
                                                   "lr", json_decimal(s->lr), "lr.hex", hex_double((double)s->lr, hex[1]),
                                                   "trained", trained(&r->rounds.trainer, r->arena).hex));
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
    for (size_t k = 0; k < r->weights.count; k++) {
        const Weight *w = &r->weights.list[k];
        bool adapted = false;
        for (size_t i = 0; i < r->lora.count && !adapted; i++) {
            size_t n = strlen(r->lora.pairs[i].module);
            adapted = strncmp(w->name, r->lora.pairs[i].module, n) == 0 && strcmp(w->name + n, ".weight") == 0;
        }
        if (w->trainable || adapted)
            r->out->out[r->out->out_count++] = (Entry){ w->name, copy(w->tensor, r->arena) };
    }
}

bool seq_case_make(const SeqForm *f, const char *folder, const char *samples, const Settings *settings, SeqCase *c, Arena *a, Error *e)
{
    Run r = { .form = f, .out = c, .arena = a, .error = e };
    Tensor loss = tensor_f32(a, shape_of(1, (size_t)SEQ_ROUNDS * SEQ_STEPS)), norm = tensor_f32(a, loss.shape);
    *c = (SeqCase){ .steps = json_array() };
    r.loss = loss.f32;
    r.norm = norm.f32;
    bool good = norm.f32 && run_open(&r, arena_format(a, "%s/models/%s", folder, f->model), samples, settings);
    if (good) {
        c->in = arena_array(a, SEQ_ROUNDS * r.lora.count, sizeof *c->in);
        c->out = arena_array(a, r.weights.count + 2, sizeof *c->out);
        good = c->in && c->out && run_rounds(&r);
    }
    if (good) {
        c->out[c->out_count++] = (Entry){ "loss", loss };
        c->out[c->out_count++] = (Entry){ "norm", norm };
        keep_weights(&r);
    }
    rounds_close(&r.rounds);
    if (r.samples.pictures)
        dataset_close(&r.samples);
    weights_close(&r.weights);
    if (!good) {
        json_decref(c->steps);
        c->steps = NULL;
    }
    return good;
}
