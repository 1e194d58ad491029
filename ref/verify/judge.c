/* SPDX-License-Identifier: MIT */
#include "ref/verify/judge.h"

#include <string.h>
#include "tensor/tensor.h"

static double magnitude(double x) { return x < 0 ? -x : x; }
static int by_size(double x, double y) { return (x > y) - (x < y); }

/* The median of the ratios got / want over the elements whose right value is not small; 0: there is none, or no memory. */
static double median_ratio(const float *want, const float *got, size_t n, double most, Arena *a)
{
    double *r = arena_array(a, n, sizeof *r);
    size_t count = 0;
    for (size_t i = 0; r && i < n; i++)
        if (magnitude((double)want[i]) > 0.01 * most)
            r[count++] = (double)got[i] / (double)want[i];
    for (size_t k = 1; k < count; k++)                     // insertion: these tensors are small
        for (size_t j = k; j > 0 && by_size(r[j - 1], r[j]) > 0; j--) {
            double swap = r[j];
            r[j] = r[j - 1];
            r[j - 1] = swap;
        }
    return count ? r[count / 2] : 0;
}

/* scaled: largest error over largest right value; ratio: median of got / want; used: largest error over bound; over, first: how many
 * elements are over the bound, and the first of them (n: none). */
typedef struct { double scaled, ratio, used; size_t over, first; } Distance;

/* bound may be NULL: then no element is over it. A NaN is over every bound. */
static Distance measure(const float *want, const float *got, const float *bound, size_t n, Arena *a)
{
    Distance d = { .first = n };
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        double off = magnitude((double)got[i] - (double)want[i]);
        most = magnitude((double)want[i]) > most ? magnitude((double)want[i]) : most;
        worst = off > worst || off != off ? off : worst;
        if (bound && bound[i] > 0 && off / (double)bound[i] > d.used)
            d.used = off / (double)bound[i];
        if (bound && !(off <= (double)bound[i])) {
            d.first = d.over++ == 0 ? i : d.first;
        }
    }
    d.scaled = most > 0 ? worst / most : worst;
    d.ratio = n <= 4096 ? median_ratio(want, got, n, most, a) : 0;
    return d;
}

/* End to end there are no bounds: an answer is that of a mistake when it lies WAY times nearer to the mistake's value than the
 * right value does. */
enum { WAY = 1024 };

static double farthest(const float *x, const float *y, size_t n)
{
    double far = 0;
    for (size_t i = 0; i < n && far == far; i++) {
        double off = magnitude((double)x[i] - (double)y[i]);
        far = off > far || off != off ? off : far;
    }
    return far;
}

/* Whether the tensor has the value of a mistake. With a bound it must lie within four times that of the right value, since the value
 * of the mistake has an error alike. With `want`, the right value of an answer end to end, it must be much nearer to the mistake than
 * the right value is. With neither, every bit must be that of the mistake. */
static bool has_value(const Tensor *got, const Tensor *wrong, const float *bound, const Tensor *want)
{
    size_t n = shape_size(got->shape), i = 0;
    if (wrong->dtype != got->dtype || !shape_equal(wrong->shape, got->shape))
        return false;
    if (want)
        return WAY * farthest(got->f32, wrong->f32, n) <= farthest(want->f32, wrong->f32, n);
    if (!bound)
        return memcmp(got->data, wrong->data, tensor_bytes(*got)) == 0;
    while (i < n
           && magnitude((double)got->f32[i] - (double)wrong->f32[i])
                  <= 4 * (double)bound[i] + 0x1p-20 * magnitude((double)wrong->f32[i]))
        i++;
    return i == n;
}

static void recognise(JudgeContext *c, const char *flag)
{
    c->named++;
    if (!c->recognised)
        c->recognised = flag;
    else if (!strstr(c->recognised, flag))
        c->recognised = arena_format(c->arena, "%s, %s", c->recognised, flag);
}

/* The name of the known mistake whose value the tensor has; NULL: none. */
static const char *mistake(JudgeContext *c, const char *id, const char *name, const Tensor *got, const float *bound, const Tensor *want)
{
    size_t id_length = strlen(id);
    for (size_t k = 0; k < c->wrong.count; k++) {
        const Entry *w = &c->wrong.entries[k];
        const char *flag = w->name + id_length + 1, *slash = strrchr(w->name, '/');
        if (strncmp(w->name, id, id_length) == 0 && w->name[id_length] == '@' && slash && strcmp(slash + 1, name) == 0
            && has_value(got, &w->tensor, bound, want)) {
            flag = arena_format(c->arena, "%.*s", (int)(slash - flag), flag);
            recognise(c, flag);
            return flag;
        }
    }
    return NULL;
}

/* The answer has other bits, and only one value is right: it is an integer, or every rounding of it is defined. */
static void judge_exact(JudgeContext *c, const char *id, const char *name, const char *where, const Tensor *want, const Tensor *got)
{
    size_t n = shape_size(want->shape), size = dtype_size(want->dtype), differ = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (memcmp(want->u8 + i * size, got->u8 + i * size, size) != 0) {
            first = i;
            differ++;
        }
    const char *known = mistake(c, id, name, got, NULL, NULL);
    finding(c->f, where, "OUTSIDE", "%zu of %zu differ, first %zu%s%s", differ, n, first,
            known ? ", the value of the known mistake " : "", known ? known : "");
}

bool judge(JudgeContext *c, const char *id, const char *name, const Tensor *want, const Tensor *got, const Tensor *bound, Judge how)
{
    char *where = arena_format(c->arena, "%s/%s", id, name), have[64], expected[64];
    size_t n = shape_size(want->shape);
    if (got->dtype != want->dtype || !shape_equal(got->shape, want->shape)) {
        const char *known = mistake(c, id, name, got, NULL, NULL);
        finding(c->f, where, "MIS-SHAPED", "%s %s, expected %s %s%s%s", dtype_name(got->dtype), shape_text(got->shape, have),
                dtype_name(want->dtype), shape_text(want->shape, expected), known ? ", as the known mistake " : "",
                known ? known : "");
        return true;
    }
    if (memcmp(want->data, got->data, tensor_bytes(*want)) == 0) {
        finding(c->f, where, "BITEXACT", "%s", "");
        return false;
    }
    if (how == JUDGE_EXACT || want->dtype != F32) {
        judge_exact(c, id, name, where, want, got);
        return true;
    }
    Distance d = measure(want->f32, got->f32, bound ? bound->f32 : NULL, n, c->arena);
    if (!bound) {
        const char *known = mistake(c, id, name, got, NULL, want);
        finding(c->f, where, known ? "OUTSIDE" : "END-TO-END", "scaled error %.2g, median ratio %.6g%s%s", d.scaled, d.ratio,
                known ? ", the value of the known mistake " : "", known ? known : "");
    } else if (d.over == 0) {
        finding(c->f, where, "WITHIN", "scaled error %.2g, %.2g of the bound", d.scaled, d.used);
    } else {
        const char *known = mistake(c, id, name, got, bound->f32, NULL);
        finding(c->f, where, "OUTSIDE", "scaled error %.2g, %zu of %zu over the bound, first %zu, median ratio %.6g%s%s",
                d.scaled, d.over, n, d.first, d.ratio, known ? ", the value of the known mistake " : "", known ? known : "");
    }
    return bound && d.over > 0;
}
