/* SPDX-License-Identifier: MIT */
/* The files of answers and rows that a run writes, and the metrics that are computed from answers. */
#include <math.h>
#include <string.h>
#include "eval/metrics/measure.h"
#include "tensor/base/file.h"
#include "tests/support/stand.h"
#include "tests/support/scratch.h"

static const char *written(const char *name, const char *text)
{
    const char *path = scratch("%s", name);
    assert_true(file_write(path, text, strlen(text), &error));
    return path;
}

static Result answered(const char *id, const char *entity, const char *group, Modality m, bool exact)
{
    return (Result){ .id = id, .entity = entity, .group = group, .skill = "home", .answer = "x", .modality = m, .exact = exact,
                       .pair = sample_pair(id, &arena) };
}

static void answers_come_back_with_the_same_bits(void **state)
{
    (void)state;
    float nll[3] = { 0x1.fffffep-3f, 0x1p-140f, INFINITY }, options[2] = { 0.1f, 0x1.000002p+3f };
    uint8_t right[3] = { 1, 0, 1 };
    Result r = answered("q-0-image", "p1", "person", MODALITY_IMAGE, true), *back;
    size_t count;
    r.answer = "k\303\266ln \"x\"";
    r.kind = KIND_CHOICE;
    r.nll = INFINITY;
    r.ce = 0x1.8p-149f;
    r.token_nll = nll;
    r.token_right = right;
    r.tokens = 3;
    r.right = 2;
    r.option_ce = options;
    r.option_count = 2;
    r.text = "4 4";
    r.pair = "q";
    assert_true(answers_write(scratch("answers.jsonl"), &r, 1, &error));
    back = answers_read(scratch("answers.jsonl"), &count, &arena, &error);
    expect_fine(&error);
    assert_int_equal(count, 1);
    assert_string_equal(back->answer, r.answer);
    assert_string_equal(back->text, r.text);
    assert_string_equal(back->pair, "q");                // not "q-0", which would follow from the id
    assert_true(back->exact && !back->option_right && back->kind == KIND_CHOICE && back->modality == MODALITY_IMAGE
                && back->right == 2);
    expect_bits(back->token_nll, nll, 3, "token_nll");
    expect_bits(back->option_ce, options, 2, "option_ce");
    expect_float(back->nll, r.nll, "nll");
    expect_float(back->ce, r.ce, "ce");
    assert_memory_equal(back->token_right, right, 3);
    written("answers.jsonl", "{\"id\": \"x\"}\n");
    assert_null(answers_read(scratch("answers.jsonl"), &count, &arena, &error));
    expect_sentence(&error, "answers.jsonl:1");
}

/* A missing number is not taken as 0, and an unknown word is refused. */
static void answers_with_a_missing_or_wrong_value_are_refused(void **state)
{
    (void)state;
    static const char good[] = "{\"id\": \"x\", \"entity\": \"\", \"group\": \"\", \"skill\": \"\", \"modality\": \"text\", "
                               "\"kind\": \"open\", \"answer\": \"a\", \"exact\": true, \"likely\": true, \"nll\": 0.5, "
                               "\"ce\": \"inf\", \"tokens\": 1, \"right\": 1, "
                               "\"token_nll\": [\"NaN\"], \"token_right\": [1]}";
    static const struct { const char *was, *is, *part; } changes[] = {
        { "\"nll\": 0.5, ", "", "\"nll\" must be" }, { "0.5", "\"infinite\"", "\"nll\" must be" },
        { "0.5", "1e300", "\"nll\" must be" }, { "\"inf\"", "null", "\"ce\" must be" },
        { "[\"NaN\"]", "[true]", "\"token_nll\" must hold" }, { "\"text\"", "\"sound\"", "\"modality\" is \"sound\"" },
        { "\"open\"", "\"zeros\"", "\"kind\" is \"zeros\"" }, { "\"right\": 1", "\"right\": 2", "\"right\" is 2" },
        { "\"right\": 1", "\"right\": -1", "\"right\" is -1" },
    };
    size_t count;
    written("answers.jsonl", good);
    assert_non_null(answers_read(scratch("answers.jsonl"), &count, &arena, &error));
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        const char *at = strstr(good, changes[k].was);
        written("answers.jsonl", arena_format(&arena, "%.*s%s%s\n", (int)(at - good), good, changes[k].is, at + strlen(changes[k].was)));
        assert_null(answers_read(scratch("answers.jsonl"), &count, &arena, &error));
        expect_sentence(&error, "answers.jsonl:1", changes[k].part);
    }
}

