/* SPDX-License-Identifier: MIT */
/* Rows that samples have in common are run once, and rows that were run before are not run again. This changes no bit,
 * wherever the samples begin to differ, however they are divided into calls, and however many rows may be kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/reuse/prefix.h"
#include "model/training/generate.h"
#include "model/training/score.h"
#include "tensor/ops.h"
#include "tests/support/check.h"
#include "tests/support/tiny.h"

enum { SAMPLES = 40, LONGEST = 40, PICTURES = 2 };

typedef struct {
    Error error;
    Arena arena;
    ModelConfig config;
    Weights weights;
    Lora lora;
    Model model;
    float *picture[PICTURES];
    int32_t ids[SAMPLES][LONGEST], targets[SAMPLES][LONGEST];
    BatchSample sample[SAMPLES];
    Tensor truth[SAMPLES], all[SAMPLES];        // the logits of the supervised rows, and of all rows, of each sample alone
} World;

/* The logits of one sample by model_forward, alone in its batch. */
static Tensor alone(World *w, const BatchSample *s, BatchRows rows)
{
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    Batch b;
    Params p = params_make(&t, &w->model);
    t.no_grad = true;
    assert_true(batch_pack(&b, s, 1, rows, &w->config, &scratch, &w->error));
    Node *z = model_forward(&t, &p, &b).logits;
    expect_fine(&w->error);
    Tensor copy = tensor_f32(&w->arena, z->out.shape);
    memcpy(copy.f32, z->out.f32, tensor_bytes(copy));
    arena_free(&scratch);
    return copy;
}

/* Outside the places of pictures, each sample after the first has the tokens of an earlier sample, up to a position
 * that is drawn from 0 to the length of that sample. Some samples have no picture, and some have the same pixels at
 * another address. */
static void world_fill(World *w)
{
    uint64_t random = check_seed();
    const size_t images = config_image_tokens(&w->config), pixels = shape_size(config_pixels(&w->config));
    for (size_t k = 0; k < PICTURES; k++) {
        w->picture[k] = arena_array(&w->arena, pixels, sizeof(float));
        data_fill(DATA_GAUSSIAN, check_seed() + k, w->picture[k], pixels);
    }
    for (size_t k = 0; k < SAMPLES; k++) {
        const size_t like = k ? check_below(&random, k) : 0, length = images + 6 + check_below(&random, LONGEST - images - 8);
        const float *picture = k % 3 ? w->picture[check_below(&random, PICTURES)] : NULL;
        const size_t same = k ? check_below(&random, w->sample[like].n + 1) : 0;
        assert_true(length <= LONGEST);
        for (size_t i = 0; i < length; i++) {
            int32_t id = (int32_t)check_below(&random, (size_t)w->config.text.vocab_size);
            id = id == w->config.image_token_index ? 0 : id;
            if (i < same && w->ids[like][i] != w->config.image_token_index)
                id = w->ids[like][i];
            w->ids[k][i] = picture && i >= 2 && i < 2 + images ? (int32_t)w->config.image_token_index : id;
            w->targets[k][i] = -1;
        }
        for (size_t i = length - 4; i + 1 < length; i++)
            w->targets[k][i] = w->ids[k][i + 1];
        if (picture && k % 2) {
            float *copy = arena_array(&w->arena, pixels, sizeof *copy);
            memcpy(copy, picture, pixels * sizeof *copy);
            picture = copy;
        }
        w->sample[k] = (BatchSample){ w->ids[k], w->targets[k], length, picture, 0 };
    }
}

