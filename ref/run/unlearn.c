/* SPDX-License-Identifier: MIT */
/* An unlearn stage: all requests of a case, one after another, with snapshots. At each snapshot and every
 * train.save_every steps (0: every SAVE_EVERY) it writes a checkpoint, from which an interrupted stage continues. With
 * protocol.checkpoints, some checkpoints stay when the stage is finished, in folders with the names of snapshots:
 * "round-1-step-25/checkpoint.safetensors". */
#include <string.h>
#include "eval/manifest.h"
#include "model/training/checkpoint.h"
#include "model/training/dataset.h"
#include "ref/cli/log.h"
#include "ref/run/run.h"
#include "ref/config/answers.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { FILES_MAX = 8192, SAVE_EVERY = 25 };

typedef struct {
    Run *run;
    const Case *c;
    const char *folder, *identity;       // identity: the digest of the stage, by which its checkpoints are recognised
    MethodSettings m;
    Session session, oracle;
    Splits splits;
    OtherAnswers others;
    RequestEnd *ends;                    // of the requests that ended
    Rounds rounds;
    bool reached;                        // the step of run->until has been taken: the stage stops here
    FILE *log;
    LogMark mark;                        // how far the log was written at the last checkpoint
    const char *log_path;
    Arena arena;
} Job;

/* Lists the open training questions about the entities of `whose`. */
static bool choose(Job *j, const Dataset *from, const EntityList *whose, Chosen *out, Error *e)
{
    *out = (Chosen){ .sample = arena_array(&j->arena, from->count, sizeof *out->sample) };
    for (size_t k = 0; out->sample && k < from->count; k++) {
        const Sample *x = &from->sample[k];
        if (x->split == SPLIT_TRAIN && x->kind == KIND_OPEN && entity_list_has(whose, x->entity))
            out->sample[out->count++] = x;
    }
    return out->sample && (out->count || error_set(e, "%s:1: %s: there is no open training question about the entities that are "
                                                      "to be forgotten, or to be retained", from->path, j->c->name));
}

static bool lists_make(Job *j, RoundSamples *lists, Error *e)
{
    Arena *a = &j->arena;
    const Dataset *from = &j->run->group[j->c->group];
    const Reader *reader = &j->session.reader;
    Chosen chosen;
    if (!other_answers_open(&j->others, &j->m, true, a, e))
        return false;
    j->others.maker.model = &j->session.model;
    j->others.maker.reader = reader;
    if (!round_samples_make(lists, j->splits.requests, &j->m, a))
        return false;
    for (size_t k = 0; lists->forget && k < lists->rounds; k++)
        if (!choose(j, from, &j->splits.request[k], &chosen, e) || !round_samples_fill(lists, k, reader, from, &chosen, &j->others, a, e))
            return false;
    return !(method_needs(j->m.method, &j->m.v) & NEEDS_RETAIN)
        || (choose(j, from, &j->splits.retain, &chosen, e) && role_samples(&lists->retain, reader, from, &chosen, ROLE_RETAIN, NULL, a, e));
}

static bool open_oracle(Job *j, Error *e)
{
    const bool hidden = method_needs(j->m.method, &j->m.v) & NEEDS_HIDDEN;
    return !method_wants_oracle(&j->m)
        || session_reference(&j->oracle, run_model(j->run, MODEL_ORACLE, &j->arena), &j->session, hidden, &j->arena, e);
}

static bool job_open(Job *j, Error *e)
{
    Arena *a = &j->arena;
    Session *x = &j->session;
    RoundSamples lists;
    const char *folder = run_model(j->run, case_start(j->c), a);
    if (!folder || !run_method(j->run, j->c->method->name, trainable_name(j->c->trainable), j->c->seed, &j->m, e)
        || !run_splits(j->run, j->c, &j->splits, a, e)
        || !session_open(x, &j->m.settings, folder, (PromptMask)j->m.settings.data_mask, a, e) || !session_begin(x, &j->m, e)
        || !lists_make(j, &lists, e) || !open_oracle(j, e))
        return false;
    j->ends = arena_array(a, j->splits.requests, sizeof *j->ends);
    RoundsPlan p = rounds_plan(&j->m, &lists, j->oracle.folder ? &j->oracle.model : NULL);
    return j->ends && session_subspace(x, &j->m, &p, a, e) && rounds_make(&j->rounds, &p, &x->model, &x->adapters, a, e);
}

/* Whether a snapshot holds all weights, and not the adapters alone. It does if there are no adapters, and at the end
 * of a request whose method also changes weights outside the adapters. */
static bool whole(const Job *j, bool end) { return !j->session.adapters.count || (end && j->m.method->needs & WHOLE_RESULT); }

