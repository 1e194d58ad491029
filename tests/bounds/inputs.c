/* SPDX-License-Identifier: MIT */
#include "tests/bounds/inputs.h"

#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "tests/bounds/draw.h"
#include "tests/bounds/tuned.h"

const char *inputs_pattern_name(int pattern)
{
    static const char *const names[INPUT_PATTERNS] = {
        "near 1", "wide", "cancelling", "few terms", "a term lost at every addition", "alternating large terms", "many terms",
        "equal terms", "a hair off a midpoint", "tuned to a midpoint", "tuned, a term lost at every addition", "subnormal",
        "as long as can be",
    };
    return names[pattern];
}

bool inputs_are_short(int pattern) { return pattern != MILLION; }

/* The number of draws for each round: larger if a draw takes little time. */
static long weight(const char *op, int pattern)
{
    if (strcmp(op, "clip_factor") == 0)
        return pattern == TUNED ? 4 : 1;
    if (strstr("sgd adam_m adam_v adamw axpy affine_rows momentum lora_merge", op))
        return pattern == CANCEL ? 400 : 100;
    if (pattern == LONG || pattern == LOSERS || pattern == TUNED_LOSERS)
        return strcmp(op, "sum_n") == 0 || strcmp(op, "linear") == 0 ? 40 : 1;
    return pattern == TUNED || (strstr(op, "norm") && pattern == CANCEL) ? 40 : 8;
}

long inputs_draws(const char *op, int pattern, long rounds)
{
    return pattern == MILLION ? (rounds < MILLION_DRAWS ? rounds : MILLION_DRAWS) : rounds * weight(op, pattern);
}

/* --- Terms of a sum. An operator adds in `stride` lanes: the terms 0, stride, 2 stride … in the first lane. After each
 * `part` terms it begins a new partial sum, and adds the partial sums at the end. --- */

// TERMS_MOST: the most terms of a sum of the pattern LOSERS. The others are of MILLION: the terms of a sum, the numbers
// of a row, the logits.
enum { TERMS_MOST = 1 << 16, TERMS_MAX = 1000000, ROW = 100000, LOGITS = 50000 };

static float terms[TERMS_MAX];

/* A number that is rounded away when it is added to a double between 1 and 2. */
#define LOST 0x1.ffffep-54f
#define LOST_ROOT 0x1.6a09ep-27f                             // its square is rounded away, too

/* Makes the terms 1, 2^-24, -2 j u (u = 2^-53, and 2 j is drawn below `lost`), and then up to `lost` terms of almost u
 * in the same lane, which are all rounded away. The estimate is below the midpoint 1 + 2^-24 by 2 j u. The exact sum is
 * above it if `size` terms have room for all `lost` ones. Signs are drawn, and whether the first term is 1 or
 * 1 + 2^-23. Each part after the first holds one lost term. Returns the number of terms, at most `size`. */
static size_t lose(uint64_t *s, size_t stride, size_t part, size_t lost, size_t size)
{
    size_t n = 3 * stride, j = (size_t)((0.26 + 0.22 * uniform(s)) * (double)lost);
    float sign = check_random(s) & 1 ? 1 : -1, odd = check_random(s) & 1 ? 0x1p-23f : 0, side = check_random(s) & 1 ? 1 : -1;
    if (lost < 12)
        j = 1;
    memset(terms, 0, size * sizeof *terms);
    terms[0] = sign * (1 + odd);
    terms[stride] = sign * 0x1p-24f;
    terms[2 * stride] = -side * sign * 2 * (float)j * 0x1p-53f;
    for (size_t k = 0; k < lost && n + stride <= size; k++) {
        terms[n] = side * sign * LOST;
        n += n / part && part < TERMS_MAX ? part : n + stride < part ? stride : part - n % part;
    }
    return n < size ? n : size;
}

