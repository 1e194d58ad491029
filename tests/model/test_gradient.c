/* SPDX-License-Identifier: MIT */
/* The gradient of the whole model is compared with a directional derivative in binary64. The
 * bound follows from the roundings.
 *
 * replay() computes the forward half of a tape again, in binary64, from formulas that are written here. delta is what
 * the rounding of the tape added to each element, so that the replay with delta reproduces the values of the tape.
 * Let v be +-1 on every weight, and g the gradient of a weight on the tape. If no gradient had been rounded, the slope
 * of the replay along v would be the sum of <g, v> over the weights. An error d of the gradient of a node t moves that
 * sum by <d, t'>, where t' is the slope of t along v, by the definition of a gradient. So the sum that the tape gives
 * differs from the slope by at most
 *
 *     sum over nodes t of  <e, |t'|>
 *
 * and by second-order terms of 2^-48. Here e is 2^-24 times the error bound of the operators that made the gradient of
 * t (error_of). To cover the second-order terms, e is made larger by a thousandth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model/training/cross_entropy.h"
#include "model/training/train.h"
#include "tensor/ops.h"
#include "tests/support/check.h"
#include "tests/support/tiny.h"

enum { SAMPLES = 4, TOKENS = 37 };
static const double U = 0x1p-24 * 1.001;

typedef struct {
    Error error;
    Arena arena;
    ModelConfig config;
    Weights weights;
    Model model;
    Trainer trainer;
    int32_t ids[SAMPLES][TOKENS], targets[SAMPLES][TOKENS];
    BatchSample sample[SAMPLES];
} World;

static size_t size_of(const Node *n) { return shape_size(n->out.shape); }
static size_t width_of(const Node *n) { return n->out.shape.dim[n->out.shape.rank - 1]; }

/* --- formulas: each computes y from the values x of the inputs --- */

static void linear(const Node *n, double **x, double *y)
{
    size_t K = width_of(n->in[0]), M = width_of(n);
    for (size_t k = 0; k < size_of(n); k++) {
        y[k] = n->n_in > 2 && n->in[2] ? x[2][k % M] : 0;
        for (size_t j = 0; j < K; j++)
            y[k] += x[0][k / M * K + j] * x[1][k % M * K + j];
    }
}

static void move(const Node *n, double **x, double *y)
{
    const Op *op = n->op;
    size_t C = width_of(n), P = (size_t)n->attrs.n[PATCHES_P], side = n->in[0]->out.shape.rank == 4 ? width_of(n->in[0]) : 0,
           grid = side ? side / P : 0;
    if (strcmp(op->name, "gather_rows") == 0)
        for (size_t k = 0; k < size_of(n); k++)
            y[k] = x[0][(size_t)n->attrs.index[k / C] * C + k % C];
    else if (strcmp(op->name, "patches") == 0)
        for (size_t k = 0; k < size_of(n); k++) {
            size_t patch = k / C, channel = k % C / (P * P), row = patch / grid % grid * P + k % (P * P) / P,
                   column = patch % grid * P + k % P;
            y[k] = x[0][((patch / (grid * grid) * (C / (P * P)) + channel) * side + row) * side + column];
        }
    else                                                       // reshape, concat_rows: the inputs one after another
        for (size_t i = 0; i < n->n_in; y += size_of(n->in[i++]))
            memcpy(y, x[i], size_of(n->in[i]) * sizeof *y);
}

static void pointwise(const Node *n, double **x, double *y)
{
    const char *name = n->op->name;
    size_t C = width_of(n);
    for (size_t k = 0; k < size_of(n); k++) {
        double a = x[0][k];
        y[k] = strcmp(name, "add") == 0 ? a + x[1][k] : strcmp(name, "mul") == 0 ? a * x[1][k]
             : strcmp(name, "mul_rows") == 0 ? a * x[1][k % C] : strcmp(name, "affine_rows") == 0 ? a * x[1][k % C] + x[2][k % C]
             : strcmp(name, "scale") == 0 ? a * (double)n->attrs.f[SCALE_S] : strcmp(name, "gelu") == 0 ? a * 0.5 * erfc(-a * sqrt(0.5))
             : strcmp(name, "silu") == 0 ? a / (1 + exp(-a)) : a / (1 + exp(-1.702 * a));
    }
}

