/* SPDX-License-Identifier: MIT */
/* pulse-ref eval asks a model questions, and prints the metrics of its answers as a table. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "eval/metrics/measure.h"
#include "eval/formats/samples.h"
#include "eval/formats/mmbench.h"
#include "eval/metrics/attacks.h"
#include "model/training/dataset.h"
#include "eval/world.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/cli/picture_tags.h"
#include "ref/config/router.h"
#include "ref/config/session.h"
#include "ref/cli/table.h"

enum { FILES_MAX = OPTION_REPEATS, ERRORS_SHOWN = 100 };

typedef struct {
    const char *config, *model, *router_file, *answers, *memory;
    OptionList adapters, questions, set;
    Router router;                       // count 0: there is none
    Settings settings;
    Session session;
    Dataset samples[FILES_MAX];
    Mmbench bench[FILES_MAX];            // shares the samples of the file; count 0: the file is not one of MMBench
    size_t files, begin[FILES_MAX + 1];  // questions of file k: begin[k] … begin[k+1] - 1
    ErrorList errors;                    // every row that could not be read, or that this model cannot be asked
    bool leave_out;                      // faulty rows are left out and counted; false: they end the command
    bool rtn4, unmerged, definitions;
    bool letters;                        // the answers of some file are scored by the letter that the model writes
} Eval;

/* Without a config the world is the shipped one, unless --set names another or the current folder has no shipped
 * world. */
static bool open_settings(Eval *x, Arena *a, Error *e)
{
    if (!settings_open(&x->settings, x->config, &x->set, a, e))
        return false;
    if (x->memory && !settings_give(&x->settings, "model.memory", x->memory, e))
        return false;
    const char *world = x->config || x->settings.given[SETTING_data_world] ? NULL : shipped_world();
    if (world)
        x->settings.data_world = world;
    return true;
}

static bool open_file(Eval *x, const char *path, Arena *a, Error *e)
{
    Dataset *s = &x->samples[x->files];
    Mmbench *b = &x->bench[x->files];
    SamplesFormat format;
    if (!samples_format(&format, path, e))
        return false;
    const bool table = format == SAMPLES_MMBENCH;
    if (!(table ? mmbench_read_some(b, path, &x->errors, a, e) : samples_open_some(s, path, &x->errors, a, e)))
        return false;
    if (table)
        *s = b->samples;
    x->letters = x->letters || table || (s->count && strcmp(s->sample[0].group, "mllmu") == 0);
    return true;
}

/* Opens the files that were named or, if none was, all files of the world. */
static bool open_questions(Eval *x, Arena *a, Error *e)
{
    World w = { .groups = 0 };
    if (x->questions.count == 0 && !world_read(&w, settings_path(&x->settings, x->settings.data_world), a, e))
        return false;
    if (w.groups >= FILES_MAX)
        return error_set(e, "%s: %zu groups, expected fewer than %d for eval without --questions", w.path, w.groups,
                         FILES_MAX);
    const size_t count = x->questions.count ? x->questions.count : w.groups + 1;
    for (; x->files < count; x->files++) {
        const WorldGroup *group = x->files < w.groups ? &w.group[x->files] : &w.general;
        const char *path = x->questions.count ? x->questions.item[x->files] : world_path(&w, group->questions, a);
        if (!path || !open_file(x, path, a, e))
            return false;
    }
    return true;
}

/* Names the rows that cannot be asked, up to a hundred of them, and says how many they are. False: there are such rows,
 * and --leave-out was not given. */
static bool errors_print(const Eval *x, Error *e)
{
    const size_t count = x->errors.count, shown = count < ERRORS_SHOWN ? count : ERRORS_SHOWN;
    if (count == 0)
        return true;
    for (size_t k = 0; k < shown; k++)
        command_fail_text("%s", x->errors.sentence[k]);
    if (x->leave_out)
        fprintf(stderr, "pulse-ref: eval: rows left out because they cannot be read: %zu\n", count);
    return x->leave_out || error_set(e, "eval: rows that cannot be read: %zu; --leave-out leaves them out and asks the others", count);
}

/* Refuses to write the answers over a file that is read. */
static bool answers_apart(const Eval *x, Error *e)
{
    struct stat to, from;
    for (size_t k = 0; x->answers && stat(x->answers, &to) == 0 && k < x->questions.count; k++)
        if (stat(x->questions.item[k], &from) == 0 && to.st_dev == from.st_dev && to.st_ino == from.st_ino)
            return error_set(e, "eval: --answers %s is a file of --questions, expected another file", x->answers);
    return true;
}

