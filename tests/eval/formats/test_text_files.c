/* SPDX-License-Identifier: MIT */
/* Text files as other programs save them: with byte order marks, Windows line ends, blank lines, keys in any order, and
 * a last line without a line end. */
#include "tests/support/stand.h"

#include <string.h>
#include "eval/entities.h"
#include "eval/formats/samples.h"
#include "model/config.h"
#include "ref/config/settings.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"

#define MARK "\xef\xbb\xbf"

static Dataset samples;

/* The number of samples in a file with this text. Its name has no extension, so only the text tells the format. */
static size_t samples_of(const char *text)
{
    error = (Error){ .failed = false };
    assert_true(file_write(scratch("file"), text, strlen(text), &error));
    samples_open(&samples, scratch("file"), &arena, &error);
    expect_fine(&error);
    size_t n = samples.count;
    assert_string_equal(samples.sample[0].question, "q");
    dataset_close(&samples);
    return n;
}

static void samples_are_read_however_they_were_saved(void **state)
{
    (void)state;
    static const char a[] = "{\"id\":\"a\",\"question\":\"q\",\"answer\":\"x\"}",
                      b[] = "{\"answer\":\"x\",\"question\":\"r\",\"id\":\"b\"}";
    static const struct { const char *before, *between, *after; } forms[] = {
        { "", "\n", "\n" }, { MARK, "\n", "" }, { "", "\r\n", "\r\n" }, { MARK "\r\n", "\r\n\r\n", "" },
        { "\n \n", "\n\t\n\n", "\n\n" },
    };
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        assert_int_equal(samples_of(arena_format(&arena, "%s%s%s%s%s", forms[k].before, a, forms[k].between, b, forms[k].after)), 2);
}

/* A line of MLLMU-Bench is a person. */
static void a_person_is_recognised_whichever_key_comes_first(void **state)
{
    (void)state;
    static const char id[] = "\"ID\": \"7\"",
                      task[] = "\"Generation_Task\": [{\"Ground_Truth\": \"x\", \"Type\": \"Pure_Text\", \"Question\": \"q\"}]";
    assert_int_equal(samples_of(arena_format(&arena, "{%s, %s}\n", id, task)), 1);
    assert_int_equal(samples_of(arena_format(&arena, "{%s, %s}\n", task, id)), 1);
    assert_int_equal(samples_of(arena_format(&arena, MARK "\r\n { %s, \"images\": [], %s}", task, id)), 1);
}

#define HEAD "index\tquestion\tA\tB\tanswer\timage"
#define PICTURE "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

static void a_table_is_recognised_whatever_its_name(void **state)
{
    (void)state;
    static const char *const tables[] = {
        HEAD "\n1\tq\tx\ty\tA\t" PICTURE "\n",
        MARK HEAD "\r\n\r\n1\tq\tx\ty\tA\t" PICTURE "\r\n\r\n",
        HEAD "\n\n\n1\tq\tx\ty\tA\t" PICTURE "\n\t\t\t\t\t\n\n",
        "\n" HEAD "\n1\tq\tx\ty\tA\t" PICTURE,
        "image\tanswer\tB\tA\tquestion\tindex\n" PICTURE "\tA\ty\tx\tq\t1\n",
    };
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        error = (Error){ .failed = false };
        assert_true(file_write(scratch("table"), tables[k], strlen(tables[k]), &error));
        samples_open(&samples, scratch("table"), &arena, &error);
        expect_fine(&error);
        assert_int_equal(samples.count, 2);              // the question and its rotation
        dataset_close(&samples);
    }
    static const char short_row[] = HEAD "\n\n1\tq\tx\ty\tA\n";
    assert_true(file_write(scratch("table"), short_row, sizeof short_row - 1, &error));
    assert_false(samples_open(&samples, scratch("table"), &arena, &error));
    expect_sentence(&error, "table:3: the row has 5 cells, expected 6");
}

static void other_texts_may_begin_with_a_byte_order_mark(void **state)
{
    (void)state;
    Settings s;
    Entities people;
    ModelConfig c;
    size_t n;
    static const char ini[] = MARK "[train]\r\nsteps = 7\r\n";
    settings_defaults(&s, &arena);
    assert_true(file_write(scratch("c.ini"), ini, sizeof ini - 1, &error)
                && settings_read(&s, scratch("c.ini"), &error));
    assert_int_equal(s.train_steps, 7);
    char *config = file_read("fixtures/models/vanilla/config.json", 1 << 20, &n, &arena, &error);
    char *marked = arena_format(&arena, MARK "%s", config);
    assert_true(file_make_folder(scratch("m"), &error)
        && file_write(scratch("m/config.json"), marked, strlen(marked), &error) && config_load(&c, scratch("m"), &error));
    marked = arena_text(&arena, MARK "{\"id\": \"a\", \"group\": \"person\"}\r\n\r\n");
    assert_true(file_write(scratch("e.jsonl"), marked, strlen(marked), &error)
        && entities_read(&people, scratch("e.jsonl"), &arena, &error));
    assert_int_equal(people.count, 1);
}

static void text_in_utf16_is_named(void **state)
{
    (void)state;
    static const char *const texts[] = { "\xff\xfe{", "\xfe\xff{" };
    for (size_t k = 0; k < 2; k++) {
        error = (Error){ .failed = false };
        assert_true(file_write(scratch("wide"), texts[k], 3, &error));
        assert_false(samples_open(&samples, scratch("wide"), &arena, &error));
        expect_sentence(&error, "wide: is text in UTF-16", "UTF-8 was expected");
        assert_null(json_file(scratch("wide"), 100, &error));
        expect_sentence(&error, "wide: is text in UTF-16");
    }
    assert_true(file_write(scratch("list"), "[{}]", 4, &error));
    assert_false(samples_open(&samples, scratch("list"), &arena, &error));
    expect_sentence(&error, "expected them as in LLaVA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(samples_are_read_however_they_were_saved),
        stand_test(a_person_is_recognised_whichever_key_comes_first),
        stand_test(a_table_is_recognised_whatever_its_name),
        stand_test(other_texts_may_begin_with_a_byte_order_mark),
        stand_test(text_in_utf16_is_named),
    };
    return cmocka_run_group_tests_name("text files", tests, NULL, NULL);
}
