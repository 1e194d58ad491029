/* SPDX-License-Identifier: MIT */
/* Files of other benchmarks: the hand-made samples of fixtures/ are read, and damaged files are refused. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "eval/formats/mllmu.h"
#include "eval/formats/samples.h"
#include "eval/formats/mmbench.h"
#include "eval/formats/tsv.h"
#include "model/training/dataset.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

static Mmbench bench;
static Dataset samples;

static int begin(void **state)
{
    stand_begin(state);
    bench = (Mmbench){ 0 };
    samples = (Dataset){ 0 };
    return 0;
}

static int end(void **state)
{
    mmbench_close(&bench);
    dataset_close(&samples);
    return stand_end(state);
}

/* --- MMBench --- */

static void mmbench_is_asked_as_llava_asks_it(void **state)
{
    (void)state;
    assert_true(mmbench_read(&bench, "fixtures/mmbench/sample.tsv", &arena, &error));
    assert_true(bench.count == 3 && bench.left_out == 1 && bench.samples.count == 4 + 2 + 3);
    const Sample *x = dataset_find(&bench.samples, "241-0"), *y = dataset_find(&bench.samples, "241-1"),
                 *z = dataset_find(&bench.samples, "260-2");
    assert_string_equal(x->question, "what colour is the circle ?\nA. red\nB. blue\nC. green\nD. yellow\nAnswer with the "
                                     "option's letter from the given choices directly.");
    assert_string_equal(y->question, "what colour is the circle ?\nA. blue\nB. green\nC. yellow\nD. red\nAnswer with the "
                                     "option's letter from the given choices directly.");
    assert_string_equal(z->question, "The picture is of\n\"shapes\"\tand nothing else\nwhich sentence is true ?\nA. the circle "
                                     "is blue\nB. the circle is below the square\n"
                        "C. the circle is left of the square\nAnswer with the option's letter from the given choices directly.");
    assert_true(!strcmp(x->answer, "A") && !strcmp(y->answer, "D") && !strcmp(z->answer, "C") && z->option_count == 3
                && z->frame == 2 && z->line == 4);
    assert_true(!strcmp(x->skill, "attribute_recognition") && !strcmp(x->entity, "241") && x->split == SPLIT_TEST
                && x->kind == KIND_CHOICE);
    Image a, b;
    assert_true(dataset_picture(&bench.samples, x, &a, &arena, &error) && a.width == 32 && a.height == 32);
    // row 260 names "241" as its picture: that of row 241
    assert_true(dataset_picture(&bench.samples, z, &b, &arena, &error) && b.rgb == a.rgb);
    // the red circle, the blue square
    assert_true(a.rgb[(9 * 32 + 9) * 3] == 220 && a.rgb[(20 * 32 + 20) * 3 + 2] == 220);
}

/* All patterns of right and wrong answers to nine samples. A right answer is exact, a letter, or the option's text. */
static void circular_eval_asks_every_rotation(void **state)
{
    (void)state;
    assert_true(mmbench_read(&bench, "fixtures/mmbench/sample.tsv", &arena, &error));
    static const char *const right_text[] = { "red", "three", "the circle is left of the square" };
    static const size_t first[] = { 0, 4, 6, 9 };
    for (unsigned pattern = 0; pattern < 512; pattern++) {
        Result r[9] = { 0 };
        int64_t single_want = 0, circular_want = 0;
        for (size_t q = 0; q < 3; q++) {
            bool all = true;
            for (size_t k = first[q]; k < first[q + 1]; k++) {
                bool right = pattern >> k & 1;
                r[k].id = bench.samples.sample[k].id;
                r[k].exact = right && k % 3 == 0;
                r[k].text = !right ? "E" : k % 3 == 1 ? bench.samples.sample[k].answer : right_text[q];
                all = all && right;
            }
            single_want += pattern >> first[q] & 1;
            circular_want += all;
        }
        Ratio single, circular;
        assert_true(mmbench_score(&bench, r, 9, &single, &circular, &error));
        assert_true(single.total == 3 && circular.total == 3 && single.count == single_want
                    && circular.count == circular_want);
    }
}

