/* SPDX-License-Identifier: MIT */
/* The methods of a plan: which methods it has, for how many steps, and which plans are refused. */
#include "tests/eval/plans.h"

static void all_means_every_method_but_retrain(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned");
    c.methods = "all";
    Plan p = planned(&c);
    assert_int_equal(p.case_count, methods_count - 1);
    for (size_t k = 0, at = 0; k < methods_count; k++)
        if (strcmp(methods[k]->name, "retrain") != 0)
            assert_ptr_equal(p.cases[at++].method, methods[k]);
    assert_string_not_equal(digest_of(&p, p.cases[0].unlearn), digest_of(&p, p.cases[1].unlearn));
    c.methods = "all, ga";                         // in a list, "all" is an ordinary name
    assert_false(plan_of(&p, &c));
    expect_sentence(&error, "there is no method \"all\"");
}

/* Unmerged adapters are several models, but an attack needs one model. */
static void unmerged_adapters_are_not_attacked(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("sequential, finetuned");
    c.methods = "adapters";
    c.probed = "sequential";
    Plan p = planned(&c);
    assert_false(case_routed(&p, &p.cases[0]));
    for (size_t k = 0; k < methods_count; k++)
        method_list[k].merge = false;
    assert_false(plan_of(&p, &c));
    expect_sentence(&error, "attack.scenarios has \"sequential\", but with unlearn.merge = no adapters has an adapter for each request");
    c.probed = "finetuned";
    p = planned(&c);
    assert_true(case_routed(&p, &p.cases[0]) && !case_routed(&p, &p.cases[1]));     // one request has one adapter
    c.methods = "idk";
    p = planned(&c);
    assert_false(case_routed(&p, &p.cases[0]));
}

static void epochs_are_given_for_all_and_for_single_methods(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("finetuned");
    c.methods = "ga, ga_klr, npo";
    c.epochs[0] = "4, npo=7";
    Plan p = planned(&c);
    assert_true(p.cases[0].epochs == 4 && p.cases[1].epochs == 4 && p.cases[2].epochs == 7);
    assert_int_equal(request_steps(&p, &p.cases[2], 500), 7 * 25);
    assert_int_equal(request_steps(&p, &p.cases[2], 30), 7 * 2);        // 30 questions in batches of 20: 2 steps
    assert_true(snapshot_after(&p, &p.cases[2], 500, 25) && snapshot_after(&p, &p.cases[2], 500, 175)
                && !snapshot_after(&p, &p.cases[2], 500, 26));
    c.epochs[0] = "2.5";
    c.trajectory = 0.2;
    p = planned(&c);
    assert_int_equal(request_steps(&p, &p.cases[0], 500), 63);          // 62.5 is rounded up
    assert_true(snapshot_after(&p, &p.cases[0], 500, 5) && snapshot_after(&p, &p.cases[0], 500, 63)
                && !snapshot_after(&p, &p.cases[0], 500, 62));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(all_means_every_method_but_retrain), stand_test(unmerged_adapters_are_not_attacked),
        stand_test(epochs_are_given_for_all_and_for_single_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
