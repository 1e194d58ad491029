/* SPDX-License-Identifier: MIT */
#include "ref/explain/sheet.h"

#include <string.h>
#include "ref/cli/table.h"

/* --- making --- */

/* The value of `key` in "beta=0.1 alpha=0"; NULL: it is not there. */
static const char *value_in(const char *assignments, const char *key, Arena *a)
{
    for (const char *at = assignments; at && *at; at += strspn(at, " ")) {
        const size_t n = strcspn(at, "= "), end = strcspn(at, " ");
        const char *name = arena_format(a, "%.*s", (int)n, at);
        if (name && hyperparameter_key(name) && strcmp(hyperparameter_key(name), key) == 0)
            return arena_format(a, "%.*s", (int)(end - n - 1), at + n + 1);
        at += end;
    }
    return NULL;
}

static bool keys_make(Sheet *s, Arena *a)
{
    static const struct { const char *key; ValueType type; const char *fallback, *range, *help; } all[] = {
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { #key, TYPE_##TYPE, fallback, range, help },
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
    };
    enum { ALL = sizeof all / sizeof *all };
    s->keys = arena_array(a, ALL, sizeof *s->keys);
    for (size_t k = 0; s->keys && k < ALL; k++) {
        if (!method_reads_key(s->method, all[k].key))
            continue;
        const char *own = value_in(s->method->defaults, all[k].key, a);
        s->keys[s->key_count++] = (SheetKey){ all[k].key, own ? own : all[k].fallback, all[k].type == TYPE_BOOL ? "yes|no" : all[k].range,
                                              all[k].help, ours_why(s->method->name, all[k].key) };
    }
    return s->keys != NULL;
}

static const char *distance_text(double d, Arena *a)
{
    return d < 0 ? NULL : d == 0 ? "0" : arena_format(a, "%.2g", d);
}

static bool row_make(SheetRow *row, const Tiny *t, const Method *m, const Walk *usual, Arena *a, Error *e)
{
    Form f;
    Walk w;
    if (!row->code->switches)
        return true;
    const char *switches = form_switches(m, row->code->switches, a);
    if (!switches || !form_read(&f, m, row->code->switches, e) || !tiny_walk(t, &f, &w, a, e))
        return error_prefix(e, "explain: %s, %s", m->name, row->code->who);
    row->switches = *switches ? switches : "-";
    row->loss = distance_text(walk_losses_apart(usual, &w), a);
    row->update = distance_text(walk_updates_apart(usual, &w), a);
    return !e->failed;
}

bool sheet_make(Sheet *s, const Tiny *t, const Method *m, Arena *a, Error *e)
{
    Form usual;
    Walk walk;
    *s = (Sheet){ .method = m, .needs = method_needs_text(m, a), .rows = arena_array(a, codes_count, sizeof *s->rows) };
    if (!s->needs || !s->rows || !keys_make(s, a) || !form_read(&usual, m, "", e) || !tiny_walk(t, &usual, &walk, a, e))
        return error_prefix(e, "explain: %s", m->name);
    for (size_t k = 0; k < codes_count; k++)
        if (strcmp(codes[k].method, m->name) == 0) {
            SheetRow *row = &s->rows[s->row_count++];
            *row = (SheetRow){ .code = &codes[k] };
            if (!row_make(row, t, m, &walk, a, e))
                return false;
        }
    return !e->failed;
}

/* --- for people --- */

static void put(const char *name, const char *text)
{
    if (!text || !*text)
        return;
    printf("%-9s ", name);
    print_wrapped(text, 10);
}

static bool print_keys(const Sheet *s, Arena *a, Error *e)
{
    static const char *const columns[] = { "default", "values", "what it is" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, s->key_count * COLUMNS + 1, sizeof *cells);
    for (size_t k = 0; cells && k < s->key_count; k++) {
        const SheetKey *x = &s->keys[k];
        memcpy(cells + k * COLUMNS, (const char *[]){ arena_format(a, "%s = %s%s", x->key, x->value, x->ours ? " [ours]" : ""), x->range,
                                                      x->ours ? arena_format(a, "%s. [ours]: %s", x->help, x->ours) : x->help },
               COLUMNS * sizeof *cells);
    }
    putchar('\n');
    return cells && (s->key_count == 0 || table_print(columns, COLUMNS, cells, s->key_count, false, e));
}

static bool print_rows(const Sheet *s, Arena *a, Error *e)
{
    static const char *const columns[] = { "who", "switches here", "loss", "update", "how it differs" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, s->row_count * COLUMNS + 1, sizeof *cells);
    for (size_t k = 0; cells && k < s->row_count; k++) {
        const SheetRow *x = &s->rows[k];
        memcpy(cells + k * COLUMNS, (const char *[]){ x->code->who, x->switches ? x->switches : "none does it", x->loss, x->update,
                                                      x->code->differs }, COLUMNS * sizeof *cells);
    }
    putchar('\n');
    return cells && (s->row_count == 0 || table_print(columns, COLUMNS, cells, s->row_count, false, e));
}

bool sheet_print(const Sheet *s, Error *e)
{
    Arena a = arena_make(e);
    const Method *m = s->method;
    printf("%s (%s)\n", m->name, m->label);
    put("source", m->source);
    put("loss", m->formula.loss);
    put("gradient", m->formula.gradient);
    put("variants", m->formula.variants);
    put("notes", m->formula.notes);
    put("needs", s->needs);
    bool good = print_keys(s, &a, e) && print_rows(s, &a, e);
    arena_free(&a);
    return good && !e->failed;
}

bool sheets_print(const Sheet *s, size_t n, Arena *a, Error *e)
{
    static const char *const columns[] = { "who", "switches here", "loss", "update" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char **cells = arena_array(a, codes_count * COLUMNS, sizeof *cells), **titles = arena_array(a, codes_count, sizeof *titles);
    size_t rows = 0;
    for (size_t i = 0; cells && titles && i < n; i++)
        for (size_t k = 0; k < s[i].row_count; k++, rows++) {
            const SheetRow *x = &s[i].rows[k];
            titles[rows] = k == 0 ? s[i].method->name : NULL;
            memcpy(cells + rows * COLUMNS, (const char *[]){ x->code->who, x->switches ? x->switches : "none does it", x->loss, x->update },
                   COLUMNS * sizeof *cells);
        }
    return cells && titles && table_print_under(titles, columns, COLUMNS, cells, rows, e);
}

/* --- for programs --- */

json_t *sheet_json(const Sheet *s)
{
    const Method *m = s->method;
    json_t *keys = json_array(), *rows = json_array();
    for (size_t k = 0; k < s->key_count; k++)
        json_add(keys, json_pack("{s:s, s:s, s:s, s:s?}", "key", s->keys[k].key, "default", s->keys[k].value, "values", s->keys[k].range,
                                 "ours", s->keys[k].ours));
    for (size_t k = 0; k < s->row_count; k++)
        json_add(rows, json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s}", "who", s->rows[k].code->who, "given", s->rows[k].code->switches,
                                 "switches", s->rows[k].switches, "loss", s->rows[k].loss, "update", s->rows[k].update, "differs",
                                 s->rows[k].code->differs));
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:o, s:o}", "name", m->name, "label", m->label, "source", m->source,
                     "loss", m->formula.loss, "gradient", m->formula.gradient, "variants", m->formula.variants, "notes", m->formula.notes,
                     "needs", s->needs, "defaults", keys, "codes", rows);
}