static void answers_that_do_not_belong_to_the_questions_are_refused(void **state)
{
    (void)state;
    Result r[9] = { 0 };
    Ratio single, circular;
    assert_true(mmbench_read(&bench, "fixtures/mmbench/sample.tsv", &arena, &error));
    for (int k = 0; k < 8; k++) {                    // the last rotation of the last question is missing
        r[k].id = bench.samples.sample[k].id;
        r[k].exact = true;
    }
    assert_true(mmbench_score(&bench, r, 8, &single, &circular, &error));
    assert_true(single.total == 2 && single.count == 2 && circular.total == 2 && circular.count == 2);
    for (int k = 0; k < 9; k++)
        r[k].id = bench.samples.sample[8 - k].id;
    assert_false(mmbench_score(&bench, r, 9, &single, &circular, &error));
    expect_sentence(&error, "answer 2 is to", "expected the questions of the file in their order");
}

#define HEAD "index\tquestion\tA\tB\tanswer\timage\n"
#define PNG "iVBORw0KGgo="

static void every_mistake_in_a_table_is_named_with_file_and_line(void **state)
{
    (void)state;
    static const struct { const char *text, *line, *part; } cases[] = {
        { "", ":1", "column 1 has no name" },                                             { HEAD, ":1", "no row" },
        { "index\tquestion\tA\tB\tanswer\timage\tcolour\n", ":1", "names columns, but no row" },
        { "index\tindex\n", ":1", "appears twice" },
        { "index\tquestion\tA\tB\tanswer\timage\tcolour\n1\tq\ta\tb\tA\t" PNG "\tred\n", ":1", "the column \"colour\" is unknown" },
        { "index\tquestion\tA\tB\timage\n1\tq\ta\tb\t" PNG "\n", ":1", "no column \"answer\" (the test split" },
        { HEAD "1\tq\ta\tb\tA\n", ":2", "5 cells, expected 6" },
        { HEAD "1\tq\ta\tb\tA\t" PNG "\tx\n", ":2", "7 cells, expected 6" },
        { HEAD "x\tq\ta\tb\tA\t" PNG "\n", ":2", "not a whole number" },
        { HEAD "-1\tq\ta\tb\tA\t" PNG "\n", ":2", "not a whole number" },
        { HEAD "1\tq\ta\t\tA\t" PNG "\n", ":2", "at least the options A and B" },
        { HEAD "1\tq\tnan\tb\tA\t" PNG "\n", ":2", "at least the options" },
        { HEAD "1\t\ta\tb\tA\t" PNG "\n", ":2", "a question and" },
        { HEAD "1\tq\ta\tb\tC\t" PNG "\n", ":2", "not the letter of an option (\"C\")" },
        { HEAD "1\tq\ta\tb\ta\t" PNG "\n", ":2", "not the letter" },
        { HEAD "1\tq\ta\tb\t\t" PNG "\n", ":2", "not the letter" },
        { HEAD "1\tq\ta\tb\tA\t" PNG "\n2\tq\ta\tb\tA\tabc\n", ":3", "is not base64" },
        { HEAD "1\tq\ta\tb\tA\t\n", ":2", "is not base64" },
        { HEAD "1\tq\ta\tb\tA\tab=c\n", ":2", "is not base64" },
        { HEAD "1\tq\ta\tb\tA\tiVBORx==\n", ":2", "is not base64" },
        { HEAD "1\tq\ta\tb\tA\t7\n", ":2", "\"7\" is not there" },
        { HEAD "1\t\"q\ta\tb\n\n", ":2", "quotation mark that is not closed" },
        { HEAD "1\t\"q\"q\ta\tb\tA\t" PNG "\n", ":2", "quotation mark that is not closed" },
        { HEAD "1\tq\ta\tb\tA\t" PNG "\n\"2\"\t\"q\n\"\ta\tb\tA\t" PNG "\n1\tq\ta\tb\tA\t" PNG "\n", ":5", "\"1-0\" is that of line 2" },
        { HEAD "1000001\tq\ta\tb\tA\t1\n", ":1", "no question with an index below 1000000" },
        { HEAD "1\tq\xff\ta\tb\tA\t" PNG "\n", ":2", "not UTF-8" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(file_write(scratch("t.tsv"), cases[k].text, strlen(cases[k].text), &error));
        if (mmbench_read(&bench, scratch("t.tsv"), &arena, &error))
            fail_msg("was read without complaint: %s", cases[k].text);
        if (!strstr(error.text, cases[k].part))
            print_message("case %zu: %s\n", k, error.text);
        expect_sentence(&error, "t.tsv", cases[k].line, cases[k].part);
    }
    static const char zero[] = HEAD "1\tq\0q\ta\tb\tA\t" PNG "\n";
    assert_true(file_write(scratch("t.tsv"), zero, sizeof zero - 1, &error));
    assert_false(mmbench_read(&bench, scratch("t.tsv"), &arena, &error));
    expect_sentence(&error, "t.tsv:2: the line is not UTF-8");
    assert_false(mmbench_read(&bench, scratch("none.tsv"), &arena, &error));
    expect_sentence(&error, "none.tsv");
}

static void windows_line_ends_and_a_byte_order_mark_are_read(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "index\tquestion\tA\tB\tanswer\timage\r\n1\tq\ta\tb\tB\t" PNG "\r\n2\t\"q\"\"\"\ta\tb\tB\t\"" PNG
                               "\"\r\n3\tq\ta\tb\tB\t1";
    assert_true(file_write(scratch("t.tsv"), text, sizeof text - 1, &error)
                && mmbench_read(&bench, scratch("t.tsv"), &arena, &error));
    assert_true(bench.count == 3 && !strcmp(bench.question[0].option[1], "b")
                && !strncmp(dataset_find(&bench.samples, "2-0")->question, "q\"\n", 3));
    Image x;
    // the base64 text does not hold a whole picture
    assert_false(dataset_picture(&bench.samples, &bench.samples.sample[0], &x, &arena, &error));
    expect_sentence(&error, "t.tsv:2", "truncated or has no header");
}

/* The examples of RFC 4648, section 10, and one with the characters + and /. */
static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const struct { const char *text, *bytes; } cases[] = {
        { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" }, { "+/+/", "\xfb\xff\xbf" },
    };
    unsigned char out[16];
    size_t n;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(base64_decode(cases[k].text, out, &n) && n == strlen(cases[k].bytes));
        assert_memory_equal(out, cases[k].bytes, n);
    }
    static const char *const bad[] = { "", "Zg", "Zg=", "Z===", "Zh==", "Zm9=", "Zm9v\n", "Zm-v", "====", "Zg==Zg==" };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (base64_decode(bad[k], out, &n))
            fail_msg("\"%s\" was read as base64", bad[k]);
}