static int setup(void **state)
{
    World *w = calloc(1, sizeof *w);
    w->arena = arena_make(&w->error);
    w->config = tiny_config();
    assert_true(weights_make(&w->weights, &w->config, 7, &w->arena, &w->error));
    assert_true(lora_make(&w->lora, &w->weights, (LoraConfig){ .rank = 3, .alpha = 5 }, 1, &w->arena, &w->error));
    tiny_fill_b(&w->lora);
    assert_true(model_make(&w->model, &w->config, &w->weights, &w->lora, 128, &w->arena, &w->error));
    world_fill(w);
    for (size_t k = 0; k < SAMPLES; k++) {
        w->truth[k] = alone(w, &w->sample[k], ROWS_SUPERVISED);
        w->all[k] = alone(w, &w->sample[k], ROWS_ALL);
    }
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

/* Asks for the logits of some samples, and compares them with those of each sample alone. If the limit is too small
 * for one call, there are several; returns the number of calls. */
static size_t compare(World *w, Prefixes *x, size_t first, size_t count, size_t limit, BatchRows rows, const char *what)
{
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    size_t calls = 0;
    t.no_grad = true;
    for (size_t k = first, n; k < first + count; k += n, calls++) {
        RowMap map;
        n = first + count - k;
        tape_reset(&t);
        Node *z = prefixes_logits(x, &t, w->sample + k, &n, limit, rows, &map);
        expect_fine(&w->error);
        assert_true(z && n > 0 && map.samples == n && map.row_count == z->out.shape.dim[0]);
        for (size_t i = 0; i < n; i++) {
            const Tensor *truth = rows == ROWS_ALL ? &w->all[k + i] : &w->truth[k + i];
            assert_int_equal(map.row_offsets[i + 1] - map.row_offsets[i], truth->shape.dim[0]);
            expect_bits(z->out.f32 + (size_t)map.row_offsets[i] * truth->shape.dim[1], truth->f32, shape_size(truth->shape),
                        "%s, sample %zu", what, k + i);
        }
    }
    arena_free(&scratch);
    return calls;
}

static void shared_and_kept_rows_have_the_bits_of_rows_that_are_run_alone(void **state)
{
    World *w = *state;
    static const size_t capacity[] = { 0, 1, 30, 60, 200, 100000 };
    for (size_t m = 0; m < sizeof capacity / sizeof *capacity; m++)
        for (BatchRows rows = ROWS_SUPERVISED; rows <= ROWS_ALL; rows++) {
            Prefixes *x = prefixes_make(&w->model, capacity[m] * cache_row_bytes(&w->model), &w->error);
            char what[64];
            snprintf(what, sizeof what, "room for %zu rows", capacity[m]);
            assert_int_equal(prefixes_capacity(x), capacity[m]);
            compare(w, x, 0, SAMPLES, SIZE_MAX, rows, what);
            compare(w, x, 0, SAMPLES, 50, rows, what);
            assert_true(prefixes_rows(x) <= capacity[m]);
            prefixes_forget(x);
            for (size_t k = 0; k < SAMPLES; k++)
                compare(w, x, (7 * k) % SAMPLES, 1, SIZE_MAX, rows, what);
            prefixes_free(x);
        }
}

/* A sample is cut after each of its tokens: first its beginning is run, then the whole sample. */
static void a_cut_at_any_place_changes_nothing(void **state)
{
    World *w = *state;
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    const size_t images = config_image_tokens(&w->config);
    t.no_grad = true;
    for (size_t k = 0; k < 2; k++)
        for (size_t cut = 1; cut < w->sample[k].n; cut++) {
            if (w->sample[k].pixels && cut < 2 + images)
                continue;                                    // a batch has the whole picture, or nothing of it
            Prefixes *x = prefixes_make(&w->model, 1 << 24, &w->error);
            BatchSample begin = w->sample[k];
            RowMap map;
            size_t one = 1;
            begin.n = cut;
            tape_reset(&t);
            assert_non_null(prefixes_logits(x, &t, &begin, &one, SIZE_MAX, ROWS_ALL, &map));
            assert_int_equal(prefixes_run_rows(x), cut);
            compare(w, x, k, 1, SIZE_MAX, ROWS_ALL, "after a cut");
            assert_int_equal(prefixes_run_rows(x), w->sample[k].n);
            compare(w, x, k, 1, SIZE_MAX, ROWS_ALL, "once more");
            assert_int_equal(prefixes_run_rows(x), w->sample[k].n);
            prefixes_free(x);
        }
    arena_free(&scratch);
}

/* Four options of one prompt: the prompt is run once, and for each option all its tokens but the last. */
static void no_row_is_run_twice(void **state)
{
    World *w = *state;
    BatchSample option[4];
    int32_t ids[4][LONGEST];
    SampleScore together[4], apart;
    const size_t k = 1, n = w->sample[k].n;                  // the last three tokens are the answer
    for (size_t j = 0; j < 4; j++) {
        memcpy(ids[j], w->ids[k], sizeof ids[j]);
        for (size_t i = n - 3; i < n; i++)
            ids[j][i] = (int32_t)(1 + (i + 50 * j) % 300);
        option[j] = w->sample[k];
        option[j].ids = ids[j];
    }
    Prefixes *x = prefixes_make(&w->model, 1 << 24, &w->error);
    assert_true(score_with(x, option, 4, together, &w->arena, &w->error));
    assert_int_equal(prefixes_run_rows(x), n - 3 + 4 * 2);
    for (size_t j = 0; j < 4; j++) {
        assert_true(score_samples(&w->model, &option[j], 1, 0, &apart, &w->arena, &w->error));
        expect_bits(together[j].token_nll, apart.token_nll, 3, "option %zu", j);
        expect_float(together[j].nll, apart.nll, "option %zu", j);
    }
    prefixes_free(x);
}

static void a_wrong_tape_or_sample_is_refused(void **state)
{
    World *w = *state;
    Arena scratch = arena_make(&w->error);
    Tape t = tape_make(&scratch, &w->error);
    Prefixes *x = prefixes_make(&w->model, 1 << 24, &w->error);
    RowMap map;
    size_t n = 1;
    assert_null(prefixes_logits(x, &t, w->sample, &n, SIZE_MAX, ROWS_ALL, &map));
    expect_sentence(&w->error, "gradients", "no_grad");
    t.no_grad = true;
    BatchSample empty = w->sample[0];
    empty.n = 0;
    assert_null(prefixes_logits(x, &t, &empty, &n, SIZE_MAX, ROWS_ALL, &map));
    expect_sentence(&w->error, "empty");
    BatchSample unsupervised = w->sample[0];
    unsupervised.targets = NULL;
    SampleScore score;
    assert_false(score_with(x, &unsupervised, 1, &score, &w->arena, &w->error));
    expect_sentence(&w->error, "no supervised token");
    compare(w, x, 0, 3, SIZE_MAX, ROWS_ALL, "after errors");
    prefixes_free(x);
    arena_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shared_and_kept_rows_have_the_bits_of_rows_that_are_run_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_at_any_place_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(no_row_is_run_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_tape_or_sample_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
