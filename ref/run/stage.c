/* SPDX-License-Identifier: MIT */
/* Runs one stage. The train and answer stages are here; unlearn.c and probe.c have the others. An answer stage asks one
 * model, or all snapshots of an unlearn stage. */
#include <string.h>
#include "eval/manifest.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"

enum { FILES_MAX = 8192 };

/* Finishes a train stage of `steps` steps with its files: the model, its log and the checkpoints that are kept. */
static bool train_finish(Run *r, size_t stage, const char *folder, int64_t steps, Error *e)
{
    static const char *const files[] = { "config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json", "log.jsonl" };
    const int64_t every = r->settings.protocol_checkpoints;
    const char **all = arena_array(&r->arena, FILES_MAX, sizeof *all);
    size_t n = 0;
    for (; all && n < sizeof files / sizeof *files; n++)
        all[n] = files[n];
    for (int64_t step = 1; all && every && step <= steps; step++) {
        if (step % every != 0 && step != steps)
            continue;
        if (n == FILES_MAX)
            return error_set(e, "%s: too many checkpoints, expected a larger protocol.checkpoints", folder);
        all[n++] = arena_format(&r->arena, "step-%lld/checkpoint.safetensors", (long long)step);
    }
    return all && !e->failed && stage_finish(&r->plan, stage, folder, all, n, e);
}

static bool train_stage(Run *r, size_t stage, Error *e)
{
    const Stage *x = &r->plan.stage[stage];
    const char *config = x->model == MODEL_VANILLA ? r->settings.protocol_vanilla_config : r->settings.protocol_oracle_config;
    const char *folder = stage_folder(r, stage, &r->arena);
    const KeptCheckpoints kept = { r->settings.protocol_checkpoints, r->until.step };
    Settings s;
    settings_defaults(&s, &r->arena);
    return folder && settings_read(&s, settings_path(&r->settings, config), e)
        && train_folder(&s, folder, r->resume, kept, NULL, &r->arena, e)
        && (kept.until || train_finish(r, stage, folder, s.train_steps, e));
}

/* An answer stage: its questions, and the files of answers that it has written so far. */
typedef struct {
    Run *run;
    const Stage *stage;
    const char *out;                     // the folder of the stage
    Questions questions;                 // those about the group, then the general ones
    size_t of_group;                     // how many are about the group
    const char *files[FILES_MAX];
    size_t file_count;
    Arena arena;
} AnswerStage;

/* How much is measured: on the questions about the group, and on the general ones. */
typedef struct { Depth group, general; } Depths;

/* The answers to all questions in their order; NULL on failure. */
static Result *answers_of(const AnswerStage *x, const Session *session, Depths depth, Arena *a, Error *e)
{
    Questions group = x->questions, general = x->questions;
    if (depth.group == depth.general)
        return evaluate(&session->model, &session->reader, &x->questions, depth.group, a, e);
    group.count = x->of_group;
    general.question += x->of_group;
    general.count -= x->of_group;
    Result *all = arena_array(a, x->questions.count, sizeof *all);
    const Result *first = all ? evaluate(&session->model, &session->reader, &group, depth.group, a, e) : NULL;
    const Result *rest = first ? evaluate(&session->model, &session->reader, &general, depth.general, a, e) : NULL;
    if (!rest)
        return NULL;
    memcpy(all, first, group.count * sizeof *all);
    memcpy(all + group.count, rest, general.count * sizeof *all);
    return all;
}

/* Writes the answers to all questions into the file `name`. */
static bool keep(AnswerStage *x, const char *name, const Result *r, Error *e)
{
    const char *path = arena_format(&x->arena, "%s/%s.jsonl", x->out, name);
    const bool good = r && path && answers_write(path, r, x->questions.count, e);
    if (good && x->file_count < FILES_MAX)
        x->files[x->file_count++] = arena_format(&x->arena, "%s.jsonl", name);
    return good;
}

