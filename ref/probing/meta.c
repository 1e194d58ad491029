/* SPDX-License-Identifier: MIT */
/* pulse-ref meta says which metrics of forgetting can be trusted, from the rows of models whose knowledge is
 * certain. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eval/knowledge/meta.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/cli/table.h"
#include "ref/command.h"
#include "ref/report/data.h"
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"

enum { POOLS = 3, COLUMNS = 11 };
static const char *const columns[COLUMNS] = { "metric", "modality", "know", "unknown", "hidden", "auc", "auc_hidden", "q", "r", "b", "a" };

typedef struct {
    // of each pool one file for each model; [0]: models that know, [1]: that never knew, [2]: that know but hide it
    OptionList files[POOLS];
    ReportRows *rows[POOLS];             // the rows of each file
} Pools;

static bool files_read(Pools *x, Arena *a, Error *e)
{
    for (int p = 0; p < POOLS; p++) {
        x->rows[p] = arena_zalloc(a, (x->files[p].count + 1) * sizeof **x->rows);
        for (size_t k = 0; x->rows[p] && k < x->files[p].count; k++)
            if (!report_rows_read(&x->rows[p][k], x->files[p].item[k], a, e))
                return false;
    }
    return !e->failed;
}

/* The value of a metric for one model, oriented by meta_knows; NaN where the model was not measured. */
static double value_of(const ReportRows *rows, const char *state, const char *modality, const Metric *m)
{
    const Summary s = summary_of(rows, (RowFilter){ .method = state, .split = "unlearn", .modality = modality, .metric = m->name,
                                                    .round = ANY, .step = ANY });
    return s.n ? meta_knows(m, s.mean) : NAN;
}

static MetaPool pool_of(const Pools *x, int pool, const char *modality, const Metric *m, Arena *a)
{
    static const char *const states[] = { "none", "quantised", "relearned" };
    const size_t n = x->files[pool].count;
    double *value[3];
    for (int s = 0; s < 3; s++) {
        value[s] = arena_array(a, n, sizeof **value);
        for (size_t k = 0; value[s] && k < n; k++)
            value[s][k] = value_of(&x->rows[pool][k], states[s], modality, m);
    }
    return (MetaPool){ value[0], value[1], value[2], n };
}

static const char *cell(double value, Arena *a)
{
    char text[32];
    return isnan(value) ? NULL : arena_text(a, decimal_double(value, text));
}

/* Makes the rows of the table: one for each metric and modality for which at least one model has a value. */
static bool judge(const Pools *x, const char **cells, size_t *count, Arena *a, Error *e)
{
    static const char *const modalities[] = { "image", "text", "both" };
    for (size_t k = 0; k < metrics_count; k++)
        for (int m = 0; meta_orients(&metrics[k]) && m < 3; m++) {
            MetaScore s;
            MetaPool p[POOLS];
            for (int i = 0; i < POOLS; i++)
                p[i] = pool_of(x, i, modalities[m], &metrics[k], a);
            if (e->failed || !meta_score(&s, p[0], p[1], p[2], a, e))
                return false;
            if (s.know + s.unknown + s.hidden == 0)
                continue;
            const char *own[COLUMNS] = {
                metrics[k].name, modalities[m], arena_format(a, "%zu", s.know), arena_format(a, "%zu", s.unknown),
                arena_format(a, "%zu", s.hidden), cell(s.f, a), cell(s.auc_hidden, a), cell(s.q, a), cell(s.r, a), cell(s.b, a),
                cell(s.a, a),
            };
            memcpy(cells + (*count)++ * COLUMNS, own, sizeof own);
        }
    return *count > 0
        || error_set(e, "meta: no row of the files has the split \"unlearn\" and a metric that can be judged, expected the files that "
                        "`pulse-ref probe --out` writes");
}

static bool write(const char *path, const char *const *cells, size_t rows, Error *e)
{
    FileWriter f;
    if (!file_begin(&f, path, e))
        return false;
    for (size_t k = 0; k <= rows; k++)
        for (int c = 0; c < COLUMNS; c++) {
            const char *text = k ? cells[(k - 1) * COLUMNS + (size_t)c] : columns[c];
            fprintf(f.stream, "%s%c", text ? text : "", c + 1 < COLUMNS ? ',' : '\n');
        }
    return file_finish(&f, e);
}

/* The columns from FIRST_VALUE on are values, which get two decimals. The columns before it are the metric, the
 * modality, and how many models of each pool have a value. */
static bool markdown_print(const char *const *cells, size_t rows)
{
    enum { FIRST_VALUE = 5 };
    for (size_t k = 0; k <= rows; k++) {
        for (size_t c = 0; c < COLUMNS; c++) {
            const char *text = k ? cells[(k - 1) * COLUMNS + c] : columns[c];
            double value;
            if (k && c >= FIRST_VALUE && text && decimal_to_double(text, &value))
                printf("| %.2f ", value);
            else
                printf(k && !c ? "| `%s` " : "| %s ", text ? text : "–");
        }
        puts("|");
        for (size_t c = 0; k == 0 && c < COLUMNS; c++)
            printf(c + 1 < COLUMNS ? "|---" : "|---|\n");
    }
    return true;
}

int command_meta(int argc, char **argv)
{
    Pools x = { .rows = { NULL } };
    const char *out = NULL;
    bool markdown = false;
    const Option own[] = {
        { "know", "FILE", "Rows of a model that knows the forget set, as `pulse-ref probe --attacks --out` writes them. The option is "
                          "repeated for each model.", .list = &x.files[0] },
        { "unknown", "FILE", "Rows of a model that never saw the forget set.", .list = &x.files[1] },
        { "hidden", "FILE", "Rows of a model that knows the forget set but hides it.", .list = &x.files[2] },
        { "out", "FILE", "The table is written into this file too, as CSV.", .text = &out },
        { "markdown", NULL, "The table is printed in Markdown, with two decimals.", .flag = &markdown },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    for (int p = 0; p < POOLS; p++)
        if (x.files[p].count == 0)
            return command_fail_text("meta: no file was given for --%s, expected one for each model of the pool", own[p].name);
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    const char **cells = arena_array(&a, 3 * metrics_count * COLUMNS, sizeof *cells);
    size_t count = 0;
    bool good = cells && (!out || output_file(out, &e)) && files_read(&x, &a, &e) && judge(&x, cells, &count, &a, &e)
        && (!out || write(out, cells, count, &e))
        && (markdown ? markdown_print(cells, count) : table_print(columns, COLUMNS, cells, count, o.json, &e));
    arena_free(&a);
    return good && !e.failed ? EXIT_SAME : command_fail(&e);
}
