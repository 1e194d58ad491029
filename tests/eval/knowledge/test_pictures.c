/* SPDX-License-Identifier: MIT */
/* Changed pictures, pixel by pixel. The universal perturbation: the derivative of the cross-entropy (CE) that it
 * follows, against difference quotients, and its limits. */
#include <math.h>
#include <string.h>
#include "eval/knowledge/perturbation.h"
#include "eval/knowledge/pictures.h"
#include "model/training/score.h"
#include "ref/config/session.h"
#include "tensor/base/random.h"
#include "tests/support/stand.h"

enum { SIDE = 5, VALUES = 3 * SIDE * SIDE };

static void fill(uint8_t rgb[VALUES])
{
    for (size_t k = 0; k < VALUES; k++)
        rgb[k] = (uint8_t)(k * 89 % 256);
}

static Image changed(const char *metric, const uint8_t *rgb, const char *name)
{
    Image in = { .width = SIDE, .height = SIDE, .rgb = (uint8_t *)(uintptr_t)rgb }, out;
    for (int k = 0; k < OTHER_PICTURES; k++)
        if (strcmp(other_pictures[k].metric, metric) == 0) {
            assert_true(other_pictures[k].change.run(&out, &in, name, other_pictures[k].change.context, &arena, &error));
            assert_true(out.width == SIDE && out.height == SIDE && out.rgb != in.rgb);
            return out;
        }
    fail_msg("there is no %s", metric);
    return in;
}

static const uint8_t *at(const uint8_t *rgb, size_t x, size_t y) { return rgb + 3 * (y * SIDE + x); }

static void a_mirrored_picture_has_its_columns_in_reverse_order(void **state)
{
    (void)state;
    uint8_t rgb[VALUES];
    fill(rgb);
    const Image out = changed("accuracy_mirrored", rgb, "p");
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++)
            assert_memory_equal(at(out.rgb, x, y), at(rgb, SIDE - 1 - x, y), 3);
}

static void a_shifted_picture_repeats_its_edges(void **state)
{
    (void)state;
    uint8_t rgb[VALUES];
    fill(rgb);
    const Image out = changed("accuracy_shifted", rgb, "p");
    assert_memory_equal(at(out.rgb, 4, 4), at(rgb, 1, 1), 3);
    assert_memory_equal(at(out.rgb, 3, 4), at(rgb, 0, 1), 3);
    assert_memory_equal(at(out.rgb, 2, 4), at(rgb, 0, 1), 3);
    assert_memory_equal(at(out.rgb, 0, 0), at(rgb, 0, 0), 3);
    assert_memory_equal(at(out.rgb, 4, 2), at(rgb, 1, 0), 3);
}

static void a_dimmed_picture_has_seven_tenths_of_each_value(void **state)
{
    (void)state;
    uint8_t rgb[VALUES] = { 0, 1, 10, 15, 100, 200, 255 };
    const uint8_t want[] = { 0, 1, 7, 11, 70, 140, 179 };             // 10.5 and 178.5 are rounded up
    assert_memory_equal(changed("accuracy_dimmed", rgb, "p").rgb, want, sizeof want);
}

static void noise_is_drawn_from_the_name_of_the_picture(void **state)
{
    (void)state;
    uint8_t rgb[VALUES];
    memset(rgb, 128, sizeof rgb);
    const Image one = changed("accuracy_noisy", rgb, "p"), same = changed("accuracy_noisy", rgb, "p"),
                other = changed("accuracy_noisy", rgb, "q");
    assert_memory_equal(one.rgb, same.rgb, VALUES);
    assert_true(memcmp(one.rgb, other.rgb, VALUES) != 0);
    double sum = 0, sum_of_squares = 0;
    for (size_t k = 0; k < VALUES; k++) {
        const double d = one.rgb[k] - 128.0;
        sum += d;
        sum_of_squares += d * d;
    }
    assert_true(fabs(sum / VALUES) < 6 && sqrt(sum_of_squares / VALUES) > 9 && sqrt(sum_of_squares / VALUES) < 15);
    // the index of the random numbers is made of the first 8 digits of SHA-256("p\0")
    const Digest digest = digest_bytes("p", 2);
    const uint64_t h = strtoull((char[9]){ digest.hex[0], digest.hex[1], digest.hex[2], digest.hex[3], digest.hex[4], digest.hex[5],
                                           digest.hex[6], digest.hex[7] }, NULL, 16);
    for (size_t k = 0; k < VALUES; k++)
        assert_int_equal(one.rgb[k], (int)floor(128 + 12 * (double)random_normal(random_for(0, "picture.noise"), (h << 24) + k) + 0.5));
}

