/* SPDX-License-Identifier: MIT */
/* An unlearn stage: all requests of a case, one after another, with snapshots; a checkpoint a snapshot, so that it can go on. */
#include <string.h>
#include "eval/manifest.h"
#include "model/training/checkpoint.h"
#include "model/training/dataset.h"
#include "ref/cli/log.h"
#include "ref/run/run.h"
#include "ref/config/setup.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { FILES_MAX = 8192, SAVE_EVERY = 25 };

typedef struct {
    Run *run;
    const Case *c;
    const char *folder, *identity;
    Settings settings;
    ModelConfig config;
    Weights weights;
    Lora lora;
    Model model;
    Reader reader;
    Splits splits;
    RequestEnd *ends;                    // of the requests that ended
    RoundsPlan plan;
    Rounds rounds;
    FILE *log;
    Arena arena;
} Job;

/* The training questions about some entities, as samples in the order of the file. */
static bool role_list(Job *j, const EntityList *whose, const char *(*answer)(const Sample *), SampleList *out, Error *e)
{
    const Dataset *from = &j->run->group[j->c->group];
    BatchSample *list = arena_array(&j->arena, from->count, sizeof *list);
    size_t n = 0;
    for (size_t k = 0; list && k < from->count; k++) {
        const Sample *x = &from->sample[k];
        if (x->split != SPLIT_TRAIN || x->kind != KIND_OPEN || !entity_list_has(whose, x->entity))
            continue;
        if (!reader_sample(&j->reader, from, x, answer ? answer(x) : NULL, 0, NO_AUGMENT, &list[n++], &j->arena, e))
            return false;
    }
    *out = (SampleList){ list, n };
    return list && (n > 0 || error_set(e, "%s:1: %s: no open training question about those who are to be forgotten or retained", from->path, j->c->name));
}

/* Another answer to a question: the first option that is wrong. */
static const char *alternate_answer(const Sample *x)
{
    for (size_t k = 0; k < x->option_count; k++)
        if (strcmp(x->options[k], x->answer) != 0)
            return x->options[k];
    return x->answer;
}

static const char *refusal_answer(const Sample *x)
{
    (void)x;
    return "i do not know";
}

static bool lists_make(Job *j, unsigned needs, Error *e)
{
    size_t n = j->splits.requests;
    SampleList *lists[ROLE_COUNT];
    const char *(*const answers[ROLE_COUNT])(const Sample *) = { [ROLE_REFUSAL] = refusal_answer, [ROLE_ALTERNATE] = alternate_answer };
    for (Role role = 0; role < ROLE_COUNT; role++) {
        lists[role] = NULL;
        if (role == ROLE_RETAIN || (role != ROLE_FORGET && !(needs >> role & 1)))        // refusals go with forget samples
            continue;
        lists[role] = arena_array(&j->arena, n, sizeof *lists[role]);
        for (size_t k = 0; lists[role] && k < n; k++)
            if (!role_list(j, &j->splits.request[k], answers[role], &lists[role][k], e))
                return false;
    }
    j->plan.forget = lists[ROLE_FORGET];
    j->plan.refusal = lists[ROLE_REFUSAL];
    j->plan.alternate = lists[ROLE_ALTERNATE];
    return role_list(j, &j->splits.retain, NULL, &j->plan.retain, e);
}

static bool frozen_model(Job *j, StartModel m, Model **out, Error *e)
{
    Arena *a = &j->arena;
    const char *folder = run_model(j->run, m, a);
    ModelConfig *c = arena_alloc(a, sizeof *c);
    Weights *w = arena_alloc(a, sizeof *w);
    *out = arena_alloc(a, sizeof **out);
    return folder && c && w && *out && config_load(c, folder, e) && weights_load(w, folder, c, a, e)
        && model_make(*out, c, w, NULL, config_positions(c), a, e);
}

