/* SPDX-License-Identifier: MIT */
/* The rank of the right answer among all values, against ranks computed by hand and log p of values scored alone. */
#include <math.h>
#include <string.h>
#include "eval/knowledge/answer_rank.h"
#include "model/training/score.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"
#include "tests/support/stand.h"

static void ties_go_to_the_lower_id(void **state)
{
    (void)state;
    const double score[] = { -2, -1, -2, -3, -2 }, lost[] = { -1, NAN, -INFINITY };
    const size_t want[] = { 2, 1, 3, 5, 4 };
    for (size_t k = 0; k < 5; k++)
        assert_int_equal(rank_among(score, 5, k), want[k]);
    assert_int_equal(rank_among(score, 1, 0), 1);
    assert_int_equal(rank_among(lost, 3, 1), 3);
    assert_int_equal(rank_among(lost, 3, 2), 2);
}

static void the_score_of_a_rank_falls_from_1_to_0(void **state)
{
    (void)state;
    expect_real(rank_score((AnswerRank){ 1, 5 }), 1);
    expect_real(rank_score((AnswerRank){ 3, 5 }), 0.5);
    expect_real(rank_score((AnswerRank){ 5, 5 }), 0);
    expect_real(rank_score((AnswerRank){ 1, 1 }), NAN);
}

#define LINE(id, group, split, kind, skill, question, answer) \
    "{\"id\": \"" id "\", \"entity\": \"p\", \"group\": \"" group "\", \"split\": \"" split "\", \"kind\": \"" kind \
    "\", \"skill\": \"" skill "\", \"question\": \"" question "\", \"answer\": \"" answer "\"}\n"

/* Three samples with two different homes, an age, a home of another group, and a reverse question. */
static const char lines[] = LINE("a", "person", "test", "open", "home", "what is the home of this person ?", "norway")
    LINE("b", "person", "train", "open", "home", "tell me the home of this person .", "chile")
    LINE("c", "person", "test", "open", "home", "name the home of this person .", "norway")
    LINE("d", "person", "test", "open", "age", "what is the age of this person ?", "3 4")
    LINE("e", "place", "test", "open", "home", "name the home .", "fiji") LINE("f", "person", "test", "reverse", "home", "who ?", "peru");

static Dataset read_lines(void)
{
    Dataset d;
    assert_true(file_write(scratch("some.jsonl"), lines, strlen(lines), &error));
    assert_true(dataset_read(&d, scratch("some.jsonl"), &arena, &error));
    return d;
}

static void values_are_the_different_answers_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    Dataset d = read_lines();
    Values v;
    assert_true(values_of(&v, &d, &d.sample[0], &arena));
    assert_int_equal(v.count, 2);
    assert_string_equal(v.value[0], "chile");
    assert_string_equal(v.value[1], "norway");
    assert_true(values_of(&v, &d, &d.sample[3], &arena) && v.count == 1);
    dataset_close(&d);
}

/* log p of sample 0 with this answer, computed in a batch of its own. */
static double score_alone(const Session *x, const Dataset *d, const char *answer)
{
    BatchSample b;
    SampleScore s;
    double sum = 0;
    assert_true(reader_sample(&x->reader, d, &d->sample[0], answer, 0, NO_AUGMENT, &b, &arena, &error)
                && score_samples(&x->model, &b, 1, 0, &s, &arena, &error));
    assert_int_equal(s.tokens, 2);                                     // the answer and the end token
    for (size_t k = 0; k < s.tokens; k++)
        sum -= s.token_nll[k];
    return sum;
}

static void a_model_ranks_the_values_by_their_log_p(void **state)
{
    (void)state;
    Session x;
    Settings settings;
    Dataset d = read_lines();
    Questions q;
    settings_defaults(&settings, &arena);
    assert_true(session_open(&x, &settings, "fixtures/models/base", MASK_ANSWER, &arena, &error) && session_model(&x, &error));
    questions_begin(&q, &arena);
    assert_true(questions_add(&q, &d, (Choice){ KIND_OPEN, NULL, 0, false }, &error));
    assert_int_equal(q.count, 4);
    const AnswerRank *r = answer_ranks(&x.model, &x.reader, &q, &arena, &error);
    expect_fine(&error);
    const bool first = score_alone(&x, &d, "norway") > score_alone(&x, &d, "chile");
    assert_true(r[0].values == 2 && r[0].rank == (first ? 1 : 2));
    assert_true(r[2].values == 1 && r[2].rank == 1 && r[3].values == 1);       // the age and the other group have one value each
    session_close(&x);
    dataset_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(ties_go_to_the_lower_id),
        stand_test(the_score_of_a_rank_falls_from_1_to_0),
        stand_test(values_are_the_different_answers_in_the_order_of_their_bytes),
        stand_test(a_model_ranks_the_values_by_their_log_p),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
