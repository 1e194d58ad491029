/* SPDX-License-Identifier: MIT */
#include "ref/trace/noise.h"

#include <math.h>
#include <string.h>
#include "tensor/base/random.h"
#include "tensor/bounds/bound.h"
#include "tensor/ops.h"

static const char *const names[PRECISIONS] = { "fp32", "tf32", "bf16", "fp16", "bf16-mixed" };

const char *precision_name(Precision p) { return names[p]; }

bool precision_find(const char *name, Precision *out)
{
    for (Precision p = 0; p < PRECISIONS; p++)
        if (strcmp(names[p], name) == 0) {
            *out = p;
            return true;
        }
    return false;
}

/* --- the table of casts --- */

/* How an operator is treated under autocast. PRODUCT: its operands and its result are cast (at tf32 its operands
 * alone). FOLLOWS: it follows a product and keeps the format of its operand. STAYS: it is computed in fp32.
 * At bf16 and fp16 this table is not used: every operator is PRODUCT, except those of always_fp32. */
typedef enum { STAYS, PRODUCT, FOLLOWS } Cast;

static Cast cast_of(const Node *n)
{
    static const struct { const char *op; Cast cast; } table[] = {
        { "linear", PRODUCT }, { "matmul", PRODUCT }, { "attention_scores", PRODUCT }, { "attention_mix", PRODUCT },
                { "attention_mix_t", PRODUCT },
        { "gelu", FOLLOWS }, { "quick_gelu", FOLLOWS }, { "silu", FOLLOWS }, { "gelu_grad", FOLLOWS }, { "quick_gelu_grad", FOLLOWS },
        { "silu_grad", FOLLOWS }, { "mul", FOLLOWS }, { "axpy", FOLLOWS }, { "rope", FOLLOWS }, { "rope_back", FOLLOWS },
    };
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        if (strcmp(table[k].op, n->op->name) == 0)
            return table[k].cast;
    return STAYS;
}

/* The loss, from the logits on, and the optimiser are computed in fp32 whatever the precision is. */
static bool always_fp32(const Node *n)
{
    return n->phase == PHASE_OPTIMISER || (n->phase == PHASE_FORWARD && (!*n->module || strcmp(n->module, "loss") == 0));
}

// A format by its difference from fp32: how many bits fewer its significand has, and the exponent of its smallest
// normal number.
typedef struct { int dropped, lowest; } Format;

static const Format formats[PRECISIONS] = { [PRECISION_TF32] = { 13, -126 }, [PRECISION_BF16] = { 16, -126 },
        [PRECISION_FP16] = { 13, -14 }, [PRECISION_BF16_MIXED] = { 16, -126 } };

static bool casts_operands(Precision p, const Node *n)
{
    return p != PRECISION_FP32 && !always_fp32(n) && (p == PRECISION_BF16 || p == PRECISION_FP16 || cast_of(n) == PRODUCT);
}

static bool casts_result(Precision p, const Node *n)
{
    return casts_operands(p, n) ? p != PRECISION_TF32 : p == PRECISION_BF16_MIXED && !always_fp32(n) && cast_of(n) == FOLLOWS;
}

/* --- the random part --- */

/* Stochastic rounding: x becomes the next number of the format away from zero or towards it; 32 random bits decide
 * which. A number of the format stays. */
static float rounded_at_random(float x, Format f, uint32_t random)
{
    int exponent;
    uint32_t bits, below = ((uint32_t)1 << f.dropped) - 1;
    memcpy(&bits, &x, sizeof bits);
    frexp((double)x, &exponent);
    if (x == 0 || !isfinite(x))
        return x;
    // below the normal range of the format its numbers are evenly spaced
    if (exponent - 1 < f.lowest) {
        int unit = f.lowest - (23 - f.dropped);
        return (float)ldexp(floor(ldexp((double)x, -unit) + (double)random * 0x1p-32), unit);
    }
    bits = (bits + (random & below)) & ~below;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* What random bits are used for. Each purpose has bits of its own. */
typedef enum { ROUNDING, RESULT, REFERENCE, OPERAND } Purpose;          // OPERAND + k: for operand k
typedef struct { uint32_t key[2]; } Stream;

static Stream stream_of(Precision p, size_t run, size_t node, size_t purpose)
{
    return (Stream){ { (uint32_t)node, (uint32_t)(purpose * NOISE_RUNS + run) * PRECISIONS + (uint32_t)p } };
}

/* The random words for the elements 4 i to 4 i + 3 of a tensor. 0x6e6f6973 is "nois" in ASCII. */
static void draw(Stream s, size_t i, uint32_t out[4])
{
    philox4x32((const uint32_t[4]){ (uint32_t)i, 0x6e6f6973, 0, 0 }, s.key, out);
}

static void cast_all(const float *x, float *y, size_t n, Format f, Stream s)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t random[4];
        draw(s, i / 4, random);
        for (size_t k = i; k < n && k < i + 4; k++)
            y[k] = rounded_at_random(x[k], f, random[k - i]);
    }
}