static bool job_open(Job *j, Error *e)
{
    Arena *a = &j->arena;
    const Method *m;
    Settings *s = &j->settings;
    RoundsPlan *p = &j->plan;
    bool adapters;
    StartModel start = j->c->method->needs & NEEDS_BASE ? MODEL_BASE : j->c->scenario->start;
    const char *folder = run_model(j->run, start, a);
    if (!settings_method(&j->run->settings, j->c->method->name, s, &m, &p->v, e))
        return false;
    s->train_trainable = trainable_name(j->c->trainable);
    s->model_seed = (int64_t)j->c->seed;
    p->v.seed = (int64_t)j->c->seed;
    if (!folder || !run_splits(j->run, j->c, &j->splits, a, e) || !config_load(&j->config, folder, e) || !weights_load(&j->weights, folder, &j->config, a, e)
        || !reader_open(&j->reader, folder, &j->config, (PromptTemplate)s->data_template, (PromptMask)s->data_mask, a, e)
        || !lists_make(j, method_needs(m, &p->v), e) || !train_targets(s, &j->weights, &j->lora, &adapters, a, e)
        || !model_make(&j->model, &j->config, &j->weights, adapters ? &j->lora : NULL, config_positions(&j->config), a, e))
        return false;
    if (method_config(&j->run->plan, m)->oracle && !frozen_model(j, MODEL_ORACLE, &p->retain_only, e))
        return false;
    j->ends = arena_array(a, j->splits.requests, sizeof *j->ends);
    p->method = m;
    p->batch = (size_t)s->unlearn_batch;
    p->train = train_config(s);
    p->merge = s->unlearn_merge;
    p->reset_optimiser = s->unlearn_reset_optimiser;
    p->retain_shrinks = s->unlearn_retain_shrinks;
    p->count = j->splits.requests;
    p->seed = j->c->seed;
    return j->ends && rounds_make(&j->rounds, p, &j->model, adapters ? &j->lora : NULL, a, e);
}

/* Without adapters, and after an edit at once, all weights are kept. */
static bool whole(const Job *j)
{
    return !j->rounds.lora || !j->c->method->loss;
}

static bool snapshot(Job *j, size_t request, int64_t step, Error *e)
{
    char name[64];
    const char *folder = arena_format(&j->arena, "%s/%s", j->folder, snapshot_name((int64_t)request + 1, step, name));
    return folder && file_make_folder(folder, e)
        && (whole(j) ? weights_save(&j->weights, &j->config, folder, e) : lora_save(&j->lora, &j->weights, folder, e));
}

static const char *checkpoint_folder(Job *j, size_t request)
{
    return arena_format(&j->arena, "%s/checkpoint-%zu", j->folder, request + 1);
}

/* What an interrupted run had done of this request. */
static bool restore(Job *j, int64_t before, Error *e)
{
    Rounds *r = &j->rounds;
    const char *folder = checkpoint_folder(j, r->round);
    if (!folder || !j->run->resume || r->steps == 0 || !checkpoint_exists(folder))
        return folder != NULL;
    if (!checkpoint_load(&r->trainer, folder, j->identity, e))
        return false;
    r->done = r->trainer.optimiser.step - before;
    return true;
}

/* RULE_accuracy: the request is over when so little of it is still known. The model is asked as it is, adapters beside the weights. */
static bool stop(Job *j, Error *e)
{
    Rounds *r = &j->rounds;
    const EntityList *whose = &j->splits.request[r->round];
    Questions q;
    size_t right = 0;
    if (r->done >= r->steps || !stop_after(&j->run->plan, j->c, whose->count, r->done))
        return !e->failed;
    Arena a = arena_make(e);
    questions_begin(&q, &a);
    Result *x = questions_add(&q, &j->run->group[j->c->group], (Choice){ KIND_OPEN, whose, j->run->settings.protocol_frames, false }, e)
              ? evaluate(&j->model, &j->reader, &q, DEPTH_EXACT, &a, e) : NULL;
    for (size_t k = 0; x && k < q.count; k++)
        right += x[k].exact;
    if (x && (double)right <= j->run->plan.config.stop * (double)q.count)
        r->steps = r->done;
    arena_free(&a);
    return x != NULL;
}

static bool steps(Job *j, size_t entities, int64_t logged, Error *e)
{
    Rounds *r = &j->rounds;
    const Plan *p = &j->run->plan;
    const int64_t every = j->settings.train_save_every ? j->settings.train_save_every : SAVE_EVERY;
    while (round_step(r, e)) {
        if (!stop(j, e))
            return false;
        bool point = r->done < r->steps && snapshot_after(p, j->c, entities, r->done);
        log_step(j->log, logged + r->done, &r->trainer.stats);
        if (point && !snapshot(j, r->round, r->done, e))
            return false;
        if (!point && r->done < r->steps && r->done % every != 0)
            continue;
        const char *folder = checkpoint_folder(j, r->round);
        if (fflush(j->log) || !folder || !checkpoint_save(&r->trainer, folder, j->identity, e))
            return e->failed ? false : error_set(e, "%s/log.jsonl: cannot be written", j->folder);
    }
    if (r->diverged) {
        json_t *line = json_pack("{s:i, s:i, s:s}", "request", (int)r->round + 1, "stopped_after", (int)r->done, "reason", r->note);
        json_print(j->log, line, 0);
        fputc('\n', j->log);
        json_decref(line);
    }
    for (int64_t step = r->done + 1; r->diverged && step < r->steps; step++)          // the last good weights stay
        if (snapshot_after(p, j->c, entities, step) && !snapshot(j, r->round, step, e))
            return false;
    return !e->failed;
}

