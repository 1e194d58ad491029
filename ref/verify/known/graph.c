/* SPDX-License-Identifier: MIT */
/* Known mistakes in a recorded graph: some nodes get another operator, number or input, and the graph is run again. */
#include "ref/verify/known/known.h"

#include <math.h>
#include <string.h>
#include "model/names.h"
#include "ref/verify/known/attention.h"
#include "ref/verify/known/leaves.h"
#include "tensor/ops.h"

typedef const float *In;

static bool like_first(const Call *c, Shape *out, Error *e)
{
    (void)e;
    *out = c->in[0].shape;
    return true;
}

static size_t element_count(const Call *c) { return shape_size(c->out.shape); }

/* --- GELU by tanh: x sigmoid(2 k (x + a x^3)), k = sqrt(2 / pi), a = 0.044715 --- */

static const double k2 = 2 * 0.7978845608028654, a3 = 0.044715;

static double gate(double x) { return 1 / (1 + exp(-k2 * (x + a3 * x * x * x))); }

static void gelu_tanh_kernel(const Call *c)
{
    for (size_t i = 0; i < element_count(c); i++)
        c->out.f32[i] = (float)((double)c->in[0].f32[i] * gate((double)c->in[0].f32[i]));
}

static void gelu_tanh_back_kernel(const Call *c)
{
    for (size_t i = 0; i < element_count(c); i++) {
        double x = (double)c->in[0].f32[i], s = gate(x);
        c->out.f32[i] = (float)((double)c->in[1].f32[i] * (s + x * s * (1 - s) * k2 * (1 + 3 * a3 * x * x)));
    }
}

/* --- norms with eps outside the root: y = (x - mean) / (sd + eps) --- */

enum { CENTRED };                           // attrs.n: whether the mean is subtracted; attrs.f: NORM_EPS

