/* SPDX-License-Identifier: MIT */
/* pulse-ref list prints the tables that the program is made from: operators, methods, metrics, keys of a config, and so
 * on. */
#include <string.h>
#include "eval/metrics/metric.h"
#include "eval/protocol.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/table.h"
#include "tensor/exact/bound_records.h"
#include "tensor/op.h"
#include "unlearn/method.h"

/* The names with blanks between them, "lr eps decay"; NULL for an empty list. The list ends with NULL or has `limit`
 * names. */
static const char *joined(const char *const names[], size_t limit, Arena *a)
{
    const char *text = NULL;
    for (size_t k = 0; k < limit && names[k]; k++)
        text = arena_format(a, "%s%s%s", text ? text : "", text ? " " : "", names[k]);
    return text;
}

static const char *floats(const Op *op, Arena *a) { return joined(op->floats, OP_FLOATS, a); }
static const char *reals(const Op *op, Arena *a)  { return joined(op->reals, OP_REALS, a); }
static const char *ints(const Op *op, Arena *a)   { return joined(op->ints, OP_INTS, a); }

/* The attributes of an operator, for instance "fp32: eps; index: ids [N]"; NULL where it has none. */
static const char *attributes(const Op *op, Arena *a)
{
    const char *text = NULL;
    const struct { const char *kind, *names; } parts[] = {
        { "fp32", floats(op, a) }, { "binary64", reals(op, a) }, { "int", ints(op, a) }, { "index", op->index },
    };
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        if (parts[k].names)
            text = arena_format(a, "%s%s%s: %s", text ? text : "", text ? "; " : "", parts[k].kind, parts[k].names);
    return text;
}

static bool list_ops(bool json, Arena *a, Error *e)
{
    static const char *const shown[] = { "name", "class", "inputs", "attributes", "formula" };
    static const char *const exact[] = { "name", "formula", "class", "inputs[]", "floats[]", "reals[]", "ints[]",
                                         "index", "shapes" };
    const size_t n = json ? sizeof exact / sizeof *exact : sizeof shown / sizeof *shown;
    const char **cells = arena_array(a, ops_count * n + 1, sizeof *cells);
    for (size_t k = 0; cells && k < ops_count; k++) {
        const Op *op = ops[k];
        const char **row = cells + k * n, *kind = op_class_name(op->kind);
        if (json)
            memcpy(row, (const char *[]){ op->name, op->formula, kind, op->inputs, floats(op, a), reals(op, a), ints(op, a),
                                          op->index, op->shapes }, n * sizeof *row);
        else
            memcpy(row, (const char *[]){ op->name, kind, op->inputs, attributes(op, a), op->formula },
                   n * sizeof *row);
    }
    return !e->failed && table_print(json ? exact : shown, n, cells, ops_count, json, e);
}

static bool list_methods(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "name", "label", "needs", "defaults", "loss", "gradient", "variants", "notes",
                                           "source", "formula" };
    // people read the parts of the formula; programs also get the whole
    const size_t n = sizeof columns / sizeof *columns - !json;
    const char **cells = arena_array(a, methods_count * n, sizeof *cells);
    for (size_t k = 0; cells && k < methods_count; k++) {
        const Method *m = methods[k];
        const MethodFormula *f = &m->formula;
        memcpy(cells + k * n, (const char *[]){ m->name, m->label, method_needs_text(m, a), m->defaults, f->loss, f->gradient, f->variants,
                                                f->notes, m->source, method_formula(m, a) }, n * sizeof *cells);
    }
    return !e->failed && table_print(columns, n, cells, methods_count, json, e);
}

static bool list_presets(bool json, Arena *a, Error *e)
{
    static const char *const shown[] = { "preset", "method", "hyperparameters", "settings" },
                             *const exact[] = { "preset", "method", "variants", "settings" };
    enum { COLUMNS = sizeof shown / sizeof *shown };
    const char **cells = arena_array(a, presets_count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < presets_count; k++)
        memcpy(cells + k * COLUMNS, (const char *[]){ presets[k].preset, presets[k].method, presets[k].hyperparameters,
                                                      presets[k].settings }, COLUMNS * sizeof *cells);
    return !e->failed && table_print(json ? exact : shown, COLUMNS, cells, presets_count, json, e);
}

static bool list_grids(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "preset", "method", "key", "values" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, grids_count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < grids_count; k++)
        memcpy(cells + k * COLUMNS, (const char *[]){ grids[k].preset, grids[k].method, grids[k].key, grids[k].values },
               COLUMNS * sizeof *cells);
    return !e->failed && table_print(columns, COLUMNS, cells, grids_count, json, e);
}

static bool list_metrics(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "name", "range", "better", "better_forget", "formula", "where", "source" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, metrics_count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < metrics_count; k++) {
        const Metric *m = &metrics[k];
        memcpy(cells + k * COLUMNS, (const char *[]){ m->name, m->range, m->better, m->better_forget, m->formula, m->where,
                                                      m->source }, COLUMNS * sizeof *cells);
    }
    return !e->failed && table_print(columns, COLUMNS, cells, metrics_count, json, e);
}