/* Chooses the test questions of every kind except "name", whose samples are for training alone. */
static bool choose_questions(Eval *x, Questions *q, Arena *a, Error *e)
{
    questions_begin(q, a);
    for (size_t k = 0; k < x->files; k++) {
        for (Kind kind = KIND_OPEN; kind < KIND_NAME; kind++) {
            // protocol.frames limits the paraphrases of a fact. Questions of the kind "choice" (general ability) are no
            // paraphrases, and neither are the rotations of an MMBench question, so all of them are asked, as in `run`.
            const int64_t frames = x->bench[k].count || kind == KIND_CHOICE ? 0 : x->settings.protocol_frames;
            bool any = false;
            for (size_t i = 0; i < x->samples[k].count; i++)
                any |= x->samples[k].sample[i].split == SPLIT_TEST && x->samples[k].sample[i].kind == kind;
            if (any && !questions_add(q, &x->samples[k], (Choice){ kind, NULL, frames, false }, e))
                return false;
        }
        x->begin[k + 1] = q->count;
    }
    if (q->count == 0 && x->errors.count)
        return errors_print(x, e) && error_set(e, "eval: no question is left, expected one that can be asked");
    return q->count > 0 || error_set(e, "eval: there is no test question in the files, expected samples with \"split\": \"test\"");
}

/* How much is computed for each question (evaluate.h). The model writes a long text if the answers of some file are
 * scored by their letter, otherwise a short text if --answers is given, otherwise none. */
static Depth asking_depth(const Eval *x)
{
    return x->letters ? DEPTH_LONG : x->answers ? DEPTH_TEXT : DEPTH_OPTIONS;
}

/* Removes from `q` the questions that this model cannot be asked: a picture cannot be decoded, or a text is too
 * long. */
static bool check_questions(Eval *x, Questions *q, Error *e)
{
    Arena scratch = arena_make(e);
    size_t kept = 0;
    for (size_t f = 0, k = 0; f < x->files; f++) {
        const size_t end = x->begin[f + 1];
        for (; k < end && !e->failed; k++) {
            arena_reset(&scratch);
            if (reader_check(&x->session.reader, q->question[k].from, q->question[k].sample, true, &scratch, e))
                q->question[kept++] = q->question[k];
            else
                error_list_take(&x->errors, e);
        }
        x->begin[f + 1] = kept;
    }
    q->count = kept;
    arena_free(&scratch);
    return !e->failed;
}

/* Opens the model's folder, so that the questions can be checked first: merging adapters and --rtn4 may take long. */
static bool open_model(Eval *x, Arena *a, Error *e)
{
    const char *folder = x->model ? x->model : settings_path(&x->settings, x->settings.model_path);
    return (*folder || error_set(e, "eval: no model was given, expected --model DIR"))
        && session_open(&x->session, &x->settings, folder, MASK_ANSWER, a, e)
        && (asking_depth(x) < DEPTH_TEXT || reader_generates(&x->session.reader, e));
}

/* Asks an opened model all questions, with its n adapters used together and, under --rtn4, with weights of 4 bits. */
static Result *ask_with(const Eval *x, Session *s, const char *const *adapter, size_t n, const Questions *q, Arena *a, Error *e)
{
    if ((n && !session_adapters(s, adapter, n, !x->unmerged, e))
        || (x->rtn4 && !weights_quantise(&s->weights, QUANTISE_TARGETS, 0, e)) || !session_model(s, e))
        return NULL;
    return evaluate(&s->model, &s->reader, q, asking_depth(x), a, e);
}

/* Asks the questions `routed`. The router sends them to adapter `part` (from 0) or, where `part` is router.count, to
 * the model without an adapter. */
static Result *ask_routed(void *context, size_t part, const Questions *routed, Arena *a, Error *e)
{
    const Eval *x = context;
    const bool adapted = part < x->router.count;
    Session session = { .folder = NULL };
    Arena own = arena_make(e);
    Result *r = session_open(&session, &x->settings, x->session.folder, MASK_ANSWER, &own, e)
        ? ask_with(x, &session, adapted ? (const char *const *)&x->router.route[part].folder : NULL, adapted, routed, a, e) : NULL;
    session_close(&session);
    arena_free(&own);
    return r;
}

static Result *answer_all(Eval *x, const Questions *q, Arena *a, Error *e)
{
    if (q->count == 0)
        return error_set(e, "eval: no question is left, expected one that can be asked"), NULL;
    if (!x->router.count)
        return ask_with(x, &x->session, x->adapters.item, x->adapters.count, q, a, e);
    size_t *part_of = arena_array(a, q->count, sizeof *part_of);
    for (size_t k = 0; part_of && k < q->count; k++)
        part_of[k] = router_choose(&x->router, q->question[k].sample);
    return part_of ? evaluate_parts(q, part_of, x->router.count + 1, ask_routed, x, a, e) : NULL;
}

