/* SPDX-License-Identifier: MIT */
/* Answers: a few questions of answers.jsonl, with the answer of each model. The questions are from the first seed and
 * from two scenarios: finetuned (or, in a run without it, the first scenario of results.csv) and pretrained. For each
 * scenario up to three questions about what is forgotten are shown, and one about what is retained, each about another
 * entity and, as far as possible, another fact; for the first scenario also a general question. The first questions of
 * answers.jsonl that fit are taken; whether an answer is right does not matter. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eval/results.h"
#include "model/training/dataset.h"
#include "eval/formats/samples.h"
#include "eval/world.h"
#include "model/training/sample.h"
#include "ref/report/figures.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

enum { CARDS_MAX = 12, MODELS_MAX = 24 };
typedef enum { FORGET, RETAIN, GENERAL, ROLES } Role;      // in the order of row_splits
static const char *const role_names[ROLES] = { "forget", "retain", "general ability" };
static const int quota[ROLES] = { 3, 1, 1 };               // cards of a scenario; GENERAL: of the first scenario only

typedef struct {
    const char *method, *trainable, *text[2];    // text[0] and right[0]: asked with the image; [1]: asked in text alone
    bool right[2];
} ModelAnswer;

typedef struct {
    // twin: the id of the same question in text alone; NULL: there is none
    const char *id, *twin, *scenario, *entity, *group, *skill, *answer;
    Role   role;
    ModelAnswer model_answer[MODELS_MAX];
    size_t count;
} Card;

typedef struct {
    const Report *report;
    const char *path, *scenario[2];
    uint64_t seed;
    Card     card[CARDS_MAX];
    size_t   count, line;
    bool     pick_any_fact;              // set in the second pass, in which facts may repeat
    // file[groups + 1]: the questions of each group of the world and, last, the general ones; read when first needed
    Dataset *file;
    Error   *error;
} Answers;

static const char *get(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static int64_t get_int(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }

/* --- which questions are shown --- */

/* The role of the line's question; false: its split is none of those that are shown. */
static bool role_of(const json_t *o, Role *role)
{
    if (strcmp(get(o, "split"), "general") == 0)
        return *role = GENERAL, true;
    for (Role k = FORGET; k < ROLES; k++)
        if (strcmp(get(o, "split"), row_splits[k]) == 0)
            return *role = k, true;
    return false;
}

static bool wanted(const Answers *x, const json_t *o, Role role)
{
    const char *scenario = get(o, "scenario");
    int taken = 0;
    if (strcmp(get(o, "modality"), "image") != 0 || (uint64_t)get_int(o, "seed") != x->seed || x->count == CARDS_MAX)
        return false;
    for (size_t k = 0; k < x->count; k++) {
        const Card *c = &x->card[k];
        if (strcmp(c->scenario, scenario) != 0)
            continue;
        taken += c->role == role;
        if ((role != GENERAL && strcmp(c->entity, get(o, "entity")) == 0)
            || (!x->pick_any_fact && strcmp(c->skill, get(o, "skill")) == 0))
            return false;
    }
    bool shown = strcmp(scenario, x->scenario[0]) == 0 || strcmp(scenario, x->scenario[1]) == 0;
    return shown && taken < quota[role] && !(role == GENERAL && strcmp(scenario, x->scenario[0]) != 0);
}

/* "person-00-home-0-image" -> "person-00-home-0-text". NULL: the id does not end with -image. */
static const char *twin_of(const char *id, Arena *a)
{
    const char *pair = sample_pair(id, a);
    return pair && strcmp(id + strlen(pair), "-image") == 0 ? arena_format(a, "%s-text", pair) : NULL;
}

static void pick(Answers *x, const json_t *o)
{
    Role role;
    Arena *a = x->report->arena;
    if (strcmp(get(o, "method"), "none") != 0 || get_int(o, "round") != 0 || !role_of(o, &role) || !wanted(x, o, role))
        return;
    x->card[x->count++] = (Card){ .id = arena_text(a, get(o, "id")), .twin = twin_of(get(o, "id"), a),
                                  .scenario = arena_text(a, get(o, "scenario")),
                                  .entity = arena_text(a, get(o, "entity")), .group = arena_text(a, get(o, "group")),
                                  .skill = arena_text(a, get(o, "skill")),
                                  .answer = arena_text(a, get(o, "answer")), .role = role };
}

/* --- what the models answer --- */

static ModelAnswer *answer_by(Card *c, const char *method, const char *trainable, Arena *a)
{
    for (size_t k = 0; k < c->count; k++)
        if (strcmp(c->model_answer[k].method, method) == 0 && strcmp(c->model_answer[k].trainable, trainable) == 0)
            return &c->model_answer[k];
    if (c->count == MODELS_MAX)
        return NULL;
    c->model_answer[c->count] = (ModelAnswer){ .method = arena_text(a, method), .trainable = arena_text(a, trainable) };
    return &c->model_answer[c->count++];
}

