/* SPDX-License-Identifier: MIT */
#include "eval/results.h"

#include <math.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

enum { LINE_LEAST = 64 };        // the keys of an answer alone have more bytes

/* --- answers --- */

static json_t *floats(const float *x, size_t n)
{
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++)
        json_add(list, json_decimal(x[k]));
    return list;
}

/* Whether the pair follows from the id: "x-image" or "x-text" for the pair "x". */
static bool pair_in_id(const Result *r)
{
    const size_t n = strlen(r->pair);
    return strncmp(r->id, r->pair, n) == 0 && (strcmp(r->id + n, "-image") == 0 || strcmp(r->id + n, "-text") == 0);
}

json_t *answer_object(const Result *r, bool brief)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I, s:I}", "id", r->id, "entity", r->entity,
                          "group", r->group, "skill", r->skill, "modality", r->modality == MODALITY_IMAGE ? "image" : "text",
                          "kind", kind_name(r->kind), "answer", r->answer, "exact", r->exact, "likely", r->option_right, "nll",
                          json_decimal(r->nll), "ce", json_decimal(r->ce), "tokens", (json_int_t)r->tokens, "right",
                          (json_int_t)r->right);
    if (r->option_ce)
        json_put(o, "option_ce", floats(r->option_ce, r->option_count));
    if (r->text)
        json_put(o, "text", json_string(r->text));
    if (r->pair && !pair_in_id(r))
        json_put(o, "pair", json_string(r->pair));
    json_t *right = json_array();
    for (size_t k = 0; k < r->tokens; k++)
        json_add(right, json_integer(r->token_right[k]));
    if (!brief)
        json_put(o, "token_nll", floats(r->token_nll, r->tokens));
    json_put(o, "token_right", right);
    return o;
}

bool answers_write(const char *path, const Result *r, size_t count, Error *e)
{
    FileWriter w;
    if (!file_begin(&w, path, e))
        return false;
    for (size_t k = 0; k < count; k++) {
        if (!json_line(w.stream, answer_object(&r[k], false), e))
            return file_drop(&w), error_prefix(e, "%s: answer %zu", path, k + 1);
    }
    return file_finish(&w, e);
}

/* Reads "inf", "-inf", "NaN", or a decimal number as the nearest float. jansson has already rounded the decimal to a
 * double. To avoid a second rounding, the shortest decimal text of that double is read again as a float. */
static bool number_of(const json_t *x, float *out)
{
    static const struct { const char *text; float value; } words[] = { { "inf", INFINITY }, { "-inf", -INFINITY },
                                                                       { "NaN", NAN } };
    const char *text = json_string_value(x);
    char decimal[32];
    for (size_t k = 0; text && k < sizeof words / sizeof *words; k++)
        if (strcmp(text, words[k].text) == 0) {
            *out = words[k].value;
            return true;
        }
    *out = (float)json_integer_value(x);
    return json_is_integer(x) || (json_is_real(x) && decimal_to_float(decimal_double(json_real_value(x), decimal), out));
}

static bool number_read(const json_t *o, const char *key, float *out, const char *where, Error *e)
{
    return number_of(json_object_get(o, key), out)
        || error_set(e, "%s: \"%s\" must be an fp32 number, or \"inf\", \"-inf\" or \"NaN\"", where, key);
}

/* Reads a list of numbers. A missing list counts as empty. */
static bool numbers_read(const json_t *o, const char *key, float **out, size_t *count, const char *where, Arena *a,
                         Error *e)
{
    const json_t *list = json_object_get(o, key);
    *count = json_array_size(list);
    *out = arena_array(a, *count, sizeof **out);
    for (size_t k = 0; *out && k < *count; k++)
        if (!number_of(json_array_get(list, k), &(*out)[k]))
            return error_set(e, "%s: \"%s\" must hold fp32 numbers, \"inf\", \"-inf\" or \"NaN\"", where, key);
    return *out != NULL;
}

static bool words_read(Result *r, const json_t *o, const char *where, Error *e)
{
    const char *modality, *kind;
    if (!json_get_text(o, "modality", &modality, where, e) || !json_get_text(o, "kind", &kind, where, e))
        return false;
    r->modality = strcmp(modality, "image") == 0 ? MODALITY_IMAGE : MODALITY_TEXT;
    for (r->kind = KIND_OPEN; r->kind < KIND_NAME && strcmp(kind_name(r->kind), kind) != 0;)
        r->kind++;
    return (strcmp(kind_name(r->kind), kind) == 0 && (r->modality == MODALITY_IMAGE || strcmp(modality, "text") == 0))
        || error_set(e, "%s: \"modality\" is \"%.40s\" and \"kind\" is \"%.40s\", expected image or text, and the kind of a question",
                     where, modality, kind);
}