/* --- MLLMU-Bench --- */

static void mllmu_becomes_samples(void **state)
{
    (void)state;
    assert_true(mllmu_read(&samples, "fixtures/mllmu/sample.jsonl", &arena, &error));
    assert_int_equal(samples.count, 7 + 4);
    const Sample *x = dataset_find(&samples, "001-classification-image-0"),
        *c = dataset_find(&samples, "001-cloze-text-1"),
        *g = dataset_find(&samples, "001-generation-image-0"), *m = dataset_find(&samples, "002-metadata-image-0"),
        *t = dataset_find(&samples, "001-classification-text-0"), *turn = dataset_find(&samples, "002-classification-image-1");
    assert_string_equal(x->question, "What is the job of this person?\nA: baker\nB: pilot\nC: nurse\nD: farmer\nJust give ONE "
                                     "letter representing the answer directly.");
    assert_true(!strcmp(x->answer, "B") && x->option_count == 4 && x->kind == KIND_CHOICE && x->split == SPLIT_TEST
                && x->modality == MODALITY_IMAGE && x->line == 1);
    assert_true(t->modality == MODALITY_TEXT && !t->image && !strcmp(t->skill, "classification"));
    assert_string_equal(c->question, "Ada Brook likes to eat [Blank] in the morning.");
    assert_true(c->kind == KIND_CLOZE && !strcmp(c->answer, "rice") && g->kind == KIND_OPEN && !strcmp(g->entity, "001")
                && !strcmp(g->group, "mllmu"));
    assert_true(m->split == SPLIT_TRAIN && !strcmp(m->answer, "Ben Vale") && m->line == 2);
    assert_string_equal(turn->image, "images/sample-002-1.png");                       // the second of two pictures
    assert_string_equal(dataset_find(&samples, "002-classification-image-2")->image, "images/sample-002-0.png");
    Image p;
    assert_true(dataset_picture(&samples, turn, &p, &arena, &error) && p.width == 32);
}