/* One row of such a norm if d is NULL; otherwise the gradient of its input, where d is the gradient of its result. */
static void eps_row(const Call *c, size_t row, In d)
{
    size_t cols = shape_cols(c->out.shape);
    In x = c->in[0].f32 + row * cols;
    float *y = c->out.f32 + row * cols;
    double mean = 0, var = 0, m1 = 0, m2 = 0, n = (double)cols;
    bool centred = c->attrs->n[CENTRED];
    for (size_t i = 0; i < cols && centred; i++)
        mean += (double)x[i] / n;
    for (size_t i = 0; i < cols; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    double sd = sqrt(var), wide = sd + (double)c->attrs->f[NORM_EPS];
    for (size_t i = 0; d && i < cols; i++) {
        m1 += centred ? (double)d[i] / n : 0;
        m2 += (double)d[i] * ((double)x[i] - mean) / n;
    }
    for (size_t i = 0; i < cols; i++)
        y[i] = d ? (float)(((double)d[i] - m1) / wide - ((double)x[i] - mean) * m2 / sd / wide / wide)
                 : (float)(((double)x[i] - mean) / wide);
}

static void eps_outside_kernel(const Call *c)
{
    for (size_t row = 0; row < shape_rows(c->out.shape); row++)
        eps_row(c, row, NULL);
}

static void eps_outside_back_kernel(const Call *c)
{
    for (size_t row = 0; row < shape_rows(c->out.shape); row++)
        eps_row(c, row, c->in[1].f32 + row * shape_cols(c->out.shape));
}

/* --- rotary positions on pairs (0, 1), (2, 3), … --- */

static void turn_pairs(const Call *c, double sign)
{
    size_t half = c->in[1].shape.dim[1], cols = shape_cols(c->out.shape);
    for (size_t i = 0; i < element_count(c); i += 2) {
        size_t at = (size_t)c->attrs->index[i / cols] * half + i % cols % (2 * half) / 2;
        double a = (double)c->in[0].f32[i], b = (double)c->in[0].f32[i + 1], cosine = (double)c->in[1].f32[at],
               sine = sign * (double)c->in[2].f32[at];
        c->out.f32[i] = (float)(a * cosine - b * sine);
        c->out.f32[i + 1] = (float)(b * cosine + a * sine);
    }
}

static void pairs_kernel(const Call *c) { turn_pairs(c, 1); }
static void pairs_back_kernel(const Call *c) { turn_pairs(c, -1); }

/* The records of the wrong operators and of their derivatives. They need no bound, because answers with a mistake are
 * judged by the bounds of the right operators. A name counts only where code searches by it (unit.c: scale_by). */
static void no_bound(BoundRule *r) { (void)r; }

static const Op gelu_tanh_back = { .name = "mul", .shape = like_first, .kernel = gelu_tanh_back_kernel, .bound = no_bound };
static const Op eps_outside_back = { .name = "mul", .shape = like_first, .kernel = eps_outside_back_kernel, .bound = no_bound };
static const Op pairs_back = { .name = "reshape", .shape = like_first, .kernel = pairs_back_kernel, .bound = no_bound };

/* Adds `op` of these inputs to the gradient of the first input of a wrong operator. */
static void back(Tape *t, Node *y, const Op *op, size_t n, Node **in) { tape_contribute(t, y->in[0], tape_push(t, op, n, in, &y->attrs)); }

static void gelu_tanh_vjp(Tape *t, Node *y, Node *dy)   { back(t, y, &gelu_tanh_back, 2, (Node *[]){ y->in[0], dy }); }
static void eps_outside_vjp(Tape *t, Node *y, Node *dy) { back(t, y, &eps_outside_back, 2, (Node *[]){ y->in[0], dy }); }
static void pairs_vjp(Tape *t, Node *y, Node *dy)       { back(t, y, &pairs_back, 3, (Node *[]){ dy, y->in[1], y->in[2] }); }

static const Op gelu_tanh = { .name = "reshape", .shape = like_first, .kernel = gelu_tanh_kernel, .bound = no_bound, .vjp = gelu_tanh_vjp };
static const Op eps_outside = { .name = "reshape", .shape = like_first, .kernel = eps_outside_kernel, .bound = no_bound,
                                .vjp = eps_outside_vjp };
static const Op pairs = { .name = "reshape", .shape = like_first, .kernel = pairs_kernel, .bound = no_bound, .vjp = pairs_vjp };

/* --- KL(p || q) in place of KL(q || p), where q is the distribution of the reference. Its inputs are q, log q, log p;
 * the inputs of its gradient are p, q, and the weight of each row --- */

static void kl_reversed_kernel(const Call *c)
{
    size_t cols = shape_cols(c->in[0].shape);
    for (size_t row = 0; row < element_count(c); row++) {
        In lq = c->in[1].f32 + row * cols, lp = c->in[2].f32 + row * cols;
        double sum = 0;
        for (size_t k = 0; k < cols; k++)
            sum += exp((double)lp[k]) * ((double)lp[k] - (double)lq[k]);
        c->out.f32[row] = (float)sum;
    }
}

static void kl_reversed_grad_kernel(const Call *c)
{
    size_t cols = shape_cols(c->out.shape);
    for (size_t i = 0; i < element_count(c); i += cols) {
        In p = c->in[0].f32 + i, q = c->in[1].f32 + i;
        double mean = 0, weight = (double)c->in[2].f32[i / cols];
        for (size_t k = 0; k < cols; k++)
            mean += (double)p[k] * log((double)p[k] / (double)q[k]);
        for (size_t k = 0; k < cols; k++)
            c->out.f32[i + k] = (float)(weight * (double)p[k] * (log((double)p[k] / (double)q[k]) - mean));
    }
}

/* --- the update: moments of g + decay p (inputs m, g, p), beta2 in decimal, eps inside the root --- */

enum { COUPLED_BETA, COUPLED_DECAY };       // attrs.f of the moments of g + decay p; the beta is where adam_m and adam_v have it

static double coupled(const Call *c, size_t i)
{
    return (double)c->in[1].f32[i] + (double)c->attrs->f[COUPLED_DECAY] * (double)c->in[2].f32[i];
}

static void coupled_m_kernel(const Call *c)
{
    for (size_t i = 0; i < element_count(c); i++)
        c->out.f32[i] = (float)((double)c->attrs->f[COUPLED_BETA] * (double)c->in[0].f32[i]
                                + (1 - (double)c->attrs->f[COUPLED_BETA]) * coupled(c, i));
}

static void coupled_v_kernel(const Call *c)
{
    for (size_t i = 0; i < element_count(c); i++)
        c->out.f32[i] = (float)((double)c->attrs->f[COUPLED_BETA] * (double)c->in[0].f32[i]
                                + (1 - (double)c->attrs->f[COUPLED_BETA]) * coupled(c, i) * coupled(c, i));
}

static void decimal_v_kernel(const Call *c)
{
    for (size_t i = 0; i < element_count(c); i++)
        c->out.f32[i] = (float)(0.999 * (double)c->in[0].f32[i] + (1 - 0.999) * (double)c->in[1].f32[i] * (double)c->in[1].f32[i]);
}

static void eps_inside_kernel(const Call *c)
{
    const Attrs *a = c->attrs;
    for (size_t i = 0; i < element_count(c); i++) {
        double p = (double)c->in[0].f32[i], m = (double)c->in[1].f32[i], v = (double)c->in[2].f32[i];
        c->out.f32[i] = (float)(p
                                - (double)a->f[ADAM_LR]
                                      * (m / a->d[ADAM_C1] / sqrt(v / a->d[ADAM_C2] + (double)a->f[ADAM_EPS])
                                         + (double)a->f[ADAM_DECAY] * p));
    }
}

/* --- each gradient clipped by its own norm; attrs.f: the largest norm --- */

static void clip_alone_kernel(const Call *c)
{
    double sum = 0;
    for (size_t i = 0; i < element_count(c); i++)
        sum += (double)c->in[0].f32[i] * (double)c->in[0].f32[i];
    for (size_t i = 0; i < element_count(c); i++)
        c->out.f32[i] = (float)((double)c->in[0].f32[i] * fmin(1, (double)c->attrs->f[0] / (sqrt(sum) + 1e-6)));
}

static bool row_shape(const Call *c, Shape *out, Error *e)
{
    (void)e;
    *out = shape_of(1, c->in[0].shape.dim[0]);
    return true;
}

static const Op kl_reversed = { .name = "kl", .shape = row_shape, .kernel = kl_reversed_kernel, .bound = no_bound };
static const Op kl_reversed_grad = { .name = "logit_grad", .shape = like_first, .kernel = kl_reversed_grad_kernel, .bound = no_bound };
static const Op coupled_m = { .name = "adam_m", .shape = like_first, .kernel = coupled_m_kernel, .bound = no_bound };
static const Op coupled_v = { .name = "adam_v", .shape = like_first, .kernel = coupled_v_kernel, .bound = no_bound };
static const Op decimal_v = { .name = "adam_v", .shape = like_first, .kernel = decimal_v_kernel, .bound = no_bound };
static const Op clip_alone = { .name = "scale_by", .shape = like_first, .kernel = clip_alone_kernel, .bound = no_bound };
static const Op eps_inside = { .name = "adamw", .shape = like_first, .kernel = eps_inside_kernel, .bound = no_bound };

/* --- making the mistakes --- */

static void centre(const Graph *g, Node *n) { n->attrs.n[CENTRED] = 1; (void)g; }
static void do_not_centre(const Graph *g, Node *n) { n->attrs.n[CENTRED] = 0; (void)g; }
static void unscale(const Graph *g, Node *n) { n->attrs.f[AXPY_S] = 1; (void)g; }
static void undivide(const Graph *g, Node *n) { n->attrs.n[MEAN_N] = 1; (void)g; }
static void undivide_ratio(const Graph *g, Node *n) { n->attrs.f[RATIO_DEN] = 1; (void)g; }
static void uncorrect(const Graph *g, Node *n) { n->attrs.d[ADAM_C1] = n->attrs.d[ADAM_C2] = 1; (void)g; }
static void correct_in_decimal(const Graph *g, Node *n) { n->attrs.d[ADAM_C2] = 1 - 0.999; (void)g; }
static void unclip(const Graph *g, Node *n) { n->attrs.f[CLIP_FACTOR_MAX_NORM] = 0x1p127f; (void)g; }
static void gelu_exactly(const Graph *g, Node *n) { n->op = op_find("gelu"); (void)g; }
static void do_not_decay(const Graph *g, Node *n) { n->attrs.f[ADAM_DECAY] = 0; (void)g; }

static void scale_twice(const Graph *g, Node *n) { n->attrs.f[AXPY_S] *= n->attrs.f[AXPY_S]; (void)g; }
static void smaller_eps(const Graph *g, Node *n) { n->attrs.f[NORM_EPS] = 1e-6f; (void)g; }
static void do_not_scale(const Graph *g, Node *n) { n->attrs.f[SCALE_S] = 1; (void)g; }
static void negate_ratio(const Graph *g, Node *n) { n->attrs.f[RATIO_NUM] = -n->attrs.f[RATIO_NUM]; (void)g; }
static void halve_ratio(const Graph *g, Node *n) { n->attrs.f[RATIO_NUM] /= 2; (void)g; }
// the factor of NPO's loss is -2 / beta, which is below -1; all other factors stay
static void halve_factor(const Graph *g, Node *n) { n->attrs.f[SCALE_S] /= n->attrs.f[SCALE_S] < -1 ? 2 : 1; (void)g; }
static void negate_margin(const Graph *g, Node *n) { n->in[0]->attrs.f[SCALE_S] = -n->in[0]->attrs.f[SCALE_S]; (void)g; }

static void clip_each(const Graph *g, Node *n)
{
    (void)g;
    n->attrs.f[0] = n->n_in > 1 ? n->in[1]->attrs.f[CLIP_FACTOR_MAX_NORM] : n->attrs.f[0];
}

/* Multiplies c, the factor of each row of a role, by the number of rows. */
static void undivide_rows(const Graph *g, Node *n)
{
    Node *c = n->in[n->n_in - 1];
    if (c->out.dtype != F32)
        return;
    Tensor whole = tensor_f32(g->arena, c->out.shape);
    for (size_t i = 0; whole.f32 && i < shape_size(whole.shape); i++)
        whole.f32[i] = c->out.f32[i] * (float)shape_size(whole.shape);
    if (!c->op)                                // otherwise an operator `ratio` computes it
        c->out = whole;
}

/* Lets each row read the logits of the next row. */
static void shift(const Graph *g, Node *n)
{
    int32_t *rows = arena_array(g->arena, n->attrs.index_count, sizeof *rows);
    for (size_t i = 0; rows && i < n->attrs.index_count; i++)
        rows[i] = n->attrs.index[i] + 1;
    n->attrs.index = rows ? rows : n->attrs.index;
}

/* Makes a moment also read the weight and the decay. These are taken from the update that reads the moment. */
static void couple(const Graph *g, Node *n)
{
    for (size_t k = n->id; k < g->tape->count; k++) {
        Node *update = g->tape->nodes[k];
        if (!update->op || strcmp(update->op->name, "adamw") != 0 || (update->in[1] != n && update->in[2] != n))
            continue;
        Node **in = arena_array(g->arena, 3, sizeof *in);
        if (!in)
            return;
        memcpy(in, (Node *[]){ n->in[0], n->in[1], update->in[0] }, 3 * sizeof *in);
        n->in = in;
        n->n_in = 3;
        n->attrs.f[COUPLED_DECAY] = update->attrs.f[ADAM_DECAY];
    }
}

/* Appends to the index of the segments, for each row, whether it is of a picture; index_count stays. The language model
 * gathers its rows from one matrix: the embeddings of the words, followed by the features of the pictures. */
static void mark_pictures(const Graph *g, Node *n)
{
    const Attrs old = n->attrs;
    const Node *rows = NULL;
    size_t count = 0;
    for (size_t k = 0; k < old.index_count; k += 4) {
        size_t end = (size_t)(old.index[k] + old.index[k + 1]), keys = (size_t)(old.index[k + 2] + old.index[k + 3]);
        count = end > count ? end : count;
        count = keys > count ? keys : count;
    }
    for (size_t k = 0; k < n->id; k++) {
        const Node *x = g->tape->nodes[k];
        if (x->op && strcmp(x->op->name, "gather_rows") == 0 && strcmp(x->module, "language_model") == 0
            && x->in[0]->op && strcmp(x->in[0]->op->name, "concat_rows") == 0 && x->in[0]->n_in > 0)
            rows = x;
    }
    int32_t *index = arena_zalloc(g->arena, (old.index_count + count) * sizeof *index);
    if (!index)
        return;
    memcpy(index, old.index, old.index_count * sizeof *index);
    for (size_t k = 0; rows && k < count && k < rows->attrs.index_count; k++)
        index[old.index_count + k] = rows->attrs.index[k] >= (int32_t)rows->in[0]->in[0]->out.shape.dim[0];
    n->attrs.index = index;
}

/* In modules that match `module`, `change` (unless it is NULL) changes the attributes or inputs of each operator `op`,
 * and `wrong` (unless it is NULL) then replaces this operator. A mistake of several lines is made by all of them
 * together. */
static const struct { const char *flag, *module, *op; const Op *wrong; void (*change)(const Graph *g, Node *n); } mistakes[] = {
    { "GeluTanh", "**", "gelu", &gelu_tanh, NULL },
    { "QuickGeluMissing", "**", "quick_gelu", NULL, gelu_exactly },
    { "EpsOutsideSqrt", "**", "layernorm", &eps_outside, centre },
    { "EpsOutsideSqrt", "**", "rmsnorm", &eps_outside, do_not_centre },
    { "RopeInterleaved", "**", "rope", &pairs, NULL },
    { "LoraNoScale", "language_model.model.layers.**", "axpy", NULL, unscale },
    { "LoraATransposed", "language_model.model.layers.0.self_attn.q_proj", "linear", NULL, leaf_transpose },
    { "ShiftOff1", "language_model.model", "gather_rows", NULL, shift },
    { "SumNotMean", "loss", "mean", NULL, undivide },
    { "SumNotMean", "loss", "ratio", NULL, undivide_ratio },
    { "SumNotMean", "loss", "logit_grad", NULL, undivide_rows },
    { "SumNotMean", "loss", "logit_grad_label", NULL, undivide_rows },
    { "KlReversed", "loss", "kl", &kl_reversed, NULL },
    { "KlReversed", "loss", "logit_grad", &kl_reversed_grad, NULL },
    { "LoraScaleTwice", "language_model.model.layers.**", "axpy", NULL, scale_twice },
    { "NormEps6", "**", "layernorm", NULL, smaller_eps },
    { "NormEps6", "**", "rmsnorm", NULL, smaller_eps },
    { "NormPlusOne", "language_model.**", "mul_rows", NULL, leaf_add_one },
    { "RopeTheta", "**", "rope", NULL, leaf_other_theta },
    { "RopeBf16", "**", "rope", NULL, leaf_round_tables },
    { "GqaTiled", "language_model.**", "attention_scores", &tiled_scores, NULL },
    { "GqaTiled", "language_model.**", "attention_mix", &tiled_mix, NULL },
    { "ImageBothWays", "language_model.**", "attention_scores", &both_ways_scores, mark_pictures },
    { "ImageBothWays", "language_model.**", "attention_softmax", &both_ways_softmax, mark_pictures },
    { "ImageBothWays", "language_model.**", "attention_mix", &both_ways_mix, mark_pictures },
    { "GateUpSwapped", "**.mlp", "mul", NULL, leaf_swap_weights },
    { "ChannelsSwapped", "**", "patches", NULL, leaf_swap_channels },
    { "VisionScaleMissing", "vision_tower.**.self_attn", "scale", NULL, do_not_scale },
    { "NpoOneOverBeta", "loss", "scale", NULL, halve_factor },
    { "NpoOneOverBeta", "loss", "ratio", NULL, halve_ratio },
    { "NpoSign", "loss", "log_sigmoid", NULL, negate_margin },
    { "NpoSign", "loss", "ratio", NULL, negate_ratio },
    { "ClipMissing", "optimiser", "clip_factor", NULL, unclip },
    { "ClipPerTensor", "optimiser", "scale_by", &clip_alone, clip_each },
    { "DecayCoupled", "optimiser", "adam_m", &coupled_m, couple },
    { "DecayCoupled", "optimiser", "adam_v", &coupled_v, couple },
    { "DecayCoupled", "optimiser", "adamw", NULL, do_not_decay },
    { "AdamEpsInSqrt", "optimiser", "adamw", &eps_inside, NULL },
    { "BiasCorrectionMissing", "optimiser", "adamw", NULL, uncorrect },
    { "BetaDecimal", "optimiser", "adam_v", &decimal_v, NULL },
    { "BetaDecimal", "optimiser", "adamw", NULL, correct_in_decimal },
};

/* Whether the update has another beta2 than 0.999, which the mistake BetaDecimal takes for granted. */
static bool has_other_beta(const Tape *t, const char *flag)
{
    for (size_t k = 0; k < t->count && strcmp(flag, "BetaDecimal") == 0; k++) {
        const Node *n = t->nodes[k];
        if (n->op && strcmp(n->op->name, "adam_v") == 0 && fabs((double)n->attrs.f[ADAM_V_BETA2] - 0.999) > 1e-7)
            return true;
    }
    return false;
}

bool known_make(const Tape *t, const Unit *u, const char *flag, Arena *a)
{
    const Graph g = { t, a };
    bool made = false;
    if (has_other_beta(t, flag))
        return false;
    for (size_t m = 0; m < sizeof mistakes / sizeof *mistakes; m++)
        for (size_t k = 0; k < t->count && strcmp(mistakes[m].flag, flag) == 0; k++) {
            Node *n = t->nodes[k];
            if (!n->op || n->phase == PHASE_BACKWARD || (u && !unit_has(u, n)) || strcmp(n->op->name, mistakes[m].op) != 0
                || !name_matches(mistakes[m].module, n->module))
                continue;
            made = true;
            if (mistakes[m].change)
                mistakes[m].change(&g, n);
            n->op = mistakes[m].wrong ? mistakes[m].wrong : n->op;
        }
    return made;
}

const char *known_flag(size_t k)
{
    for (size_t m = 0; m < sizeof mistakes / sizeof *mistakes; m++) {
        bool again = false;
        for (size_t i = 0; i < m; i++)
            again |= strcmp(mistakes[i].flag, mistakes[m].flag) == 0;
        if (!again && k-- == 0)
            return mistakes[m].flag;
    }
    return NULL;
}

bool known_shows(const char *flag, const char *answer)
{
    return strcmp(flag, "GateUpSwapped") != 0 || (!strstr(answer, ".gate_proj") && !strstr(answer, ".up_proj"));
}
