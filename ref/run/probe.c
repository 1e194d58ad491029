/* SPDX-License-Identifier: MIT */
/* A probe stage: measurements that only three models get: the one at the end of a case, the one before unlearning, and
 * the oracle. The stage writes
 *   quantised.jsonl   the answers with 4-bit weights
 *   relearned.jsonl   the answers about what was forgotten, after a short fine-tuning on it
 *   cloze.jsonl       the answers to questions with a blank, if the group has such test questions
 *   numbers.json      rows: membership, the distance to the oracle, and with attack.knowledge what the model knows but
 *                     does not say */
#include <string.h>
#include "eval/manifest.h"
#include "eval/metrics/distance.h"
#include "eval/metrics/membership.h"
#include "eval/metrics/attacks.h"
#include "model/training/dataset.h"
#include "ref/config/relearn.h"
#include "ref/probing/probing.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"

typedef struct {
    Run *run;
    const Stage *stage;
    const Case *c;
    const char *folder;                  // of the stage
    Splits splits;
    // asked: test questions about the entities to be forgotten, about the retained ones, and of general ability; cloze:
    // test questions with a blank; members: one training question for each fact and modality to be forgotten
    Questions asked[3], cloze, members;
    json_t *numbers;
    Arena arena;
} Probe;

/* Adds a row to numbers.json. n: the number of questions on which the metric was measured; 0: the metric needs the
 * weights alone. */
static bool number_add(Probe *p, const char *split, const char *modality, const char *metric, double value, size_t n)
{
    json_t *number = value - value == 0 ? json_real(value) : json_null();
    return json_add(p->numbers, json_pack("{s:s, s:s, s:s, s:o, s:I}", "split", split, "modality", modality, "metric", metric,
                                          "value", number, "n", (json_int_t)n))
        || error_no_memory(p->arena.error, "no memory for the number of %s", metric);
}

/* Adds all these rows to numbers.json. */
static bool numbers_take(Probe *p, const Rows *rows)
{
    for (size_t k = 0; k < rows->count; k++) {
        const Row *x = &rows->row[k];
        if (!number_add(p, x->split, x->modality, x->metric, x->value, (size_t)x->n))
            return false;
        json_t *last = json_array_get(p->numbers, json_array_size(p->numbers) - 1);
        if (x->total && (!json_put(last, "count", json_integer(x->count)) || !json_put(last, "total", json_integer(x->total))))
            return error_no_memory(p->arena.error, "no memory for the number of %s", x->metric);
    }
    return true;
}

/* Opens the model that is probed. */
static bool open_probed(Probe *p, Session *x, Arena *a, Error *e)
{
    if (p->stage->of == NO_STAGE) {
        const char *folder = run_model(p->run, p->stage->model, a);
        return folder && session_open(x, &p->run->settings, folder, MASK_ANSWER, a, e);
    }
    RequestEnd *ends = run_ends(p->run, p->stage->of, p->splits.requests, a, e);
    const size_t last = p->splits.requests - 1;
    return ends && run_snapshot(p->run, p->run->plan.stage[p->stage->of].one, ends, last, ends[last].last, x, a, e);
}

/* Puts the questions of which[0 … lists - 1] to the session's model, and writes the answers into the file `name`. */
static bool ask(Probe *p, const Session *x, const char *name, const Questions *which, size_t lists, Depth depth,
                Error *e)
{
    Arena a = arena_make(e);
    Questions all;
    const char *path = arena_format(&a, "%s/%s", p->folder, name);
    questions_begin(&all, &a);
    for (size_t k = 0; k < lists; k++)
        all.count += which[k].count;
    all.question = arena_array(&a, all.count, sizeof *all.question);
    for (size_t k = 0, at = 0; all.question && k < lists; at += which[k++].count)
        memcpy(all.question + at, which[k].question, which[k].count * sizeof *all.question);
    Result *r = path && all.question ? evaluate(&x->model, &x->reader, &all, depth, &a, e) : NULL;
    const bool good = r && answers_write(path, r, all.count, e);
    arena_free(&a);
    return good;
}