static bool snapshot(Job *j, size_t request, int64_t step, bool end, Error *e)
{
    char name[64];
    const char *folder = arena_format(&j->arena, "%s/%s", j->folder, snapshot_name((int64_t)request + 1, step, name));
    return folder && file_make_folder(folder, e)
        && (whole(j, end) ? weights_save(&j->session.weights, &j->session.config, folder, e)
                     : lora_save(adapters_last(&j->session.adapters), &j->session.weights, folder, e));
}

static const char *checkpoint_folder(Job *j, size_t request)
{
    return arena_format(&j->arena, "%s/checkpoint-%zu", j->folder, request + 1);
}

/* Whether the checkpoint after step `step` of a request of `steps` steps is kept. */
static bool keeps(const Job *j, int64_t step, int64_t steps)
{
    const int64_t every = j->run->settings.protocol_checkpoints;
    return every && (step == steps || step % every == 0);
}

/* Writes the checkpoint from which an interrupted stage continues, and a second copy of it where
 * this step's checkpoint is kept. */
static bool checkpoint(Job *j, Error *e)
{
    const Rounds *r = &j->rounds;
    char name[64];
    const char *folder = checkpoint_folder(j, r->round);
    const char *kept = arena_format(&j->arena, "%s/%s", j->folder, snapshot_name((int64_t)r->round + 1, r->done, name));
    return folder && kept && log_mark(j->log, j->log_path, &j->mark, e)
        && (!keeps(j, r->done, r->steps) || checkpoint_save(&r->trainer, kept, j->identity, j->mark, e))
        && checkpoint_save(&r->trainer, folder, j->identity, j->mark, e);
}

/* Whether the stage is to stop after this step of this request (run->until). */
static bool reached(const Job *j, size_t request, int64_t step)
{
    return j->run->until.step && j->run->until.request == (int64_t)request + 1 && j->run->until.step == step;
}

/* Restores what an interrupted process had done of this request. `before`: the step of the optimiser at which the
 * request began. */
static bool restore(Job *j, int64_t before, Error *e)
{
    Rounds *r = &j->rounds;
    const char *folder = checkpoint_folder(j, r->round);
    if (!folder || !j->run->resume || r->steps == 0 || !checkpoint_exists(folder))
        return folder != NULL;
    if (!checkpoint_load(&r->trainer, folder, j->identity, &j->mark, e))
        return false;
    r->done = r->trainer.optimiser.step - before;
    return true;
}

/* The stopping rule "accuracy": a request ends when the accuracy on its entities is at most protocol.stop.
 * The accuracy is measured after the steps that stop_after names, with the adapters merged into the weights,
 * as in the snapshot of that step. */
static bool stop_at_accuracy(Job *j, Error *e)
{
    Rounds *r = &j->rounds;
    const EntityList *whose = &j->splits.request[r->round];
    Questions q;
    size_t right = 0;
    if (r->done >= r->steps || !stop_after(&j->run->plan, j->c, entity_list_questions(whose), r->done))
        return !e->failed;
    Arena a = arena_make(e);
    const Model asked = model_merged(&j->session.model);
    questions_begin(&q, &a);
    Result *x = questions_add(&q, &j->run->group[j->c->group], (Choice){ KIND_OPEN, whose, j->run->settings.protocol_frames, false }, e)
              ? evaluate(&asked, &j->session.reader, &q, DEPTH_EXACT, &a, e) : NULL;
    for (size_t k = 0; x && k < q.count; k++)
        right += x[k].exact;
    if (x && (double)right <= j->run->plan.config.stop * (double)q.count)
        r->steps = r->done;
    arena_free(&a);
    return x != NULL;
}

/* Takes the steps of a request about `questions` questions; `logged` steps of earlier requests are in the log. */
static bool take_steps(Job *j, int64_t questions, int64_t logged, Error *e)
{
    Rounds *r = &j->rounds;
    const Plan *p = &j->run->plan;
    const int64_t every = j->m.settings.train_save_every ? j->m.settings.train_save_every : SAVE_EVERY;
    while (round_step(r, e)) {
        if (!stop_at_accuracy(j, e))
            return false;
        bool snapshot_here = r->done < r->steps && snapshot_after(p, j->c, questions, r->done);
        log_step(j->log, logged + r->done, &r->trainer.stats);
        if (snapshot_here && !snapshot(j, r->round, r->done, false, e))
            return false;
        if (!snapshot_here && r->done < r->steps && r->done % every != 0 && !keeps(j, r->done, r->steps))
            continue;
        if (!checkpoint(j, e))
            return false;
        if (r->done < r->steps && (j->reached = reached(j, r->round, r->done)))
            return true;
    }
    const int64_t kept_every = j->run->settings.protocol_checkpoints;
    // the method may have ended the request between two kept checkpoints
    if (r->stopped && kept_every && r->done % kept_every != 0 && !checkpoint(j, e))
        return false;
    if (r->diverged) {
        if (!json_line(j->log, json_pack("{s:i, s:i, s:s}", "request", (int)r->round + 1, "stopped_after", (int)r->done,
                                          "reason", r->note), e))
            return false;
    }
    // after a divergence, the snapshots of the steps that were not taken hold the last good weights
    for (int64_t step = r->done + 1; r->diverged && step < r->steps; step++)
        if (snapshot_after(p, j->c, questions, step) && !snapshot(j, r->round, step, false, e))
            return false;
    return !e->failed;
}

