/* SPDX-License-Identifier: MIT */
/* Makes the tables of a run from the files of its stages: results.csv, results.jsonl, trajectory.csv, answers.jsonl,
 * and last manifest.json. */
#include <string.h>
#include "eval/manifest.h"
#include "eval/metrics/measure.h"
#include "eval/metrics/metric.h"
#include "eval/scenario.h"
#include "eval/stopping_rules.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"

typedef struct {
    Run *run;
    Rows rows, trajectory;
    Marks marks;
    FileWriter answers;
    Arena arena, scratch;
} Collect;

static Result *read_answers(Collect *c, size_t stage, const char *name, size_t *count, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/%s.jsonl", stage_folder(c->run, stage, a), name);
    return path ? answers_read(path, count, a, e) : NULL;
}

/* The split that a result belongs to: unlearn, retain, general; NULL: none of these. */
static const char *split_of(const Collect *c, const Splits *s, const Result *r)
{
    return strcmp(r->group, c->run->plan.world.general.name) == 0 ? "general" : entity_list_has(&s->forget, r->entity) ? "unlearn"
        : entity_list_has(&s->retain, r->entity) ? "retain" : NULL;
}

static bool answers_keep(Collect *c, const Row *row, const Splits *s, const Result *r, size_t count, Error *e)
{
    for (size_t k = 0; k < count; k++) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s?}", "scenario", row->scenario, "method", row->method, "trainable",
                              row->trainable, "round", (json_int_t)row->round, "seed", (json_int_t)row->seed, "split",
                              split_of(c, s, &r[k]));
        json_join(o, answer_object(&r[k], true));
        if (!json_line(c->answers.stream, o, e))
            return error_prefix(e, "%s: answer %zu", c->answers.path, k + 1);
    }
    return true;
}

typedef struct {
    const Result *r, *oracle;            // oracle: the same questions, answered by the oracle; may be NULL
    size_t count;
} Answers;

static bool split_measure(Rows *rows, Row row, const char *name, Subjects subjects, Answers a, Error *e)
{
    row.split = name;
    return measure(rows, row, subjects, a.r, a.oracle, a.count, e);
}

/* Measures the splits of one model: all entities to be forgotten, the retained ones, general ability, and the splits of
 * marks_measure. With several requests also, for a model after one of them (row.round > 0), the entities of this
 * request, and those of all requests so far. */
static bool splits_measure(Collect *c, Rows *rows, Row row, const Splits *s, Answers r, Error *e)
{
    Subjects forget = { &s->forget, NULL, true }, retain = { &s->retain, NULL, false };
    Subjects general = { NULL, c->run->plan.world.general.name, false };
    if (!split_measure(rows, row, "unlearn", forget, r, e) || !split_measure(rows, row, "retain", retain, r, e)
        || !split_measure(rows, row, "general", general, r, e))
        return false;
    if (!marks_measure(&c->marks, rows, row, s, general.group, r.r, r.count, &c->scratch, e))
        return false;
    if (s->requests < 2 || row.round == 0)
        return true;
    const EntityList *present = &s->request[row.round - 1];
    EntityList so_far = { s->forget.entity, (size_t)(present->entity + present->count - s->forget.entity) };
    const char *name = arena_format(&c->arena, "round%lld", (long long)row.round);
    return name && split_measure(rows, row, name, (Subjects){ present, NULL, true }, r, e) && split_measure(rows, row, "so_far",
                                                                                         (Subjects){ &so_far, NULL, true }, r, e);
}

