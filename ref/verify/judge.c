/* SPDX-License-Identifier: MIT */
#include "ref/verify/judge.h"

#include <math.h>
#include <string.h>
#include "ref/trace/noise_trace.h"
#include "ref/trace/tolerance.h"
#include "ref/verify/distances.h"

#define NOISY_FACTOR 16              // the tolerance is this many times wider for a tensor that is mostly noise

static double element(const Tensor *t, size_t i)
{
    return t->dtype == F32 ? (double)t->f32[i] : t->dtype == I32 ? (double)t->i32[i] : t->dtype == U8 ? (double)t->u8[i] : 0;
}

static void point_at(Evidence *v, const Answer *x, size_t i)
{
    size_t columns = shape_cols(x->right->shape);
    v->has_element = i < shape_size(x->right->shape);
    if (!v->has_element)
        return;
    v->row = columns ? i / columns : 0;
    v->column = columns ? i % columns : 0;
    v->got = element(x->got, i);
    v->right = element(x->right, i);
    v->bound = x->bound ? element(x->bound, i) : 0;
}

/* ", at [3, 5] got 7, right 0.25", and the bound if there is one. */
static const char *pointed_text(const Evidence *v, Arena *a)
{
    if (!v->has_element)
        return "";
    const char *bound = v->bound > 0 ? arena_format(a, ", bound %.2g", v->bound) : "";
    return arena_format(a, ", at [%zu, %zu] got %.9g, right %.9g%s", v->row, v->column, v->got, v->right, bound);
}

/* Judges an answer that has not the right bits but should: integers, or numbers whose roundings are all defined. */
static void judge_exact(JudgeContext *c, const char *id, const char *name, const char *where, const Answer *x,
                        const char *conversion)
{
    size_t n = shape_size(x->right->shape), size = dtype_size(x->right->dtype), differ = 0, first = 0;
    Evidence v = { .way = x->way };
    for (size_t i = n; i-- > 0;)
        if (memcmp(x->right->u8 + i * size, x->got->u8 + i * size, size) != 0) {
            first = i;
            differ++;
        }
    point_at(&v, x, first);
    v.error = x->right->dtype == F32 ? distance_error(x->right, x->got).rms : 0;
    json_t *line = finding_with(c->f, where, "OUTSIDE", &v, "%zu of %zu differ, first %zu%s%s", differ, n, first,
                                pointed_text(&v, c->arena), conversion);
    mistakes_see(&c->mistakes, id, name, x, line);
}

// bounded, noised: there are bounds, or noise, to judge by; finite: the error is finite; rms, most: the largest allowed
// root mean square of the errors, and the largest allowed single error
typedef struct { bool bounded, noised, finite; double rms, most; } Limits;

static Limits limits_of(const JudgeContext *c, const Answer *x, const Distances *d, Noise *z)
{
    const Precision p = c->mistakes.precision;
    Limits l = { .bounded = x->bound && p == PRECISION_FP32, .noised = x->noise != NULL, .finite = isfinite(d->worst) };
    *z = x->noise ? noise_at(x->noise, p) : (Noise){ 0, 0 };
    l.rms = tolerances[p].rms * z->rms;
    l.most = tolerances[p].most * z->most;
    return l;
}

/* For an answer judged at fp32: names the first lower precision at which its error would be within the tolerance. "":
 * there is none. */
static const char *hint(const JudgeContext *c, const Answer *x, const Distances *d)
{
    static const Precision lower[] = { PRECISION_TF32, PRECISION_FP16, PRECISION_BF16_MIXED, PRECISION_BF16 };
    for (size_t k = 0; x->noise && c->mistakes.precision == PRECISION_FP32 && k < sizeof lower / sizeof *lower; k++) {
        Noise z = noise_at(x->noise, lower[k]);
        if (d->rms <= tolerances[lower[k]].rms * z.rms && d->worst <= tolerances[lower[k]].most * z.most)
            return arena_format(c->arena, ", would be within at %s", precision_name(lower[k]));
    }
    return "";
}

