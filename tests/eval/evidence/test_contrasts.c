/* SPDX-License-Identifier: MIT */
/* The measures of findings on straight trajectories, and the reading and writing of a base's tables. */
#include "tests/eval/evidence/made_bases.h"

#include <math.h>

/* With `fast`, the accuracy falls from 1 to 0 in 20 steps: levels .6, .4, .2 are reached after 8, 12 and 16 steps. */
static const Line fast = { 0, .4, .3 }, slow = { .1, .2, .1 }, never = { .5, .1, 0 };

static double value_of(const Contrasts *c, size_t finding)
{
    for (size_t k = 0; k < c->count; k++)
        if (c->item[k].finding == finding && c->item[k].reached)
            return c->item[k].value;
    return NAN;
}

static Contrasts contrasts_made(const Registration *r, Line e, Line l, Line o)
{
    Trajectory t = { arena_array(&arena, 200, sizeof *t.point), 0 };
    Contrasts c;
    line_add(&t, ARM_E, 0, 0, e);
    line_add(&t, ARM_L, 0, 0, l);
    line_add(&t, ARM_O, 0, 0, o);
    assert_true(contrasts_of(&c, r, &t, &arena, &error));
    return c;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12))
        fail_msg("%.17g, expected %.17g", got, want);
}

/* E reaches the levels after .4, .6 and .8 of its steps, L after .4/.9, .6/.9 and .8/.9: the means are .6 and 2/3. */
static void measures_have_the_values_of_closed_forms(void **state)
{
    (void)state;
    const Registration r = made_registration();
    const Contrasts c = contrasts_made(&r, fast, slow, never);
    assert_int_equal(c.count, r.findings);
    near(value_of(&c, F2), (.9 - .2 * 2 / 3) - (.9 - .4 * .6));
    near(value_of(&c, F4), .1 * 2 / 3 - .3 * .6);
    near(value_of(&c, PLACEBO), (.9 - .1 * .6) - (.9 - .4 * .6));
    near(value_of(&c, SIZE), .4 * .6 / .9);
    near(value_of(&c, F1), (.9 - .2) / .9);                                 // accuracy is below half only in the last snapshot
}

/* "halfway" compares the first arm with the mean of the other two. At equal forgetting, E loses .4 * .6 of general
 * ability, L loses .2 * 2/3, and O loses .2 * .6. */
static void an_arm_is_compared_with_the_mean_of_two_others(void **state)
{
    (void)state;
    static const char *const arms[] = { "O, E, L", "E, O, L" };
    for (int k = 0; k < 2; k++) {
        Registration r;
        const char *path = scratch("three.ini"), *at = strstr(registered, "[finding F1]");
        const char *text = arena_format(&arena, "%.*s" FINDING("F2", "halfway", "%s", "0", "0") FINDING("F4", "lost", "E", "0", "0"),
                                        (int)(at - registered), registered, arms[k]);
        assert_true(file_write(path, text, strlen(text), &error) && registration_read(&r, path, &arena, &error));
        const Contrasts c = contrasts_made(&r, fast, slow, (Line){ 0, .2, 0 });
        const double e = -.4 * .6, l = -.2 * 2 / 3, o = -.2 * .6;
        near(value_of(&c, 0), k ? e - (o + l) / 2 : o - (e + l) / 2);
    }
}

/* L and O begin with .1 less general ability than E; this difference must not count as an effect of forgetting. */
static void the_ability_before_unlearning_does_not_count(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Trajectory t = { arena_array(&arena, 200, sizeof *t.point), 0 };
    Contrasts c;
    line_add(&t, ARM_E, 0, 0, fast);
    const size_t first = t.count;
    line_add(&t, ARM_L, 0, 0, slow);
    line_add(&t, ARM_O, 0, 0, never);
    for (size_t k = first; k < t.count; k++)
        t.point[k].general -= .1;
    assert_true(contrasts_of(&c, &r, &t, &arena, &error));
    near(value_of(&c, F2), .4 * .6 - .2 * 2 / 3);
    near(value_of(&c, PLACEBO), .4 * .6 - .1 * .6);
}

static void a_level_that_is_never_reached_gives_no_value(void **state)
{
    (void)state;
    const Registration r = made_registration();
    const Contrasts c = contrasts_made(&r, fast, never, slow);
    for (size_t k = 0; k < c.count; k++)
        assert_true(c.item[k].reached == (c.item[k].finding != F2 && c.item[k].finding != F4));
    near(value_of(&c, F1), .8 / .9);                                        // the accuracy of L falls to exactly half
    const Contrasts none = contrasts_made(&r, never, fast, slow);
    for (size_t k = 0; k < none.count; k++)
        assert_true(none.item[k].reached == (none.item[k].finding == F1));
}