static void norm(const Node *n, double **x, double *y)
{
    size_t C = width_of(n);
    bool centred = strcmp(n->op->name, "layernorm") == 0;
    for (size_t r = 0; r < size_of(n) / C; r++, y += C) {
        double mean = 0, mean_square = 0;
        for (size_t j = 0; centred && j < C; j++)
            mean += x[0][r * C + j] / (double)C;
        for (size_t j = 0; j < C; j++) {
            y[j] = x[0][r * C + j] - mean;
            mean_square += y[j] * y[j] / (double)C;
        }
        for (size_t j = 0; j < C; j++)
            y[j] /= sqrt(mean_square + (double)n->attrs.f[NORM_EPS]);
    }
}

static void rope(const Node *n, double **x, double *y)
{
    size_t C = width_of(n), D = C / (size_t)n->attrs.n[ROPE_HEADS], half = D / 2;
    for (size_t k = 0; k < size_of(n); k++) {
        size_t at = (size_t)n->attrs.index[k / C] * half + k % D % half;
        bool first = k % D < half;
        double other = first ? -x[0][k + half] : x[0][k - half];
        y[k] = x[0][k] * x[1][at] + other * x[2][at];
    }
}

/* The scores of attention, their softmax, or their mix with the values: all three walk through the same elements. */
static void attention(const Node *n, double **x, double *y)
{
    const int64_t *a = n->attrs.n;
    size_t heads = (size_t)a[ATTENTION_HEADS], kv_heads = (size_t)a[ATTENTION_KV_HEADS], group = heads / kv_heads;
    size_t D = (size_t)a[ATTENTION_HEAD_DIM], Q = heads * D, K = kv_heads * D, at = 0;
    char kind = n->op->name[strlen("attention_s")];            // the second letter of scores, softmax or mix
    if (kind == 'i')
        memset(y, 0, size_of(n) * sizeof *y);
    for (size_t s = 0; s < n->attrs.index_count; s += 4)
        for (size_t h = 0; h < heads; h++)
            for (int32_t i = 0; i < n->attrs.index[s + 1]; i++) {
                size_t q = (size_t)(n->attrs.index[s] + i) * Q + h * D, keys = (size_t)n->attrs.index[s + 3];
                size_t seen = a[ATTENTION_CAUSAL] ? keys - (size_t)(n->attrs.index[s + 1] - 1 - i) : keys;
                double sum = 0;
                for (size_t j = 0; kind == 'o' && j < seen; j++)
                    sum += exp(x[0][at + j]);
                for (size_t j = 0; j < keys; j++, at++) {
                    size_t k = ((size_t)n->attrs.index[s + 2] + j) * K + h / group * D;
                    if (kind != 'i')
                        y[at] = j < seen && kind == 'o' ? exp(x[0][at]) / sum : 0;
                    for (size_t c = 0; j < seen && kind != 'o' && c < D; c++)
                        if (kind == 'c')
                            y[at] += x[0][q + c] * x[1][k + c];
                        else
                            y[q + c] += x[0][at] * x[1][k + c];
                }
            }
}

static void nll(const Node *n, double **x, double *y)
{
    size_t V = width_of(n->in[0]);
    for (size_t r = 0; r < size_of(n); r++) {
        double sum = 0;
        for (size_t j = 0; j < V; j++)
            sum += exp(x[0][r * V + j]);
        y[r] = log(sum) - x[0][r * V + (size_t)n->attrs.index[r]];
    }
}

static void mean(const Node *n, double **x, double *y)
{
    *y = 0;
    for (size_t k = 0; k < size_of(n->in[0]); k++)
        *y += x[0][k] / (double)size_of(n->in[0]);
}

static const struct { const char *name; void (*compute)(const Node *n, double **x, double *y); } formulas[] = {
    { "linear", linear }, { "gather_rows", move }, { "patches", move }, { "reshape", move }, { "concat_rows", move },
    { "add", pointwise }, { "mul", pointwise }, { "mul_rows", pointwise }, { "affine_rows", pointwise }, { "scale", pointwise },
    { "gelu", pointwise }, { "silu", pointwise }, { "quick_gelu", pointwise }, { "layernorm", norm }, { "rmsnorm", norm }, { "rope", rope },
    { "attention_scores", attention }, { "attention_softmax", attention }, { "attention_mix", attention }, { "nll", nll }, { "mean", mean },
};

