/* SPDX-License-Identifier: MIT */
/* Samples and data sets: what a line means, which pictures it shows, and the lines that are refused; and how a picture
 * is augmented. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "model/image/augment.h"
#include "model/training/dataset.h"
#include "model/training/sample.h"
#include "tensor/base/file.h"
#include "tensor/store.h"
#include "tests/support/scratch.h"

static Dataset samples;

static int begin(void **state)
{
    stand_begin(state);
    samples = (Dataset){ 0 };
    return 0;
}

static int end(void **state)
{
    dataset_close(&samples);
    return stand_end(state);
}

static bool samples_of(const char *text)
{
    dataset_close(&samples);
    assert_true(file_write(scratch("s.jsonl"), text, strlen(text), &error));
    return dataset_read(&samples, scratch("s.jsonl"), &arena, &error);
}

/* Writes into the folder of the samples: a picture, a file with three pictures of 2 x 1 pixels, and a file in which the
 * tensor of pictures has another name. */
static void write_pictures(void)
{
    uint8_t rgb[18];
    for (int i = 0; i < 18; i++)
        rgb[i] = (uint8_t)(37 * i + 11);
    Image x = { .width = 3, .height = 2, .rgb = rgb };
    Entry e = { "images", { .shape = shape_of(4, (size_t)3, (size_t)1, (size_t)2, (size_t)3), .dtype = U8,
                            .u8 = rgb } };
    Entry bad = { "pictures", e.tensor };
    assert_true(image_write_png(scratch("one.png"), &x, &error) && store_write(scratch("many.safetensors"), &e, 1, &error)
                && store_write(scratch("other.safetensors"), &bad, 1, &error));
}

static void keys_are_read_and_absent_ones_have_their_defaults(void **state)
{
    (void)state;
    write_pictures();
    assert_true(samples_of("{\"id\":\"a\",\"entity\":\"france\",\"group\":\"country\",\"split\":\"test\",\"modality\":\"image\","
                           "\"image\":\"one.png\","
                           "\"question\":\"what "
                           "?\",\"answer\":\"caf\xc3\xa9\",\"options\":[\"caf\xc3\xa9\",\"tea\"],\"kind\":\"choice\",\"skill\":"
                           "\"capital\",\"frame\":3,\"augment\":true,\"step\":12,\"use\":\"reporting\"}\n\n  "
                           "\r\n{\"id\":\"b\",\"question\":\"q\",\"answer\":\"x\"}"));
    const Sample *a = dataset_find(&samples, "a"), *b = dataset_find(&samples, "b");
    assert_true(samples.count == 2 && a == &samples.sample[0] && b == &samples.sample[1]
                && !dataset_find(&samples, "c"));
    assert_string_equal(a->answer, "caf\xc3\xa9");
    assert_true(a->use == USE_REPORTING && b->use == USE_ANY);
    assert_true(a->split == SPLIT_TEST && a->modality == MODALITY_IMAGE && a->kind == KIND_CHOICE && a->frame == 3
                && a->step == 12 && a->augment);
    assert_true(a->option_count == 2 && !strcmp(a->options[1], "tea") && !strcmp(a->group, "country") && a->line == 1);
    assert_true(b->split == SPLIT_TRAIN && b->modality == MODALITY_TEXT && b->kind == KIND_OPEN && b->frame == -1 && b->step == -1
                && !b->augment);
    assert_true(b->option_count == 0 && !b->image && !strcmp(b->entity, "") && b->line == 4);
}

static void a_pair_is_recognised_by_its_key_or_by_the_ids(void **state)
{
    (void)state;
    write_pictures();
    assert_true(samples_of("{\"id\":\"a-0-image\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"one.png\"}\n"
                           "{\"id\":\"a-0-text\",\"question\":\"q\",\"answer\":\"x\"}\n"
                           "{\"id\":\"shown\",\"pair\":\"p\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"one.png\"}\n"
                           "{\"id\":\"b-text\",\"pair\":\"p\",\"question\":\"q\",\"answer\":\"x\"}\n"
                           "{\"id\":\"context\",\"question\":\"q\",\"answer\":\"x\"}\n"
                           "{\"id\":\"-text\",\"question\":\"q\",\"answer\":\"x\"}"));
    static const char *const pairs[] = { "a-0", "a-0", "p", "p" };
    for (size_t k = 0; k < 4; k++)
        assert_string_equal(samples.sample[k].pair, pairs[k]);
    assert_null(samples.sample[4].pair);
    assert_null(samples.sample[5].pair);
}

