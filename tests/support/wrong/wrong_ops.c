/* SPDX-License-Identifier: MIT */
/* Operators with their known mistakes. */
#include <math.h>
#include <string.h>
#include "tests/support/wrong/wrong.h"

static const double one_minus_b1 = 1 - (double)0.9f, one_minus_b2 = 1 - (double)0.999f;

static void gelu_tanh(Wrong *w)
{
    size_t n;
    Store in = wrong_open(w, "op/gelu.default");
    const float *x = wrong_floats(&in, "x", &n);
    float *y = x ? wrong_answer(w, "op/gelu.default", "GeluTanh", "y", shape_of(1, n)) : NULL;
    for (size_t i = 0; y && i < n; i++) {
        double v = (double)x[i];
        y[i] = (float)(0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))));
    }
}

static void quick_gelu_missing(Wrong *w)      // the exact GELU in its place
{
    size_t n;
    Store in = wrong_open(w, "op/quick_gelu.default");
    const float *x = wrong_floats(&in, "x", &n);
    float *y = x ? wrong_answer(w, "op/quick_gelu.default", "QuickGeluMissing", "y", shape_of(1, n)) : NULL;
    for (size_t i = 0; y && i < n; i++)
        y[i] = (float)((double)x[i] * erfc(-(double)x[i] / 1.4142135623730951) / 2);
}

static void eps_outside(Wrong *w, const char *id, bool centred)
{
    Store in = wrong_open(w, id);
    const Tensor *t = store_find(&in, "x");
    float *y = t ? wrong_answer(w, id, "EpsOutsideSqrt", "y", t->shape) : NULL;
    for (size_t row = 0; y && row < t->shape.dim[0]; row++) {
        size_t c = t->shape.dim[1];
        const float *x = t->f32 + row * c;
        double mean = 0, var = 0;
        for (size_t i = 0; i < c && centred; i++)
            mean += (double)x[i] / (double)c;
        for (size_t i = 0; i < c; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)c;
        for (size_t i = 0; i < c; i++)
            y[row * c + i] = (float)(((double)x[i] - mean) / (sqrt(var) + (double)1e-5f));
    }
}

static void rope_interleaved(Wrong *w)        // pairs (0, 1), (2, 3), … instead of halves; a row is 3 heads of 8 numbers
{
    const char *id = "op/rope.half_split";
    Store in = wrong_open(w, id);
    const Tensor *t = store_find(&in, "x"), *index = store_find(&in, "index");
    const float *cosine = wrong_floats(&in, "cos", NULL), *sine = wrong_floats(&in, "sin", NULL);
    float *y = t && index && cosine && sine ? wrong_answer(w, id, "RopeInterleaved", "y", t->shape) : NULL;
    for (size_t i = 0; y && i < shape_size(t->shape); i += 2) {
        size_t at = (size_t)index->i32[i / 24] * 4 + i % 8 / 2;
        double a = (double)t->f32[i], b = (double)t->f32[i + 1], c = (double)cosine[at], s = (double)sine[at];
        y[i] = (float)(a * c - b * s);
        y[i + 1] = (float)(b * c + a * s);
    }
}

/* v, rounded so that the lowest `bits` bits of its significand are zero. */
static double shorten(double v, int bits)
{
    float f = (float)v;
    uint32_t b;
    memcpy(&b, &f, 4);
    b += (1u << (bits - 1)) - 1 + (b >> bits & 1);
    b &= ~((1u << bits) - 1);
    memcpy(&f, &b, 4);
    return (double)f;
}