static bool one_request(Job *j, int64_t *logged, Error *e)
{
    Rounds *r = &j->rounds;
    const size_t request = r->round;
    const int64_t questions = entity_list_questions(&j->splits.request[request]);
    int64_t before = request && !r->plan.reset_optimiser ? r->trainer.optimiser.step : 0;
    r->plan.train.steps = request_steps(&j->run->plan, j->c, questions);
    if (!round_begin(r, e) || !restore(j, before, e) || !stop_at_accuracy(j, e))
        return false;
    if (!j->log && r->done == r->steps && r->steps)         // resumed after its last step: there is nothing to log
        *logged += r->steps;
    else if ((!j->log && !log_open(j->log_path, &j->mark, &j->log, e)) || !take_steps(j, questions, *logged, e))
        return false;
    else
        *logged += r->steps;
    if (j->reached)
        return true;
    const int64_t planned = r->plan.train.steps, last = r->steps && !r->diverged ? r->steps : planned;
    const char *why = r->diverged ? "diverged" : r->stopped ? "method" : last < planned ? "accuracy" : "budget";
    j->ends[request] = (RequestEnd){ r->done, last, why };
    j->reached = reached(j, request, r->done);
    return round_end(r, e) && snapshot(j, request, last, true, e);
}

/* Finishes the stage with its snapshots, its kept checkpoints and its log, and removes the other checkpoints. */
static bool finish(Job *j, size_t stage, Error *e)
{
    static const char *const names[2][2] = { { "adapter_config.json", "adapter_model.safetensors" },
                                             { "config.json", "model.safetensors" } };
    Arena *a = &j->arena;
    size_t n = 0;
    char name[64], path[4096];
    const char **files = arena_array(a, FILES_MAX, sizeof *files);
    for (size_t k = 0; files && k < j->splits.requests; k++) {
        const int64_t last = j->ends[k].last, questions = entity_list_questions(&j->splits.request[k]);
        for (int64_t step = 1; step <= last; step++)
            for (int f = 0; f < 2 && (step == last || snapshot_after(&j->run->plan, j->c, questions, step)) && n < FILES_MAX - 2; f++)
                files[n++] = arena_format(a, "%s/%s", snapshot_name((int64_t)k + 1, step, name), names[whole(j, step == last)][f]);
        for (int64_t step = 1; step <= j->ends[k].steps; step++)
            if (keeps(j, step, j->ends[k].last) && n < FILES_MAX - 2)
                files[n++] = arena_format(a, "%s/checkpoint.safetensors", snapshot_name((int64_t)k + 1, step, name));
        snprintf(path, sizeof path, "%s/checkpoint.safetensors", checkpoint_folder(j, k));
        remove(path);
        folder_sweep(checkpoint_folder(j, k));
        remove(checkpoint_folder(j, k));
    }
    if (!j->log || n >= FILES_MAX - 2)
        return error_set(e, "%s: %s", j->folder,
                         j->log ? "too many snapshots, expected a larger protocol.trajectory, protocol.snapshot_every or "
                                  "protocol.checkpoints"
                                : "the log is missing");
    files[n++] = "log.jsonl";
    files[n++] = "steps.json";
    bool closed = log_close(j->log, j->log_path, e);
    j->log = NULL;
    return closed && !e->failed && ends_write(j->folder, j->ends, j->splits.requests, e)
        && stage_finish(&j->run->plan, stage, j->folder, files, n, e);
}

bool run_unlearn(Run *r, size_t stage, Error *e)
{
    Job j = { .run = r, .c = r->plan.stage[stage].one, .identity = r->plan.stage[stage].digest.hex, .arena = arena_make(e) };
    int64_t logged = 0;
    j.folder = stage_folder(r, stage, &j.arena);
    j.log_path = j.folder ? arena_format(&j.arena, "%s/log.jsonl", j.folder) : NULL;
    bool good = j.log_path && file_make_folder(j.folder, e) && job_open(&j, e);
    while (good && !j.reached && j.rounds.round < j.splits.requests)
        good = one_request(&j, &logged, e);
    good = good && !j.reached && (j.log || log_open(j.log_path, &j.mark, &j.log, e)) && finish(&j, stage, e);
    if (j.log)
        fclose(j.log);
    if (j.rounds.model)
        rounds_close(&j.rounds);
    session_close(&j.oracle);
    session_close(&j.session);
    other_answers_close(&j.others);
    arena_free(&j.arena);
    return (good || j.reached) && !e->failed;
}