/* Adds retention (accuracy after / accuracy before) on the splits that unlearning should leave as they are. */
static bool retention_rows(Rows *rows, size_t before, size_t before_end, size_t first)
{
    size_t end = rows->count;
    for (size_t k = first; k < end; k++) {
        Row x = rows->row[k];
        if (strcmp(x.metric, "accuracy") != 0 || (strcmp(x.split, "retain") != 0 && strcmp(x.split, "general") != 0))
            continue;
        for (size_t i = before; i < before_end; i++) {
            const Row *y = &rows->row[i];
            if (strcmp(y->metric, "accuracy") != 0 || strcmp(y->split, x.split) != 0 || strcmp(y->modality, x.modality) != 0
                || !(y->value > 0))
                continue;
            x.metric = "retention";
            x.value = x.value / y->value;
            x.count = x.total = 0;
            if (!rows_add(rows, x))
                return false;
            break;
        }
    }
    return true;
}

/* Which rows belong to the two models of comparison: [before, oracle) to the model before
 * unlearning, [oracle, end) to the oracle. */
typedef struct { size_t before, oracle, end; } References;

static bool one_model(Collect *c, Row row, const Splits *s, size_t stage, size_t probe, Error *e)
{
    size_t count, first = c->rows.count;
    Result *r = read_answers(c, stage, "answers", &count, &c->scratch, e);
    if (!r || !splits_measure(c, &c->rows, row, s, (Answers){ r, NULL, count }, e) || !measure_utility(&c->rows, first))
        return false;
    if (!answers_keep(c, &row, s, r, count, e))
        return false;
    return probe == NO_STAGE || run_probe_rows(c->run, probe, &c->rows, row, s, first, 0, 0, &c->scratch, e);
}

/* Adds the rows of the model before unlearning and of the oracle, once for each scenario and seed. */
static bool references(Collect *c, const Case *x, const Splits *s, References *to, Error *e)
{
    Row row = { .scenario = x->name, .method = "none", .trainable = "full", .seed = x->seed };
    to->before = c->rows.count;
    if (!one_model(c, row, s, x->before, x->probe_before, e))
        return false;
    to->oracle = c->rows.count;
    row.method = "retrain";
    row.round = 1;
    bool good = x->oracle == NO_STAGE || one_model(c, row, s, x->oracle, x->probe_oracle, e);
    to->end = c->rows.count;
    return good;
}

/* Adds what is measured only at the end of a request and, after the last request, the rows of the probe stage. */
static bool request_end(Collect *c, const Case *x, const Splits *s, Row row, const RequestEnd *end, size_t first,
                        const References *to, Error *e)
{
    Row steps = row;
    steps.split = "unlearn";
    steps.modality = "both";
    steps.metric = "steps";
    steps.value = (double)end->steps;
    if (!retention_rows(&c->rows, to->before, to->oracle, first) || !measure_utility(&c->rows, first)
        || !rows_add(&c->rows, steps))
        return false;
    return x->probe == NO_STAGE || row.round < (int64_t)s->requests
        || run_probe_rows(c->run, x->probe, &c->rows, row, s, first, to->oracle, to->end, &c->scratch, e);
}

/* Adds the last point of a trajectory: the rows from `first` on. Metrics that compare with the oracle are left out,
 * since no other point of the trajectory has them. */
static bool end_of_trajectory(Collect *c, size_t first)
{
    bool good = true;
    for (size_t k = first; good && k < c->rows.count; k++)
        good = measured_against_oracle(c->rows.row[k].metric) || rows_add(&c->trajectory, c->rows.row[k]);
    return good;
}