static bool membership_ask(Probe *p, const Session *x, const Model *oracle, Error *e)
{
    Rows rows = { .arena = &p->arena };
    const Row row = { .split = row_splits[0] };
    return membership_rows(&rows, row, &x->model, &x->reader, &p->members, oracle, e) && numbers_take(p, &rows);
}

/* --- the oracle --- */

static bool distance_ask(Probe *p, const Session *x, const Model *oracle, Error *e)
{
    double apart;
    if (!weights_distance(&x->weights, oracle->weights, &apart, e)
        || !number_add(p, "general", "both", "oracle_weights", apart, 0))
        return false;
    for (int s = 0; s < 3; s++) {
        Arena a = arena_make(e);
        LogitsDistance d;
        const Questions *q = &p->asked[s];
        BatchSample *sample = arena_array(&a, q->count, sizeof *sample);
        bool good = sample != NULL;
        for (size_t k = 0; good && k < q->count; k++)
            good = membership_sample(&x->reader, &q->question[k], false, &sample[k], &a, e);
        good = good && logits_distance(&x->model, oracle, sample, q->count, &d, e)
            && number_add(p, row_splits[s], "both", "oracle_logits", d.rms, q->count)
            && number_add(p, row_splits[s], "both", "oracle_divergence", d.divergence, q->count);
        arena_free(&a);
        if (!good)
            return false;
    }
    return true;
}

/* Measures what needs the model as it is, without an attack. */
static bool as_it_is(Probe *p, Error *e)
{
    Arena a = arena_make(e);
    Session x = { .folder = NULL }, oracle = { .folder = NULL };
    const bool compared = p->stage->model != MODEL_ORACLE && p->c->oracle != NO_STAGE;
    const Model *oracle_or_null = compared ? &oracle.model : NULL;
    bool good = open_probed(p, &x, &a, e) && session_model(&x, e)
             && (!compared || session_reference(&oracle, run_model(p->run, MODEL_ORACLE, &a), &x, false, &a, e))
             && membership_ask(p, &x, oracle_or_null, e) && (!compared || distance_ask(p, &x, oracle_or_null, e))
             && (!p->cloze.count || ask(p, &x, "cloze.jsonl", &p->cloze, 1, DEPTH_TEXT, e));
    session_close(&x);
    session_close(&oracle);
    arena_free(&a);
    return good && !e->failed;
}

/* --- attacks --- */

static bool quantised(Probe *p, Error *e)
{
    Arena a = arena_make(e);
    Session x = { .folder = NULL };
    bool good = open_probed(p, &x, &a, e) && weights_quantise(&x.weights, QUANTISE_TARGETS, 0, e)
        && session_model(&x, e)
        && ask(p, &x, "quantised.jsonl", p->asked, 3, DEPTH_EXACT, e);
    session_close(&x);
    arena_free(&a);
    return good;
}

static bool relearn(Probe *p, Session *x, Arena *a, Error *e)
{
    MethodSettings m;
    return settings_relearning(&p->run->settings, p->c->seed, &m, e) && session_relearn(x, &m, &p->members, a, e);
}

static bool relearned(Probe *p, Error *e)
{
    Arena a = arena_make(e);
    Session x = { .folder = NULL };
    bool good = open_probed(p, &x, &a, e) && relearn(p, &x, &a, e)
        && ask(p, &x, "relearned.jsonl", p->asked, 1, DEPTH_EXACT, e);
    session_close(&x);
    arena_free(&a);
    return good;
}

/* --- what the model knows but does not say --- */

typedef enum { AS_IT_IS, PERTURBED, RELEARNED_GENERAL, STATES } State;

