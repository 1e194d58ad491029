/* SPDX-License-Identifier: MIT */
#include "ref/compare/rows.h"

static bool widens(const Tensor *t) { return t->dtype == F32 || t->dtype == F16 || t->dtype == BF16; }

/* The same numbers as an F32 tensor; its data is NULL where memory ran out. */
static Tensor widened(const Tensor *t, Arena *a)
{
    return (Tensor){ .shape = t->shape, .dtype = F32, .f32 = (float *)tensor_floats(t, a) };
}

/* The distance, in ULP of fp32, of two tensors that have one shape and different dtypes. */
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

/* Both sides are sorted, so that one walk along both finds all pairs. */
Row *compare_sides(const Side *a, const Side *b, size_t counts[VERDICTS], size_t *total, Arena *arena)
{
    Row *rows = arena_array(arena, a->count + b->count, sizeof *rows);
    size_t i = 0, k = 0, n = 0;
    while (rows && (i < a->count || k < b->count)) {
        int order = i == a->count ? 1 : k == b->count ? -1 : natural_order(a->items[i].name, b->items[k].name);
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
