/* SPDX-License-Identifier: MIT */
#include "ref/compare/telling.h"

#include <inttypes.h>
#include <stdio.h>
#include "ref/command.h"
#include "tensor/base/decimal.h"
#include "tensor/base/json.h"

enum { LINES_MAX = 20 };

static const char *const verdict_names[VERDICTS] = { "equal", "differs", "misshaped", "missing", "extra" };

/* "[7, 19]" for the element `at`, counted in row-major order. */
static char *index_text(Shape s, size_t at, char out[128])
{
    size_t index[RANK_MAX], used = 0;
    for (int i = s.rank - 1; i >= 0; i--) {
        index[i] = at % s.dim[i];
        at /= s.dim[i];
    }
    out[used++] = '[';
    for (int i = 0; i < s.rank; i++)
        used += (size_t)snprintf(out + used, 128 - used, "%s%zu", i ? ", " : "", index[i]);
    snprintf(out + used, 128 - used, "]");
    return out;
}

static char *value_text(const Tensor *t, size_t i, char out[80])
{
    char decimal[32];
    if (t->dtype == F32)
        decimal_float(t->f32[i], decimal);
    else
        decimal_double(tensor_value(t, i), decimal);
    if (t->dtype == I64 || t->dtype == I32 || t->dtype == U8)
        snprintf(out, 80, "%" PRId64, t->dtype == I64 ? t->i64[i] : (int64_t)tensor_value(t, i));
    else
        snprintf(out, 80, "%s (%0*" PRIx64 ")", decimal, (int)(2 * dtype_size(t->dtype)), tensor_value_bits(t, i));
    return out;
}

static void print_tensor(const Tensor *t)
{
    char shape[64];
    printf("%s %s", dtype_name(t->dtype), shape_text(t->shape, shape));
}

static void print_row(const Row *r)
{
    char index[128], x[80], y[80], scaled[32];
    const Distance *d = &r->distance;
    printf("%-9s %s ", verdict_names[r->verdict], r->name);
    print_tensor(r->a ? r->a : r->b);
    if (r->verdict == OTHER_SHAPE || (r->verdict == DIFFERS && r->a->dtype != r->b->dtype)) {
        printf(" against ");
        print_tensor(r->b);
    }
    if (r->verdict == DIFFERS) {
        snprintf(scaled, sizeof scaled, "%.1e", distance_scaled(d));
        printf(": %zu of %zu, max %" PRIu64 " ulp, scaled error %s", d->differ, d->total, d->ulp, scaled);
        if (d->nan)
            printf(", %zu NaN", d->nan);
        printf(", first at %s: %s against %s", index_text(r->a->shape, d->first, index), value_text(r->a, d->first, x),
               value_text(r->b, d->first, y));
    }
    putchar('\n');
}

static const Row *first_unequal(const Row *rows, size_t total)
{
    for (size_t i = 0; i < total; i++)
        if (rows[i].verdict != EQUAL)
            return &rows[i];
    return NULL;
}

/* How many pairs were widened to fp32 for the comparison, because their dtypes differ. */
static size_t widened_count(const Row *rows, size_t total)
{
    size_t n = 0;
    for (size_t i = 0; i < total; i++)
        n += (rows[i].verdict == EQUAL || rows[i].verdict == DIFFERS) && rows[i].a->dtype != rows[i].b->dtype;
    return n;
}

void rows_print_text(const Row *rows, size_t total, const size_t counts[VERDICTS])
{
    const size_t bad = total - counts[EQUAL];
    size_t shown = 0;
    for (size_t i = 0; i < total && shown < LINES_MAX; i++)
        if (rows[i].verdict != EQUAL) {
            print_row(&rows[i]);
            shown++;
        }
    if (bad > shown)
        printf("… and %zu more (--json lists all)\n", bad - shown);
    if (!bad && widened_count(rows, total))
        printf("same: %zu tensors, all numbers equal; %zu of them are of another dtype, widened to fp32\n", total,
               widened_count(rows, total));
    else if (!bad)
        printf("same: %zu tensors, all bits equal\n", total);
    else
        printf("different: %zu of %zu tensors (%zu differ, %zu misshaped, %zu missing, %zu extra), first %s\n", bad, total,
               counts[DIFFERS], counts[OTHER_SHAPE], counts[MISSING], counts[EXTRA], first_unequal(rows, total)->name);
}

static json_t *tensor_json(const Tensor *t)
{
    json_t *shape = json_array();
    for (int i = 0; t && i < t->shape.rank; i++)
        json_add(shape, json_integer((json_int_t)t->shape.dim[i]));
    return t ? json_pack("{s:s, s:o}", "dtype", dtype_name(t->dtype), "shape", shape) : (json_decref(shape), json_null());
}

static json_t *real_json(double x)
{
    char text[32];
    return x - x == 0 ? json_real(x) : json_string(decimal_double(x, text));
}

/* An integer of the JSON library is at most 2^63 - 1; a larger distance is written as that number. */
static json_t *ulp_json(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *row_json(const Row *r)
{
    char x[80], y[80];
    const Distance *d = &r->distance;
    json_t *o = json_pack("{s:s, s:s, s:o, s:o}", "name", r->name, "verdict", verdict_names[r->verdict], "a", tensor_json(r->a),
                          "b", tensor_json(r->b));
    if (r->verdict == DIFFERS) {
        json_t *first = json_pack("{s:I, s:s, s:s}", "index", (json_int_t)d->first, "a", value_text(r->a, d->first, x), "b",
                                  value_text(r->b, d->first, y));
        json_join(o, json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}", "differ", (json_int_t)d->differ, "total",
                                            (json_int_t)d->total, "nan", (json_int_t)d->nan, "max_ulp", ulp_json(d->ulp),
                                            "max_error", real_json(d->error), "scaled_error", real_json(distance_scaled(d)),
                                            "worst_index", (json_int_t)d->worst, "first", first));
    }
    return o;
}

void rows_print_json(const Row *rows, size_t total, const size_t counts[VERDICTS])
{
    const Row *first = first_unequal(rows, total);
    json_t *list = json_array(), *o = json_pack("{s:s, s:I, s:s?}", "verdict", first ? "different" : "same", "tensors",
                                                (json_int_t)total, "first", first ? first->name : NULL);
    for (int v = 0; v < VERDICTS; v++)
        json_put(o, verdict_names[v], json_integer((json_int_t)counts[v]));
    json_put(o, "widened", json_integer((json_int_t)widened_count(rows, total)));
    for (size_t i = 0; i < total; i++)
        if (rows[i].verdict != EQUAL)
            json_add(list, row_json(&rows[i]));
    json_put(o, "list", list);
    command_print(o);
}
