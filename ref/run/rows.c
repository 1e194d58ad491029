/* SPDX-License-Identifier: MIT */
/* The rows of results.csv that are computed from the files of a probe stage, and the scores that are computed from
 * other rows, some of them from the oracle's. */
#include <math.h>
#include <string.h>
#include "eval/metrics/measure.h"
#include "eval/metrics/metric.h"
#include "eval/metrics/ranks.h"
#include "eval/metrics/attacks.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

static bool numbers_add(const Run *r, size_t stage, Rows *rows, Row row, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/numbers.json", stage_folder(r, stage, a));
    json_t *all = path ? json_file(path, LIMIT_STEPS, e) : NULL, *x;
    size_t k;
    bool good = all != NULL;
    json_array_foreach(json_object_get(all, "rows"), k, x) {
        const char *split = json_string_value(json_object_get(x, "split")),
            *modality = json_string_value(json_object_get(x, "modality")),
            *metric = json_string_value(json_object_get(x, "metric"));
        const Metric *m = metric ? metric_find(metric) : NULL;
        if (!split || !modality || !m) {
            good = error_set(e, "%s:1: row %zu must have \"split\", \"modality\" and a \"metric\" of `pulse-ref list metrics`", path,
                             k + 1);
            break;
        }
        row.split = arena_text(rows->arena, split);
        row.modality = arena_text(rows->arena, modality);
        row.metric = m->name;
        row.value = json_is_number(json_object_get(x, "value")) ? json_number_value(json_object_get(x, "value")) : NAN;
        row.n = json_integer_value(json_object_get(x, "n"));
        row.count = json_integer_value(json_object_get(x, "count"));
        row.total = json_integer_value(json_object_get(x, "total"));
        good = good && row.split && row.modality && rows_add(rows, row);
    }
    json_decref(all);
    return good && !e->failed;
}

/* Adds the share of the answers of a file that are right, for each split; without the file there is nothing to add. */
static bool answers_add(const Run *r, size_t stage, const char *file, const char *metric, bool (*right)(const Result *),
                        Rows *rows, Row row, const Splits *s, Arena *a, Error *e)
{
    const Subjects subjects[] = { { &s->forget, NULL, true }, { &s->retain, NULL, false },
                            { NULL, r->plan.world.general.name, false } };
    const char *path = arena_format(a, "%s/%s", stage_folder(r, stage, a), file);
    size_t count;
    if (!path || !file_exists(path))
        return path != NULL;
    Result *x = answers_read(path, &count, a, e);
    for (int k = 0; x && k < 3; k++) {
        row.split = row_splits[k];
        if (!measure_share(rows, row, metric, subjects[k], right, x, count, e))
            return false;
    }
    return x != NULL;
}

/* Finds the value of a metric on the split "unlearn" in the rows [first, end). *n: on how many questions
 * it was measured; n may be NULL. */
static bool find(const Rows *rows, size_t first, size_t end, const char *modality, const char *metric, double *out,
                 int64_t *n)
{
    for (size_t k = first; k < end; k++) {
        const Row *x = &rows->row[k];
        if (strcmp(x->split, "unlearn") == 0 && strcmp(x->modality, modality) == 0 && strcmp(x->metric, metric) == 0) {
            *out = x->value;
            if (n)
                *n = x->n;
            return true;
        }
    }
    return false;
}

static bool put(Rows *rows, Row row, const char *metric, double value)
{
    row.metric = metric;
    row.value = value;
    return rows_add(rows, row);
}

/* Adds the scores that are computed from other rows: quantisation and, if the oracle has rows, relearning, robustness
 * and PrivLeak. */
static bool scores_add(Rows *rows, Row row, size_t first, size_t oracle, size_t oracle_end)
{
    const size_t end = rows->count;
    row.split = row_splits[0];
    for (int m = 0; m < 3; m++) {
        const char *modality = row.modality = row_modalities[m];
        double accuracy, quantised, relearned, mia, oracle_accuracy, oracle_relearned, oracle_mia, q = NAN;
        if (!find(rows, first, end, modality, "accuracy", &accuracy, &row.n))
            continue;
        if (find(rows, first, end, modality, "accuracy_4bit", &quantised, NULL)
            && !put(rows, row, "quantisation", q = attack_score(quantised, accuracy)))
            return false;
        if (find(rows, first, end, modality, "accuracy_relearned", &relearned, NULL)
            && find(rows, oracle, oracle_end, modality, "accuracy", &oracle_accuracy, NULL)
            && find(rows, oracle, oracle_end, modality, "accuracy_relearned", &oracle_relearned, NULL)) {
            const double parts[] = { attack_score(relearned - accuracy, oracle_relearned - oracle_accuracy), q };
            if (!put(rows, row, "relearning", parts[0]) || !put(rows, row, "robustness", harmonic_mean(parts, 2)))
                return false;
        }
        if (find(rows, first, end, modality, "mia_min_k", &mia, &row.n)
            && find(rows, oracle, oracle_end, modality, "mia_min_k", &oracle_mia, NULL)
            && !put(rows, row, "privleak", privleak(mia, oracle_mia)))
            return false;
    }
    return true;
}

bool run_probe_rows(const Run *r, size_t stage, Rows *rows, Row row, const Splits *s, size_t first, size_t oracle,
                    size_t oracle_end, Arena *a, Error *e)
{
    return numbers_add(r, stage, rows, row, a, e)
        && answers_add(r, stage, "relearned.jsonl", "accuracy_relearned", result_exact, rows, row, s, a, e)
        && answers_add(r, stage, "quantised.jsonl", "accuracy_4bit", result_exact, rows, row, s, a, e)
        && answers_add(r, stage, "cloze.jsonl", "cloze", result_cloze, rows, row, s, a, e)
        && scores_add(rows, row, first, oracle, oracle_end);
}