#define PERSON(more) "{\"ID\":\"1\"" more "}"
#define CHOICE(q) PERSON(",\"Classification_Task\":{\"Pure_Text_Questions\":[" q "]}")

static void every_mistake_in_a_person_is_named_with_file_and_line(void **state)
{
    (void)state;
    static const struct { const char *text, *line, *part; } cases[] = {
        { "", "p.jsonl", "has no persons" },                                       { "\n{\"ID\":", ":2", "is not JSON" },
        { PERSON(""), ":1", "\"1\" has no question" },                             { "[1]", ":1", "an object" },
        { PERSON(",\"colour\":1"), ":1", "the key \"colour\" is unknown" },        { "{\"images\":[]}", ":1", "\"ID\" must be a text" },
        { PERSON(",\"images\":\"x\""), ":1", "\"images\" must be a list" },
        { PERSON(",\"images\":[7]"), ":1", "image 1 is not a path" },
        { PERSON(",\"Mask_Task\":{}"), ":1", "\"Mask_Task\" must be a list" },
        { PERSON(",\"Classification_Task\":{\"Questions\":[]}"), ":1", "\"Questions\" is unknown" },
        { CHOICE("{\"Question\":\"q\"}"), ":1", "\"Correct_Answer\" must be" },
        { CHOICE("{\"Question\":\"q\",\"Correct_Answer\":\"A\"}"), ":1", "2 to 26 texts" },
        { CHOICE("{\"Question\":\"q\",\"Correct_Answer\":\"A\",\"Options\":{\"A\":\"x\",\"C\":\"y\"}}"), ":1", "no text under \"B\"" },
        { CHOICE("{\"Question\":\"q\",\"Correct_Answer\":\"A\",\"Options\":{\"A\":\"x\",\"B\":null}}"), ":1", "no text under \"B\"" },
        { CHOICE("{\"Question\":\"q\",\"Correct_Answer\":\"C\",\"Options\":{\"A\":\"x\",\"B\":\"y\"}}"), ":1", "\"C\" is not the letter" },
        { CHOICE("{\"Question\":\"q\",\"Hint\":\"h\"}"), ":1", "\"Hint\" is unknown" },
        { PERSON(",\"Mask_Task\":[{\"Question\":\"q\",\"Ground_Truth\":\"a\",\"Type\":\"Pure_Text\"}]"), ":1", "has no \"__\"" },
        { PERSON(",\"Mask_Task\":[{\"Question\":\"q __\",\"Ground_Truth\":\"\",\"Type\":\"Pure_Text\"}]"), ":1",
          "\"Ground_Truth\" must be" },
        { PERSON(",\"Generation_Task\":[{\"Question\":\"q\",\"Ground_Truth\":\"a\",\"Type\":\"Sound\"}]"), ":1",
          "\"Sound\", expected Image_Textual or Pure_Text" },
        { PERSON(",\"Generation_Task\":[{\"Question\":\"q\",\"Ground_Truth\":\"a\",\"Type\":\"Image_Textual\"}]"), ":1",
          "there are no \"images\"" },
        { PERSON(",\"images\":[\"none.png\"],\"metadata\":[{\"Question\":\"q\",\"Answer\":\"a\"}]"), ":1", "\"none.png\" is not there" },
        { PERSON(",\"Mask_Task\":[{\"Quest\\u0069on\":\"q "
                 "__\",\"Ground_Truth\":\"a\",\"Type\":\"Pure_Text\"},{\"Quest\\u0069on\":\"q "
                 "__\",\"Ground_Truth\":\"a\",\"Type\":\"Pure_Text\"}]"),
          ":1", "more samples than" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(file_write(scratch("p.jsonl"), cases[k].text, strlen(cases[k].text), &error));
        if (mllmu_read(&samples, scratch("p.jsonl"), &arena, &error))
            fail_msg("was read without complaint: %s", cases[k].text);
        if (!strstr(error.text, cases[k].part))
            print_message("case %zu: %s\n", k, error.text);
        expect_sentence(&error, "p.jsonl", cases[k].line, cases[k].part);
    }
    static const char twice[] = "{\"ID\":\"1\",\"Generation_Task\":[{\"Question\":\"q\",\"Ground_Truth\":\"a\",\"Type\":\"Pure_Text\"}]}\n";
    char two[2 * sizeof twice];
    snprintf(two, sizeof two, "%s%s", twice, twice);
    assert_true(file_write(scratch("p.jsonl"), two, strlen(two), &error));
    assert_false(mllmu_read(&samples, scratch("p.jsonl"), &arena, &error));
    expect_sentence(&error, "p.jsonl:2: the id \"1-generation-text-0\" is that of line 1");
}

/* --- any format --- */

static void the_format_of_a_file_is_recognised(void **state)
{
    (void)state;
    assert_true(samples_open(&samples, "fixtures/mmbench/sample.tsv", &arena, &error) && samples.count == 9);
    dataset_close(&samples);
    assert_true(samples_open(&samples, "fixtures/mllmu/sample.jsonl", &arena, &error) && samples.count == 11);
    dataset_close(&samples);
    static const char own[] = "{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\"}\n";
    assert_true(file_write(scratch("own.jsonl"), own, sizeof own - 1, &error)
                && samples_open(&samples, scratch("own.jsonl"), &arena, &error) && samples.count == 1);
    dataset_close(&samples);
    assert_false(samples_open(&samples, scratch("none.jsonl"), &arena, &error));
    expect_sentence(&error, "none.jsonl");
}

static void damaged_files_are_refused_or_read_without_a_crash(void **state)
{
    (void)state;
    static const char *const files[] = { "fixtures/mmbench/sample.tsv", "fixtures/mllmu/sample.jsonl" };
    uint64_t seed = check_seed();
    for (int round = 0; round < 200; round++) {
        size_t n;
        char *text = file_read(files[round % 2], 1 << 20, &n, &arena, &error);
        for (size_t k = 1 + check_below(&seed, 4); k > 0; k--)
            text[check_below(&seed, n)] = (char)(round % 3 ? check_random(&seed) % 256
                                                           : (uint64_t)"\t\n\"{}[],:_A1"[check_below(&seed, 12)]);
        n -= round % 5 ? 0 : check_below(&seed, n);
        const char *path = scratch("d.%s", round % 2 ? "jsonl" : "tsv");
        assert_true(file_write(path, text, n, &error));
        if (!samples_open(&samples, path, &arena, &error))
            expect_sentence(&error, "d.");
        dataset_close(&samples);
        arena_reset(&arena);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(mmbench_is_asked_as_llava_asks_it), TEST(circular_eval_asks_every_rotation),
        TEST(answers_that_do_not_belong_to_the_questions_are_refused),
        TEST(every_mistake_in_a_table_is_named_with_file_and_line), TEST(windows_line_ends_and_a_byte_order_mark_are_read),
        TEST(base64_is_that_of_rfc_4648),
        TEST(mllmu_becomes_samples), TEST(every_mistake_in_a_person_is_named_with_file_and_line), TEST(the_format_of_a_file_is_recognised),
        TEST(damaged_files_are_refused_or_read_without_a_crash),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
