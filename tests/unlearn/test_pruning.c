/* SPDX-License-Identifier: MIT */
/* The score and the order of MANU's neurons, against values that were worked out by hand. */
#include "tests/support/stand.h"

#include <math.h>
#include <string.h>
#include "unlearn/methods/pruning.h"

static void manu_ranks_by_score_and_then_by_index(void **state)
{
    (void)state;
    static const double score[] = { 1, 3, 2, 3, 0, 3, 2 };
    static const uint32_t want[] = { 1, 3, 5, 2, 6, 0, 4 };
    uint32_t order[7];
    assert_true(manu_rank(score, 7, order, &arena));
    assert_memory_equal(order, want, sizeof want);
    double same[1000];
    uint32_t all[1000];
    for (size_t k = 0; k < 1000; k++)
        same[k] = k == 700 ? 2 : 1;
    assert_true(manu_rank(same, 1000, all, &arena));
    for (uint32_t k = 0; k < 1000; k++)
        assert_int_equal(all[k], k == 0 ? 700 : k <= 700 ? k - 1 : k);
}

/* Pictures: z = 1, 3 (a = 2, q = 5, f = 1, var = 5 - 4 = 1); text: z = 0, 0. */
static void manu_scores_as_worked_by_hand(void **state)
{
    (void)state;
    ManuSums m = { .absolute = 4, .square = 10, .sum = 4, .active = 2, .rows = 2 }, t = { .rows = 2 }, none = { .rows = 0 };
    double eps = 1e-8, want = 2 / (2 + 0 + eps) + 1 / (1 + 0 + eps) + sqrt(1.0) + sqrt(5 / (5 + 0 + eps));
    assert_true(manu_importance(&m, &t) == want);
    assert_true(manu_importance(&m, &none) == want);
    assert_true(manu_importance(&t, &none) == 0);
    assert_true(manu_score((ManuSums[]){ m, t }, (ManuSums[]){ t, t }) == want / eps);
    assert_true(manu_score((ManuSums[]){ m, t }, (ManuSums[]){ m, t }) == want / (want + eps));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(manu_ranks_by_score_and_then_by_index),
        stand_test(manu_scores_as_worked_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