static bool knowledge_state(Probe *p, Probing *k, State state, Rows *rows, Error *e)
{
    Arena a = arena_make(e);
    Session x = { .folder = NULL };
    const bool good = open_probed(p, &x, &a, e)
        && (state == AS_IT_IS    ? session_model(&x, e) && probing_knowledge(k, &x, "none", rows, e)
            : state == PERTURBED ? probing_perturbation(k, &x, rows, e)
                                 : probing_relearned_general(k, &x, rows, e));
    session_close(&x);
    arena_free(&a);
    return good && !e->failed;
}

static bool knowledge(Probe *p, Error *e)
{
    if (!p->run->settings.attack_knowledge)
        return true;
    Arena a = arena_make(e);
    Rows rows = { .arena = &a };
    Session x = { .folder = NULL };
    Probing k = { .settings = NULL };
    const char *before = run_model(p->run, case_start(p->c), &a),
        *oracle = p->c->oracle != NO_STAGE ? run_model(p->run, MODEL_ORACLE, &a) : NULL;
    bool good = before && (oracle || p->c->oracle == NO_STAGE) && open_probed(p, &x, &a, e)
        && probing_open_lists(&k, &p->run->settings, &p->run->group[p->stage->group], &p->splits.forget, &p->splits.retain,
                              &p->run->general, before, oracle, &x, &a, e);
    k.pretrained = p->c->scenario->start == MODEL_BASE;
    for (State s = AS_IT_IS; good && s < STATES; s++)
        good = knowledge_state(p, &k, s, &rows, e);
    good = good && numbers_take(p, &rows);
    probing_close(&k, false);
    session_close(&x);
    arena_free(&a);
    return good && !e->failed;
}

/* --- the stage --- */

static bool has_cloze(const Dataset *s)
{
    for (size_t k = 0; k < s->count; k++)
        if (s->sample[k].kind == KIND_CLOZE && s->sample[k].split == SPLIT_TEST)
            return true;
    return false;
}

static bool questions_choose(Probe *p, Error *e)
{
    const Dataset *group = &p->run->group[p->stage->group];
    const int64_t frames = p->run->settings.protocol_frames;
    for (int s = 0; s < 3; s++)
        questions_begin(&p->asked[s], &p->arena);
    questions_begin(&p->cloze, &p->arena);
    questions_begin(&p->members, &p->arena);
    return questions_add(&p->asked[0], group, (Choice){ KIND_OPEN, &p->splits.forget, frames, false }, e)
        && questions_add(&p->asked[1], group, (Choice){ KIND_OPEN, &p->splits.retain, frames, false }, e)
        && questions_add(&p->asked[2], &p->run->general, (Choice){ KIND_CHOICE, NULL, 0, false }, e)
        && (!has_cloze(group) || questions_add(&p->cloze, group, (Choice){ KIND_CLOZE, NULL, frames, false }, e))
        && questions_add(&p->members, group, (Choice){ KIND_OPEN, &p->splits.forget, 1, true }, e);
}

static bool finish(Probe *p, size_t stage, Error *e)
{
    static const char *const files[] = { "numbers.json", "relearned.jsonl", "quantised.jsonl", "cloze.jsonl" };
    const char *path = arena_format(&p->arena, "%s/numbers.json", p->folder);
    json_t *all = json_pack("{s:O}", "rows", p->numbers);
    bool good = path && all && json_save(path, all, e)
        && stage_finish(&p->run->plan, stage, p->folder, files, p->cloze.count ? 4 : 3, e);
    json_decref(all);
    return good;
}

bool run_probe(Run *r, size_t stage, Error *e)
{
    Probe p = { .run = r, .stage = &r->plan.stage[stage], .c = r->plan.stage[stage].one, .numbers = json_array(),
                .arena = arena_make(e) };
    p.folder = stage_folder(r, stage, &p.arena);
    bool good = p.folder && file_make_folder(p.folder, e) && run_splits(r, p.c, &p.splits, &p.arena, e)
        && questions_choose(&p, e) && as_it_is(&p, e) && quantised(&p, e) && relearned(&p, e) && knowledge(&p, e) && finish(&p, stage, e);
    json_decref(p.numbers);
    arena_free(&p.arena);
    return good && !e->failed;
}
