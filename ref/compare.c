/* SPDX-License-Identifier: MIT */
/* pulse-ref compare: two safetensors files, or the files of two folders, tensor by tensor. The first is the reference.
 * F16 and BF16 tensors are compared with F32 ones as the fp32 numbers that they hold, so equal values of another dtype are equal. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "model/names.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "tensor/base/decimal.h"
#include "tensor/distance.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

enum { FILES_MAX = 1000, LINES_MAX = 20 };

typedef struct { const char *name; const Tensor *tensor; } Item;

/* One side: all its tensors in natural order of their names on the Hub. */
typedef struct {
    Store *files;
    size_t file_count;
    Item  *items;
    size_t count;
} Side;

typedef enum { EQUAL, DIFFERS, OTHER_SHAPE, MISSING, EXTRA, VERDICTS } Verdict;
static const char *const verdict_names[VERDICTS] = { "equal", "differs", "misshaped", "missing", "extra" };

typedef struct {
    Verdict verdict;
    const char *name;
    const Tensor *a, *b;       // NULL: not there
    Distance distance;         // of DIFFERS
} Row;

/* --- Opening --- */

/* "layers.2" before "layers.10": runs of digits by value, all else by bytes. A total order, so that any sort gives the same. */
static int natural(const char *x, const char *y)
{
    const char *p = x, *q = y;
    while (*p && *q) {
        size_t m = strspn(p, "0123456789"), n = strspn(q, "0123456789");
        if (m && n) {
            for (; m > 1 && *p == '0'; m--)
                p++;
            for (; n > 1 && *q == '0'; n--)
                q++;
            int order = m != n ? (m < n ? -1 : 1) : strncmp(p, q, m);
            if (order)
                return order;
            p += m, q += n;
        } else if (*p != *q) {
            return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
        } else {
            p++, q++;
        }
    }
    return *p ? 1 : *q ? -1 : strcmp(x, y);
}

/* Equal only for equal names, so any sort gives the same. */
static int by_name(const void *a, const void *b)
{
    return natural(((const Item *)a)->name, ((const Item *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The names of a folder's safetensors files, ascending; 0 with a sentence when there is none. */
static size_t folder_files(const char *path, const char **names, Arena *a, Error *e)
{
    size_t count = 0;
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d)); ) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".safetensors") || count == FILES_MAX)
            continue;
        if (!(names[count] = arena_text(a, entry->d_name)))
            break;
        count++;
    }
    if (d)
        closedir(d);
    if (count == 0)
        error_set(e, "%s: no .safetensors file was found in this folder", path);
    qsort(names, count, sizeof *names, by_text);
    return count;
}

/* Shards are one model; other files of a folder keep their tensors apart by "file/". */
static bool items_add(Side *s, const Store *file, const char *prefix, Arena *a)
{
    for (size_t i = 0; i < file->count; i++) {
        const char *name = name_hub(file->entries[i].name, a);
        if (!name || !(s->items[s->count].name = *prefix ? arena_format(a, "%s/%s", prefix, name) : name))
            return false;
        s->items[s->count++].tensor = &file->entries[i].tensor;
    }
    return true;
}

static bool side_items(Side *s, const char *path, const char **names, bool apart, Arena *a, Error *e)
{
    size_t total = 0;
    for (size_t i = 0; i < s->file_count; i++)
        total += s->files[i].count;
    s->items = arena_array(a, total, sizeof *s->items);
    bool good = s->items != NULL;
    for (size_t i = 0; good && i < s->file_count; i++)
        good = items_add(s, &s->files[i], apart ? names[i] : "", a);
    if (!good)
        return error_no_memory(e, "%s: no memory for its names", path);
    qsort(s->items, s->count, sizeof *s->items, by_name);
    for (size_t i = 1; i < s->count; i++)
        if (!strcmp(s->items[i - 1].name, s->items[i].name))
            return error_set(e, "%s: two tensors are called %s", path, s->items[i].name);
    return true;
}

static bool side_open(Side *s, const char *path, Arena *a, Error *e)
{
    const char **names = arena_array(a, FILES_MAX, sizeof *names);
    const char *index = arena_format(a, "%s/model.safetensors.index.json", path);
    const bool folder = is_folder(path);
    *s = (Side){ 0 };
    if (!names || !index)
        return false;
    const size_t count = folder ? folder_files(path, names, a, e) : 1;
    if (!count || !(s->files = arena_zalloc(a, count * sizeof *s->files)))
        return false;
    for (; s->file_count < count; s->file_count++) {
        const char *file = folder ? arena_format(a, "%s/%s", path, names[s->file_count]) : path;
        if (!file || !store_open(&s->files[s->file_count], file, a, e))
            return false;
    }
    return side_items(s, path, names, count > 1 && !file_exists(index), a, e);
}

static void side_close(Side *s)
{
    for (size_t i = 0; i < s->file_count; i++)
        store_close(&s->files[i]);
}

/* --- Comparing --- */

static bool widens(const Tensor *t) { return t->dtype == F32 || t->dtype == F16 || t->dtype == BF16; }

/* The same numbers as an F32 tensor; data NULL: no memory. */
static Tensor widened(const Tensor *t, Arena *a)
{
    return (Tensor){ .shape = t->shape, .dtype = F32, .f32 = (float *)tensor_floats(t, a) };
}

/* The distance of two tensors of one shape and of other dtypes, in ULP of fp32. */
static Distance distance_widened(const Tensor *a, const Tensor *b, Arena *arena)
{
    const ArenaMark mark = arena_mark(arena);
    const Tensor x = widened(a, arena), y = widened(b, arena);
    const Distance d = x.data && y.data ? distance_of(&x, &y) : (Distance){ .differ = 0 };
    arena_release(arena, mark);
    return d;
}