/* --- the perturbation --- */

static Session model;
static Settings settings;
static Dataset persons;
static Questions questions;

static int open_model(void **state)
{
    stand_begin(state);
    settings_defaults(&settings, &arena);
    const EntityList one = { (const Entity *[]){ &(Entity){ .id = "person-00" } }, 1 };
    questions_begin(&questions, &arena);
    const bool good = session_open(&model, &settings, "fixtures/models/base", MASK_ANSWER, &arena, &error)
        && perturbation_watch(&model.weights, &error) && session_model(&model, &error)
        && dataset_read(&persons, "fixtures/world/persons.jsonl", &arena, &error)
        && questions_add(&questions, &persons, (Choice){ KIND_OPEN, &one, 1, true }, &error);
    size_t kept = 0;
    for (size_t k = 0; k < questions.count; k++)
        if (questions.question[k].sample->image)
            questions.question[kept++] = questions.question[k];
    questions.count = kept;
    return !good;
}

static int close_model(void **state)
{
    dataset_close(&persons);
    session_close(&model);
    return stand_end(state);
}

static double summed_ce(const BatchSample *sample, size_t n)
{
    SampleScore s[8];
    double sum = 0;
    assert_true(n <= 8 && score_samples(&model.model, sample, n, 0, s, &arena, &error));
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < s[k].tokens; i++)
            sum += s[k].token_nll[i];
    return sum;
}

/* In each channel, the largest derivative is compared with (CE(x + h) - CE(x - h)) / 2h, where x is the pixel with
 * that derivative. */
static void the_derivative_agrees_with_difference_quotients(void **state)
{
    (void)state;
    const size_t values = shape_size(model.reader.pixels), plane = values / 3, n = questions.count;
    BatchSample sample[8];
    double *d = arena_array(&arena, values, sizeof *d);
    assert_true(n == 5);
    for (size_t k = 0; k < n; k++)
        assert_true(reader_sample(&model.reader, &persons, questions.question[k].sample, NULL, 0, NO_AUGMENT, &sample[k], &arena, &error));
    assert_true(perturbation_gradient(&model.model, sample, n, d, &error));
    expect_fine(&error);
    for (size_t c = 0; c < 3; c++) {
        size_t most = c * plane;
        for (size_t i = c * plane; i < (c + 1) * plane; i++)
            most = fabs(d[i]) > fabs(d[most]) ? i : most;
        double ce[2];
        const float h = 0x1p-7f;
        for (int side = 0; side < 2; side++) {
            BatchSample moved[8];
            for (size_t k = 0; k < n; k++) {
                float *pixels = arena_array(&arena, values, sizeof *pixels);
                memcpy(pixels, sample[k].pixels, values * sizeof *pixels);
                pixels[most] += side ? h : -h;
                moved[k] = sample[k];
                moved[k].pixels = pixels;
            }
            ce[side] = summed_ce(moved, n);
        }
        const double slope = (ce[1] - ce[0]) / (2 * (double)h);
        if (fabs(slope - d[most]) > 0.05 * fabs(d[most]))
            fail_msg("channel %zu: the derivative is %g, the slope %g", c, d[most], slope);
    }
}