/* flag: LoraATransposed, Tf32 (operands of 11 significant bits), Bf16Accum (sums of 8) or DropoutOn. */
static void linear(Wrong *w, const char *flag)
{
    enum { N = 7, K = 31 };
    const char *id = "op/linear.square";
    bool transposed = flag[0] == 'L', tf32 = flag[0] == 'T', bf16 = flag[0] == 'B', dropped = flag[0] == 'D';
    Store in = wrong_open(w, id);
    const float *x = wrong_floats(&in, "x", NULL), *m = wrong_floats(&in, "w", NULL),
        *bias = wrong_floats(&in, "bias", NULL);
    float *y = x && m && bias ? wrong_answer(w, id, flag, "y", shape_of(2, (size_t)N, (size_t)K)) : NULL;
    for (size_t i = 0; y && i < N * K; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++) {
            double a = (double)x[i / K * K + k], b = (double)m[transposed ? k * K + i % K : i % K * K + k];
            a = dropped ? (k % 10 == 3 ? 0 : a / 0.9) : a;
            sum += tf32 ? shorten(a, 13) * shorten(b, 13) : a * b;
            sum = bf16 ? shorten(sum, 16) : sum;
        }
        y[i] = (float)(sum + (double)bias[i % K]);
    }
}

static void lora_no_scale(Wrong *w)
{
    size_t n;
    Store in = wrong_open(w, "op/axpy.lora");
    const float *base = wrong_floats(&in, "base", &n), *x = wrong_floats(&in, "x", NULL);
    float *y = base && x ? wrong_answer(w, "op/axpy.lora", "LoraNoScale", "y", shape_of(2, (size_t)7, (size_t)13)) : NULL;
    for (size_t i = 0; y && i < n; i++)
        y[i] = base[i] + x[i];
}

static void beta_decimal(Wrong *w)            // beta2 is the decimal 0.999, not the nearest float
{
    size_t n;
    Store in = wrong_open(w, "op/adam_v.first");
    const float *v = wrong_floats(&in, "v", &n), *g = wrong_floats(&in, "g", NULL);
    float *y = v && g ? wrong_answer(w, "op/adam_v.first", "BetaDecimal", "y", shape_of(1, n)) : NULL;
    for (size_t i = 0; y && i < n; i++)
        y[i] = (float)(0.999 * (double)v[i] + (1 - 0.999) * (double)g[i] * (double)g[i]);
}

/* flag: AdamEpsInSqrt, BiasCorrectionMissing or DecayCoupled. */
static void adam(Wrong *w, const char *flag)
{
    size_t n;
    bool inside = flag[0] == 'A', uncorrected = flag[0] == 'B', coupled = flag[0] == 'D';
    Store in = wrong_open(w, "op/adamw.first");
    const float *p = wrong_floats(&in, "p", &n), *m = wrong_floats(&in, "m", NULL), *v = wrong_floats(&in, "v", NULL);
    float *y = p && m && v ? wrong_answer(w, "op/adamw.first", flag, "y", shape_of(1, n)) : NULL;
    const double lr = (double)1e-3f, eps = (double)1e-8f, decay = (double)0.1f, c1 = uncorrected ? 1 : one_minus_b1,
                 c2 = uncorrected ? 1 : one_minus_b2;
    for (size_t i = 0; y && i < n; i++) {
        double g = decay * (double)p[i], mm = (double)m[i], vv = (double)v[i];
        if (coupled) {                        // the decay joins the gradient, which is m / (1 - b1) in a first step
            vv += one_minus_b2 * (2 * mm / one_minus_b1 * g + g * g);
            mm += one_minus_b1 * g;
        }
        double root = inside ? sqrt((vv > 0 ? vv : 0) / c2 + eps) : sqrt((vv > 0 ? vv : 0) / c2) + eps;
        y[i] = (float)((double)p[i] - lr * (mm / c1 / root + (coupled ? 0 : g)));
    }
}

void wrong_ops(Wrong *w)
{
    gelu_tanh(w);
    quick_gelu_missing(w);
    eps_outside(w, "op/layernorm.small", true);
    eps_outside(w, "op/rmsnorm.small", false);
    rope_interleaved(w);
    linear(w, "LoraATransposed");
    linear(w, "Tf32");
    linear(w, "Bf16Accum");
    linear(w, "DropoutOn");
    lora_no_scale(w);
    beta_decimal(w);
    adam(w, "AdamEpsInSqrt");
    adam(w, "BiasCorrectionMissing");
    adam(w, "DecayCoupled");
}
