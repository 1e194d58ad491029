/* SPDX-License-Identifier: MIT */
/* Bounds of the model's operators and their derivatives. */
#include <string.h>
#include "tensor/bounds/rule.h"
#include "tensor/ops/attention.h"

static const double u = BOUND_U;

/* --- products: n terms a b in any order, fused or not --- */

static double term(double a, double b, double ba, double bb, double n)
{
    return (n + 1) * u * size_of(a * b) + size_of(a) * bb + size_of(b) * ba;
}

/* sum_k a[i an + k ak] b[k bk + j bj] */
static void product(Rule *r, size_t inner, size_t an, size_t ak, size_t bk, size_t bj)
{
    size_t m = shape_cols(r->n->out.shape);
    for (size_t i = 0; i < r->size; i++)
        for (size_t k = 0; k < inner; k++) {
            size_t a = i / m * an + k * ak, b = k * bk + i % m * bj;
            r->out[i] += term((double)r->x[0][a], (double)r->x[1][b], (double)r->b[0][a], (double)r->b[1][b], (double)inner);
        }
}

static void linear(Rule *r)
{
    size_t m = shape_cols(r->n->out.shape);
    product(r, r->cols, r->cols, 1, 1, r->cols);
    for (size_t i = 0; i < r->size && r->n->n_in > 2; i++)
        r->out[i] += ((double)r->cols + 1) * u * size_of((double)r->x[2][i % m]) + (double)r->b[2][i % m];
}

static void matmul(Rule *r)
{
    const size_t *a = r->n->in[0]->out.shape.dim, *b = r->n->in[1]->out.shape.dim;
    bool ta = r->n->attrs.n[MATMUL_TRANSPOSE_A], tb = r->n->attrs.n[MATMUL_TRANSPOSE_B];
    product(r, a[!ta], ta ? 1 : a[1], ta ? a[1] : 1, tb ? 1 : b[1], tb ? b[1] : 1);
}

static void column_sum(Rule *r)
{
    size_t n = shape_size(r->n->in[0]->out.shape);
    for (size_t i = 0; i < n; i++)
        r->out[i % r->cols] += (double)r->b[0][i] + (double)(n / r->cols + 1) * u * size_of((double)r->x[0][i]);
}

static void column_dot(Rule *r)
{
    size_t n = shape_size(r->n->in[0]->out.shape);
    for (size_t i = 0; i < n; i++)
        r->out[i % r->cols] += term((double)r->x[0][i], (double)r->x[1][i], (double)r->b[0][i], (double)r->b[1][i], (double)(n / r->cols));
}

static void scatter_rows(Rule *r)
{
    const Attrs *a = &r->n->attrs;
    for (size_t k = 0; k < a->index_count; k++) {
        size_t same = 0;
        for (size_t j = 0; j < a->index_count; j++)
            same += a->index[j] == a->index[k];
        for (size_t c = 0; c < r->cols; c++)
            r->out[(size_t)a->index[k] * r->cols + c] += (double)r->b[0][k * r->cols + c] + (double)same * u * size_of((double)r->x[0][k * r->cols + c]);
    }
}

/* --- element by element --- */

static void mul_rows(Rule *r)
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = term((double)r->x[0][i], (double)r->x[1][i % r->cols], (double)r->b[0][i], (double)r->b[1][i % r->cols], 1);
}

static void affine_rows(Rule *r)
{
    mul_rows(r);
    for (size_t i = 0; i < r->size; i++)
        r->out[i] += (double)r->b[2][i % r->cols] + u * size_of((double)r->y[i]);
}

static void activated(Rule *r)        // x sigmoid(k x), x (1 + erf) / 2: within a few u of |x| and of the result; slope at most 1.13
{
    bool erf = strcmp(r->n->op->name, "gelu") == 0;
    for (size_t i = 0; i < r->size; i++) {
        double x = size_of((double)r->x[0][i]), y = size_of((double)r->y[i]);
        r->out[i] = 1.13 * (double)r->b[0][i] + (erf ? 3 * u * x + 4 * u * y : u * (6 + 4 * x) * y);
    }
}

static void activation_slope(Rule *r) // values up to 1.13, slope at most 0.86
{
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = 0.86 * (double)r->b[0][i] + 12 * u;
}

