/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "eval/stopping_rules.h"
#include "ref/report/data.h"
#include "unlearn/method.h"

/* --- filters --- */

static bool same(const char *want, const char *have) { return !want || strcmp(want, have) == 0; }

static bool matches(const ReportRow *x, const RowFilter *q)
{
    return same(q->scenario, x->scenario) && same(q->method, x->method) && same(q->trainable, x->trainable)
        && same(q->split, x->split)
        && same(q->modality, x->modality) && same(q->metric, x->metric) && (q->round == ANY || q->round == x->round)
        && (q->step == ANY || q->step == x->step);
}

Summary summary_of(const ReportRows *rows, RowFilter filter)
{
    Summary s = { .n = 0 };
    for (size_t k = 0; k < rows->count; k++) {
        double v = rows->row[k].value;
        const int64_t total = rows->row[k].total;
        if (!isfinite(v) || !matches(&rows->row[k], &filter))
            continue;
        s.questions = s.n == 0 || s.questions == total ? total : 0;
        s.least = s.n == 0 || v < s.least ? v : s.least;
        s.most = s.n == 0 || v > s.most ? v : s.most;
        s.mean += (v - s.mean) / (double)++s.n;
    }
    return s;
}

const char *summary_text(Summary s, Arena *a)
{
    const char *text = s.n == 0 ? "–" : s.n == 1 || s.least == s.most ? arena_format(a, "%.1f", 100 * s.mean)
        : arena_format(a, "%.1f (%.1f–%.1f)", 100 * s.mean, 100 * s.least, 100 * s.most);
    return text ? text : "";
}

/* --- names --- */

static const char *column(const ReportRow *x, Column c)
{
    return c == COLUMN_SCENARIO ? x->scenario : c == COLUMN_METHOD ? x->method : x->metric;
}

size_t names(const Report *r, Column c, const char **out, size_t capacity)
{
    size_t n = 0;
    for (size_t k = 0; k < r->results.count && n < capacity; k++) {
        const char *name = column(&r->results.row[k], c);
        size_t i = 0;
        while (i < n && strcmp(out[i], name) != 0)
            i++;
        if (i == n)
            out[n++] = name;
    }
    return n;
}

size_t seeds(const Report *r, uint64_t *out, size_t capacity)
{
    size_t n = 0;
    for (size_t k = 0; k < r->results.count && n < capacity; k++) {
        size_t i = 0;
        while (i < n && out[i] != r->results.row[k].seed)
            i++;
        if (i == n)
            out[n++] = r->results.row[k].seed;
    }
    return n;
}


const char *method_label(const char *method)
{
    const Method *m = method_find(method);
    return m ? m->label : strcmp(method, "none") == 0 ? "before" : method;
}

const Scenario *scenario_in(const char *name)
{
    for (size_t k = 0; k < scenarios_count; k++) {
        const size_t n = strlen(scenarios[k].name);
        if (stopping_rule_in(name, scenarios[k].name) < STOPPING_RULES
            || (scenarios[k].requests == REQUESTS_STRESS && strncmp(name, scenarios[k].name, n) == 0 && name[n] == '-'))
            return &scenarios[k];
    }
    return NULL;
}

const char *rule_of(const char *name, const char *scenario)
{
    const StoppingRule rule = stopping_rule_in(name, scenario);
    return rule < STOPPING_RULES ? stopping_rules[rule].name : NULL;
}

const char *scenario_under(const Report *r, const char *scenario, size_t k)
{
    const char *name[100];
    const size_t n = names(r, COLUMN_SCENARIO, name, 100);
    for (size_t i = 0; i < n; i++)
        if (rule_of(name[i], scenario) && k-- == 0)
            return name[i];
    return NULL;
}

const char *scenario_words(const Report *r, const Scenario *s, const char *text)
{
    const World *w = &r->contents;
    const size_t k = world_group_as(w, s->group);
    const char *many = k < w->groups && w->group[k].many ? w->group[k].many : s->many, *mark;
    while ((mark = strchr(text, '@')) != NULL) {
        const char *next = arena_format(r->arena, "%.*s%s%s", (int)(mark - text), text, many, mark + 1);
        if (!next)
            break;
        text = next;
    }
    return text;
}

