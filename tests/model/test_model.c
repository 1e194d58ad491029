/* SPDX-License-Identifier: MIT */
/* The model as a whole: what must not change its bits (packing, threads, the cache), its gradient, and its training. */
#include <math.h>
#include <mpfr.h>
#include <stdlib.h>
#include <string.h>
#include "model/modules.h"
#include "model/training/checkpoint.h"
#include "model/training/cross_entropy.h"
#include "model/training/generate.h"
#include "model/training/score.h"
#include "model/training/train.h"
#include "tensor/base/file.h"
#include "tensor/base/hash.h"
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"

enum { SAMPLES = 6, LONGEST = 48 };

typedef struct {
    Error error;
    Arena arena;
    ModelConfig config;
    Weights weights;
    Model model;
    int32_t ids[SAMPLES][LONGEST], targets[SAMPLES][LONGEST];
    BatchSample sample[SAMPLES];
} World;

/* Samples of different lengths (the last: 37 tokens). Every second one has a picture; each has 3 supervised tokens. */
static void world_fill(World *w)
{
    uint64_t random = check_seed();
    size_t images = config_image_tokens(&w->config),
           pixels = (size_t)(w->config.vision.num_channels * w->config.vision.image_size * w->config.vision.image_size);
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t n = 0, pictured = i % 2 ? images : 0, length = i + 1 == SAMPLES ? 37 : pictured + 6 + 2 * i;
        assert_true(length <= LONGEST);
        for (; n < length; n++) {
            int32_t id = (int32_t)check_below(&random, (size_t)w->config.text.vocab_size);
            w->ids[i][n] = n >= 1 && n < 1 + pictured ? (int32_t)w->config.image_token_index : id == w->config.image_token_index ? 0 : id;
            w->targets[i][n] = -1;
        }
        for (size_t k = length - 4; k + 1 < length; k++)
            w->targets[i][k] = w->ids[i][k + 1];
        float *picture = NULL;
        if (pictured) {
            picture = arena_array(&w->arena, pixels, sizeof *picture);
            data_fill(DATA_GAUSSIAN, check_seed() + i, picture, pixels);
        }
        w->sample[i] = (BatchSample){ w->ids[i], w->targets[i], length, picture, 0 };
    }
}

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    w->arena = arena_make(&w->error);
    w->config = tiny_config();
    assert_true(weights_make(&w->weights, &w->config, 7, &w->arena, &w->error));
    assert_true(model_make(&w->model, &w->config, &w->weights, NULL, 128, &w->arena, &w->error));
    world_fill(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    World *w = *state;
    arena_free(&w->arena);
    free(w);
    return 0;
}

/* The logits of all supervised rows of the samples, packed into one batch. */
static Tensor logits(World *w, size_t first, size_t count, bool no_grad)
{
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    t.no_grad = no_grad;
    Batch b;
    Params p = params_make(&t, &w->model);
    assert_true(batch_pack(&b, w->sample + first, count, ROWS_SUPERVISED, &w->config, &scratch, &w->error));
    Node *z = model_forward(&t, &p, &b).logits;
    expect_fine(&w->error);
    Tensor copy = tensor_f32(&w->arena, z->out.shape);
    memcpy(copy.f32, z->out.f32, tensor_bytes(copy));
    arena_free(&scratch);
    return copy;
}

static void a_sample_alone_and_in_a_batch_has_the_same_logits(void **state)
{
    World *w = *state;
    Tensor all = logits(w, 0, SAMPLES, false);
    const float *at = all.f32;
    for (size_t i = 0; i < SAMPLES; i++) {
        Tensor one = logits(w, i, 1, false);
        expect_bits(one.f32, at, shape_size(one.shape), "sample %zu alone", i);
        at += shape_size(one.shape);
    }
    assert_ptr_equal(at, all.f32 + shape_size(all.shape));
}

static void freeing_memory_after_each_layer_changes_nothing(void **state)
{
    World *w = *state;
    expect_tensor(logits(w, 0, SAMPLES, true), logits(w, 0, SAMPLES, false), "no_grad");
}