/* y1 = x1 C - x2 S, y2 = x2 C + x1 S. The angle, position times frequency in fp32, is within 3 u of itself, and no frequency is over 1. */
static void rotated(Rule *r)
{
    size_t half = r->n->in[1]->out.shape.dim[1];
    for (size_t i = 0; i < r->size; i++) {
        size_t at = i % r->cols % (2 * half), other = at < half ? i + half : i - half;
        size_t position = (size_t)r->n->attrs.index[i / r->cols], row = position * half + at % half;
        double x = size_of((double)r->x[0][i]), z = size_of((double)r->x[0][other]), c = size_of((double)r->x[1][row]), s = size_of((double)r->x[2][row]);
        r->out[i] = c * (double)r->b[0][i] + s * (double)r->b[0][other] + 3 * u * (x * c + z * s) + u * (1 + 3 * (double)position) * (x + z);
    }
}

/* --- norms --- */

/* A row of x: its deviation, what the mean may be off, what the deviation may be off by ratio, and n = (x - mean) / sd. */
typedef struct { double sd, mean, size, off, rel; } Spread;

static double n_of(const Spread *s, const float *x, size_t i) { return ((double)x[i] - s->mean) / s->sd; }

/* Mean within (C + 2) u mean|x|, variance within (C + 8) u and what the mean is off. */
static Spread spread(const Rule *r, size_t row, bool centred)
{
    const float *x = r->x[0] + row * r->cols, *b = r->b[0] + row * r->cols;
    Spread s = { .off = 0 };
    double var = 0, c = (double)r->cols, carried = 0, moved = 0;
    for (size_t i = 0; i < r->cols && centred; i++) {
        s.mean += (double)x[i] / c;
        s.size += size_of((double)x[i]) / c;
        carried += (double)b[i] / c;
    }
    for (size_t i = 0; i < r->cols; i++)
        var += ((double)x[i] - s.mean) * ((double)x[i] - s.mean) / c;
    s.sd = __builtin_sqrt(var + (double)r->n->attrs.f[NORM_EPS]);
    for (size_t i = 0; i < r->cols; i++)
        moved += size_of(n_of(&s, x, i)) * (double)b[i] / c;
    s.off = (c + 2) * u * s.size;
    s.rel = u * (c + 10) + (2 * s.off + moved) / s.sd;
    s.off += carried;
    return s;
}

static double n_off(const Rule *r, const Spread *s, size_t row, size_t i)
{
    const float *x = r->x[0] + row * r->cols;
    return ((double)r->b[0][row * r->cols + i] + s->off + u * (size_of((double)x[i]) + size_of(s->mean))) / s->sd + size_of(n_of(s, x, i)) * s->rel;
}

static void normed(Rule *r)
{
    for (size_t row = 0; row < r->size / r->cols; row++) {
        Spread s = spread(r, row, r->n->op->name[0] == 'l');
        for (size_t i = 0; i < r->cols; i++)
            r->out[row * r->cols + i] = n_off(r, &s, row, i);
    }
}

/* dx = (dn - mean(dn) - n mean(dn n)) / sd; some compute it from x, not from n, so roundings are of (|x| + mean|x|) / sd. */
static void normed_back(Rule *r)
{
    bool centred = r->n->op->name[0] == 'l';
    double c = (double)r->cols;
    for (size_t row = 0; row < r->size / r->cols; row++) {
        const float *x = r->x[0] + row * r->cols, *d = r->x[1] + row * r->cols, *b = r->b[1] + row * r->cols;
        Spread s = spread(r, row, centred);
        double m2 = 0, size1 = 0, size2 = 0, carried1 = 0, carried2 = 0, moved = 0;
        for (size_t i = 0; i < r->cols; i++) {
            double n = n_of(&s, x, i), dn = size_of((double)d[i]);
            m2 += (double)d[i] * n / c;
            size1 += centred ? dn / c : 0;
            size2 += dn * (size_of((double)x[i]) + s.size) / s.sd / c;
            carried1 += centred ? (double)b[i] / c : 0;
            carried2 += size_of(n) * (double)b[i] / c;
            moved += dn * n_off(r, &s, row, i) / c;
        }
        for (size_t i = 0; i < r->cols; i++) {
            double n = size_of(n_of(&s, x, i)), wide = (size_of((double)x[i]) + s.size) / s.sd;
            r->out[row * r->cols + i] = ((double)b[i] + carried1 + n * carried2 + n_off(r, &s, row, i) * size_of(m2) + n * moved
                                         + u * (c + 10) * (size1 + wide * size2) + 3 * u * size_of((double)d[i])) / s.sd
                                      + s.rel * size_of((double)r->y[row * r->cols + i]);
        }
    }
}

