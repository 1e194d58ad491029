/* SPDX-License-Identifier: MIT */
#include "tests/bounds/draw.h"
#include "tests/bounds/tuned.h"
#include "tensor/base/float.h"
#include "tensor/ops.h"

/* --- Operators that compute c + a b for an element. --- */

/* c is 1 or 1 + 2^-23, and a b is close to +-2^-24, half of the spacing of floats above 1. So c + a b is close to a
 * midpoint, except that 1 - 2^-24 is itself a float. */
static void hair(uint64_t *s, float *a, float *b, float *c)
{
    bool more = check_random(s) & 1;
    *a = more ? 1 + 0x1p-12f : 1 - 0x1p-11f;
    *b = (more ? 1 - 0x1p-12f + 0x1p-24f : 1 + 0x1p-11f + 0x1p-22f) * 0x1p-24f;
    *c = check_random(s) & 1 ? 1 : 1 + 0x1p-23f;
    if (check_random(s) & 1)
        *b = -*b;
}

bool draw_rounding(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    float x = any_size(s, 10), y = any_size(s, 10), c = any_size(s, 10);
    if (pattern == HAIR)
        hair(s, &x, &y, &c);
    else if (pattern == CANCEL)
        c = -(float)((double)x * y);
    else if (pattern > WIDE)
        return false;
    h->n_in = 2;
    if (strcmp(op, "axpy") == 0) {
        h->attrs.f[AXPY_S] = x;
        h->in[0] = floats(a, &c, 1), h->in[1] = floats(a, &y, 1);
    } else if (strcmp(op, "momentum") == 0) {
        h->attrs.f[MOMENTUM_MOMENTUM] = fabsf(x);
        h->in[0] = floats(a, &y, 1), h->in[1] = floats(a, &c, 1);
    } else if (strcmp(op, "affine_rows") == 0) {
        h->n_in = 3;
        h->in[0] = matrix(a, &x, 1, 1), h->in[1] = floats(a, &y, 1), h->in[2] = floats(a, &c, 1);
    } else if (strcmp(op, "linear") == 0) {
        h->n_in = 3;
        h->in[0] = matrix(a, &x, 1, 1), h->in[1] = matrix(a, &y, 1, 1), h->in[2] = floats(a, &c, 1);
    } else if (strcmp(op, "lora_merge") == 0) {
        h->n_in = 3;
        h->attrs.f[LORA_MERGE_S] = pattern == HAIR ? 1 : gaussian(s);
        h->in[0] = matrix(a, &c, 1, 1), h->in[1] = matrix(a, &x, 1, 1), h->in[2] = matrix(a, &y, 1, 1);
    } else {                                                 // rope: one head of 16 values, at position 0
        h->n_in = 3;
        h->in[0] = constant(a, y, shape_of(2, (size_t)1, (size_t)16));
        for (int k = 8; k < 16; k++)
            h->in[0].f32[k] = c;
        h->in[1] = constant(a, x, shape_of(2, (size_t)1, (size_t)8));
        h->in[2] = constant(a, pattern == HAIR ? -1 : gaussian(s), shape_of(2, (size_t)1, (size_t)8));
        h->attrs.n[ROPE_HEADS] = 1;
        h->attrs.index_count = 1;
    }
    return true;
}

/* --- Steps of an optimiser. --- */

/* p, m and v are the operands of adamw. For sgd, the second operand m is the gradient. For adam_m and adam_v, the first
 * operand p is the moment, and the second operand m is the gradient. */
bool draw_step(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    float p = any_size(s, 10), m = any_size(s, 10), v = fabsf(any_size(s, 10)), *f = h->attrs.f;
    double *d = h->attrs.d;
    if (pattern > CANCEL && pattern != HAIR)
        return false;
    h->n_in = 2;
    if (strcmp(op, "sgd") == 0) {
        f[SGD_LR] = fabsf(any_size(s, 4));
        f[SGD_DECAY] = check_random(s) & 1 ? 0 : 0.1f;
        if (pattern == CANCEL)
            m = (float)(p * (1 - (double)f[SGD_LR] * f[SGD_DECAY]) / f[SGD_LR]);
        if (pattern == HAIR) {
            hair(s, &f[SGD_LR], &m, &p);
            f[SGD_DECAY] = 0;
        }
    } else if (strcmp(op, "adam_m") == 0 || strcmp(op, "adam_v") == 0) {
        const bool is_v = op[5] == 'v';
        const float betas[] = { 0.9f, 0.999f, 0.3f, 0.99f, (float)uniform(s) };
        f[0] = betas[check_below(s, 5)];
        double g = (1 - (double)f[0]) * (is_v ? (double)m * m : (double)m);
        p = pattern == CANCEL ? -(float)(g / f[0]) : p;
        if (pattern == HAIR && is_v)                         // the square of m is a midpoint, and beta2 (p - m^2) is far below 2^-53
            f[0] = 0x1p-60f, m = 1 + 0x1p-12f, p = check_random(s) & 1 ? 2 : 0.5f;
        else if (pattern == HAIR)                            // beta1 p + (1 - beta1) m = m - 2^-24 (1 - 2^-33)
            f[0] = (1 - 0x1p-11f) * 0x1p-24f, m = 1 + 0x1p-23f, p = -0x1p-11f - 0x1p-23f;
    } else {
        h->n_in = 3;
        f[ADAM_LR] = fabsf(any_size(s, 4));
        f[ADAM_EPS] = check_random(s) & 1 ? 1e-8f : 0;
        f[ADAM_DECAY] = check_random(s) & 1 ? 0 : 0.1f;
        d[ADAM_C1] = 1 - pow(0.9, 1 + (double)check_below(s, 9)),
            d[ADAM_C2] = 1 - pow(0.999, 1 + (double)check_below(s, 99));
        if (pattern == CANCEL)
            p = (float)((double)f[ADAM_LR] * (m / d[ADAM_C1] / (sqrt(v / d[ADAM_C2]) + (double)f[ADAM_EPS]) + (double)f[ADAM_DECAY] * p));
        if (pattern == HAIR) {
            f[ADAM_LR] = 1, f[ADAM_EPS] = 0x1p-36f, f[ADAM_DECAY] = 0, d[ADAM_C1] = d[ADAM_C2] = 1, v = 1;
            m = check_random(s) & 1 ? 0x1p-24f : -0x1p-24f;
            p = check_random(s) & 1 ? 1 : 1 + 0x1p-23f;
        }
        h->in[2] = floats(a, &v, 1);
    }
    h->in[0] = floats(a, &p, 1), h->in[1] = floats(a, &m, 1);
    return true;
}