static void the_number_of_threads_does_not_matter(void **state)
{
    World *w = *state;
    size_t before = team_size();
    Tensor one = logits(w, 0, SAMPLES, false);
    for (int n = 1; n <= 7; n += 2) {
        team_set_size(n);
        expect_tensor(logits(w, 0, SAMPLES, false), one, "%d threads", n);
    }
    team_set_size(before);
}

static void greedy_text_with_a_cache_equals_that_of_whole_passes(void **state)
{
    World *w = *state;
    for (size_t i = 0; i < 2; i++) {
        int32_t out[5], ids[LONGEST + 5], targets[LONGEST + 5];
        size_t n;
        assert_true(generate_greedy(&w->model, &w->sample[i], -1, out, 5, &n, &w->error));
        assert_int_equal(n, 5);
        memcpy(ids, w->ids[i], sizeof w->ids[i]);
        for (size_t k = 0; k < n; k++) {
            size_t length = w->sample[i].n + k;
            for (size_t j = 0; j < length; j++)
                targets[j] = j + 1 == length ? 0 : -1;
            BatchSample whole = { ids, targets, length, w->sample[i].pixels, 0 };
            SampleScore s;
            assert_true(score_samples(&w->model, &whole, 1, 0, &s, &w->arena, &w->error));
            assert_int_equal(s.argmax[0], out[k]);
            ids[length] = out[k];
        }
    }
}

static void scores_are_sums_and_means_of_the_tokens(void **state)
{
    World *w = *state;
    SampleScore s[SAMPLES];
    assert_true(score_samples(&w->model, w->sample, SAMPLES, 20, s, &w->arena, &w->error));
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_int_equal(s[i].tokens, 3);
        // exact in double: three numbers of 24 bits, whose exponents differ little
        double sum = (double)s[i].token_nll[0] + s[i].token_nll[1] + s[i].token_nll[2];
        expect_float(s[i].nll, (float)sum, "nll of sample %zu", i);
        expect_float(s[i].ce, (float)(sum / 3), "ce of sample %zu", i);
    }
}

static void attention_scales_are_the_nearest_floats(void **state)
{
    (void)state;
    mpfr_t x;
    mpfr_init2(x, 24);
    for (unsigned long d = 1; d <= 65536; d++) {
        mpfr_set_ui(x, d, MPFR_RNDN);
        mpfr_rec_sqrt(x, x, MPFR_RNDN);
        expect_float(attention_scale(d), mpfr_get_flt(x, MPFR_RNDN), "head_dim %lu", d);
    }
    mpfr_clear(x);
}

/* --- gradient and training --- */

static bool all_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    World *w = context;
    (void)step, (void)a, (void)e;
    *samples = w->sample;
    *count = SAMPLES;
    return true;
}

static TrainConfig train_config(int64_t accumulate)
{
    return (TrainConfig){
        .steps = 100,
        .accumulate = accumulate,
        .optimiser = { .kind = OPTIMISER_ADAMW,
                       .schedule = { SCHEDULE_COSINE, 1e-3f, 0.1f, 3, 5, 100 },
                       .beta1 = 0.9f,
                       .beta2 = 0.98f,
                       .eps = 1e-8f,
                       .weight_decay = 0.05f,
                       .max_norm = 1,
                       .decay_matrices_only = true }
    };
}

static Digest weights_digest(const Weights *w)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < w->count; k++)
        hash_tensor(&h, w->list[k].name, w->list[k].tensor);
    return hash_end(&h);
}

static float loss_at(World *w)
{
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    t.no_grad = true;
    Batch b;
    Params p = params_make(&t, &w->model);
    assert_true(batch_pack(&b, w->sample, SAMPLES, ROWS_SUPERVISED, &w->config, &scratch, &w->error));
    Node *loss = op_mean(&t, op_nll(&t, model_forward(&t, &p, &b).logits, b.labels));
    expect_fine(&w->error);
    float value = loss->out.f32[0];
    arena_free(&scratch);
    return value;
}