/* --- the tape again --- */

static double sign(const Node *leaf, size_t k)
{
    uint64_t seed = 1000003 * leaf->id + k;
    return check_random(&seed) & 1 ? 1 : -1;
}

static bool is_weight(const Node *n) { return n->name && strncmp(n->name, "param.", 6) == 0; }

/* The values of all nodes up to the loss, with the weights at w + h v. *delta is described above;
 * if it is NULL, it is computed. */
static double **replay(World *w, double h, double ***delta)
{
    const Tape *t = &w->trainer.tape;
    size_t count = w->trainer.loss->id + 1;
    double **value = arena_array(&w->arena, count, sizeof *value), **added = *delta;
    if (!added)
        added = arena_zalloc(&w->arena, count * sizeof *added);
    for (size_t i = 0; i < count; i++) {
        const Node *n = t->nodes[i];
        size_t f = 0, size = size_of(n);
        double *x[64], *y = value[i] = arena_array(&w->arena, size, sizeof *y);
        for (size_t k = 0; !n->op && k < size; k++)
            y[k] = (double)n->out.f32[k] + (h != 0 && is_weight(n) ? h * sign(n, k) : 0);
        if (!n->op)
            continue;
        while (f < sizeof formulas / sizeof *formulas && strcmp(formulas[f].name, n->op->name) != 0)
            f++;
        if (f == sizeof formulas / sizeof *formulas)
            fail_msg("no formula for %s", n->op->name);
        assert_true(n->n_in <= 64);
        for (size_t k = 0; k < n->n_in; k++)
            x[k] = n->in[k] ? value[n->in[k]->id] : NULL;
        formulas[f].compute(n, x, y);
        if (!*delta) {
            added[i] = arena_array(&w->arena, size, sizeof(double));
            for (size_t k = 0; k < size; k++) {
                added[i][k] = (double)n->out.f32[k] - y[k];
                // half an ulp of fp32, and 2^-45 for the roundings of binary64 if a sum cancels
                if (!(fabs(added[i][k]) <= 0x1.001p-24 * fabs(y[k]) + 0x1p-45))
                    fail_msg("node %zu, %s[%zu]: %.9g on the tape, %.17g by its formula", i, n->op->name, k, (double)n->out.f32[k], y[k]);
            }
        }
        for (size_t k = 0; k < size; k++)
            y[k] += added[i][k];
    }
    *delta = added;
    return value;
}

/* The error bound of a part of a gradient in units of U: one rounding of its own, and one of each
 * factor that was rounded before. */
static double error_of(const Node *part, size_t k)
{
    const char *name = part->op ? part->op->name : "";
    double size = fabs((double)part->out.f32[k]);
    if (strcmp(name, "logit_grad_label") == 0) {               // c (p - q): c and p are rounded, and the difference
        size_t V = width_of(part), r = k / V;
        return 3 * (double)part->in[1]->out.f32[r] * ((double)part->in[0]->out.f32[k] + ((size_t)part->attrs.index[r] == k % V));
    }
    if (strcmp(name, "attention_softmax_grad") == 0) {         // p (dp - sum dp p): p is rounded twice, and |dp| <= most
        double most = 0;
        for (size_t j = 0; j < size_of(part); j++)
            most = fmax(most, fabs((double)part->in[1]->out.f32[j]));
        return size + 4 * (double)part->in[0]->out.f32[k] * most;
    }
    return (strcmp(name, "mul") == 0 ? 2 : 1) * size;
}