/* For each function but sqrt and rsqrt: the six of all 2^32 operands whose values are nearest to a midpoint, 2^-51 to
 * 2^-78 of the value away from it. Odd subnormals, where silu and both gelus are nearer, do not count. */
static const struct { const char *name; uint32_t bits[6]; } hardest[] = {
    { "exp", { 0xc16912cd, 0xbbf0edf1, 0xbae0e25c, 0xb3000000, 0x377eff81, 0x40315b33 } },
    { "log", { 0x65d890d3, 0x4c5d65a5, 0x4d604ebe, 0x66a8c860, 0x1f116ab8, 0x41178feb } },
    { "sigmoid", { 0xb3800000, 0x34000000, 0xb4400000, 0xb4a00000, 0x34c00000, 0xb4e00000 } },
    { "log_sigmoid", { 0xb9ea41d0, 0xc0a3f888, 0xbad68ba7, 0xb98b9622, 0x336fa39f, 0x3ee22485 } },
    { "silu", { 0xb3800000, 0x34000000, 0x35400000, 0xb5400000, 0x36200000, 0xb6200000 } },
    { "silu_grad", { 0xb3000000, 0x33800000, 0xb3c00000, 0xb4200000, 0x34400000, 0xb4600000 } },
    { "quick_gelu", { 0x3b717d27, 0xbb717d27, 0xbf90fc8a, 0x3b8856f4, 0xbb8856f4, 0x3c7a8128 } },
    { "quick_gelu_grad", { 0x3fb4d178, 0xb8260dfd, 0x37ac71b6, 0x3c1db41b, 0xbb7c2bfc, 0xb75338db } },
    { "gelu", { 0x37b0a46f, 0xb7b0a46f, 0x38ca1be2, 0xb8ca1be2, 0x3eada244, 0xc0925885 } },
    { "gelu_grad", { 0xb2a06c99, 0x33206c99, 0xb8d0df65, 0x40411b04, 0xb87c26b1, 0x3d95c72e } },
};
enum { HARDEST = sizeof hardest / sizeof *hardest };

bool draw_scalar(Hard *h, int pattern, uint64_t *s, Arena *a)
{
    float x[8];
    if (pattern > WIDE && pattern != HAIR && pattern != SUBNORMAL)
        return false;
    for (int k = 0; k < 8; k++)
        x[k] = pattern == WIDE ? any_size(s, 6)
             : pattern == SUBNORMAL ? (float)(1 + 2 * (int)check_below(s, 2000) - 2000) * 0x1p-149f : 4 * gaussian(s);
    for (size_t k = 0; k < HARDEST && pattern == HAIR; k++) // eight operands, drawn from these six
        if (strcmp(hardest[k].name, h->op->name) == 0)
            for (int j = 0; j < 8; j++)
                x[j] = float_from(hardest[k].bits[check_below(s, 6)]);
    if (strcmp(h->op->name, "log") == 0 || strcmp(h->op->name, "rsqrt") == 0)
        for (int k = 0; k < 8; k++)
            x[k] = fabsf(x[k]);
    h->n_in = 1;
    h->in[0] = floats(a, x, 8);
    return true;
}

bool draw_clip(Hard *h, int pattern, uint64_t *s, Arena *a)
{
    float norm = fabsf(any_size(s, 10)), most = (float)(norm * 0.9 * uniform(s));
    if (pattern != GAUSSIAN && pattern != TUNED)
        return false;
    if (pattern == TUNED)
        tuned_clip(s, &norm, &most);
    h->n_in = 1;
    h->in[0] = tensor_f32(a, shape_of(0));
    h->in[0].f32[0] = norm;
    h->attrs.f[CLIP_FACTOR_MAX_NORM] = most;
    return true;
}