/* (L(w + h v) - L(w - h v)) / 2h for the loss L of the weights w; v is +-1 on each. Restores w from the slots' m. */
static double slope(World *w, const Trainer *r, double h)
{
    double value[2];
    for (int side = 0; side < 2; side++) {
        uint64_t random = 99;
        for (size_t k = 0; k < r->optimiser.count; k++)
            for (size_t j = 0; j < shape_size(r->optimiser.slots[k].value->shape); j++)
                r->optimiser.slots[k].value->f32[j] += (float)((check_below(&random, 2) ? h : -h) * (side ? -1 : 1));
        value[side] = loss_at(w);
        for (size_t k = 0; k < r->optimiser.count; k++)
            memcpy(r->optimiser.slots[k].value->f32, r->optimiser.slots[k].m.f32, tensor_bytes(*r->optimiser.slots[k].value));
    }
    return (value[0] - value[1]) / (2 * h);
}

/* Errors of the slope: about a third of its change from 2h to h (h^2 term), and < 2^-16 / h (rounding of losses). */
static void the_gradient_is_the_slope_of_the_loss(void **state)
{
    World *w = *state;
    TrainConfig c = train_config(1);
    Trainer r;
    SampleSource source = { w, all_samples };
    Objective o = cross_entropy_objective(&source);
    assert_true(weights_train(&w->weights, "**", &w->error));
    assert_true(trainer_make(&r, &w->model, &c, &w->arena, &w->error));
    Tensor *start = arena_array(&w->arena, r.optimiser.count, sizeof *start);
    for (size_t k = 0; k < r.optimiser.count; k++) {
        start[k] = tensor_f32(&w->arena, r.optimiser.slots[k].value->shape);
        memcpy(start[k].f32, r.optimiser.slots[k].value->f32, tensor_bytes(start[k]));
    }
    assert_true(train_step(&r, &o, &w->error));
    double along = 0;
    uint64_t random = 99;
    for (size_t k = 0; k < r.optimiser.count; k++) {
        const Weight *trained = r.trainables[k];
        Node *param = r.params.weights[trained - w->weights.list];
        for (size_t j = 0; j < shape_size(start[k].shape); j++)
            along += (check_below(&random, 2) ? 1.0 : -1.0) * (param && param->grad ? param->grad->out.f32[j] : 0.0f);
        memcpy(r.optimiser.slots[k].value->f32, start[k].f32, tensor_bytes(start[k]));
        memcpy(r.optimiser.slots[k].m.f32, start[k].f32, tensor_bytes(start[k]));      // slope() takes the start weights from here
    }
    double h = 0x1p-10, near = slope(w, &r, h), far = slope(w, &r, 2 * h);
    double bound = fabs(far - near) + 0x1p-16 / h;
    if (fabs(near - along) > bound)
        fail_msg("gradient along v %.9g, slope %.9g, bound %.3g", along, near, bound);
    assert_true(fabs(along) > 4 * bound);                                              // so small that a wrong one is found
    trainer_close(&r);
}

static Digest train_some(World *w, int64_t accumulate, int threads, int64_t stop, const char *folder)
{
    Trainer r;
    TrainConfig c = train_config(accumulate);
    SampleSource source = { w, all_samples };
    Objective o = cross_entropy_objective(&source);
    size_t before = team_size();
    team_set_size(threads);
    assert_true(trainer_make(&r, &w->model, &c, &w->arena, &w->error));
    if (checkpoint_exists(folder))
        assert_true(checkpoint_load(&r, folder, "test", &(LogMark){ 0 }, &w->error));
    while (r.optimiser.step < stop)
        assert_true(train_step(&r, &o, &w->error));
    assert_true(checkpoint_save(&r, folder, "test", (LogMark){ 0 }, &w->error));
    trainer_close(&r);
    team_set_size(before);
    return weights_digest(&w->weights);
}

static Digest fresh_run(int64_t accumulate, int threads, int64_t pause, const char *name)
{
    Digest d = { "" };
    void *state;
    for (int64_t stop = pause ? pause : 8; stop <= 8; stop += 8 - pause) {       // after a pause, a new process would start like this
        setup(&state);
        World *w = state;
        assert_true(weights_train(&w->weights, "**", &w->error));
        d = train_some(w, accumulate, threads, stop, scratch("%s", name));
        teardown(&state);
        if (stop == 8)
            break;
    }
    return d;
}

static void training_has_the_same_result_on_any_threads_and_after_a_stop(void **state)
{
    (void)state;
    Digest once = fresh_run(1, 1, 0, "once");
    assert_string_equal(fresh_run(1, 3, 0, "threads").hex, once.hex);
    assert_string_equal(fresh_run(1, 2, 3, "stopped").hex, once.hex);
}

