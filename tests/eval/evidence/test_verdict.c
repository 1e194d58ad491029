/* SPDX-License-Identifier: MIT */
/* Verdicts on made-up differences, and general ability at equal forgetting on made-up trajectories. */
#include "tests/support/stand.h"

#include <math.h>
#include "eval/evidence/equal_forgetting.h"
#include "eval/evidence/verdict.h"

enum { BASES = 8 };
static const EvidenceRule rule = { .delta = .05, .widest = .12, .bases = BASES };

/* The verdict on differences mean + spread * (-1, -1, -1, -1, 1, 1, 1, 1). The bases in the bit set `missing` never
 * reach a level. */
static Evidence decided(double mean, double spread, size_t finished, unsigned missing)
{
    BaseDifference base[BASES];
    for (size_t k = 0; k < BASES; k++)
        base[k] = (BaseDifference){ .difference = mean + (k < BASES / 2 ? -spread : spread), .reached = !(missing >> k & 1) };
    Evidence found;
    assert_true(evidence_decide(&found, base, finished, rule, &error));
    return found;
}

static void expect_verdict(Evidence e, EvidenceKind want)
{
    if (e.kind != want)
        fail_msg("%.3f +- %.3f of %zu bases is \"%s\", expected \"%s\"", e.interval.mean, e.interval.half, e.reached,
                 evidence_name(e.kind), evidence_name(want));
}

/* If all bases reach the levels, `decided` finds an interval of half-width t * spread * sqrt(8 / 7) / sqrt(8) = .894 *
 * spread, where t = 2.365 is the quantile of Student's t with 7 degrees of freedom. */
static void a_verdict_says_where_the_interval_lies(void **state)
{
    (void)state;
    Evidence yes = decided(.2, .1, BASES, 0);
    expect_verdict(yes, EVIDENCE_YES);
    expect_real(yes.p, 2.0 / 256);
    assert_true(fabs(yes.interval.half - .0893744) < 1e-6);
    expect_verdict(decided(0, .05, BASES, 0), EVIDENCE_NO);
    expect_verdict(decided(.04, .005, BASES, 0), EVIDENCE_NO);              // there is an effect, but it is too small to matter
    expect_verdict(decided(-.2, .1, BASES, 0), EVIDENCE_REVERSED);
    expect_verdict(decided(.1, .1, BASES, 0), EVIDENCE_UNDECIDED);          // .1 +- .089
    expect_verdict(decided(.1, .2, BASES, 0), EVIDENCE_UNDERPOWERED);       // .1 +- .179
    expect_verdict(decided(-.3, .2, BASES, 0), EVIDENCE_REVERSED);          // a wide interval may decide
}

static void too_few_bases_decide_nothing(void **state)
{
    (void)state;
    Evidence seven = decided(.2, .01, 7, 0);
    expect_verdict(seven, EVIDENCE_UNDECIDED);
    assert_true(seven.interval.mean > .19 && seven.finished == 7);          // the interval is shown nevertheless
    expect_verdict(decided(.2, .01, 1, 0), EVIDENCE_UNDECIDED);
    expect_verdict(decided(.2, .01, 0, 0), EVIDENCE_UNDECIDED);
}

static void one_base_may_miss_a_level_but_two_may_not(void **state)
{
    (void)state;
    Evidence one = decided(.2, .01, BASES, 1 << 3);
    expect_verdict(one, EVIDENCE_YES);
    assert_true(one.reached == 7 && one.p == 2.0 / 128);
    expect_verdict(decided(.2, .01, BASES, 1 << 3 | 1 << 5), EVIDENCE_UNDECIDED);
    expect_verdict(decided(.2, .01, BASES, 0xff), EVIDENCE_UNDECIDED);
}

static void wrong_bases_are_refused(void **state)
{
    (void)state;
    Evidence found;
    BaseDifference base[BASES + 1] = { { .difference = .2, .reached = true }, { .difference = NAN, .reached = true } };
    assert_false(evidence_decide(&found, base, BASES + 1, rule, &error));
    expect_sentence(&error, "9 bases of 8");
    assert_false(evidence_decide(&found, base, 2, rule, &error));
    expect_sentence(&error, "difference 2 of 2 is not finite");
}

static void a_finding_is_tested_only_while_those_before_it_are_yes(void **state)
{
    (void)state;
    Evidence found[] = { { .kind = EVIDENCE_YES }, { .kind = EVIDENCE_NO }, { .kind = EVIDENCE_YES }, { .kind = EVIDENCE_REVERSED } };
    evidence_in_order(found, 4);
    expect_verdict(found[0], EVIDENCE_YES);
    expect_verdict(found[1], EVIDENCE_NO);
    expect_verdict(found[2], EVIDENCE_NOT_TESTED);
    expect_verdict(found[3], EVIDENCE_NOT_TESTED);
}

static void a_level_is_read_between_two_snapshots(void **state)
{
    (void)state;
    const Snapshot s[] = { { 0, 1, 1 }, { 5, .75, .9375 }, { 10, .25, .8125 }, { 15, .5, .75 }, { 20, 0, .5 } };
    double g;
    assert_true(general_at(&g, s, 5, 1));
    expect_real(g, 1);                               // before the first step
    assert_true(general_at(&g, s, 5, .75));
    expect_real(g, .9375);
    assert_true(general_at(&g, s, 5, .5));
    expect_real(g, .875);                            // half way between the second and the third snapshot
    assert_true(general_at(&g, s, 5, .125));
    expect_real(g, .625);                            // half way from .25, the least so far, to 0: the later .5 does not count
    assert_false(general_at(&g, s, 4, .125));
    assert_false(general_at(&g, s, 0, .5));
    assert_true(general_over_levels(&g, s, 5, (double[]){ .75, .5 }, 2));
    expect_real(g, (.9375 + .875) / 2);
    assert_false(general_over_levels(&g, s, 4, (double[]){ .75, .125 }, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_verdict_says_where_the_interval_lies),
        stand_test(too_few_bases_decide_nothing),
        stand_test(one_base_may_miss_a_level_but_two_may_not),
        stand_test(wrong_bases_are_refused),
        stand_test(a_finding_is_tested_only_while_those_before_it_are_yes),
        stand_test(a_level_is_read_between_two_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