/* Measures the questions of each group and kind, in the order in which these pairs first occur. */
static bool measure_all(const Questions *q, Result *r, Rows *rows, Arena *a, Error *e)
{
    const Result **seen = arena_array(a, q->count, sizeof *seen);
    Result *some = arena_array(a, q->count, sizeof *some);
    size_t groups = 0;
    for (size_t k = 0; seen && some && k < q->count; k++) {
        bool known = false;
        for (size_t i = 0; i < groups; i++)
            known |= strcmp(seen[i]->group, r[k].group) == 0 && seen[i]->kind == r[k].kind;
        if (known)
            continue;
        size_t n = 0;
        for (size_t i = k; i < q->count; i++)
            if (strcmp(r[i].group, r[k].group) == 0 && r[i].kind == r[k].kind)
                some[n++] = r[i];
        seen[groups++] = &r[k];
        Row row = { .scenario = r[k].group, .split = kind_name(r[k].kind) };
        if (!measure(rows, row, (Subjects){ NULL, r[k].group, false }, some, NULL, n, e))
            return false;
    }
    return seen && some;
}

static bool add_ratio(Rows *rows, const char *group, const char *metric, Ratio x)
{
    return rows_add(rows, (Row){ .scenario = group, .split = "choice", .modality = "image", .metric = metric, .value = ratio_value(x),
                                 .count = x.count, .total = x.total, .n = x.total });
}

/* Measures single-pass accuracy and CircularEval of each file of MMBench. */
static bool measure_mmbench(const Eval *x, const Result *r, Rows *rows, Error *e)
{
    for (size_t k = 0; k < x->files; k++) {
        Ratio single, circular;
        if (x->bench[k].count == 0)
            continue;
        if (!mmbench_score(&x->bench[k], r + x->begin[k], x->begin[k + 1] - x->begin[k], &single, &circular, e)
            || !add_ratio(rows, "mmbench", "mmbench_single", single) || !add_ratio(rows, "mmbench", "mmbench_circular", circular))
            return false;
    }
    return true;
}

enum { COLUMNS = 10, BLOCK_COLUMNS = 3 };    // the first BLOCK_COLUMNS columns say which questions a row is about
static const char *const columns[COLUMNS] = { "group", "kind", "modality", "metric", "value", "count", "total", "n", "better",
                                              "better_forget" };

static void fill_cells(const char **to, const Row *x, Arena *a)
{
    char value[32];
    const Metric *m = metric_find(x->metric);
    const char *cells[COLUMNS] = {
        x->scenario, x->split, x->modality, x->metric, arena_text(a, decimal_double(x->value, value)),
        x->total ? arena_format(a, "%lld", (long long)x->count) : NULL, x->total ? arena_format(a, "%lld", (long long)x->total) : NULL,
        arena_format(a, "%lld", (long long)x->n), m ? m->better : NULL, m ? m->better_forget : NULL,
    };
    memcpy(to, cells, sizeof cells);
}

static bool same_block(const Row *x, const Row *y)
{
    return strcmp(x->scenario, y->scenario) == 0 && strcmp(x->split, y->split) == 0
        && strcmp(x->modality, y->modality) == 0;
}

/* Prints the table for people: the rows about the same questions stand together under a heading, for instance "person,
 * open, image". */
static bool print_blocks(const Rows *rows, Arena *a, Error *e)
{
    const char **cells = arena_array(a, rows->count * COLUMNS, sizeof *cells);
    const char **titles = arena_zalloc(a, (rows->count + 1) * sizeof *titles);
    bool *done = arena_zalloc(a, rows->count + 1);
    size_t n = 0;
    for (size_t k = 0; cells && titles && done && k < rows->count; k++) {
        const Row *first = &rows->row[k];
        if (done[k])
            continue;
        titles[n] = arena_format(a, "%s%s%s, %s", first->scenario, *first->scenario ? ", " : "", first->split, first->modality);
        for (size_t i = k; i < rows->count; i++) {
            const char *all[COLUMNS];
            if (done[i] || !same_block(first, &rows->row[i]))
                continue;
            fill_cells(all, &rows->row[i], a);
            memcpy(cells + n++ * (COLUMNS - BLOCK_COLUMNS), all + BLOCK_COLUMNS, (COLUMNS - BLOCK_COLUMNS) * sizeof *all);
            done[i] = true;
        }
    }
    return !e->failed && table_print_under(titles, columns + BLOCK_COLUMNS, COLUMNS - BLOCK_COLUMNS, cells, n, e);
}

