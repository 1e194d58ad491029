/* SPDX-License-Identifier: MIT */
/* MIP-Editor: the scores of neurons against difference quotients of the loss and against gradients that this file
 * computes itself, the choice of the path, and the weights that the three forms change (mip_form = paper, official,
 * open_mm). The file is longer than 400 lines, because each of the three forms has its own expected values here. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/training/cross_entropy.h"
#include "tensor/base/random.h"
#include "tensor/ops.h"
#include "tests/support/tiny_world.h"
#include "unlearn/methods/neurons/path.h"

// MLPs of the language model and of the vision tower, neurons in one MLP of each, and the language model's hidden size
enum { LANGUAGE = 2, VISION = 2, WIDTH = 22, VISION_WIDTH = 20, C = 18 };

/* A model whose MLPs have a visible effect, because their weights are 16 times as large as usual. */
static TinyWorld *world(Trainable t)
{
    TinyWorld *w = tiny_world_make(check_seed());
    for (size_t k = 0; k < w->weights.count; k++)
        if (strstr(w->weights.list[k].name, ".mlp.") && strstr(w->weights.list[k].name, ".weight"))
            for (size_t i = 0; i < shape_size(w->weights.list[k].tensor.shape); i++)
                w->weights.list[k].tensor.f32[i] *= 16;
    tiny_world_adapt(w, t);
    return w;
}

static Tensor *weight(TinyWorld *w, const char *layers, size_t layer, const char *map)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%zu.mlp.%s", layers, layer, map);
    return &weights_find(&w->weights, name)->tensor;
}

#define LAYERS "language_model.model.layers"
#define TOWER "vision_tower.vision_model.encoder.layers"

/* The CE of one sample: the fp32 nll of each token, averaged in binary64. */
static double loss_of(TinyWorld *w, const BatchSample *s)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Tape t = tape_make(&a, &e);
    Batch b;
    Params p = params_make(&t, &w->model);
    double sum = 0;
    t.no_grad = true;
    assert_true(batch_pack(&b, s, 1, ROWS_SUPERVISED, &w->config, &a, &e));
    const Node *nll = op_nll(&t, model_forward(&t, &p, &b).logits, b.labels);
    expect_fine(&e);
    for (size_t k = 0; k < b.row_count; k++)
        sum += (double)nll->out.f32[k] / (double)b.row_count;
    arena_free(&a);
    return sum;
}

/* W (0), B (1) or A (2) of down_proj; NULL: it has no adapter. */
static Tensor *down(TinyWorld *w, size_t layer, int part)
{
    char name[128];
    snprintf(name, sizeof name, LAYERS ".%zu.mlp.down_proj", layer);
    const LoraPair *pair = part ? lora_find(w->model.lora, name) : NULL;
    return part == 0 ? weight(w, LAYERS, layer, "down_proj.weight") : pair ? &(part == 1 ? pair->b : pair->a)->tensor : NULL;
}

static void scale_column(Tensor *x, size_t k, float by)
{
    for (size_t r = 0; r < x->shape.dim[0]; r++)
        x->f32[r * x->shape.dim[1] + k] *= by;
}

/* The derivative of CE by the scale of neuron k's activation in one layer, as a difference quotient. To scale the
 * activation, column k of that layer's down_proj and column k of its adapter's A are scaled. Before that, every
 * down_proj and B of its adapter are multiplied by the factor a. */
static double slope(TinyWorld *w, const BatchSample *s, size_t layer, size_t k, float a)
{
    const float step = 0x1p-5f;
    double at[2];
    Tensor kept[3][LANGUAGE];
    float data[3][LANGUAGE][C * WIDTH];
    for (int up = 0; up < 2; up++) {
        for (int part = 0; part < 3; part++)                     // W, B, and A of down_proj
            for (size_t l = 0; l < LANGUAGE; l++) {
                Tensor *x = down(w, l, part);
                if (!x)
                    continue;
                kept[part][l] = *x;
                for (size_t i = 0; i < shape_size(x->shape); i++)
                    data[part][l][i] = x->f32[i] * (part < 2 ? a : 1);
                x->f32 = data[part][l];
            }
        scale_column(down(w, layer, 0), k, up ? 1 + step : 1 - step);
        if (down(w, layer, 2))
            scale_column(down(w, layer, 2), k, up ? 1 + step : 1 - step);
        at[up] = loss_of(w, s);
        for (int part = 0; part < 3; part++)
            for (size_t l = 0; l < LANGUAGE; l++)
                if (down(w, l, part))
                    *down(w, l, part) = kept[part][l];
    }
    return (at[1] - at[0]) / (2 * (double)step);
}