static bool list_scenarios(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "name", "group", "starts from", "steps", "help" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, scenarios_count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < scenarios_count; k++)
        memcpy(cells + k * COLUMNS, (const char *[]){ scenarios[k].name, scenarios[k].group, start_model_name(scenarios[k].start),
                                                      scenarios[k].steps,
                                                      scenarios[k].help }, COLUMNS * sizeof *cells);
    return !e->failed && table_print(columns, COLUMNS, cells, scenarios_count, json, e);
}

static bool list_stopping_rules(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "name", "a request is worked on" };
    const char **cells = arena_array(a, 2 * STOPPING_RULES, sizeof *cells);
    for (size_t k = 0; cells && k < STOPPING_RULES; k++)
        memcpy(cells + 2 * k, (const char *[]){ stopping_rules[k].name, stopping_rules[k].help }, 2 * sizeof *cells);
    return !e->failed && table_print(columns, 2, cells, STOPPING_RULES, json, e);
}

/* The values that a key may have, in words: "yes|no" for a BOOL, else its range or its choices, or else its type. */
static const char *values(ValueType type, const char *range)
{
    return type == TYPE_BOOL ? "yes|no" : *range ? range : value_type_name(type);
}

static bool list_config(bool json, Arena *a, Error *e)
{
    static const char *const shown[] = { "key", "default", "values", "help" },
                             *const exact[] = { "section", "key", "type", "default", "range", "help" };
    static const struct { const char *section, *key; ValueType type; const char *fallback, *range, *help; } keys[] = {
#define SETTING(section, key, TYPE, fallback, range, parts, help) { #section, #key, TYPE_##TYPE, fallback, range, help },
#include "ref/config/settings.def"
#undef SETTING
#define ALIAS(older, key) { "unlearn", #older, TYPE_TEXT, "", "", "the older name of unlearn." #key },
#include "unlearn/hyperparameter_aliases.def"
#undef ALIAS
        { "method.NAME", "SECTION.KEY", TYPE_TEXT, "", "", "the value of a key of unlearn, optimiser or lora, of data.mask or "
                                                           "train.trainable, for this method alone" },
    };
    enum { KEYS = sizeof keys / sizeof *keys };
    const size_t n = json ? sizeof exact / sizeof *exact : sizeof shown / sizeof *shown;
    const char **cells = arena_array(a, KEYS * n, sizeof *cells);
    for (size_t k = 0; cells && k < KEYS; k++)
        if (json)
            memcpy(cells + k * n, (const char *[]){ keys[k].section, keys[k].key, value_type_name(keys[k].type), keys[k].fallback,
                                                    keys[k].range, keys[k].help }, n * sizeof *cells);
        else
            memcpy(cells + k * n, (const char *[]){ arena_format(a, "%s.%s", keys[k].section, keys[k].key),
                                                    *keys[k].fallback ? keys[k].fallback : NULL,
                                                    values(keys[k].type, keys[k].range), keys[k].help }, n * sizeof *cells);
    return !e->failed && table_print(json ? exact : shown, n, cells, KEYS, json, e);
}

/* Lists the constants of the bounds, then the rules for ties, which have no value; their unit is "tie". */
static bool list_bounds(bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "name", "value", "unit", "where", "what", "operators[]" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, (bound_records_count + tie_records_count) * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < bound_records_count; k++) {
        const BoundRecord *b = &bound_records[k];
        memcpy(cells + k * COLUMNS, (const char *[]){ b->name, arena_format(a, "%g", b->value), bound_unit_name(b->unit), b->file, b->what,
                                                      b->operators }, COLUMNS * sizeof *cells);
    }
    for (size_t k = 0; cells && k < tie_records_count; k++) {
        const TieRecord *t = &tie_records[k];
        memcpy(cells + (bound_records_count + k) * COLUMNS, (const char *[]){ t->name, NULL, "tie", t->file, t->what, t->operators },
               COLUMNS * sizeof *cells);
    }
    return !e->failed && table_print(columns, COLUMNS, cells, bound_records_count + tie_records_count, json, e);
}

static const struct { const char *name; bool (*print)(bool json, Arena *a, Error *e); } lists[] = {
    { "ops", list_ops },
    { "methods", list_methods },
    { "presets", list_presets }, { "grids", list_grids },
    { "metrics", list_metrics },
    { "scenarios", list_scenarios },
    { "rules", list_stopping_rules },
    { "config", list_config },
    { "bounds", list_bounds },
};
enum { LISTS = sizeof lists / sizeof *lists };

int command_list(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 1, 1, &status))
        return status;
    for (size_t k = 0; k < LISTS; k++) {
        if (strcmp(lists[k].name, o.operand[0]) != 0)
            continue;
        Error e = { 0 };
        Arena a = arena_make(&e);
        bool printed = lists[k].print(o.json, &a, &e);
        arena_free(&a);
        return printed ? EXIT_SAME : command_fail(&e);
    }
    return command_fail_text("list: there is no list %s, expected %s", o.operand[0], command_find("list")->usage);
}