/* Puts all questions to the model of the opened session, which the caller closes. */
static bool ask(AnswerStage *x, Session *session, const char *name, Depths depth, Error *e)
{
    Arena a = arena_make(e);
    const bool good = session_model(session, e) && keep(x, name, answers_of(x, session, depth, &a, e), e);
    arena_free(&a);
    return good;
}

static bool ask_model(AnswerStage *x, Error *e)
{
    Session s = { .folder = NULL };
    const char *folder = run_model(x->run, x->stage->model, &x->arena);
    const bool good = folder && session_open(&s, &x->run->settings, folder, MASK_ANSWER, &x->arena, e)
                   && ask(x, &s, "answers", (Depths){ DEPTH_TEXT, DEPTH_TEXT }, e);
    session_close(&s);
    return good;
}

/* Asks the questions at a snapshot. At the end of the last request everything is measured (DEPTH_TEXT), and at the
 * end of an earlier request all but the texts (DEPTH_OPTIONS). In between only the NLL and the exact match of
 * the answers are measured (DEPTH_EXACT), and, with protocol.snapshot_every, the options of general questions. */
static bool ask_snapshot(AnswerStage *x, const Splits *s, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Error *e)
{
    Arena a = arena_make(e);
    Session session = { .folder = NULL };
    char name[64];
    const Depth end = request + 1 < s->requests ? DEPTH_OPTIONS : DEPTH_TEXT;
    const Depth between = x->run->settings.protocol_snapshot_every ? DEPTH_OPTIONS : DEPTH_EXACT;
    const Depths depth = step != ends[request].last ? (Depths){ DEPTH_EXACT, between } : (Depths){ end, end };
    snapshot_name((int64_t)request + 1, step, name);
    const bool good = case_routed(&x->run->plan, c)
        ? keep(x, name, run_ask_routed(x->run, c, s, ends, request, &x->questions, end, &a, e), e)
        : run_snapshot(x->run, c, ends, request, step, &session, &a, e) && ask(x, &session, name, depth, e);
    session_close(&session);
    arena_free(&a);
    return good;
}

static bool ask_snapshots(AnswerStage *x, Error *e)
{
    Splits splits;
    const Case *c = x->run->plan.stage[x->stage->of].one;
    RequestEnd *ends = run_splits(x->run, c, &splits, &x->arena, e) ? run_ends(x->run, x->stage->of, splits.requests, &x->arena, e) : NULL;
    if (!ends)
        return false;
    for (size_t k = 0; k < splits.requests; k++)
        for (int64_t step = 1; step <= ends[k].last; step++)
            if ((step == ends[k].last || snapshot_after(&x->run->plan, c, entity_list_questions(&splits.request[k]), step))
                && !ask_snapshot(x, &splits, c, ends, k, step, e))
                return false;
    return true;
}

static bool answer_stage(Run *r, size_t stage, Error *e)
{
    AnswerStage x = { .run = r, .stage = &r->plan.stage[stage], .arena = arena_make(e) };
    Choice facts = { KIND_OPEN, NULL, r->settings.protocol_frames, false }, general = { KIND_CHOICE, NULL, 0, false };
    x.out = stage_folder(r, stage, &x.arena);
    questions_begin(&x.questions, &x.arena);
    bool good = x.out && file_make_folder(x.out, e) && questions_add(&x.questions, &r->group[x.stage->group], facts, e);
    x.of_group = x.questions.count;
    good = good && questions_add(&x.questions, &r->general, general, e)
             && (x.stage->of == NO_STAGE ? ask_model(&x, e) : ask_snapshots(&x, e))
             && stage_finish(&r->plan, stage, x.out, x.files, x.file_count, e);
    arena_free(&x.arena);
    return good;
}

bool run_stage(Run *r, size_t stage, Error *e)
{
    switch (r->plan.stage[stage].kind) {
    case STAGE_TRAIN:   return train_stage(r, stage, e);
    case STAGE_UNLEARN: return run_unlearn(r, stage, e);
    case STAGE_ANSWER:  return answer_stage(r, stage, e);
    case STAGE_PROBE:   return run_probe(r, stage, e);
    }
    return false;
}
