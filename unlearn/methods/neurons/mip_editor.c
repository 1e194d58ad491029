/* SPDX-License-Identifier: MIT */
/* MIP-Editor (Li et al., AAAI 2026): the neurons on influential paths through the MLPs are found. Training then steers
 * the hidden states of the forget set away.
 *
 *     paper, official   L = gamma E(h, t)(forget) + alpha E(h, h_ref)(retain)
 *     open_mm           L = alpha CE(retain) + 10 gamma mean_i E(o_i, t)(forget)
 *
 * h is hidden state `layer` at the supervised positions, o_i is the output of the last down_proj at those of sample i,
 * and E is the distance of steering.h. The target is t = RN(length u / RN|u|); u is a random direction. path.h states
 * how neurons are scored. path_neurons is the number of best neurons; if it is 0, the numbers below hold. The three
 * forms (mip_form):
 *  - paper: one path runs through the model. It has the best neuron of each MLP, by the scores of all samples together.
 *    Neurons of the language model are scored by integrated gradients on the samples without a picture, those of the
 *    vision tower by squared gradients on the samples with one. `length` is steering_coeff times the root mean square
 *    norm of the rows of h in the first forget step. Only what belongs to the path is trained: the rows of its neurons
 *    in gate_proj, up_proj and fc1, and in the bias of fc1. If these maps have adapters, all of A is trained, and of B
 *    the rows of these neurons.
 *  - official, the public code: the path has the five best neurons of each MLP for each sample. `length` is
 *    steering_coeff, 10 in that code. The rest is as in the paper. The code also zeroes the neurons in hooks, but only
 *    at the first position of a sample; that is left out here.
 *  - open_mm, the port of OPEN-MMUNLEARNING: neurons are scored by |activation x gradient of CE| on the first four
 *    batches. The columns of down_proj and fc2 that read the five best neurons of each MLP are zeroed, or, if these
 *    maps have adapters, those columns of A, which then stay zero. No other gradient is masked. `length` is
 *    steering_coeff. */
#include "tensor/base/random.h"
#include "tensor/ops.h"
#include "unlearn/methods/neurons/path.h"
#include "unlearn/methods/neurons/pruning.h"
#include "unlearn/terms/steering.h"

enum { CONTROL = 10 };                  // the factor of open_mm's forget loss

/* Draws u: normal numbers for open_mm, uniform ones for the other forms. */
static bool draw_direction(const MethodRun *run, MipEditor *x)
{
    const size_t c = (size_t)run->model->config.text.hidden_size;
    const Random r = random_for((uint64_t)run->hyper->seed, "unlearn.mip_editor");
    x->u = arena_array(run->arena, c, sizeof *x->u);
    for (size_t k = 0; x->u && k < c; k++)
        x->u[k] = run->hyper->mip_form == MIP_OPEN_MM ? random_normal(r, k) : random_uniform(r, k);
    return x->u != NULL;
}

static size_t path_width(const Hyperparameters *v)
{
    return v->path_neurons ? (size_t)v->path_neurons : v->mip_form == MIP_PAPER ? 1 : 5;
}

static bool mip_begin(const MethodRun *run, void **state)
{
    const Hyperparameters *v = run->hyper;
    const bool port = v->mip_form == MIP_OPEN_MM;
    const SampleList *forget = &run->role[ROLE_FORGET];
    MipEditor *x = arena_zalloc(run->arena, sizeof *x);
    if (!port && run->train && run->train->optimiser.weight_decay != 0)
        return error_set(run->error, "mip_editor: optimiser.weight_decay is %g, expected 0, because only the path "
                                     "may change",
                         (double)run->train->optimiser.weight_decay);
    if (!x || !draw_direction(run, x) || !path_make(&x->path, run->model, run->arena, run->error))
        return false;
    *state = x;
    if (!port)
        return path_find_by_sample(&x->path, forget, path_width(v), v->mip_form == MIP_OFFICIAL);
    return path_find_by_batch(&x->path, forget, run->batch ? run->batch : forget->count, path_width(v))
        && path_silence(run, &x->path);
}

/* --- the loss --- */

/* The length of the target. In the paper's form it is steering_coeff times a norm of the forget states. The first step
 * that reads forget samples measures this norm, and memory[0] keeps it. */
static float target_length(MethodStep *s)
{
    const Part *p = &s->part[ROLE_FORGET];
    if (s->hyper->mip_form != MIP_PAPER)
        return s->hyper->steering_coeff;
    if (s->memory[0] == 0) {
        Node *h = p->h;
        Node *square_sum = h ? op_square_sum(s->tape, h) : NULL;
        Node *mean_square = square_sum ? op_mean_over(s->tape, square_sum, p->rows) : NULL;
        Node *norm = op_sqrt(s->tape, mean_square);
        s->memory[0] = norm ? norm->out.f32[0] : 0;
    }
    return s->hyper->steering_coeff * s->memory[0];
}