static void results_csv_has_exactly_the_promised_form(void **state)
{
    (void)state;
    Rows rows = { .arena = &arena };
    size_t size;
    Row row = { .scenario = "finetuned", .method = "ga", .trainable = "proj+llm", .round = 1, .split = "unlearn", .modality = "image",
                .metric = "accuracy", .value = 1.0 / 3, .count = 1, .total = 3, .seed = 7, .epoch = 2, .step = 50 };
    rows_add(&rows, row);
    row.metric = "retention";
    row.total = 0;
    rows_add(&rows, row);
    assert_true(rows_write_csv(&rows, scratch("r.csv"), false, &error)
                && rows_write_csv(&rows, scratch("t.csv"), true, &error));
    assert_true(rows_write_jsonl(&rows, scratch("r.jsonl"), &error));
    assert_string_equal(file_read(scratch("r.csv"), 9999, &size, &arena, &error),
                        "scenario,method,trainable,round,split,modality,metric,value,count,total,seed\n"
                        "finetuned,ga,proj+llm,1,unlearn,image,accuracy,0.3333333333333333,1,3,7\n"
                        "finetuned,ga,proj+llm,1,unlearn,image,retention,0.3333333333333333,,,7\n");
    assert_non_null(strstr(file_read(scratch("t.csv"), 9999, &size, &arena, &error),
                           "\nfinetuned,ga,proj+llm,1,2,50,unlearn,"));
    assert_non_null(strstr(file_read(scratch("r.jsonl"), 9999, &size, &arena, &error),
                           "\"hex\": \"0x1.5555555555555p-2\""));
}

static double value_of(const Rows *rows, const char *modality, const char *metric)
{
    for (size_t k = 0; k < rows->count; k++)
        if (strcmp(rows->row[k].modality, modality) == 0 && strcmp(rows->row[k].metric, metric) == 0)
            return rows->row[k].value;
    return -1;
}

static void metrics_are_those_computed_by_hand(void **state)
{
    (void)state;
    Rows rows = { .arena = &arena };
    uint8_t yes[1] = { 1 };
    float zeros[1] = { 0 }, first[2] = { 0, 3 }, second[2] = { 2, 1 };
    Result r[] = {
        answered("a-0-image", "p1", "person", MODALITY_IMAGE, true),
            answered("a-0-text", "p1", "person", MODALITY_TEXT, true),
        answered("b-0-image", "p1", "person", MODALITY_IMAGE, false), answered("b-0-text", "p1", "person", MODALITY_TEXT, true),
        answered("c-0-image", "p2", "person", MODALITY_IMAGE, false),
    }, oracle[5];
    for (int k = 0; k < 5; k++) {
        r[k].token_nll = zeros;
        r[k].token_right = yes;
        r[k].tokens = r[k].right = 1;
        r[k].option_count = 2;
        r[k].option_ce = k == 2 ? second : first;
        r[k].ce = k == 2 ? 2 : 0;
        r[k].option_right = k != 2;
        oracle[k] = r[k];
        oracle[k].exact = false;
    }
    EntityList only = { (const Entity *[]){ &(Entity){ .id = "p1" } }, 1 };
    assert_true(measure(&rows, (Row){ .split = "unlearn" }, (Subjects){ &only, NULL, true }, r, oracle, 5, &error));
    expect_fine(&error);
    assert_true(value_of(&rows, "image", "accuracy") == 0.5 && value_of(&rows, "text", "accuracy") == 1
                && value_of(&rows, "both", "accuracy") == 0.75);
    assert_true(value_of(&rows, "image", "option_accuracy") == 0.5 && value_of(&rows, "both", "modality_gap") == -0.5);
    assert_true(value_of(&rows, "both", "umu_all_right") == 0.5 && value_of(&rows, "both", "umu_all_wrong") == 0);
    assert_true(value_of(&rows, "both", "oracle_agreement") == 0.25 && value_of(&rows, "text", "forget_quality") == 1);
    assert_true(value_of(&rows, "text", "probability") == 1 && value_of(&rows, "text", "exact_memorisation") == 1);
    assert_true(value_of(&rows, "text", "rougeL") == -1);               // the answers have no generated texts
}

/* Three answers have two, three and two tokens, and each has an end token too, which does not count. Their tokens are
 * right (1) or wrong (0): (1 0), (1 0 1) and (0 0). */