static size_t make_terms(uint64_t *s, int pattern, size_t stride, size_t part)
{
    static const size_t lengths[] = { 2, 3, 5, 8, 9, 15, 16, 17, 33, 100, 257 };
    size_t n = pattern == FEW ? 2 + check_below(s, 3) : pattern == LONG ? 4096 + check_below(s, 20000) : lengths[check_below(s, 11)];
    double sum = 0;
    if (pattern == LOSERS) {
        static const size_t lost[] = { 3, 9, 12, 13, 60, 200, 500 };
        size_t most = TERMS_MOST / stride - 4, l = lost[check_below(s, 7)];
        return lose(s, stride, part, part < TERMS_MOST && l > 60 ? 61 + l / 4 : l < most ? l : most, TERMS_MOST);
    }
    if (pattern == MILLION)
        n = TERMS_MAX;
    for (size_t k = 0; k < n; k++) {
        terms[k] = pattern == WIDE || pattern == FEW ? any_size(s, 30) : pattern == EQUAL ? 0.3f
                 : pattern == LARGE ? (k % 2 ? -1.0f : 1.0f) * 0x1p20f + gaussian(s) : gaussian(s);
        if (pattern == SUBNORMAL)
            terms[k] = (float)((int)check_below(s, 4001) - 2000) * 0x1p-149f;
        sum += terms[k];
    }
    if (pattern == CANCEL || pattern == LARGE)
        terms[n - 1] = (float)(terms[n - 1] - sum);
    return n;
}

/* Replaces the terms by factors a_k (in `terms`) and b_k with |a_k| = |b_k|, whose products are near the terms. */
static void roots(float *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        float sign = terms[k] < 0 ? -1 : 1;
        terms[k] = terms[k] == LOST || terms[k] == -LOST ? LOST_ROOT : (float)rint(sqrt(fabs((double)terms[k])) * 0x1p26) * 0x1p-26f;
        b[k] = sign * terms[k];
    }
}

/* Numbers whose squares are 1, 2^-24 less a multiple of 64 u, and then l terms that are rounded away. With `root`, two
 * more numbers make the root of the sum of squares, not this sum, close to the midpoint 1 + 2^-24. */
static size_t squares(uint64_t *s, bool root, size_t l)
{
    const double share = 0.26 + 0.22 * uniform(s);
    size_t n = 0;
    memset(terms, 0, (32 + 8 * l) * sizeof *terms);
    terms[0] = 1;
    terms[8] = 0x1p-12f * (1 - (float)rint(share * (double)l / 32) * 0x1p-24f);
    if (root)
        terms[16] = 0x1p-12f, terms[24] = 0x1p-24f;
    for (n = 32; n < 32 + 8 * l; n += 8)
        terms[n] = LOST_ROOT;
    return n;
}