static bool answer_read(Result *r, const json_t *o, const char *where, Arena *a, Error *e)
{
    const struct { const char *key, **to; } texts[] = {
        { "id", &r->id }, { "entity", &r->entity }, { "group", &r->group }, { "skill", &r->skill },
        { "answer", &r->answer },
    };
    int64_t right;
    float *marks;
    size_t n;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        if (!json_get_text(o, texts[k].key, texts[k].to, where, e) || !(*texts[k].to = arena_text(a, *texts[k].to)))
            return false;
    if (!words_read(r, o, where, e) || !json_get_bool(o, "exact", &r->exact, where, e)
        || !json_get_bool(o, "likely", &r->option_right, where, e)
        || !json_get_int(o, "right", &right, where, e)
        || !numbers_read(o, "token_nll", &r->token_nll, &r->tokens, where, a, e)
        || !numbers_read(o, "token_right", &marks, &n, where, a, e)
        || !numbers_read(o, "option_ce", &r->option_ce, &r->option_count, where, a, e)
        || !number_read(o, "nll", &r->nll, where, e) || !number_read(o, "ce", &r->ce, where, e))
        return false;
    if (n != r->tokens)
        return error_set(e, "%s: token_nll and token_right are of different length", where);
    if (right < 0 || (size_t)right > n)
        return error_set(e, "%s: \"right\" is %lld, expected 0 to %zu", where, (long long)right, n);
    r->right = (size_t)right;
    r->token_right = arena_array(a, n, 1);
    for (size_t k = 0; r->token_right && k < n; k++)
        r->token_right[k] = marks[k] != 0;
    if (r->option_count == 0)
        r->option_ce = NULL;
    const char *text = json_string_value(json_object_get(o, "text"));
    r->text = text ? arena_text(a, text) : NULL;
    const char *pair = json_string_value(json_object_get(o, "pair"));
    r->pair = pair ? arena_text(a, pair) : sample_pair(r->id, a);
    return r->token_right != NULL;
}

Result *answers_read(const char *path, size_t *count, Arena *a, Error *e)
{
    size_t size, lines = 0;
    char *text = file_text(path, LIMIT_ANSWERS, &size, a, e);
    for (size_t k = 0; text && k < size; k++)
        lines += text[k] == '\n';
    lines = lines < size / LINE_LEAST ? lines : size / LINE_LEAST;
    Result *out = text ? arena_zalloc(a, (lines + 1) * sizeof *out) : NULL;
    *count = 0;
    for (char *at = text, *end; out && *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        const char *where = arena_format(a, "%s:%zu", path, *count + 1);
        json_t *o = where ? json_parse(at, (size_t)(end - at), where, e) : NULL;
        bool good = o && answer_read(&out[(*count)++], o, where, a, e);
        json_decref(o);
        if (!good)
            return NULL;
    }
    return out;
}

/* --- rows --- */

const char *const row_splits[3] = { "unlearn", "retain", "general" };
const char *const row_modalities[3] = { "image", "text", "both" };

bool rows_add(Rows *r, Row row)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 1024;
        Row *larger = arena_array(r->arena, capacity, sizeof *larger);
        if (!larger)
            return false;
        if (r->count)
            memcpy(larger, r->row, r->count * sizeof *larger);
        r->row = larger;
        r->capacity = capacity;
    }
    r->row[r->count++] = row;
    return true;
}

static void write_counts(FILE *f, const Row *x, const char *none)
{
    if (x->total)
        fprintf(f, "%lld,%lld", (long long)x->count, (long long)x->total);
    else
        fputs(none, f);
}

bool rows_write_csv(const Rows *r, const char *path, bool trajectory, Error *e)
{
    FileWriter w;
    char value[32];
    if (!file_begin(&w, path, e))
        return false;
    fprintf(w.stream, "scenario,method,trainable,round,%ssplit,modality,metric,value,count,total,seed\n",
            trajectory ? "epoch,step," : "");
    for (size_t k = 0; k < r->count; k++) {
        const Row *x = &r->row[k];
        fprintf(w.stream, "%s,%s,%s,%lld,", x->scenario, x->method, x->trainable, (long long)x->round);
        if (trajectory)
            fprintf(w.stream, "%lld,%lld,", (long long)x->epoch, (long long)x->step);
        fprintf(w.stream, "%s,%s,%s,%s,", x->split, x->modality, x->metric, decimal_double(x->value, value));
        write_counts(w.stream, x, ",");
        fprintf(w.stream, ",%llu\n", (unsigned long long)x->seed);
    }
    return file_finish(&w, e);
}

bool rows_write_jsonl(const Rows *r, const char *path, Error *e)
{
    FileWriter w;
    char hex[32];
    if (!file_begin(&w, path, e))
        return false;
    for (size_t k = 0; k < r->count; k++) {
        const Row *x = &r->row[k];
        json_t *value = x->value - x->value == 0 ? json_real(x->value) : json_null();
        json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:I}", "scenario", x->scenario, "method", x->method,
                              "trainable", x->trainable, "round", (json_int_t)x->round, "split", x->split, "modality",
                              x->modality, "metric", x->metric, "value", value, "hex", hex_double(x->value, hex), "seed",
                              (json_int_t)x->seed);
        if (x->total) {
            json_put(o, "count", json_integer(x->count));
            json_put(o, "total", json_integer(x->total));
        }
        if (x->n)
            json_put(o, "n", json_integer(x->n));
        if (x->better)
            json_put(o, "better", json_string(x->better));
        if (x->rule)
            json_put(o, "rule", json_string(x->rule));
        if (!json_line(w.stream, o, e))
            return file_drop(&w), error_prefix(e, "%s: row %zu", path, k + 1);
    }
    return file_finish(&w, e);
}