static void expect_near(double got, double want, double scale, const char *what, size_t k)
{
    if (!(fabs(got - want) < 2e-2 * fabs(want) + 2e-3 * scale))
        fail_msg("%s of neuron %zu is %g, expected about %g", what, k, got, want);
}

/* The activations of the first MLP of the language model do not depend on the factor a. So the score of each of its
 * neurons is the mean over a = 1/4, 2/4, 3/4 and 1 of -slope / a. Closes the world. */
static void integrated_gradients_agree(TinyWorld *w)
{
    Path p;
    double want[WIDTH], most = 0;
    const BatchSample *s = &w->sample[2];
    assert_true(path_make(&p, &w->model, &w->arena, &w->error));
    assert_int_equal(p.count, VISION + LANGUAGE);
    assert_true(path_integrated(&p, s, 1));
    for (size_t k = 0; k < WIDTH; k++) {
        want[k] = 0;
        for (int j = 1; j <= 4; j++)
            want[k] -= slope(w, s, 0, k, (float)j / 4) / ((double)j / 4) / 4;
        most = fabs(want[k]) > most ? fabs(want[k]) : most;
    }
    assert_true(most > 1e-3);
    for (size_t k = 0; k < WIDTH; k++)
        expect_near(p.mlp[VISION].score[k], want[k], most, "the integrated gradient", k);
    tiny_world_close(w);
}

static void integrated_gradients_agree_with_difference_quotients(void **state)
{
    (void)state;
    integrated_gradients_agree(world(TRAIN_FULL));
}

/* The adapters of down_proj are not zero here, and path_integrated multiplies them by a, too. */
static void integrated_gradients_agree_beside_an_adapter(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_LLM);
    tiny_fill_b(&w->lora);
    integrated_gradients_agree(w);
}

/* At the last MLP only the one supervised row of this sample has a gradient. So the score, |activation times gradient|,
 * is the absolute value of a slope. */
static void products_agree_with_difference_quotients(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_FULL);
    Path p;
    double want[WIDTH], most = 0;
    const BatchSample *s = &w->sample[0];
    assert_true(path_make(&p, &w->model, &w->arena, &w->error) && path_product(&p, s, 1));
    for (size_t k = 0; k < WIDTH; k++) {
        want[k] = fabs(slope(w, s, LANGUAGE - 1, k, 1));
        most = want[k] > most ? want[k] : most;
    }
    assert_true(most > 1e-3);
    for (size_t k = 0; k < WIDTH; k++)
        expect_near(p.mlp[VISION + LANGUAGE - 1].score[k], want[k], most, "the product", k);
    tiny_world_close(w);
}

/* The scores are the mean squares of the gradients of fc2's inputs. Here these come from a tape on which every weight
 * is trained. */
static void squares_are_those_of_a_whole_backward_pass(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_FULL);
    Path p;
    Batch b;
    const BatchSample *s = &w->sample[1];
    Tape t = tape_make(&w->arena, &w->error);
    Params params = params_make(&t, &w->model);
    assert_true(path_make(&p, &w->model, &w->arena, &w->error) && path_squared(&p, s, 1));
    assert_true(batch_pack(&b, s, 1, ROWS_SUPERVISED, &w->config, &w->arena, &w->error));
    Node *z = model_forward(&t, &params, &b).logits;
    tape_seed(&t, z, op_logit_grad_label(&t, op_softmax(&t, z), constant_vector(&t, "c", b.row_count, 1 / (float)b.row_count), b.labels));
    tape_backward(&t);
    expect_fine(&w->error);
    for (size_t l = 0; l < VISION; l++) {
        char name[128];
        const Node *h = NULL;
        snprintf(name, sizeof name, "param." TOWER ".%zu.mlp.fc2.weight", l);
        for (size_t n = 0; n < t.count && !h; n++)
            if (t.nodes[n]->n_in >= 2 && t.nodes[n]->in[1]->name && strcmp(t.nodes[n]->in[1]->name, name) == 0)
                h = t.nodes[n]->in[0];
        assert_non_null(h);
        const size_t rows = h->out.shape.dim[0];
        for (size_t k = 0; k < VISION_WIDTH; k++) {
            double sum = 0;
            for (size_t r = 0; r < rows; r++)
                sum += (double)h->grad->out.f32[r * VISION_WIDTH + k] * (double)h->grad->out.f32[r * VISION_WIDTH + k];
            assert_true(sum > 0 && p.mlp[l].score[k] == sum / (double)rows);
        }
    }
    for (size_t k = 0; k < WIDTH; k++)
        assert_true(p.mlp[VISION].score[k] == 0);
    tiny_world_close(w);
}