static void pictures_come_from_files_and_from_rows_of_tensors(void **state)
{
    (void)state;
    Image x, again;
    write_pictures();
    assert_true(samples_of("{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"one.png\"}\n"
                           "{\"id\":\"b\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"many.safetensors#2\"}\n"
                           "{\"id\":\"c\",\"question\":\"q\",\"answer\":\"x\"}\n"
                           "{\"id\":\"d\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"one.png\"}"));
    assert_true(dataset_picture(&samples, &samples.sample[0], &x, &arena, &error) && x.width == 3 && x.height == 2
                && x.rgb[4] == 159);
    assert_true(dataset_picture(&samples, &samples.sample[3], &again, &arena, &error) && again.rgb == x.rgb);
    assert_true(dataset_picture(&samples, &samples.sample[1], &x, &arena, &error) && x.width == 2 && x.height == 1);
    assert_int_equal(x.rgb[0], (uint8_t)(37 * 12 + 11));
    assert_false(dataset_picture(&samples, &samples.sample[2], &x, &arena, &error));
    expect_sentence(&error, "s.jsonl:3", "\"c\" has no picture");
}

static void a_picture_that_cannot_be_decoded_names_its_sample(void **state)
{
    (void)state;
    Image x;
    assert_true(file_write(scratch("bad.png"), "nothing", 7, &error));
    assert_true(samples_of("\n{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\",\"image\":\"bad.png\"}"));
    assert_false(dataset_picture(&samples, &samples.sample[0], &x, &arena, &error));
    expect_sentence(&error, "s.jsonl:2: ", "bad.png: not a picture we can read");
}

#define LINE(more) "{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\"" more "}"

static void every_mistake_is_named_with_file_and_line(void **state)
{
    (void)state;
    static const struct { const char *text, *line, *part; } cases[] = {
        { "", "s.jsonl", "has no samples" },                                { "\n\n", "s.jsonl", "has no samples" },
        { LINE(",\"colour\":1"), ":1", "the key \"colour\" is unknown" },   { LINE("") "\n{\"id\":", ":2", "is not JSON" },
        { LINE("") "\n" LINE(""), ":2", "the id \"a\" is that of line 1" }, { "\n[1]", ":2", "an object" },
        { "{\"id\":\"a\",\"question\":\"q\"}", ":1", "\"answer\" is missing" },
        { "{\"id\":\"\",\"question\":\"q\",\"answer\":\"x\"}", ":1", "\"id\" is missing or empty" },
        { "{\"id\":7,\"question\":\"q\",\"answer\":\"x\"}", ":1", "\"id\" must be text" },
        { LINE(",\"options\":[\"y\",\"z\"]"), ":1", "the answer \"x\" is not among the options" },
        { LINE(",\"options\":[\"x\",\"x\"]"), ":1", "option \"x\" appears twice" },
        { LINE(",\"options\":[\"x\"]"), ":1", "list of 2 to 64" },
        { LINE(",\"options\":[\"x\",3]"), ":1", "option 2 is not a text" }, { LINE(",\"kind\":\"choice\""), ":1", "no \"options\"" },
        { LINE(",\"split\":\"test\",\"use\":\"stopping\""), ":1", "\"use\" is \"stopping\"" },
        { LINE(",\"use\":\"matching\""), ":1", "\"use\" is \"matching\", but \"split\" is not \"test\"" },
        { LINE(",\"kind\":\"essay\""), ":1", "\"kind\" is \"essay\"" },     { LINE(",\"split\":3"), ":1", "\"split\"" },
        { LINE(",\"modality\":\"image\""), ":1", "there is no \"image\"" }, { LINE(",\"augment\":true"), ":1", "no \"image\"" },
        { LINE(",\"augment\":1"), ":1", "\"augment\" must be" },
        { LINE(",\"frame\":1.5"), ":1", "\"frame\" must be a whole number" },
        { LINE(",\"step\":-2"), ":1", "\"step\" must be" },
        { LINE(",\"image\":\"none.png\""), ":1", "\"none.png\" is not there" },
        { LINE(",\"image\":\"/nowhere/at/all.png\""), ":1", "is not there" },
        { LINE(",\"image\":\"many.safetensors#3\""), ":1", "rows 0 to 2" },
        { LINE(",\"image\":\"many.safetensors#99999999999999999999\""), ":1", "is not there" },
        { LINE(",\"image\":\"other.safetensors#0\""), ":1", "no tensor \"images\"" },
        { LINE(",\"image\":\"no.safetensors#0\""), ":1", "no.safetensors" },
        { LINE(",\"image\":\"one.png\",\"modality\":\"text\""), ":1", "there is an \"image\"" },
        { LINE(",\"answer\":\"y\""), ":1", "is not JSON" },                 { "{\"id\":\"\xff\"}", ":1", "is not JSON" },
        { "{\"id\":\"a\\u0000b\",\"question\":\"q\",\"answer\":\"x\"}", ":1", "is not JSON" },
    };
    write_pictures();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        if (samples_of(cases[k].text))
            fail_msg("was read without complaint: %s", cases[k].text);
        expect_sentence(&error, "s.jsonl", cases[k].line, cases[k].part);
    }
    assert_false(dataset_read(&samples, scratch("none.jsonl"), &arena, &error));
    expect_sentence(&error, "none.jsonl");
}