static bool judge_numbers(JudgeContext *c, const char *id, const char *name, const char *where, const Answer *x,
                          const char *conversion)
{
    Distances d = distances(x->right, x->got, x->bound, x->before, c->arena);
    Noise z;
    const Limits l = limits_of(c, x, &d, &z);
    Evidence v = { .way = x->way, .error = d.rms, .noise = z.rms, .ratio = z.rms > 0 ? d.rms / z.rms : 0 };
    bool good = l.finite && (!l.bounded || d.over == 0) && (!l.noised || (d.rms <= l.rms && d.worst <= l.most));
    bool noisy = l.noised && z.rms > d.rms_right / 2;
    bool not_updated = x->before && !noisy && memcmp(x->got->data, x->before->data, tensor_bytes(*x->got)) == 0;
    good &= !not_updated;
    point_at(&v, x, l.bounded && d.over ? d.first : d.where_worst);
    const char *used = l.bounded ? arena_format(c->arena, ", %.2g of the bound", d.used) : "";
    const char *noise = l.noised ? arena_format(c->arena, ", %.2g of the noise", v.ratio) : "";
    json_t *line = NULL;
    c->f->judged_at[c->mistakes.precision] |= l.bounded || l.noised;
    if (l.finite && !l.bounded && !l.noised)
        finding_with(c->f, where, "UNTOLD", &v, "scaled error %.2g: there is no bound and no noise to judge it by%s",
                     d.scaled, conversion);
    else if (noisy && l.finite && d.rms <= NOISY_FACTOR * l.rms && d.worst <= NOISY_FACTOR * l.most) {
        finding_with(c->f, where, "NOISY", &v, "%s: %.2g of the noise, which is %.2g times the value%s", x->way, v.ratio,
                     d.rms_right > 0 ? z.rms / d.rms_right : INFINITY, conversion);
    } else if (good)
        finding_with(c->f, where, "WITHIN", &v, "%s: scaled error %.2g%s%s%s", x->way, d.scaled, used, noise,
                     conversion);
    else {
        const char *over = l.bounded && d.over
                             ? arena_format(c->arena, ", %zu of %zu over the bound, first %zu", d.over,
                                            shape_size(x->right->shape), d.first)
                             : "";
        line = finding_with(c->f, where, "OUTSIDE", &v, "%s: scaled error %.2g%s%s%s, median ratio %.6g%s%s", x->way, d.scaled, over,
                            noise, pointed_text(&v, c->arena), d.ratio,
                            not_updated ? ", the weights were not updated" : hint(c, x, &d), conversion);
    }
    if (!noisy)                      // a tensor that is mostly noise says nothing about a mistake
        mistakes_see(&c->mistakes, id, name, x, line);
    return line != NULL;
}

bool judge(JudgeContext *c, const char *id, const char *name, Answer x)
{
    char *where = *id ? arena_format(c->arena, "%s/%s", id, name) : arena_format(c->arena, "%s", name), have[64], expected[64];
    const char *converted;
    const Tensor got = as_right(*x.got, x.right->dtype, &converted, c->arena), *given = x.got;
    const char *conversion = converted ? arena_format(c->arena, " (%s)", converted) : "";
    x.got = &got;
    if (got.dtype != x.right->dtype || !shape_equal(got.shape, x.right->shape)) {
        json_t *line = finding(c->f, where, "MIS-SHAPED", "%s %s, expected %s %s", dtype_name(given->dtype),
                               shape_text(given->shape, have), dtype_name(x.right->dtype), shape_text(x.right->shape, expected));
        mistakes_see(&c->mistakes, id, name, &x, line);
        return true;
    }
    if (memcmp(x.right->data, got.data, tensor_bytes(*x.right)) == 0) {
        finding(c->f, where, "BITEXACT", "%s", "");
        mistakes_see(&c->mistakes, id, name, &x, NULL);
        return false;
    }
    if (x.exact || x.right->dtype != F32) {
        judge_exact(c, id, name, where, &x, conversion);
        return true;
    }
    return judge_numbers(c, id, name, where, &x, conversion);
}