static void a_path_has_the_best_neurons_and_the_first_of_equal_ones(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_FULL);
    Path p;
    assert_true(path_make(&p, &w->model, &w->arena, &w->error));
    static const double score[] = { 1, 3, 0, 3, 2 };
    memcpy(p.mlp[1].score, score, sizeof score);
    assert_true(path_choose(&p, 1, 2, 1));
    assert_true(p.mlp[1].on[1] && !p.mlp[1].on[3] && p.mlp[1].score[1] == 0);
    memcpy(p.mlp[1].score, score, sizeof score);
    assert_true(path_choose(&p, 1, 2, 3));                     // added to the neurons that are on the path already
    assert_true(p.mlp[1].on[1] && p.mlp[1].on[3] && p.mlp[1].on[4] && !p.mlp[1].on[0] && !p.mlp[1].on[2]);
    for (size_t k = 0; k < VISION_WIDTH; k++)
        assert_false(p.mlp[0].on[k]);
    tiny_world_close(w);
}

/* --- the weights that each form changes --- */

/* Sets rows[r] if row r of a map differs between the two models, and returns how many rows do. */
static size_t changed_rows(TinyWorld *w, TinyWorld *old, const char *layers, size_t layer, const char *map, bool *rows)
{
    const Tensor *x = weight(w, layers, layer, map), *y = weight(old, layers, layer, map);
    const size_t n = shape_size(x->shape) / x->shape.dim[0];
    size_t count = 0;
    for (size_t r = 0; r < x->shape.dim[0]; r++) {
        rows[r] = memcmp(x->f32 + r * n, y->f32 + r * n, n * sizeof(float)) != 0;
        count += rows[r];
    }
    return count;
}

static void run(TinyWorld *w, const char *changes)
{
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, "mip_editor", changes, 3);
    tiny_world_run(w, &r, &p);
    rounds_close(&r);
}

/* How many neurons of each MLP are on the path: 1 by default, and 3 with path_neurons=3. Under "official" each sample
 * chooses 2 in the MLPs that it scores. Two samples score each MLP (those with a picture the vision tower's, the others
 * the language model's) and may choose the same ones, so there are 2 to 4. gate_proj and up_proj change in the same
 * rows. */
static void only_the_rows_of_the_path_are_trained(void **state)
{
    (void)state;
    static const char *const settings[] = { "layer=2", "layer=2 path_neurons=3",
                                            "layer=2 mip_form=official path_neurons=2 steering_coeff=10" };
    static const size_t least[] = { 1, 3, 2 }, most[] = { 1, 3, 4 };
    for (int f = 0; f < 3; f++) {
        TinyWorld *w = world(TRAIN_FULL), *old = world(TRAIN_FULL);
        bool gate[WIDTH], up[WIDTH], fc1[VISION_WIDTH], bias[VISION_WIDTH];
        run(w, settings[f]);
        for (size_t l = 0; l < LANGUAGE; l++) {
            const size_t n = changed_rows(w, old, LAYERS, l, "gate_proj.weight", gate);
            changed_rows(w, old, LAYERS, l, "up_proj.weight", up);
            assert_memory_equal(gate, up, sizeof gate);
            assert_in_range(n, least[f], most[f]);
        }
        for (size_t l = 0; l < VISION; l++) {
            const size_t n = changed_rows(w, old, TOWER, l, "fc1.weight", fc1);
            changed_rows(w, old, TOWER, l, "fc1.bias", bias);
            assert_memory_equal(fc1, bias, sizeof fc1);
            assert_in_range(n, least[f], most[f]);
        }
        for (size_t k = 0; k < w->weights.count; k++) {
            const char *name = w->weights.list[k].name;
            if (!strstr(name, "gate_proj") && !strstr(name, "up_proj") && !strstr(name, ".fc1."))
                assert_memory_equal(w->weights.list[k].tensor.f32, old->weights.list[k].tensor.f32,
                                    tensor_bytes(w->weights.list[k].tensor));
        }
        tiny_world_close(old);
        tiny_world_close(w);
    }
}