static bool one_snapshot(Collect *c, const Case *x, const Splits *s, const RequestEnd *ends, size_t request, int64_t step,
                         const References *to, Error *e)
{
    char name[64];
    size_t count, oracle_count = 0;
    const int64_t epoch_length = epoch_steps(&c->run->plan, x, entity_list_questions(&s->request[request]));
    int64_t end = ends[request].last;
    Row row = { .scenario = x->name, .method = case_method_name(x), .trainable = trainable_name(x->trainable), .seed = x->seed,
                .round = (int64_t)request + 1, .epoch = (step - 1) / epoch_length + 1, .step = step };
    Result *r = read_answers(c, x->answer, snapshot_name(row.round, step, name), &count, &c->scratch, e);
    const Result *oracle = r && x->oracle != NO_STAGE && step == end
                             ? read_answers(c, x->oracle, "answers", &oracle_count, &c->scratch, e) : NULL;
    if (!r || e->failed)
        return false;
    if (oracle && oracle_count != count)
        return error_set(e, "run: there are %zu answers of %s, expected %zu, as many as of the oracle", count, x->name, oracle_count);
    if (step < end)
        return splits_measure(c, &c->trajectory, row, s, (Answers){ r, NULL, count }, e);
    size_t first = c->rows.count;
    return answers_keep(c, &row, s, r, count, e) && splits_measure(c, &c->rows, row, s, (Answers){ r, oracle, count }, e)
        && end_of_trajectory(c, first)
        && request_end(c, x, s, row, &ends[request], first, to, e);
}

static bool one_case(Collect *c, size_t index, References *to, Error *e)
{
    const Plan *p = &c->run->plan;
    const Case *x = &p->cases[index], *previous = index ? x - 1 : NULL;
    Splits s;
    RequestEnd *ends = run_splits(c->run, x, &s, &c->arena, e) ? run_ends(c->run, x->unlearn, s.requests, &c->arena, e) : NULL;
    if (!ends)
        return false;
    bool other_models = !previous || strcmp(previous->name, x->name) != 0 || previous->seed != x->seed;
    if (other_models && !references(c, x, &s, to, e))
        return false;
    for (size_t k = 0; k < s.requests; k++)
        for (int64_t step = 1; step <= ends[k].last; step++) {
            if ((step == ends[k].last || snapshot_after(p, x, entity_list_questions(&s.request[k]), step))
                && !one_snapshot(c, x, &s, ends, k, step, to, e))
                return false;
            arena_reset(&c->scratch);
        }
    return true;
}

/* Adds to each row the direction of its metric on its split, and the stopping rule. Only results.jsonl holds them. */
static void rows_explain(Rows *rows)
{
    for (size_t k = 0; k < rows->count; k++) {
        Row *x = &rows->row[k];
        const Metric *m = metric_find(x->metric);
        x->better = m ? metric_better(m, x->split) : NULL;
        x->better = x->better && strcmp(x->better, "-") == 0 ? NULL : x->better;
        for (size_t s = 0; s < scenarios_count && !x->rule; s++) {
            const StoppingRule rule = stopping_rule_in(x->scenario, scenarios[s].name);
            x->rule = rule < STOPPING_RULES ? stopping_rules[rule].name : NULL;
        }
    }
}

bool run_collect(Run *r, Error *e)
{
    static const char *const files[] = { "results.csv", "results.jsonl", "trajectory.csv", "answers.jsonl" };
    Collect c = { .run = r, .arena = arena_make(e), .scratch = arena_make(e) };
    c.rows.arena = c.trajectory.arena = &c.arena;
    const char *path[4];
    References to = { 0, 0, 0 };
    for (int k = 0; k < 4; k++)
        path[k] = arena_format(&c.arena, "%s/%s", r->out, files[k]);
    bool good = !e->failed && marks_read(&c.marks, r, &c.arena) && file_begin(&c.answers, path[3], e);
    for (size_t k = 0; good && k < r->plan.case_count; k++)
        good = one_case(&c, k, &to, e);
    if (good)
        good = file_finish(&c.answers, e);
    else
        file_drop(&c.answers);
    rows_explain(&c.rows);
    good = good && rows_write_csv(&c.rows, path[0], false, e) && rows_write_jsonl(&c.rows, path[1], e)
        && rows_write_csv(&c.trajectory, path[2], true, e)
        && manifest_write(&r->plan, r->out, settings_text(&r->settings, &c.arena), files, 4, &c.arena, e);
    arena_free(&c.scratch);
    arena_free(&c.arena);
    return good;
}