static void a_damaged_file_gives_an_error_or_samples(void **state)
{
    (void)state;
    static const char good[] = "{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\",\"options\":[\"x\",\"y\"],\"image\":\"many."
                               "safetensors#1\",\"frame\":3}\n"
                               "{\"id\":\"b\",\"question\":\"q\",\"answer\":\"x\",\"augment\":false,\"step\":4}\n";
    uint64_t seed = check_seed();
    write_pictures();
    for (int round = 0; round < 1000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (size_t k = 1 + check_below(&seed, 3); k > 0; k--)
            text[check_below(&seed, sizeof good - 1)] = (char)(round % 2 ? 1 + check_random(&seed) % 255
                                                                         : (uint64_t)"{}[],:\"#\\\n"[check_below(&seed, 10)]);
        if (!samples_of(text))
            expect_sentence(&error, "s.jsonl");
        dataset_close(&samples);
        arena_reset(&arena);
    }
}

/* The expected values come from a Python implementation of Philox and of the formula in augment.h. */
static void augmentation_is_its_formula(void **state)
{
    (void)state;
    static const struct { uint64_t seed, use; uint8_t rgb[18]; } cases[] = {
        { 1, 0, { 80, 116, 160, 186, 222, 23, 42, 90, 117, 79, 118, 146, 185, 223, 21, 50, 90, 124 } },
        { 1, 1, { 10, 49, 94, 5, 56, 98, 129, 176, 210, 101, 140, 180, 99, 141, 181, 220, 255, 23 } },
        { 2, 5, { 13, 44, 73, 11, 41, 78, 115, 150, 185, 8, 50, 81, 12, 47, 74, 111, 140, 177 } },
        { 0x123456789abcdef0u, 1000003, { 13, 46, 94, 127, 168, 205, 249, 13, 50, 21, 56, 83, 129, 167, 210, 248, 12, 62 } },
    };
    uint8_t rgb[18];
    for (int i = 0; i < 18; i++)
        rgb[i] = (uint8_t)(37 * i + 11);
    Image x = { .width = 3, .height = 2, .rgb = rgb }, y;
    for (size_t k = 0; k < 4; k++) {
        assert_true(image_augment(&y, &x, cases[k].seed, cases[k].use, &arena, &error));
        assert_memory_equal(y.rgb, cases[k].rgb, 18);
    }
    x.width = (size_t)1 << 24;
    assert_false(image_augment(&y, &x, 1, 1, &arena, &error));
    expect_sentence(&error, "cannot be augmented");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(keys_are_read_and_absent_ones_have_their_defaults), TEST(a_pair_is_recognised_by_its_key_or_by_the_ids),
        TEST(pictures_come_from_files_and_from_rows_of_tensors),
        TEST(a_picture_that_cannot_be_decoded_names_its_sample), TEST(every_mistake_is_named_with_file_and_line),
        TEST(a_damaged_file_gives_an_error_or_samples), TEST(augmentation_is_its_formula),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