static bool sum_like(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    static float b[TERMS_MAX];
    static const size_t lost[] = { 300, 800, 2000, 6000 };
    const bool lanes = strstr("sum mean square_sum square_norm softmax_grad", op) != NULL;
    const bool tunable = strcmp(op, "softmax_grad") == 0 || strcmp(op, "square_norm") == 0;
    const bool million = pattern == MILLION;
    if (million && (strcmp(op, "sum_n") == 0 || strcmp(op, "scatter_rows") == 0))
        return false;                                        // these have only few operands
    if (million && check_below(s, 2))
        pattern = LOSERS;
    if (pattern >= HAIR && pattern != SUBNORMAL && pattern != MILLION && !(pattern == TUNED && tunable))
        return false;
    if (pattern == TUNED && *op == 's' && op[1] == 'o') {
        float p[8], dp[8];
        const size_t eight = tuned_softmax_grad(s, p, dp);
        h->n_in = 2;
        h->in[0] = matrix(a, p, 1, eight), h->in[1] = matrix(a, dp, 1, eight);
        return true;
    }
    if (pattern == TUNED) {
        h->n_in = 1;
        h->in[0] = floats(a, terms, tuned_squares(s, terms));
        return true;
    }
    const size_t stride = lanes ? 8 : 1, part = strstr(op, "column_") ? 64 : strcmp(op, "linear") == 0 && million ? 256 : 1 << 20;
    size_t n;
    if (strncmp(op, "square_", 7) == 0 && pattern == LOSERS)
        n = squares(s, strcmp(op, "square_norm") == 0, million ? TERMS_MAX / 8 - 4 : lost[check_below(s, 4)]);
    else if (million && pattern == LOSERS)
        n = lose(s, stride, part, TERMS_MAX, TERMS_MAX);
    else
        n = make_terms(s, pattern, stride, part);
    h->n_in = 1;
    if (strcmp(op, "sum_n") == 0) {
        h->n_in = n < HARD_INPUTS ? n : HARD_INPUTS;
        for (size_t k = 0; k < h->n_in; k++)
            h->in[k] = floats(a, &terms[k], 1);
    } else if (strcmp(op, "column_sum") == 0 || strcmp(op, "scatter_rows") == 0) {
        h->in[0] = matrix(a, terms, n, 1);
        if (*op == 's') {
            if (n > HARD_INDEX)
                return false;
            h->attrs.n[SCATTER_ROWS] = 1;
            h->attrs.index_count = n;
        }
    } else if (strcmp(op, "column_dot") == 0) {
        h->n_in = 2;
        h->in[0] = matrix(a, terms, n, 1);
        h->in[1] = constant(a, check_random(s) & 1 || pattern == LOSERS ? 1 : gaussian(s), h->in[0].shape);
    } else if (strcmp(op, "kl") == 0) {
        h->n_in = 3;
        h->in[0] = constant(a, pattern == LOSERS ? 1 : 0.7f, shape_of(2, (size_t)1, n));
        h->in[1] = matrix(a, terms, 1, n);
        h->in[2] = constant(a, 0, h->in[1].shape);
        for (size_t k = 0; k < n && pattern != LOSERS; k++)
            h->in[2].f32[k] = any_size(s, 20);
    } else if (strcmp(op, "linear") == 0) {
        if (n > 256 && !million)
            return false;
        h->n_in = 2;
        if (pattern == LOSERS) {
            float root = (float)rint(sqrt(fabs((double)terms[2]) * 0x1p52));
            terms[2] = copysignf(root * root * 0x1p-52f, terms[2]);          // its root is a whole number of 2^-26
            roots(b, n);
        } else
            for (size_t k = 0; k < n; k++)
                b[k] = gaussian(s);
        h->in[0] = matrix(a, terms, 1, n);
        h->in[1] = matrix(a, b, 1, n);
    } else if (strcmp(op, "softmax_grad") == 0) {
        h->n_in = 2;
        h->in[0] = constant(a, 1, shape_of(2, (size_t)1, n));
        h->in[1] = matrix(a, terms, 1, n);
        for (size_t k = 0; k < n && pattern != LOSERS; k++)
            h->in[0].f32[k] = fabsf(gaussian(s));
    } else
        h->in[0] = floats(a, terms, n);
    if (strcmp(op, "mean") == 0)
        h->attrs.n[MEAN_N] = pattern == LOSERS ? 1 << check_below(s, 4) : (int64_t)n;
    return true;
}

/* --- Rows. --- */