/* Moves each finite y at random, by at most its rounding term e; a logit that a mask has made infinite stays. */
static void add_rounding(float *y, const float *e, size_t n, Stream s)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t random[4];
        draw(s, i / 4, random);
        for (size_t k = i; k < n && k < i + 4; k++)
            y[k] = e[k] > 0 && isfinite(y[k]) ? (float)((double)y[k] + ((double)random[k - i] * 0x1p-31 - 1) * (double)e[k]) : y[k];
    }
}

/* y = x plus uniform noise whose root mean square is `rms`: it is drawn from [-sqrt(3) rms, sqrt(3) rms]. */
static void add_uniform(const float *x, float *y, size_t n, double rms, Stream s)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t random[4];
        draw(s, i / 4, random);
        for (size_t k = i; k < n && k < i + 4; k++)
            y[k] = (float)((double)x[k] + sqrt(3) * rms * ((double)random[k - i] * 0x1p-31 - 1));
    }
}

/* --- the rounding terms --- */

/* How many terms the longest sum has that an attention over segments {first query, queries, first key, keys} computes
 * for one element. over_keys: the sum goes over the keys; otherwise it goes over the queries of all heads that share a
 * key head, and `group` is the number of these heads. */
static size_t attention_terms(const Node *n, bool over_keys, size_t group)
{
    size_t most = 1;
    for (size_t k = 0; k + 3 < n->attrs.index_count; k += 4) {
        size_t count = over_keys ? (size_t)n->attrs.index[k + 3] : (size_t)n->attrs.index[k + 1] * group;
        most = count > most ? count : most;
    }
    return most;
}

/* How many terms the longest sum has that an operator computes for one element; 1: it computes no sum. For segment_sum
 * and segment_mean it is the length of the whole tensor, which is not less. */
static size_t terms(const Node *n)
{
    typedef enum { COLUMNS, ROWS, ALL, INPUTS, INNER, CHANNELS, KEYS, QUERIES } Terms;
    static const struct { const char *op; Terms n; } sums[] = {
        { "linear", COLUMNS }, { "matmul", INNER }, { "attention_scores", CHANNELS }, { "attention_mix", KEYS },
                { "attention_mix_t", QUERIES },
        { "attention_softmax", KEYS }, { "attention_softmax_grad", KEYS }, { "softmax", COLUMNS }, { "softmax_grad", COLUMNS },
        { "log_softmax", COLUMNS }, { "nll", COLUMNS }, { "kl", COLUMNS },
        { "layernorm", COLUMNS }, { "layernorm_dx", COLUMNS }, { "rmsnorm", COLUMNS }, { "rmsnorm_dx", COLUMNS },
        { "column_sum", ROWS }, { "column_dot", ROWS }, { "sum_n", INPUTS },
        { "sum", ALL }, { "mean", ALL }, { "square_sum", ALL }, { "square_norm", ALL }, { "segment_sum", ALL }, { "segment_mean", ALL },
    };
    const Shape s = n->in[0]->out.shape;
    for (size_t k = 0; k < sizeof sums / sizeof *sums; k++)
        if (strcmp(sums[k].op, n->op->name) == 0)
            switch (sums[k].n) {
            case COLUMNS:  return shape_cols(s);
            case ROWS:     return shape_rows(s);
            case ALL:      return shape_size(s);
            case INPUTS:   return n->n_in;
            case INNER:    return s.dim[n->attrs.n[MATMUL_TRANSPOSE_A] ? 0 : 1];
            case CHANNELS: return (size_t)n->attrs.n[ATTENTION_HEAD_DIM];
            case KEYS:     return attention_terms(n, true, 1);
            case QUERIES:  return attention_terms(n, false, (size_t)(n->attrs.n[ATTENTION_HEADS] / n->attrs.n[ATTENTION_KV_HEADS]));
            }
    return 1;
}