/* With adapters, only the path's rows of B change, only in gate_proj and up_proj; the projector does not change. */
static void only_the_rows_of_the_path_are_adapted(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_PROJ_LLM), *old = world(TRAIN_PROJ_LLM);
    run(w, "layer=2 path_neurons=3");
    for (size_t k = 0; k < w->lora.count; k++) {
        const Tensor *b = &w->lora.pairs[k].b->tensor;
        const size_t rank = b->shape.dim[1];
        const bool mapped = strstr(w->lora.pairs[k].module, "gate_proj") || strstr(w->lora.pairs[k].module, "up_proj");
        size_t moved = 0;
        for (size_t r = 0; r < b->shape.dim[0]; r++) {
            size_t numbers = 0;
            for (size_t i = 0; i < rank; i++)
                numbers += b->f32[r * rank + i] != 0;
            moved += numbers > 0;
        }
        assert_int_equal(moved, mapped ? 3 : 0);
    }
    for (size_t k = 0; k < w->weights.count; k++)
        assert_memory_equal(w->weights.list[k].tensor.f32, old->weights.list[k].tensor.f32, tensor_bytes(w->weights.list[k].tensor));
    tiny_world_close(old);
    tiny_world_close(w);
}

static size_t zero_columns(const Tensor *x)
{
    size_t count = 0, n = x->shape.dim[1];
    for (size_t k = 0; k < n; k++) {
        size_t zeros = 0;
        for (size_t r = 0; r < x->shape.dim[0]; r++)
            zeros += x->f32[r * n + k] == 0;
        count += zeros == x->shape.dim[0];
    }
    return count;
}

/* With adapters, the form open_mm zeroes columns of A in the adapters of down_proj, and they stay zero during training.
 * Without adapters it zeroes columns of every down_proj and fc2; five of each map, if path_neurons is not given. */
static void the_form_open_mm_zeroes_columns(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_LLM), *full = world(TRAIN_FULL);
    Rounds r;
    run(w, "mip_form=open_mm path_neurons=3");
    size_t adapters = 0;
    for (size_t k = 0; k < w->lora.count; k++)
        if (strstr(w->lora.pairs[k].module, "down_proj")) {
            assert_int_equal(zero_columns(&w->lora.pairs[k].a->tensor), 3);
            adapters++;
        }
    assert_int_equal(adapters, LANGUAGE);
    assert_int_equal(zero_columns(weight(w, TOWER, 0, "fc2.weight")) + zero_columns(weight(w, LAYERS, 0, "down_proj.weight")), 0);
    RoundsPlan p = tiny_world_plan(full, "mip_editor", "mip_form=open_mm", 3);
    assert_true(rounds_make(&r, &p, &full->model, NULL, &full->arena, &full->error) && round_begin(&r, &full->error));
    for (size_t l = 0; l < LANGUAGE; l++)
        assert_int_equal(zero_columns(weight(full, LAYERS, l, "down_proj.weight")), 5);
    for (size_t l = 0; l < VISION; l++)
        assert_int_equal(zero_columns(weight(full, TOWER, l, "fc2.weight")), 5);
    rounds_close(&r);
    tiny_world_close(full);
    tiny_world_close(w);
}

/* alpha CE(retain) + 10 gamma times the mean, over the forget samples and their supervised rows, of |o - aim|^2 / C.
 * o is the output of the last down_proj, and aim is coeff u / |u|. Computed sample by sample in binary64. */