static bool norm(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    static const size_t lengths[] = { 2, 3, 7, 8, 9, 16, 33, 96, 250 };
    static const size_t lost[] = { 12, 30, 100, 500 }, lost_dx[] = { 30, 100, 300 };
    static float x[ROW], dn[ROW];
    const bool million = pattern == MILLION;
    size_t n = million ? ROW : pattern == LONG ? 5000 : lengths[check_below(s, 9)];
    const float level = pattern == CANCEL ? ldexpf(1, (int)check_below(s, 24)) : pattern == EQUAL ? 0x1p24f : 0;
    const float level_dn = check_random(s) & 1 ? 0 : ldexpf(1, (int)check_below(s, 24));
    if (pattern == FEW || pattern == LOSERS || pattern == HAIR || pattern == SUBNORMAL)
        return false;
    for (size_t k = 0; k < n; k++) {
        x[k] = pattern == WIDE ? any_size(s, 12) : pattern == LARGE ? (k % 2 ? -1e4f : 1e4f) + gaussian(s) : gaussian(s) + level;
        dn[k] = gaussian(s) + level_dn;
    }
    if (million && *op == 'r' && check_below(s, 2))
        pattern = TUNED_LOSERS;
    if ((pattern == LONG || million) && check_below(s, 2)) {              // equal numbers, but one is the next float
        for (size_t k = 0; k < n; k++)
            x[k] = 0.3f;
        x[n / 3] = 0x1.333336p-2f;
    }
    h->attrs.f[NORM_EPS] = check_random(s) & 1 ? 1e-5f : 0;
    if (pattern == TUNED || pattern == TUNED_LOSERS) {
        if (strncmp(op, "rmsnorm", 7) != 0)
            return false;
        h->attrs.f[NORM_EPS] = 0;
        const size_t l = pattern == TUNED ? 0 : million ? ROW / 8 : op[7] ? lost_dx[check_below(s, 3)] : lost[check_below(s, 4)];
        n = op[7] ? tuned_norm_dx(s, x, dn, l) : tuned_norm(s, x, l);
    }
    // dn becomes almost proportional to the normalised row y, so that dn - y mean(dn y) cancels
    if (pattern == EQUAL && check_random(s) & 1)
        for (size_t k = 0; k < n; k++)
            dn[k] = (float)(3 * (x[k] - (double)level)) + level_dn;
    h->n_in = strstr(op, "_dx") ? 2 : 1;
    h->in[0] = matrix(a, x, 1, n);
    h->in[1] = matrix(a, dn, 1, n);
    return true;
}

static bool softmax(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    static float x[TERMS_MOST];
    size_t n = pattern == MILLION ? LOGITS : 2 + check_below(s, 40);
    const float spread = pattern == MILLION ? (float)(12 * uniform(s)) : pattern == WIDE ? 30 : 1;
    if (pattern == FEW || pattern == LOSERS || pattern == HAIR || pattern == TUNED_LOSERS || pattern == SUBNORMAL)
        return false;
    for (size_t k = 0; k < n; k++)
        x[k] = pattern == CANCEL ? any_size(s, 30) : spread * gaussian(s);
    // x[1] is far below x[0] and has other low bits, so that their difference is rounded
    if (pattern == LARGE)
        x[0] = 0x1p-24f * gaussian(s), x[1] = -100 * (float)uniform(s), n = 2;
    if (pattern == TUNED)
        n = tuned_softmax(s, x, strcmp(op, "softmax") != 0);
    h->n_in = 1;
    h->in[0] = matrix(a, x, 1, n);
    if (strcmp(op, "nll") == 0)
        h->attrs.index_count = 1, h->index[0] = (int32_t)(pattern == TUNED ? 0 : check_below(s, n));
    return true;
}

static bool is_one_of(const char *op, const char *words)
{
    size_t n = strlen(op);
    for (const char *at = strstr(words, op); at; at = strstr(at + 1, op))
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

bool inputs_make(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a)
{
    *h = (Hard){ .op = op_find(op) };
    if (pattern == HAIR && is_one_of(op, "linear lora_merge"))
        return draw_rounding(h, op, pattern, s, a);
    if (is_one_of(op, "sum mean square_sum square_norm column_sum column_dot scatter_rows sum_n kl linear softmax_grad"))
        return sum_like(h, op, pattern, s, a);
    if (is_one_of(op, "axpy affine_rows rope momentum lora_merge"))
        return draw_rounding(h, op, pattern, s, a);
    if (is_one_of(op, "sgd adam_m adam_v adamw"))
        return draw_step(h, op, pattern, s, a);
    if (strstr(op, "norm"))
        return norm(h, op, pattern, s, a);
    if (is_one_of(op, "softmax log_softmax nll"))
        return softmax(h, op, pattern, s, a);
    return strcmp(op, "clip_factor") == 0 ? draw_clip(h, pattern, s, a) : draw_scalar(h, pattern, s, a);
}