const char *scenario_label(const Report *r, const char *scenario)
{
    const Scenario *s = scenario_in(scenario);
    const StoppingRule rule = s ? stopping_rule_in(scenario, s->name) : STOPPING_RULES;
    const char *title = s ? scenario_words(r, s, s->title) : scenario;
    const char *text = !s || rule == STOP_budget ? title
        : rule < STOPPING_RULES ? arena_format(r->arena, "%s, stopping rule %s", title, stopping_rules[rule].name)
        : arena_format(r->arena, "%s: %s", title, scenario + strlen(s->name) + 1);
    return text ? text : scenario;
}

/* --- variants --- */

bool variant_is(const Variant *v, const char *method) { return strcmp(v->method, method) == 0; }
bool variant_unlearns(const Variant *v) { return !variant_is(v, "none") && !variant_is(v, "retrain"); }

static int rank(const Variant *v) { return variant_is(v, "none") ? 0 : variant_is(v, "retrain") ? 2 : 1; }

static void note(Variants *all, const ReportRow *x, size_t capacity)
{
    size_t i = 0;
    while (i < all->count && (strcmp(all->item[i].method, x->method) != 0 || strcmp(all->item[i].trainable, x->trainable) != 0))
        i++;
    if (i == capacity)
        return;
    if (i == all->count)
        all->item[all->count++] = (Variant){ x->scenario, x->method, x->trainable, method_label(x->method), x->round };
    if (all->item[i].last < x->round)
        all->item[i].last = x->round;
}

/* Adds the trainable to the label of each method that occurs with more than one. */
static void label_trainables(Variants *all, Arena *a)
{
    for (size_t k = 0; k < all->count; k++)
        for (size_t i = 0; i < all->count; i++)
            if (i != k && strcmp(all->item[i].method, all->item[k].method) == 0)
                all->item[k].label = arena_format(a, "%s, %s", method_label(all->item[k].method),
                                                  all->item[k].trainable);
}

Variants variants(const Report *r, const char *scenario)
{
    enum { VARIANTS_MAX = 100 };
    Variants found = { arena_array(r->arena, VARIANTS_MAX, sizeof(Variant)), 0 },
        out = { arena_array(r->arena, VARIANTS_MAX, sizeof(Variant)), 0 };
    if (!found.item || !out.item)
        return (Variants){ NULL, 0 };
    for (size_t k = 0; k < r->results.count; k++)
        if (strcmp(r->results.row[k].scenario, scenario) == 0)
            note(&found, &r->results.row[k], VARIANTS_MAX);
    for (int p = 0; p < 3; p++)
        for (size_t k = 0; k < found.count; k++)
            if (rank(&found.item[k]) == p)
                out.item[out.count++] = found.item[k];
    label_trainables(&out, r->arena);
    return out;
}

RowFilter variant_filter(const Variant *v, const char *split, const char *modality)
{
    return (RowFilter){ v->scenario, v->method, v->trainable, split, modality, "accuracy", v->last, ANY };
}

static int64_t questions_of(const Report *r, const char *scenario, const char *split, const char *modality)
{
    return summary_of(&r->results, (RowFilter){ scenario, "none", NULL, split, modality, "accuracy", ANY, ANY }).questions;
}

const char *questions_text(const Report *r, const char *scenario)
{
    static const struct { const char *split, *label; } splits[] = { { "unlearn", "forget" }, { "retain", "retain" },
                                                                    { "general", "general" } };
    const char *text = "";
    for (int s = 0; s < 3; s++) {
        const int64_t image = questions_of(r, scenario, splits[s].split, "image"),
                      words = questions_of(r, scenario, splits[s].split, "text");
        if (text && image && words)
            text = arena_format(r->arena, "%s%s %s %lld image + %lld text", text, *text ? "," : "n:", splits[s].label,
                                (long long)image, (long long)words);
    }
    return text ? text : "";
}

const char *questions_sums(const Report *r, const char *scenario)
{
    const long long n[] = { questions_of(r, scenario, "unlearn", "both"), questions_of(r, scenario, "retain", "both"),
                            questions_of(r, scenario, "general", "both") };
    const char *text = n[0] && n[1] && n[2] ? arena_format(r->arena, "%lld + %lld + %lld", n[0], n[1], n[2]) : "–";
    return text ? text : "";
}

const char *caption_of(const Report *r, const char *caption, const char *scenario)
{
    const char *n = scenario ? questions_text(r, scenario) : "", *text = *n ? arena_format(r->arena, "%s; %s", caption, n) : caption;
    return text ? text : caption;
}