static double open_mm_loss(TinyWorld *w, double alpha, double gamma, double coeff)
{
    const Random random = random_for(0, "unlearn.mip_editor");
    double u[C], norm = 0, away = 0, ce = 0, tokens = 0;
    for (size_t k = 0; k < C; k++)
        u[k] = (double)random_normal(random, k), norm += u[k] * u[k];
    for (size_t i = 0; i < SAMPLES; i++) {
        Error e = { .failed = false };
        Arena a = arena_make(&e);
        Tape t = tape_make(&a, &e);
        Batch b;
        Params p = params_make(&t, &w->model);
        const Node *o = NULL;
        assert_true(batch_pack(&b, &w->sample[i], 1, ROWS_SUPERVISED, &w->config, &a, &e));
        model_forward(&t, &p, &b);
        expect_fine(&e);
        for (size_t n = 0; n < t.count; n++)
            if (t.nodes[n]->n_in >= 2 && t.nodes[n]->in[1]->name
                && strcmp(t.nodes[n]->in[1]->name, "param." LAYERS ".1.mlp.down_proj.weight") == 0)
                o = t.nodes[n];
        assert_non_null(o);
        for (size_t r = 0; r < b.row_count && i < FORGET; r++)
            for (size_t k = 0; k < C; k++) {
                const double d = (double)o->out.f32[(size_t)b.rows[r] * C + k] - coeff * u[k] / sqrt(norm);
                away += d * d / C / (double)b.row_count / FORGET;
            }
        if (i >= FORGET)
            ce += loss_of(w, &w->sample[i]) * (double)b.row_count, tokens += (double)b.row_count;
        arena_free(&a);
    }
    return alpha * ce / tokens + 10 * gamma * away;
}

static void the_loss_of_the_form_open_mm_is_its_equation(void **state)
{
    (void)state;
    TinyWorld *w = world(TRAIN_FULL);
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, "mip_editor", "mip_form=open_mm gamma=0.7 alpha=0.3 steering_coeff=1.5", 2);
    p.batch = SAMPLES;
    assert_true(rounds_make(&r, &p, &w->model, NULL, &w->arena, &w->error) && round_begin(&r, &w->error));
    const double want = open_mm_loss(w, 0.3, 0.7, 1.5);
    assert_true(round_step(&r, &w->error));
    if (!(fabs((double)r.trainer.stats.loss - want) < 1e-5 * want))
        fail_msg("the loss is %.9g, expected about %.9g", (double)r.trainer.stats.loss, want);
    rounds_close(&r);
    tiny_world_close(w);
}

/* --- refusals --- */

static void refused(TinyWorld *w, RoundsPlan p, const char *part, const char *other)
{
    Rounds r;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error)
                 && round_step(&r, &w->error));
    expect_sentence(&w->error, part, other);
    rounds_close(&r);
}

static void a_bad_request_is_refused(void **state)
{
    (void)state;
    TinyWorld *full = world(TRAIN_FULL);
    RoundsPlan p = tiny_world_plan(full, "mip_editor", "mip_form=official", 2);
    p.train.optimiser.weight_decay = 0.25f;
    refused(full, p, "optimiser.weight_decay is 0.25", "expected 0");
    refused(full, tiny_world_plan(full, "mip_editor", "layer=3", 2), "unlearn.layer is 3", "0 to 2");
    p = tiny_world_plan(full, "mip_editor", "mip_form=open_mm", 2);
    p.train.checkpointing = true;
    refused(full, p, "the last down_proj is not on the tape", "checkpointing = none");
    assert_false(hyperparameters_set(&p.v, "mip_form", "ours", &full->error));
    expect_sentence(&full->error, "unlearn.mip_form", "paper|official|open_mm");
    assert_false(hyperparameters_set(&p.v, "path_neurons", "-1", &full->error));
    expect_sentence(&full->error, "unlearn.path_neurons is \"-1\"", "expected");
    tiny_world_close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrated_gradients_agree_with_difference_quotients),
        cmocka_unit_test(integrated_gradients_agree_beside_an_adapter),
        cmocka_unit_test(products_agree_with_difference_quotients),
        cmocka_unit_test(squares_are_those_of_a_whole_backward_pass),
        cmocka_unit_test(a_path_has_the_best_neurons_and_the_first_of_equal_ones),
        cmocka_unit_test(only_the_rows_of_the_path_are_trained),
        cmocka_unit_test(only_the_rows_of_the_path_are_adapted),
        cmocka_unit_test(the_form_open_mm_zeroes_columns),
        cmocka_unit_test(the_loss_of_the_form_open_mm_is_its_equation),
        cmocka_unit_test(a_bad_request_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