/* --- attention --- */

/* A query that sees `seen` keys: where its scores, its channels and those of its first key begin. */
typedef struct { size_t score, q, k, k_step, seen, width, group, queries, keys; } Query;

static bool each_query(Rule *r, void (*f)(Rule *r, const Query *q))
{
    const Attrs *a = &r->n->attrs;
    Call c = { .op = r->n->op, .attrs = a, .out = r->n->out, .scratch = r->tape->arena, .error = r->tape->error };
    const Segment *s = attention_segments(&c);
    size_t heads = (size_t)a->n[ATTENTION_HEADS], kv = (size_t)a->n[ATTENTION_KV_HEADS], width = (size_t)a->n[ATTENTION_HEAD_DIM];
    for (size_t g = 0; s && g < a->index_count / 4; g++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < s[g].q_count; i++)
                f(r, &(Query){ s[g].scores + (h * s[g].q_count + i) * s[g].k_count, ((s[g].q_begin + i) * heads + h) * width,
                               (s[g].k_begin * kv + h / (heads / kv)) * width, kv * width, attention_allowed(a, &s[g], i), width, heads / kv,
                               s[g].q_count, s[g].k_count });
    return s != NULL;
}

/* One term a b a score and channel: scores are sums over channels, mix over keys, mix_t over queries and the heads of a group. */
static void attended(Rule *r, const Query *q)
{
    bool scores = strcmp(r->n->op->name, "attention_scores") == 0, mix = strcmp(r->n->op->name, "attention_mix") == 0;
    double n = (double)(scores ? q->width : mix ? q->keys : q->queries * q->group);
    for (size_t j = 0; j < q->seen; j++)
        for (size_t c = 0; c < q->width; c++) {
            size_t s = q->score + j, row = q->q + c, key = q->k + j * q->k_step + c;
            size_t a = scores ? row : s, b = scores || mix ? key : row, to = scores ? s : mix ? row : key;
            r->out[to] += term((double)r->x[0][a], (double)r->x[1][b], (double)r->b[0][a], (double)r->b[1][b], n);
        }
}

static void softened(Rule *r, const Query *q)
{
    if (q->seen)
        bound_softmax(r->x[0] + q->score, r->b[0] + q->score, r->y + q->score, q->seen, r->out + q->score);
}

static void softened_back(Rule *r, const Query *q)    // p (dp - sum dp p)
{
    double sum = 0, size = 0, carried = 0;
    const float *p = r->x[0] + q->score, *d = r->x[1] + q->score, *bp = r->b[0] + q->score, *bd = r->b[1] + q->score;
    for (size_t j = 0; j < q->seen; j++) {
        sum += (double)p[j] * (double)d[j];
        size += size_of((double)p[j] * (double)d[j]);
        carried += size_of((double)d[j]) * (double)bp[j] + (double)p[j] * (double)bd[j];
    }
    for (size_t j = 0; j < q->seen; j++)
        r->out[q->score + j] = (double)bp[j] * size_of((double)d[j] - sum) + (double)p[j] * ((double)bd[j] + carried)
                             + u * (double)p[j] * ((double)(q->seen + 4) * size + 3 * size_of((double)d[j]));
}

static void attention(Rule *r)              { each_query(r, attended); }
static void attention_softmax(Rule *r)      { each_query(r, softened); }
static void attention_softmax_grad(Rule *r) { each_query(r, softened_back); }

static void pixels(Rule *r) { (void)r; }    // patches of what is given

const RuleEntry bound_model_rules[] = {
    { "linear", linear }, { "matmul", matmul }, { "column_sum", column_sum }, { "column_dot", column_dot }, { "scatter_rows", scatter_rows },
    { "mul_rows", mul_rows }, { "affine_rows", affine_rows }, { "gelu", activated }, { "quick_gelu", activated }, { "silu", activated },
    { "gelu_grad", activation_slope }, { "quick_gelu_grad", activation_slope }, { "silu_grad", activation_slope }, { "rope", rotated }, { "rope_back", rotated },
    { "layernorm", normed }, { "rmsnorm", normed }, { "layernorm_dx", normed_back }, { "rmsnorm_dx", normed_back },
    { "attention_scores", attention }, { "attention_mix", attention }, { "attention_mix_t", attention }, { "attention_softmax", attention_softmax },
    { "attention_softmax_grad", attention_softmax_grad }, { "patches", pixels }, { NULL, NULL },
};