static void an_arm_that_was_not_run_has_no_contrasts(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Trajectory t = { arena_array(&arena, 200, sizeof *t.point), 0 };
    Contrasts c;
    line_add(&t, ARM_E, 1, 1, fast);
    assert_true(contrasts_of(&c, &r, &t, &arena, &error));
    assert_true(c.count == 1 && c.item[0].finding == SIZE && c.item[0].method == 1 && c.item[0].seed == 1);
}

static void tables_are_read_as_they_were_written(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Trajectory t = { arena_array(&arena, 200, sizeof *t.point), 0 }, again;
    line_add(&t, ARM_E, 0, 0, fast);
    line_add(&t, ARM_E, 1, 0, slow);
    t.point[2].log_odds = NAN;
    const char *path = scratch("trajectory.csv");
    assert_true(trajectory_write(&t, &r, path, &error) && trajectory_read(&again, &r, path, &arena, &error));
    assert_true(again.count == t.count && isnan(again.point[2].log_odds));
    again.point[2].log_odds = t.point[2].log_odds;
    for (size_t k = 0; k < t.count; k++)
        assert_true(again.point[k].step == t.point[k].step && again.point[k].general == t.point[k].general
                    && again.point[k].matching[0] == t.point[k].matching[0] && again.point[k].reporting[1] == t.point[k].reporting[1]
                    && again.point[k].method == t.point[k].method);
}

static void bad_tables_are_refused_with_their_line(void **state)
{
    (void)state;
    const Registration r = made_registration();
#define T "arm,method,seed,step,matching_image,matching_text,reporting_image,reporting_text,general,log_odds\n"
#define C "finding,method,seed,value,reached\n"
    const struct { bool contrasts; const char *text, *says; } bad[] = {
        { false, "arm,step\n", ":1: the header is \"arm,step\"" },
        { false, T "X,ga,1,0,1,1,1,1,1,0\n", ":2: the arm \"X\" is not registered" },
        { false, T "E,gd,1,0,1,1,1,1,1,0\n", ":2: the method \"gd\" is not registered" },
        { false, T "E,ga,7,0,1,1,1,1,1,0\n", ":2: the seed 7 is not registered" },
        { false, T "E,ga,1,5,1,1,1,1,1,0\n", ":2: step is 5, expected 0" },
        { false, T "E,ga,1,0,1,1,1,1,1,0\nE,ga,1,0,1,1,1,1,1,0\n", ":3: step is 0, expected more" },
        { false, T "E,ga,1,0,1,1,1,1,1,0\nE,npo,1,0,1,1,1,1,1,0\nE,ga,1,0,1,1,1,1,1,0\n", ":4: the arm E with the method ga" },
        { false, T "E,ga,1,0,1,1,1,1,1.5,0\n", ":2: general is \"1.5\", expected an accuracy" },
        { false, T "E,ga,1,0,1,,1,1,1,0\n", ":2: matching_text is \"\", expected an accuracy" },
        { false, T "E,ga,1,0,1,1,1,1,1\n", ":2: the line has 9 fields, expected 10" },
        { true, C "F9,ga,1,0.5,1\n", ":2: the finding \"F9\" is not registered" },
        { true, C "F2,ga,1,,1\n", ":2: value is \"\" and reached is 1" },
        { true, C "F2,ga,1,0.5,0\n", ":2: value is \"0.5\" and reached is 0" },
        { true, C "F2,ga,1,much,1\n", ":2: value is \"much\"" },
        { true, C "F2,ga,1,0.5,1\n\nF2,ga,1,0.5,1\n", ":4: F2 by ga with this seed appears twice" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        Trajectory t;
        Contrasts c;
        const char *path = scratch("table.csv");
        assert_true(file_write(path, bad[k].text, strlen(bad[k].text), &error));
        assert_false(bad[k].contrasts ? contrasts_read(&c, &r, path, &arena, &error) : trajectory_read(&t, &r, path, &arena, &error));
        expect_sentence(&error, "table.csv", bad[k].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(measures_have_the_values_of_closed_forms), stand_test(the_ability_before_unlearning_does_not_count),
        stand_test(an_arm_is_compared_with_the_mean_of_two_others),
        stand_test(a_level_that_is_never_reached_gives_no_value),
        stand_test(an_arm_that_was_not_run_has_no_contrasts), stand_test(tables_are_read_as_they_were_written),
        stand_test(bad_tables_are_refused_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