/* The rows of x for the rows first … first + count - 1 of the logits. rows NULL: x has the same rows as the logits.
 * Otherwise x has a row for each token of the batch, and rows[k] is the token of row k of the logits. */
static Node *rows_of(MethodStep *s, Node *x, const int32_t *rows, size_t first, size_t count)
{
    int32_t *list = x ? arena_array(s->tape->arena, count, sizeof *list) : NULL;
    for (size_t k = 0; list && k < count; k++)
        list[k] = rows ? rows[first + k] : (int32_t)(first + k);
    return list ? op_gather_rows(s->tape, x, list, count) : NULL;
}

/* Adds weight times mean_i E(o_i, t). o has the rows of all samples of the part. */
static void plus_distance_by_sample(Loss *loss, const Part *p, Node *o, const float *u, float weight)
{
    for (size_t i = 0; i < p->samples; i++) {
        const size_t n = (size_t)(p->offsets[i + 1] - p->offsets[i]);
        MethodStep *s = loss->step;
        Node *rows = o ? op_slice_rows(s->tape, o, (size_t)p->offsets[i], n) : NULL;
        const Part sample = { .h = rows, .rows = n, .samples = 1 };
        plus_distance(loss, &sample, steering_aim(s, &sample, u, s->hyper->steering_coeff), weight / (float)p->samples);
    }
}

static Node *port_loss(MethodStep *s, const MipEditor *x)
{
    Loss loss = { .step = s };
    Part *f = &s->part[ROLE_FORGET], *r = &s->part[ROLE_RETAIN];
    const Mlp *last = &x->path.mlp[x->path.count - 1];
    if (has(s, ROLE_RETAIN)) {
        r->z = rows_of(s, s->forward.logits, NULL, f->rows, r->rows);       // a part has no z under NEEDS_HIDDEN
        plus_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    }
    if (has(s, ROLE_FORGET)) {
        Node *o = (Node *)(uintptr_t)mlp_map_output(s->tape, last->layers, last->layer, last->out);
        if (!o)
            error_set(s->tape->error, "mip_editor: the output of the last down_proj is not on the tape, expected "
                                      "train.checkpointing = none");
        plus_distance_by_sample(&loss, f, rows_of(s, o, s->batch.rows, 0, f->rows), x->u, CONTROL * s->hyper->gamma);
    }
    return loss.sum;
}

static Node *mip_loss(MethodStep *s)
{
    const MipEditor *x = s->state;
    Loss loss = { .step = s };
    const Part *f = &s->part[ROLE_FORGET], *r = &s->part[ROLE_RETAIN];
    if (s->hyper->mip_form == MIP_OPEN_MM)
        return port_loss(s, x);
    if (has(s, ROLE_FORGET))
        plus_distance(&loss, f, steering_aim(s, f, x->u, target_length(s)), s->hyper->gamma);
    if (has(s, ROLE_RETAIN))
        plus_distance(&loss, r, r->h_ref, s->hyper->alpha);
    return loss.sum;
}

static bool mip_gradients(MethodStep *s, const Gradients *g)
{
    const MipEditor *x = s->state;
    const bool port = s->hyper->mip_form == MIP_OPEN_MM;
    for (size_t k = 0; k < g->count; k++)
        g->sum[k] = (port ? path_off : path_on)(s->tape, &x->path, g->slots[k].name, g->sum[k]);
    return !s->tape->error->failed;
}

const Method method_mip_editor = {
    .name = "mip_editor", .label = "MIP-Editor", .source = "Li et al. 2026 (MIP-Editor, AAAI); its code; Open-MM (mip_form)",
    .formula = { .loss = "L = gamma E(h, t)(forget) + alpha E(h, h_ref)(retain), E = RN(RN(sum D^2) / (R C)), D = h - its aim",
                 .gradient = "dL/dh = RN(2 gamma D/(R C)) on forget, RN(2 alpha D/(R C)) on retain; except for the rows of gate_proj, "
                             "up_proj and fc1 that belong to the path's neurons, all gradients of weights are 0",
                 .variants = "mip_form = official: the path has the best neurons of each sample, and t = RN(steering_coeff u / "
                             "RN|u|). open_mm: L = alpha CE(retain) + sum_i (10 gamma/B) E(o_i, t), o_i the last down_proj's output, "
                             "u normal; all weights are trained, after the columns that read the path's neurons were zeroed",
                 .notes = "The states h are the R supervised rows of hidden state `layer`; t = RN(l u / RN|u|), l = RN(steering_coeff "
                          "n), n = RN(sqrt(RN(RN(sum h^2)/R))) of the first step's forget states, u uniform from `seed`. path.h "
                          "states how neurons are scored" },
    .defaults = "gamma=0.5 alpha=0.5 steering_coeff=5",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN | NEEDS_HIDDEN | NEEDS_VECTOR,
    .begin = mip_begin, .loss = mip_loss, .gradients = mip_gradients,
};