static bool one_request(Job *j, int64_t *logged, Error *e)
{
    Rounds *r = &j->rounds;
    size_t request = r->round, entities = j->splits.request[request].count;
    int64_t before = request && !j->plan.reset_optimiser ? r->trainer.optimiser.step : 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/log.jsonl", j->folder);
    r->plan.train.steps = request_steps(&j->run->plan, j->c, entities);
    if (!round_begin(r, e) || !restore(j, before, e) || !stop(j, e))
        return false;
    if (!j->log && r->done == r->steps && r->steps)
        *logged += r->steps;
    else if ((!j->log && !log_open(path, *logged + r->done, &j->log, e)) || !steps(j, entities, *logged, e))
        return false;
    else
        *logged += r->steps;
    const int64_t whole = r->plan.train.steps, last = r->steps && !r->diverged ? r->steps : whole;
    j->ends[request] = (RequestEnd){ r->done, last, r->diverged ? "diverged" : last < whole ? "accuracy" : "budget" };
    return round_end(r, e) && snapshot(j, request, last, e);
}

/* Every snapshot by its rule, and the log; what was only kept for going on is removed. */
static bool finish(Job *j, size_t stage, Error *e)
{
    static const char *const names[2][2] = { { "adapter_config.json", "adapter_model.safetensors" }, { "config.json", "model.safetensors" } };
    Arena *a = &j->arena;
    size_t n = 0;
    char name[64], path[4096];
    const char **files = arena_array(a, FILES_MAX, sizeof *files);
    for (size_t k = 0; files && k < j->splits.requests; k++) {
        const int64_t last = j->ends[k].last;
        for (int64_t step = 1; step <= last; step++)
            for (int f = 0; f < 2 && (step == last || snapshot_after(&j->run->plan, j->c, j->splits.request[k].count, step)) && n < FILES_MAX - 2; f++)
                files[n++] = arena_format(a, "%s/%s", snapshot_name((int64_t)k + 1, step, name), names[whole(j)][f]);
        snprintf(path, sizeof path, "%s/checkpoint.safetensors", checkpoint_folder(j, k));
        remove(path);
        folder_sweep(checkpoint_folder(j, k));
        remove(checkpoint_folder(j, k));
    }
    if (!j->log || n >= FILES_MAX - 2)
        return error_set(e, "%s: %s", j->folder, j->log ? "too many snapshots, expected a larger protocol.trajectory" : "the log is missing");
    files[n++] = "log.jsonl";
    files[n++] = "steps.json";
    bool closed = fclose(j->log) == 0;
    j->log = NULL;
    return closed && !e->failed && ends_write(j->folder, j->ends, j->splits.requests, e) && stage_finish(&j->run->plan, stage, j->folder, files, n, e);
}

bool run_unlearn(Run *r, size_t stage, Error *e)
{
    Job j = { .run = r, .c = r->plan.stage[stage].one, .identity = r->plan.stage[stage].digest.hex, .arena = arena_make(e) };
    int64_t logged = 0;
    j.folder = stage_folder(r, stage, &j.arena);
    bool good = j.folder && file_make_folder(j.folder, e) && job_open(&j, e);
    while (good && j.rounds.round < j.splits.requests)
        good = one_request(&j, &logged, e);
    char path[4096];
    snprintf(path, sizeof path, "%s/log.jsonl", j.folder ? j.folder : ".");
    good = good && (j.log || log_open(path, logged, &j.log, e)) && finish(&j, stage, e);
    if (j.log)
        fclose(j.log);
    if (j.rounds.model)
        rounds_close(&j.rounds);
    weights_close(&j.weights);
    arena_free(&j.arena);
    return good && !e->failed;
}