static void take_answer(Answers *x, const json_t *o)
{
    const char *id = get(o, "id");
    Arena *a = x->report->arena;
    for (size_t k = 0; k < x->count; k++) {
        Card *c = &x->card[k];
        bool image = strcmp(c->id, id) == 0, text = c->twin && strcmp(c->twin, id) == 0;
        if ((!image && !text) || strcmp(c->scenario, get(o, "scenario")) != 0
            || (uint64_t)get_int(o, "seed") != x->seed)
            continue;
        // later requests stand later in the file, so the answer after the last request stays
        ModelAnswer *s = answer_by(c, get(o, "method"), get(o, "trainable"), a);
        if (!s)
            continue;
        const json_t *words = json_object_get(o, "text");
        s->right[text] = json_is_true(json_object_get(o, "exact"));
        s->text[text] = json_is_string(words) ? arena_text(a, json_string_value(words)) : s->right[text] ? c->answer : "something else";
    }
}

/* --- reading --- */

/* Whether a line must be parsed. False only if the line is certainly about a question that is not shown. */
static bool concerns(const Answers *x, const char *line)
{
    const char *id = strstr(line, "\"id\": \"");
    if (!id)
        return true;
    id += 7;
    for (size_t k = 0; k < x->count; k++) {
        size_t n = strlen(x->card[k].id), m = x->card[k].twin ? strlen(x->card[k].twin) : 0;
        if (strncmp(id, x->card[k].id, n) == 0 || (m && strncmp(id, x->card[k].twin, m) == 0))
            return true;
    }
    return false;
}

/* Reads answers.jsonl once. picking: picks the questions that will be shown; otherwise takes the models' answers to
 * these questions. */
static bool pass(Answers *x, bool picking)
{
    if (!file_exists(x->path))
        return true;
    FILE *f = fopen(x->path, "r");
    if (!f)
        return error_io(x->error, "%s: cannot be read: %s", x->path, strerror(errno));
    char *line = arena_alloc(x->report->arena, LIMIT_ANSWER_LINE);
    bool good = line != NULL;
    for (x->line = 1; good && fgets(line, LIMIT_ANSWER_LINE, f); x->line++) {
        size_t n = strlen(line);
        if (n + 1 == LIMIT_ANSWER_LINE)
            good = error_set(x->error, "%s:%zu: the line is longer than 1 MiB, expected one answer", x->path, x->line);
        if (!good || strspn(line, " \r\n") == n || (picking ? !strstr(line, "\"none\"") : !concerns(x, line)))
            continue;
        const char *where = arena_format(x->report->arena, "%s:%zu", x->path, x->line);
        json_t *o = where ? json_parse(line, n, where, x->error) : NULL;
        good = o != NULL;
        if (good)
            (picking ? pick : take_answer)(x, o);
        json_decref(o);
    }
    if (good && ferror(f))
        good = error_io(x->error, "%s:%zu: reading failed", x->path, x->line);
    fclose(f);
    return good;
}

/* --- writing --- */

static void base64(FILE *f, const unsigned char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t k = 0; k < n; k += 3) {
        unsigned v = (unsigned)p[k] << 16 | (k + 1 < n ? p[k + 1] : 0u) << 8 | (k + 2 < n ? p[k + 2] : 0u);
        char four[4] = { digit[v >> 18], digit[v >> 12 & 63], k + 1 < n ? digit[v >> 6 & 63] : '=', k + 2 < n ? digit[v & 63] : '=' };
        fwrite(four, 1, 4, f);
    }
}

/* The sample of the question. NULL: there is no world, or it does not hold the question, or reading it failed. */
static const Sample *question_of(Answers *x, const Card *c, const Dataset **from)
{
    const World *w = &x->report->contents;
    const size_t k = world_group(w, c->group);
    if (!x->file || (k == w->groups && strcmp(c->group, w->general.name) != 0))
        return NULL;
    const char *path = world_path(w, k < w->groups ? w->group[k].questions : w->general.questions, x->report->arena);
    if (!x->file[k].sample && (!path || !samples_open(&x->file[k], path, x->report->arena, x->error)))
        return NULL;
    *from = &x->file[k];
    return dataset_find(&x->file[k], c->id);
}

static void picture(Page *p, const Dataset *from, const Sample *s, const char *alt, Arena *a, Error *e)
{
    Image image;
    TextWriter png;
    if (!dataset_picture(from, s, &image, a, e) || !text_begin(&png, e))
        return;
    const bool printed = image_print_png(png.stream, &image);
    if (!text_finish(&png, e) || !printed) {
        error_no_memory(e, "report: no memory for a picture as PNG");
    } else {
        fputs("<img width=\"96\" height=\"96\" alt=\"", p->f);
        page_text(p->f, alt);
        fputs("\" src=\"data:image/png;base64,", p->f);
        base64(p->f, (unsigned char *)png.text, png.size);
        fputs("\">\n", p->f);
    }
    free(png.text);
}

static void answer_cell(Page *p, const ModelAnswer *s, int m)
{
    fputs("<td>", p->f);
    if (!s->text[m]) {
        fputs("–", p->f);
    } else {
        fprintf(p->f, "<span class=\"%s\">%s</span> ", s->right[m] ? "right" : "wrong", s->right[m] ? "✓" : "✗");
        page_text(p->f, *s->text[m] ? s->text[m] : "(nothing)");
    }
    fputs("</td>", p->f);
}