static bool print_rows(const Rows *rows, bool json, Arena *a, Error *e)
{
    if (!json)
        return print_blocks(rows, a, e);
    const char **cells = arena_array(a, rows->count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < rows->count; k++)
        fill_cells(cells + k * COLUMNS, &rows->row[k], a);
    return !e->failed && table_print(columns, COLUMNS, cells, rows->count, true, e);
}

/* Prints a paragraph for each metric that has a row, in the order of metrics.def. */
static void print_definitions(const Rows *rows)
{
    for (size_t m = 0; m < metrics_count; m++) {
        bool there = false;
        for (size_t k = 0; k < rows->count; k++)
            there |= strcmp(rows->row[k].metric, metrics[m].name) == 0;
        if (!there)
            continue;
        printf("\n%s: ", metrics[m].name);
        print_wrapped(metrics[m].formula, (int)strlen(metrics[m].name) + 2);
        printf("  range %s; good: %s on what is kept, %s on what is forgotten; source: ", metrics[m].range, metrics[m].better,
               metrics[m].better_forget);
        print_wrapped(metrics[m].source, 4);
    }
}

static bool eval(Eval *x, bool json, Arena *a, Error *e)
{
    Questions q;
    Rows rows = { .arena = a };
    if (x->router_file && x->adapters.count)
        return error_set(e, "eval: --adapter and --router are given, expected one of them");
    if (!answers_apart(x, e) || (x->answers && !output_file(x->answers, e)) || !open_settings(x, a, e)
        || (x->router_file && !router_read(&x->router, x->router_file, a, e)) || !open_questions(x, a, e)
        || !choose_questions(x, &q, a, e) || !open_model(x, a, e) || !check_questions(x, &q, e) || !errors_print(x, e))
        return false;
    const Dataset *read[FILES_MAX];
    for (size_t k = 0; k < x->files; k++)
        read[k] = &x->samples[k];
    picture_tags_print("eval", read, x->files, x->session.reader.upright);
    Result *r = answer_all(x, &q, a, e);
    if (!r || !measure_all(&q, r, &rows, a, e) || !measure_mmbench(x, r, &rows, e))
        return false;
    // the table comes before the answers, so that a full disk does not lose it
    bool printed = print_rows(&rows, json, a, e);
    if (printed && x->definitions && !json)
        print_definitions(&rows);
    return (!x->answers || answers_write(x->answers, r, q.count, e)) && printed;
}

int command_eval(int argc, char **argv)
{
    Eval x = { .config = NULL };
    const Option own[] = {
        { "config", "FILE", "The config says where the world and its questions are, and which prompt template is used. Without it, the "
                            "world is fixtures/world.", .text = &x.config },
        { "model", "DIR", "The folder of the model that is asked; the default is model.path of the config.", .text = &x.model },
        { "adapter", "DIR", OPTION_ADAPTER, .list = &x.adapters },
        { "router", "FILE", "This file lists, for each adapter, the ids or the entities of the questions that are asked with it; the "
                            "other questions are asked without an adapter. The file is the router.json that unlearn writes, or another "
                            "of that form.", .text = &x.router_file },
        { "unmerged", NULL, OPTION_UNMERGED, .flag = &x.unmerged },
        { "questions", "FILE", "The test questions of this file are asked, in place of the world's: samples as JSONL, "
                               "MLLMU-Bench (converted) or MMBench (.tsv). The option may be repeated.", .list = &x.questions },
        { "leave-out", NULL, "Rows that cannot be read, whose picture cannot be decoded, or whose text is too long for the model "
                             "are named, counted and left out. Without this option they are named, and nothing is asked.",
          .flag = &x.leave_out },
        { "rtn4", NULL, "The linear weights of the model are rounded to 4 bits first, which is the quantisation attack.", .flag = &x.rtn4 },
        { "definitions", NULL, "The definition of each metric, and which direction is good, is printed below the table.",
          .flag = &x.definitions },
        { "answers", "FILE", "Every answer is written into this file, one JSON object a line, with the text that the model "
                             "writes.", .text = &x.answers },
        { "memory", "MIB", OPTION_MEMORY, .text = &x.memory },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &x.set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    x.errors.arena = &a;
    bool good = eval(&x, o.json, &a, &e);
    for (size_t k = 0; k < x.files; k++)
        dataset_close(&x.samples[k]);
    session_close(&x.session);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