/* For a sum of n terms, a bound allows n + 1 roundings of half an ulp, all in one direction. Random roundings add up to
 * about sqrt(n) of them. Most implementations make a quarter of that, because they add in 4 to 16 lanes with smaller
 * partial sums. (Compared with PyTorch: with this quarter, the root mean square of PyTorch's error is between 0.1 and 3
 * times the noise of every module; with sqrt(n) itself it goes down to 0.03 times the noise.) */
static double typical_rounding(double bound, size_t n)
{
    return n > 1 ? bound * (0.25 * sqrt((double)n) + 1) / ((double)n + 1) : bound;
}

bool noise_open(NoiseModel *z, const Tape *tape, Arena *a, Error *e)
{
    *z = (NoiseModel){ .tape = tape, .rounding = arena_zalloc(a, (tape->count + 1) * sizeof *z->rounding), .arena = a };
    for (size_t k = 0; z->rounding && k < tape->count; k++) {
        const Node *n = tape->nodes[k];
        size_t size = shape_size(n->out.shape);
        if (!n->op)
            continue;
        float *r = z->rounding[k] = arena_array(a, size + 1, sizeof *r);
        ArenaMark m = arena_mark(a);
        double *out = arena_zalloc(a, (size + 1) * sizeof *out);
        if (!r || !out || !bound_rounding(n, out, a, e))
            return false;
        for (size_t i = 0; i < size; i++)
            r[i] = (float)typical_rounding(out[i], terms(n));
        arena_release(a, m);
    }
    return z->rounding && !e->failed;
}

/* --- the runs --- */

typedef struct {
    const NoiseModel *z;
    Precision precision;
    const bool *chosen;
    Tensor *value;                   // by id: what this run has computed, or the right value
    size_t run;
    Error *error;
} Run;

static Stream stream(const Run *r, const Node *n, size_t purpose)
{
    return stream_of(r->precision, r->run, n->id, purpose);
}

static bool computed(const Run *r, const Node *n) { return n->op && (!r->chosen || r->chosen[n->id]); }

static void run_node(Run *r, const Node *n)
{
    Arena *a = r->z->arena;
    ArenaMark m = arena_mark(a);
    Tensor *in = arena_array(a, n->n_in, sizeof *in), *out = &r->value[n->id];
    const Format f = formats[r->precision];
    const bool operands = casts_operands(r->precision, n);
    for (size_t k = 0; in && k < n->n_in; k++) {
        in[k] = r->value[n->in[k]->id];
        size_t size = shape_size(in[k].shape);
        const float *x = operands ? tensor_floats(&in[k], a) : NULL;
        if (x) {
            Tensor cast = tensor_f32(a, in[k].shape);
            if (cast.f32)
                cast_all(x, cast.f32, size, f, stream(r, n, OPERAND + k));
            in[k] = cast;
        }
    }
    if (in && !r->error->failed && op_run(n->op, n->n_in, in, &n->attrs, a, r->error, out)) {
        add_rounding(out->f32, r->z->rounding[n->id], shape_size(out->shape), stream(r, n, ROUNDING));
        if (casts_result(r->precision, n))
            cast_all(out->f32, out->f32, shape_size(out->shape), f, stream(r, n, RESULT));
    }
    arena_release(a, m);
}

/* The mean square of the differences between two tensors; *most: the largest difference. */
static double mean_square_difference(const Tensor *x, const Tensor *y, double *most)
{
    double sum = 0;
    size_t n = shape_size(x->shape);
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        double error_size = x->f32[i] == y->f32[i] ? 0 : fabs((double)x->f32[i] - (double)y->f32[i]);
        sum += error_size * error_size;
        *most = error_size > *most ? error_size : *most;
    }
    return n ? sum / (double)n : 0;
}

