/* SPDX-License-Identifier: MIT */
/* Snapshots at a fixed distance of optimiser steps (protocol.snapshot_every), and at the end of the request. A case of
 * several requests has snapshots only at the end of each. */
#include "tests/eval/plans.h"

static void snapshots_may_be_a_fixed_number_of_steps_apart(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned, sequential");
    c.steps[0] = c.steps[2] = "12";
    Plan by_epochs = planned(&c);
    c.snapshot_every = 5;
    Plan p = planned(&c);
    for (int64_t step = 1; step <= 12; step++)
        assert_true(snapshot_after(&p, &p.cases[0], 500, step) == (step == 5 || step == 10 || step == 12));
    for (int64_t step = 1; step <= 6; step++)                           // each of two requests has 6 steps
        assert_true(snapshot_after(&p, &p.cases[1], 500, step) == (step == 6));
    assert_string_not_equal(digest_of(&p, p.cases[0].unlearn), digest_of(&by_epochs, by_epochs.cases[0].unlearn));
    assert_string_equal(digest_of(&p, p.cases[0].before), digest_of(&by_epochs, by_epochs.cases[0].before));
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(snapshots_may_be_a_fixed_number_of_steps_apart) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