static void answer_row(Page *p, const Card *c, const ModelAnswer *s)
{
    fputs("<tr><th scope=\"row\">", p->f);
    page_text(p->f, method_label(s->method));
    for (size_t k = 0; k < c->count; k++)
        if (&c->model_answer[k] != s && strcmp(c->model_answer[k].method, s->method) == 0) {
            fputs(", ", p->f);
            page_text(p->f, s->trainable);
            break;
        }
    fputs("</th>", p->f);
    for (int m = 0; m < (c->role == GENERAL ? 1 : 2); m++)
        answer_cell(p, s, m);
    fputs("</tr>\n", p->f);
}

static void answer_rows(Page *p, const Card *c)
{
    fprintf(p->f, "<table><thead><tr><th scope=\"col\">model</th><th scope=\"col\">image question</th>%s</tr></thead><tbody>\n",
            c->role == GENERAL ? "" : "<th scope=\"col\">text question</th>");
    for (int order = 0; order < 3; order++)
        for (size_t k = 0; k < c->count; k++) {
            int rank = strcmp(c->model_answer[k].method, "none") == 0 ? 0 : strcmp(c->model_answer[k].method, "retrain") == 0 ? 2 : 1;
            if (rank == order)
                answer_row(p, c, &c->model_answer[k]);
        }
    fputs("</tbody></table>\n", p->f);
}

static void card(Page *p, Answers *x, const Card *c)
{
    const Dataset *from = NULL;
    const Sample *s = question_of(x, c, &from);
    Arena *a = x->report->arena;
    fputs("<article class=\"card\"><header>\n", p->f);
    if (s && s->image)
        picture(p, from, s, arena_format(a, "The picture of the question: %s", c->entity), a, x->error);
    fputs("<div><h3>", p->f);
    page_text(p->f, s ? s->question : c->id);
    fputs("</h3>\n", p->f);
    page_say(p, "role", arena_format(a, "%s, %s", c->scenario, role_names[c->role]));
    page_say(p, NULL, arena_format(a, "True: %s", c->answer));
    fputs("</div></header>\n", p->f);
    answer_rows(p, c);
    fputs("</article>\n", p->f);
}

static void choose_scenarios(Answers *x)
{
    const char *name[2];
    size_t n = names(x->report, COLUMN_SCENARIO, name, 2);
    const char *shown[] = { scenario_under(x->report, "finetuned", 0), scenario_under(x->report, "pretrained", 0) };
    x->scenario[0] = shown[0] || !n ? shown[0] ? shown[0] : "finetuned" : name[0];
    x->scenario[1] = shown[1] ? shown[1] : "pretrained";
    if (!seeds(x->report, &x->seed, 1))
        x->seed = 0;
}

/* Makes x->file. A run without a world is no error: then x->file stays NULL, and the questions are shown by their ids,
 * without pictures. */
static bool make_room_for_files(Answers *x)
{
    const World *w = &x->report->contents;
    x->file = w->groups ? arena_zalloc(x->report->arena, (w->groups + 1) * sizeof *x->file) : NULL;
    return x->file || w->groups == 0;
}

bool report_answers(Page *p, const Report *r, Error *e)
{
    Answers *x = arena_zalloc(r->arena, sizeof *x);
    if (!x || !(x->path = arena_format(r->arena, "%s/answers.jsonl", r->dir)))
        return false;
    x->report = r;
    x->error = e;
    if (!make_room_for_files(x))
        return false;
    choose_scenarios(x);
    page_section(p, "answers", "What the models say", "These are the first questions of answers.jsonl on what is to be forgotten, on what "
                                                      "is to be retained, and on general ability, each about another entity and, where "
                                                      "possible, another fact. Whether an answer is right does not matter for the choice. "
                                                      "All answers are greedy; unlearned models gave them after the last request.");
    bool good = pass(x, true);
    x->pick_any_fact = true;
    good = good && pass(x, true) && (x->count == 0 || pass(x, false));
    if (good && x->count) {
        fputs("<div class=\"cards\">\n", p->f);
        for (size_t k = 0; k < x->count; k++)
            card(p, x, &x->card[k]);
        fputs("</div>\n", p->f);
        page_say(p, "source", "From answers.jsonl, where the method none is the model before unlearning, and retrain the model that was "
                              "trained without the forget set.");
    }
    if (good && x->count == 0)
        page_say(p, "missing", file_exists(x->path) ? "In answers.jsonl, the model before unlearning answers no image question, so no "
                                                      "answers are shown."
                                                    : "This run has no answers.jsonl, so no answers can be shown.");
    if (good && x->count && !x->file)
        page_say(p, "missing", "The world's folder was not at hand, so questions are shown as their ids, without pictures "
                               "(pulse-ref report --world DIR).");
    for (size_t k = 0; x->file && k <= x->report->contents.groups; k++)
        if (x->file[k].sample)
            dataset_close(&x->file[k]);
    page_section_end(p);
    return good && !e->failed;
}
