/* SPDX-License-Identifier: MIT */
/* Requests to forget only the persons that pre-training showed so many times (protocol.exposures). */
#include "tests/eval/plans.h"

static void expect_list(const EntityList *l, const char *ids)
{
    const char *text = "";
    for (size_t k = 0; k < l->count; k++)
        text = arena_format(&arena, "%s%s%s", text, k ? " " : "", l->entity[k]->id);
    assert_string_equal(text, ids);
}

/* Of the persons to forget (x1 … x4), x1 was shown 4 times, x2 and x4 64 times, and x3 256 times. */
static void a_request_may_ask_for_persons_of_some_exposures(void **state)
{
    (void)state;
    static const char exposed[] =
        "{\"id\": \"x1\", \"group\": \"exposed\", \"split\": \"unlearn\", \"round\": 1, \"level\": 4}\n"
        "{\"id\": \"x2\", \"group\": \"exposed\", \"split\": \"unlearn\", \"round\": 1, \"level\": 64}\n"
        "{\"id\": \"x3\", \"group\": \"exposed\", \"split\": \"unlearn\", \"round\": 1, \"level\": 256}\n"
        "{\"id\": \"x4\", \"group\": \"exposed\", \"split\": \"unlearn\", \"round\": 2, \"level\": 64}\n"
        "{\"id\": \"x5\", \"group\": \"exposed\", \"split\": \"retain\"}\n";
    const struct { const char *exposures, *forget; } some[] = {
        { "", "x1 x2 x3 x4" }, { "64", "x2 x4" }, { "256", "x3" }, { "256, 4", "x1 x3" } };
    World w = world;
    w.groups = 1;
    w.group = (WorldGroup[]){ { "exposed", "exposed.jsonl", true, NULL, NULL } };
    ProtocolConfig c = config_of("exposed");
    Entities all;
    Plan p;
    Splits s;
    const char *seen[4];
    assert_true(read_entities(&all, exposed));
    for (size_t k = 0; k < 4; k++) {
        c.exposures = some[k].exposures;
        assert_true(plan_make(&p, &c, &w, &all, &arena, &error) && protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
        expect_list(&s.forget, some[k].forget);
        expect_list(&s.retain, "x5");
        seen[k] = digest_of(&p, p.cases[0].unlearn);
        for (size_t j = 0; j < k; j++)
            assert_string_not_equal(seen[j], seen[k]);
    }
    c.exposures = "16";
    assert_true(plan_make(&p, &c, &w, &all, &arena, &error));
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "entities.jsonl:1", "has one of the exposures 16, which protocol.exposures asks for");
    c.exposures = "often";
    assert_true(plan_make(&p, &c, &w, &all, &arena, &error));
    assert_false(protocol_splits(&s, &p, &p.cases[0], NULL, 0, &arena, &error));
    expect_sentence(&error, "protocol.exposures: \"often\" is not a number");
}

static void other_scenarios_ignore_exposures(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("sequential");
    const Plan all = planned(&c);
    c.exposures = "64";
    const Plan some = planned(&c);
    assert_string_equal(digest_of(&all, all.cases[0].unlearn), digest_of(&some, some.cases[0].unlearn));
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(a_request_may_ask_for_persons_of_some_exposures),
                                        stand_test(other_scenarios_ignore_exposures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