static double ce_with(const Perturbation *p)
{
    const PictureChange change = perturbation_change(p);
    Reader r = model.reader;
    BatchSample sample[8];
    r.change = &change;
    for (size_t k = 0; k < questions.count; k++)
        assert_true(reader_sample(&r, &persons, questions.question[k].sample, NULL, 0, NO_AUGMENT, &sample[k], &arena, &error));
    return summed_ce(sample, questions.count);
}

static void steps_lower_the_ce_within_twelve_levels(void **state)
{
    (void)state;
    Perturbation none, few, many;
    assert_true(perturbation_find(&none, &model.model, &model.reader, &questions, 0, &arena, &error)
                && perturbation_find(&few, &model.model, &model.reader, &questions, 2, &arena, &error)
                && perturbation_find(&many, &model.model, &model.reader, &questions, 14, &arena, &error));
    expect_fine(&error);
    int most[2] = { 0, 0 };
    for (size_t k = 0; k < 3 * many.width * many.height; k++) {
        assert_int_equal(none.delta[k], 0);
        most[0] = abs(few.delta[k]) > most[0] ? abs(few.delta[k]) : most[0];
        most[1] = abs(many.delta[k]) > most[1] ? abs(many.delta[k]) : most[1];
    }
    assert_true(most[0] == 2 && most[1] == PERTURBATION_MOST);
    assert_true(ce_with(&few) < ce_with(&none) && ce_with(&many) < ce_with(&few));
}

static void values_are_cut_at_black_and_white(void **state)
{
    (void)state;
    uint8_t rgb[3] = { 250, 5, 128 };
    int8_t delta[3] = { 12, -12, -1 };
    const Perturbation p = { delta, 1, 1 };
    const PictureChange change = perturbation_change(&p);
    const Image in = { .width = 1, .height = 1, .rgb = rgb }, wide = { .width = 2, .height = 1, .rgb = rgb };
    Image out;
    assert_true(change.run(&out, &in, "p", change.context, &arena, &error));
    assert_true(out.rgb[0] == 255 && out.rgb[1] == 0 && out.rgb[2] == 127);
    assert_false(change.run(&out, &wide, "p", change.context, &arena, &error));
    expect_sentence(&error, "2 x 1", "1 x 1");
}

static void text_and_a_frozen_patch_embedding_are_refused(void **state)
{
    (void)state;
    const EntityList one = { (const Entity *[]){ &(Entity){ .id = "person-00" } }, 1 };
    Questions text;
    Perturbation p;
    Session frozen;
    questions_begin(&text, &arena);
    assert_true(questions_add(&text, &persons, (Choice){ KIND_OPEN, &one, 1, true }, &error));
    assert_false(perturbation_find(&p, &model.model, &model.reader, &text, 1, &arena, &error));
    expect_sentence(&error, "persons.jsonl:", "has no picture to perturb");
    assert_true(session_open(&frozen, &settings, "fixtures/models/base", MASK_ANSWER, &arena, &error) && session_model(&frozen, &error));
    assert_false(perturbation_find(&p, &frozen.model, &frozen.reader, &questions, 1, &arena, &error));
    expect_sentence(&error, "patch embedding is not trainable");
    session_close(&frozen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_mirrored_picture_has_its_columns_in_reverse_order),
        stand_test(a_shifted_picture_repeats_its_edges),
        stand_test(a_dimmed_picture_has_seven_tenths_of_each_value),
        stand_test(noise_is_drawn_from_the_name_of_the_picture),
        stand_test(values_are_cut_at_black_and_white),
        cmocka_unit_test_setup_teardown(the_derivative_agrees_with_difference_quotients, open_model, close_model),
        cmocka_unit_test_setup_teardown(steps_lower_the_ce_within_twelve_levels, open_model, close_model),
        cmocka_unit_test_setup_teardown(text_and_a_frozen_patch_embedding_are_refused, open_model, close_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