static void the_gradient_is_the_slope_in_binary64(void **state)
{
    World *w = *state;
    const double h = 0x1p-17;
    double **delta = NULL, along = 0, bound = 0;
    double **near[2], **far[2], **plain[2], **none = NULL;
    replay(w, 0, &delta);
    size_t count = w->trainer.loss->id + 1, weights = 0;
    none = arena_array(&w->arena, count, sizeof *none);
    for (size_t i = 0; i < count; i++)
        none[i] = arena_zalloc(&w->arena, size_of(w->trainer.tape.nodes[i]) * sizeof(double));
    for (int side = 0; side < 2; side++) {
        near[side] = replay(w, side ? -h : h, &delta);
        far[side] = replay(w, side ? -2 * h : 2 * h, &delta);
        plain[side] = replay(w, side ? -h : h, &none);
    }
    for (size_t i = 0; i < count; i++) {
        const Node *n = w->trainer.tape.nodes[i];
        if (!n->grad)
            continue;
        weights += is_weight(n);
        for (size_t k = 0; k < size_of(n); k++) {
            double slope = fabs(near[0][i][k] - near[1][i][k]) / (2 * h),
                   off = n->n_contributions > 1 ? fabs((double)n->grad->out.f32[k]) : 0;
            along += is_weight(n) ? sign(n, k) * (double)n->grad->out.f32[k] : 0;
            for (size_t j = 0; j < n->n_contributions; j++)
                off += error_of(n->contributions[j], k);
            bound += U * off * slope;
        }
    }
    assert_true(weights > 40);
    size_t last = count - 1;
    double one = (near[0][last][0] - near[1][last][0]) / (2 * h), two = (far[0][last][0] - far[1][last][0]) / (4 * h);
    // this removes the h^2 term; an h^4 term and the rounding of binary64 are left
    double true_slope = one + (one - two) / 3;
    bound += fabs(one - two) / 64 + 0x1p-48 / h;
    print_message("# along v %.10g, slope %.10g, off %.2g, bound %.2g; without the tape's roundings %.10g\n", along, true_slope,
                  fabs(along - true_slope), bound, (plain[0][last][0] - plain[1][last][0]) / (2 * h));
    if (!(fabs(along - true_slope) <= bound))
        fail_msg("gradient along v %.10g, slope %.10g, bound %.3g", along, true_slope, bound);
    assert_true(bound < 1e-3 * fabs(along));                   // so tight that a wrong gradient is found
}

/* --- the model, with odd sizes: 3 heads in the tower, 6 query heads on 2 key heads in the language model, a vocabulary
 * of 331; and samples of up to 37 tokens --- */

static bool all_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    World *w = context;
    (void)step, (void)a, (void)e;
    *samples = w->sample;
    *count = SAMPLES;
    return true;
}

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    uint64_t random = check_seed();
    w->arena = arena_make(&w->error);
    w->config = tiny_config();
    TrainConfig c = { .steps = 1, .accumulate = 1,
                      .optimiser = { .kind = OPTIMISER_SGD, .schedule = { SCHEDULE_CONSTANT, 1e-3f, 0, 0, 0, 1 } } };
    SampleSource source = { w, all_samples };
    Objective o = cross_entropy_objective(&source);
    size_t images = config_image_tokens(&w->config),
           pixels = (size_t)(w->config.vision.num_channels * w->config.vision.image_size * w->config.vision.image_size);
    for (size_t i = 0; i < SAMPLES; i++) {
        float *picture = i % 2 ? arena_array(&w->arena, pixels, sizeof *picture) : NULL;
        size_t n = i + 1 == SAMPLES ? TOKENS : 7 + (picture ? images : 0) + i;
        for (size_t k = 0; k < n; k++) {
            w->ids[i][k] = picture && k >= 1 && k < 1 + images ? (int32_t)w->config.image_token_index
                                                               : 4 + (int32_t)check_below(&random, 327);
            w->targets[i][k] = -1;
        }
        for (size_t k = n - 4; k + 1 < n; k++)
            w->targets[i][k] = w->ids[i][k + 1];
        if (picture)
            data_fill(DATA_GAUSSIAN, check_random(&random), picture, pixels);
        w->sample[i] = (BatchSample){ w->ids[i], w->targets[i], n, picture, 0 };
    }
    assert_true(weights_make(&w->weights, &w->config, 7, &w->arena, &w->error));
    assert_true(weights_train(&w->weights, "**", &w->error));
    assert_true(model_make(&w->model, &w->config, &w->weights, NULL, 64, &w->arena, &w->error));
    assert_true(trainer_make(&w->trainer, &w->model, &c, &w->arena, &w->error));
    assert_true(train_compute(&w->trainer, &o, &w->error));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;
    trainer_close(&w->trainer);
    arena_free(&w->arena);
    free(w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_gradient_is_the_slope_in_binary64, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