static void memorisation_leaves_the_end_token_out(void **state)
{
    (void)state;
    Rows rows = { .arena = &arena };
    uint8_t half[3] = { 1, 0, 1 }, end_wrong[4] = { 1, 0, 1, 0 }, only_end[3] = { 0, 0, 1 };
    uint8_t *right[] = { half, end_wrong, only_end };
    const size_t tokens[] = { 3, 4, 3 };
    float zeros[4] = { 0 };
    Result r[3];
    for (int k = 0; k < 3; k++) {
        r[k] = answered("a-0-image", "p1", "person", MODALITY_IMAGE, false);
        r[k].token_nll = zeros;
        r[k].token_right = right[k];
        r[k].tokens = tokens[k];
    }
    assert_true(measure(&rows, (Row){ .split = "unlearn" }, (Subjects){ NULL, "person", true }, r, NULL, 3, &error));
    expect_fine(&error);
    assert_true(value_of(&rows, "image", "exact_memorisation") == (1.0 / 2 + 2.0 / 3 + 0) / 3);
    assert_true(value_of(&rows, "image", "extraction_strength") == (0 + (1 - 2.0 / 3) + 0) / 3);
    assert_true(value_of(&rows, "image", "extraction_strength_open") == (1.0 / 2 + (1 - 2.0 / 3) + 1.0 / 2) / 3);
    // if an answer consists of the end token alone, that token counts
    rows.count = 0;
    r[0].tokens = 1;
    assert_true(measure(&rows, (Row){ .split = "unlearn" }, (Subjects){ NULL, "person", true }, r, NULL, 1, &error));
    assert_true(value_of(&rows, "image", "exact_memorisation") == 1);
}

static void texts_are_measured_by_every_overlap(void **state)
{
    (void)state;
    Rows rows = { .arena = &arena };
    uint8_t yes[1] = { 1 };
    float zeros[1] = { 0 };
    Result r[] = { answered("a-0-image", "p1", "person", MODALITY_IMAGE, false),
                   answered("a-0-text", "p1", "person", MODALITY_TEXT, true) };
    for (int k = 0; k < 2; k++) {
        r[k].token_nll = zeros;
        r[k].token_right = yes;
        r[k].tokens = 1;
        r[k].answer = "red cats";
        r[k].text = k ? "red cats" : "red cat";
    }
    EntityList only = { (const Entity *[]){ &(Entity){ .id = "p1" } }, 1 };
    assert_true(measure(&rows, (Row){ .split = "retain" }, (Subjects){ &only, NULL, false }, r, NULL, 2, &error));
    expect_fine(&error);
    assert_true(value_of(&rows, "image", "text_match") == 0 && value_of(&rows, "both", "text_match") == 0.5);
    assert_true(value_of(&rows, "image", "rouge1") == 0.5 && value_of(&rows, "image", "rouge2") == 0
                && value_of(&rows, "image", "rougeL_recall") == 0.5);
    assert_true(value_of(&rows, "image", "rouge1_stem") == 1 && value_of(&rows, "image", "rouge2_stem") == 1
                && value_of(&rows, "image", "rougeL_recall_stem") == 1);
    assert_true(value_of(&rows, "both", "umu_harmonic") == 2 * 0.5 / 1.5
                && value_of(&rows, "both", "umu_contraharmonic") == -1);
    rows.count = 0;
    assert_true(measure(&rows, (Row){ .split = "unlearn" }, (Subjects){ &only, NULL, true }, r, NULL, 2, &error));
    assert_true(value_of(&rows, "both", "umu_contraharmonic") == 1.25 / 1.5
                && value_of(&rows, "both", "umu_harmonic") == -1);
    rows.count = 0;
    r[0].text = "the red cats";
    assert_true(measure_share(&rows, (Row){ .split = "unlearn" }, "cloze", (Subjects){ &only, NULL, true }, result_cloze,
                              r, 2, &error));
    assert_true(rows.count == 3 && value_of(&rows, "image", "cloze") == 1);
}

static void model_utility_needs_all_of_its_parts(void **state)
{
    (void)state;
    static const char *const part[] = { "probability", "rougeL_recall_stem", "truth_ratio" };
    Rows rows = { .arena = &arena };
    for (int k = 0; k < 6; k++) {
        assert_true(measure_utility(&rows, 0) && rows.count == (size_t)k);
        assert_true(rows_add(&rows, (Row){ .split = k < 3 ? "retain" : "general", .modality = "both", .metric = part[k % 3],
                                           .value = k < 3 ? 1 : 0.5 }));
    }
    assert_true(measure_utility(&rows, 0) && rows.count == 7);
    assert_true(rows.row[6].value == 6.0 / 9.0 && strcmp(rows.row[6].split, "general") == 0);
    rows.row[2].value = 0;
    rows.count = 6;
    assert_true(measure_utility(&rows, 0) && rows.row[6].value == 0);
    assert_true(measure_utility(&rows, 1) && rows.count == 7);         // from row 1 on, a part is missing
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(answers_come_back_with_the_same_bits),
        stand_test(answers_with_a_missing_or_wrong_value_are_refused),
        stand_test(results_csv_has_exactly_the_promised_form),
        stand_test(metrics_are_those_computed_by_hand),
        stand_test(memorisation_leaves_the_end_token_out),
        stand_test(texts_are_measured_by_every_overlap),
        stand_test(model_utility_needs_all_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