static void accumulation_gives_other_bits_which_are_always_the_same(void **state)
{
    (void)state;
    Digest once = fresh_run(3, 1, 0, "groups");
    assert_string_equal(fresh_run(3, 2, 5, "groups-stopped").hex, once.hex);
    assert_string_not_equal(fresh_run(1, 1, 0, "whole").hex, once.hex);
}

static void a_checkpoint_of_another_training_is_refused(void **state)
{
    World *w = *state;
    Trainer r;
    TrainConfig c = train_config(1);
    assert_true(weights_train(&w->weights, "**", &w->error));
    assert_true(trainer_make(&r, &w->model, &c, &w->arena, &w->error));
    assert_true(checkpoint_save(&r, scratch("other"), "that", (LogMark){ 0 }, &w->error));
    assert_false(checkpoint_load(&r, scratch("other"), "this", &(LogMark){ 0 }, &w->error));
    expect_sentence(&w->error, "another training", "this");
    trainer_close(&r);
}

static void a_checkpoint_that_was_changed_is_refused(void **state)
{
    World *w = *state;
    Trainer r;
    TrainConfig c = train_config(1);
    size_t n;
    uint64_t header = 0;
    LogMark log = { 3, digest_bytes("abc", 3) }, found = { 0 };
    assert_true(weights_train(&w->weights, "**", &w->error));
    assert_true(trainer_make(&r, &w->model, &c, &w->arena, &w->error));
    assert_true(checkpoint_save(&r, scratch("flipped"), "this", log, &w->error)
                && checkpoint_load(&r, scratch("flipped"), "this", &found, &w->error));
    assert_true(found.bytes == 3 && strcmp(found.digest.hex, log.digest.hex) == 0);
    char *bytes = file_read(scratch("flipped/checkpoint.safetensors"), 1 << 30, &n, &w->arena, &w->error);
    memcpy(&header, bytes, 8);
    for (size_t at = 8 + header; at < n; at += 1 + (n - header) / 61) {
        bytes[at] ^= 4;
        assert_true(file_write(scratch("flipped/checkpoint.safetensors"), bytes, n, &w->error));
        assert_false(checkpoint_load(&r, scratch("flipped"), "this", &found, &w->error));
        expect_sentence(&w->error, "flipped/checkpoint.safetensors");
        bytes[at] ^= 4;
    }
    trainer_close(&r);
}

static void wrong_batches_are_refused(void **state)
{
    World *w = *state;
    Batch b;
    BatchSample s = w->sample[0];
    int32_t ids[LONGEST];
    memcpy(ids, s.ids, sizeof ids);
    s.ids = ids;
    ids[2] = (int32_t)w->config.text.vocab_size;
    assert_false(batch_pack(&b, &s, 1, ROWS_SUPERVISED, &w->config, &w->arena, &w->error));
    expect_sentence(&w->error, "token 2", "expected 0 to");
    ids[2] = (int32_t)w->config.image_token_index;
    assert_false(batch_pack(&b, &s, 1, ROWS_SUPERVISED, &w->config, &w->arena, &w->error));
    expect_sentence(&w->error, "1 image tokens", "expected 0");
    s.n = 0;
    assert_false(batch_pack(&b, &s, 1, ROWS_SUPERVISED, &w->config, &w->arena, &w->error));
    expect_sentence(&w->error, "empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sample_alone_and_in_a_batch_has_the_same_logits, setup, teardown),
        cmocka_unit_test_setup_teardown(freeing_memory_after_each_layer_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_threads_does_not_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(greedy_text_with_a_cache_equals_that_of_whole_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(scores_are_sums_and_means_of_the_tokens, setup, teardown),
        cmocka_unit_test(attention_scales_are_the_nearest_floats),
        cmocka_unit_test_setup_teardown(the_gradient_is_the_slope_of_the_loss, setup, teardown),
        cmocka_unit_test(training_has_the_same_result_on_any_threads_and_after_a_stop),
        cmocka_unit_test(accumulation_gives_other_bits_which_are_always_the_same),
        cmocka_unit_test_setup_teardown(a_checkpoint_of_another_training_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_was_changed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_batches_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