static Row compare_pair(const Item *a, const Item *b, Arena *arena)
{
    Row r = { EQUAL, a->name, a->tensor, b->tensor, { 0 } };
    const bool same = a->tensor->dtype == b->tensor->dtype;
    if ((!same && !(widens(a->tensor) && widens(b->tensor))) || !shape_equal(a->tensor->shape, b->tensor->shape)) {
        r.verdict = OTHER_SHAPE;
        return r;
    }
    r.distance = same ? distance_of(a->tensor, b->tensor) : distance_widened(a->tensor, b->tensor, arena);
    if (r.distance.differ)
        r.verdict = DIFFERS;
    return r;
}

/* Both sides are sorted: one walk. */
static Row *compare_sides(const Side *a, const Side *b, size_t counts[VERDICTS], size_t *total, Arena *arena)
{
    Row *rows = arena_array(arena, a->count + b->count, sizeof *rows);
    size_t i = 0, k = 0, n = 0;
    while (rows && (i < a->count || k < b->count)) {
        int order = i == a->count ? 1 : k == b->count ? -1 : natural(a->items[i].name, b->items[k].name);
        if (order < 0)
            rows[n] = (Row){ MISSING, a->items[i].name, a->items[i].tensor, NULL, { 0 } };
        else if (order > 0)
            rows[n] = (Row){ EXTRA, b->items[k].name, NULL, b->items[k].tensor, { 0 } };
        else
            rows[n] = compare_pair(&a->items[i], &b->items[k], arena);
        i += order <= 0;
        k += order >= 0;
        counts[rows[n++].verdict]++;
    }
    *total = n;
    return arena->error && arena->error->failed ? NULL : rows;
}

/* --- Telling --- */

/* "[7, 19]" for a row-major place. */
static char *place_text(Shape s, size_t at, char out[128])
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
    char place[128], x[80], y[80], scaled[32];
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
        printf(", first at %s: %s against %s", place_text(r->a->shape, d->first, place), value_text(r->a, d->first, x),
               value_text(r->b, d->first, y));
    }
    putchar('\n');
}

static const Row *first_of(const Row *rows, size_t total)
{
    for (size_t i = 0; i < total; i++)
        if (rows[i].verdict != EQUAL)
            return &rows[i];
    return NULL;
}

/* How many pairs were compared as fp32 numbers, because their dtypes differ. */
static size_t widened_count(const Row *rows, size_t total)
{
    size_t n = 0;
    for (size_t i = 0; i < total; i++)
        n += (rows[i].verdict == EQUAL || rows[i].verdict == DIFFERS) && rows[i].a->dtype != rows[i].b->dtype;
    return n;
}

static void print_text(const Row *rows, size_t total, const size_t counts[VERDICTS])
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
               counts[DIFFERS], counts[OTHER_SHAPE], counts[MISSING], counts[EXTRA], first_of(rows, total)->name);
}

static json_t *tensor_json(const Tensor *t)
{
    json_t *shape = json_array();
    for (int i = 0; t && i < t->shape.rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape.dim[i]));
    return t ? json_pack("{s:s, s:o}", "dtype", dtype_name(t->dtype), "shape", shape) : (json_decref(shape), json_null());
}

static json_t *real_json(double x)
{
    char text[32];
    return x - x == 0 ? json_real(x) : json_string(decimal_double(x, text));
}

/* JSON's integers of ours have 63 bits. */
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
        json_object_update_new(o, json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}", "differ", (json_int_t)d->differ, "total",
                                            (json_int_t)d->total, "nan", (json_int_t)d->nan, "max_ulp", ulp_json(d->ulp),
                                            "max_error", real_json(d->error), "scaled_error", real_json(distance_scaled(d)),
                                            "worst_index", (json_int_t)d->worst, "first", first));
    }
    return o;
}

static void print_json(const Row *rows, size_t total, const size_t counts[VERDICTS])
{
    const Row *first = first_of(rows, total);
    json_t *list = json_array(), *o = json_pack("{s:s, s:I, s:s?}", "verdict", first ? "different" : "same", "tensors",
                                                (json_int_t)total, "first", first ? first->name : NULL);
    for (int v = 0; v < VERDICTS; v++)
        json_object_set_new(o, verdict_names[v], json_integer((json_int_t)counts[v]));
    json_object_set_new(o, "widened", json_integer((json_int_t)widened_count(rows, total)));
    for (size_t i = 0; i < total; i++)
        if (rows[i].verdict != EQUAL)
            json_array_append_new(list, row_json(&rows[i]));
    json_object_set_new(o, "list", list);
    json_print(stdout, o, 2);
    putchar('\n');
    json_decref(o);
}

int command_compare(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 2, 2, &status))
        return status;
    Error e = { 0 };
    Arena a = arena_make(&e);
    Side x = { 0 }, y = { 0 };
    size_t counts[VERDICTS] = { 0 }, total = 0;
    Row *rows = side_open(&x, o.operand[0], &a, &e) && side_open(&y, o.operand[1], &a, &e)
                  ? compare_sides(&x, &y, counts, &total, &a)
                  : NULL;
    if (rows)
        (o.json ? print_json : print_text)(rows, total, counts);
    status = !rows ? command_fail(&e) : counts[EQUAL] == total ? EXIT_SAME : EXIT_DIFFERENT;
    side_close(&x);
    side_close(&y);
    arena_free(&a);
    return status;
}