/* Gives the outputs of a reference model, the leaf n, noise of the same root mean square as that of the model's own
 * outputs. These outputs are the last forward result before n, outside the loss, that has as many columns as n. */
static void run_reference(Run *r, const Node *n)
{
    const Tape *t = r->z->tape;
    Tensor *to = &r->value[n->id];
    double mean_square = 0, most;
    for (size_t k = n->id; k-- > 0;) {
        const Node *x = t->nodes[k];
        if (x->op && x->phase == PHASE_FORWARD && !always_fp32(x) && shape_cols(x->out.shape) == shape_cols(n->out.shape)) {
            mean_square = mean_square_difference(&r->value[k], &x->out, &most);
            break;
        }
    }
    add_uniform(n->out.f32, to->f32, shape_size(n->out.shape), sqrt(mean_square), stream(r, n, REFERENCE));
}

static bool is_reference(const Node *n)
{
    return !n->op && strncmp(n->name, "input.reference.", 16) == 0 && n->out.dtype == F32;
}

static void run_all(Run *r, Noise *noise)
{
    const Tape *t = r->z->tape;
    for (size_t k = 0; k < t->count && !r->error->failed; k++) {
        const Node *n = t->nodes[k];
        double most;
        if (!r->chosen && is_reference(n))
            run_reference(r, n);
        else if (computed(r, n))
            run_node(r, n);
        else
            continue;
        // until noise_make takes the root, rms is the mean square
        noise[k].rms += mean_square_difference(&r->value[k], &n->out, &most) / NOISE_RUNS;
        noise[k].most = most > noise[k].most ? most : noise[k].most;
    }
}

/* An update of Adam is nearly lr times the sign of the gradient, so noise can reverse the update of an element with a
 * small gradient. If a tensor has few such elements, perhaps none of the runs reverses one. So the noise is at least
 * that of one reversed element, if any element has a moment of at most 8 times its noise. Rounding to 16 bits makes the
 * errors of different rows agree, so at those precisions the noise is at least that of one reversed element in 512. */
static void add_reversed_updates(const Node *n, Precision p, Noise *noise)
{
    const float *before = n->in[0]->out.f32, *m = n->in[1]->out.f32, *y = n->out.f32;
    size_t size = shape_size(n->out.shape), small = 0;
    double most = 0;
    if (n->in[0]->out.dtype != F32 || n->in[1]->out.dtype != F32)
        return;
    for (size_t i = 0; i < size; i++) {
        double step = fabs((double)y[i] - (double)before[i]);
        small += fabs((double)m[i]) <= 8 * noise[n->in[1]->id].rms;
        most = step > most ? step : most;
    }
    if (!small)
        return;
    double reversed = p == PRECISION_FP32 || p == PRECISION_TF32 ? 1 : fmax(1, (double)size / 512);
    noise[n->id].rms = fmax(noise[n->id].rms, 2 * most * sqrt(reversed / (double)size));
    noise[n->id].most = fmax(noise[n->id].most, 2 * most);
}

bool noise_make(const NoiseModel *z, Precision p, const bool *chosen, Noise *noise, Error *e)
{
    const Tape *t = z->tape;
    ArenaMark m = arena_mark(z->arena);
    Run r = { .z = z, .precision = p, .chosen = chosen, .error = e };
    r.value = arena_array(z->arena, t->count, sizeof *r.value);
    for (size_t k = 0; r.value && k < t->count; k++) {
        const Node *n = t->nodes[k];
        noise[k] = (Noise){ 0, 0 };
        r.value[k] = computed(&r, n) || (!chosen && is_reference(n)) ? tensor_f32(z->arena, n->out.shape) : n->out;
    }
    for (; r.value && r.run < NOISE_RUNS && !e->failed; r.run++)
        run_all(&r, noise);
    for (size_t k = 0; k < t->count; k++)
        noise[k].rms = sqrt(noise[k].rms);
    for (size_t k = 0; k < t->count && !chosen; k++)
        if (t->nodes[k]->op && (strcmp(t->nodes[k]->op->name, "adamw") == 0 || strcmp(t->nodes[k]->op->name, "adam") == 0))
            add_reversed_updates(t->nodes[k], p, noise);
    arena_release(z->arena, m);
    return r.value && !e->failed;
}
