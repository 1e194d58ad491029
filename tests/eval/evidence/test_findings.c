/* SPDX-License-Identifier: MIT */
/* Verdicts on made-up bases: a true effect, no effect, a reversed effect, too few bases, bases that never
 * reach a level. */
#include "tests/eval/evidence/made_bases.h"

#include <math.h>

/* The name of a folder that no other call returns: the folders are numbered. */
static const char *new_folder(void)
{
    static int made;
    return arena_text(&arena, scratch("findings-%d", ++made));
}

/* A folder of `bases` bases. In the end, general ability of E is lower than that of L: by `more`, and on bases with
 * odd numbers by `more` + .01. The gap between text and pictures is `gap` for L and 0 for E. On the first `never`
 * bases, E does not reach the levels. On the others both arms reach them at the same steps, so the contrast F2 is .6 of
 * the difference in general ability. */
static const char *folder_of(const Registration *r, int64_t bases, double more, double gap, int64_t never)
{
    const char *folder = new_folder();
    for (int64_t k = 1; k <= bases; k++) {
        const double cost = .1 + more + (k % 2 ? .01 : 0);
        const Line line[ARMS] = { { k <= never ? .5 : 0, cost, 0 }, { 0, .1, gap }, { 1, .05, 0 } };
        base_made(r, folder, k, line);
    }
    return folder;
}

static Verdicts verdicts_of(const Registration *r, const char *folder)
{
    Verdicts v;
    const bool good = verdicts_read(&v, r, folder, &arena, &error);
    expect_fine(&error);
    assert_true(good);
    return v;
}

static void says(const Registration *r, const Verdict *v, const char *words)
{
    assert_string_equal(verdict_words(v, r, &arena), words);
}

static void a_true_effect_is_yes_with_its_numbers(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Verdicts v = verdicts_of(&r, folder_of(&r, 8, .3, .5, 0));
    says(&r, &v.verdict[F2], "Yes.");
    // F2 is .18 on four bases and .186 on four: the half-width is t sqrt(8/7) .003 / sqrt(8) with t = 2.36462
    const Interval i = v.verdict[F2].all.interval;
    assert_true(fabs(i.mean - .183) < 1e-12 && fabs(i.half - 2.3646242515927853 * sqrt(8.0 / 7) * .003 / sqrt(8)) < 1e-12);
    assert_true(v.verdict[F2].all.p == 2.0 / 256 && v.verdict[F2].method[0].p == 4.0 / 256);      // corrected by Holm for two methods
    assert_string_equal(verdict_numbers(&v.verdict[F2].all, v.verdict[F2].finding, &arena), "0.183 (0.180 to 0.186), p = 0.0078, 8 bases");
    says(&r, &v.verdict[F4], "Yes.");                                       // tested, because F2 is "yes"
    says(&r, &v.verdict[PLACEBO], "Yes.");
    says(&r, &v.verdict[SIZE], "No.");                                      // .27 of general ability is lost, less than .9
    says(&r, &v.verdict[F1], "Yes.");                                       // L keeps .85/.9 when half is forgotten
}

static void no_effect_and_a_reversed_effect_are_not_yes(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Verdicts none = verdicts_of(&r, folder_of(&r, 8, 0, .5, 0)), reversed = verdicts_of(&r, folder_of(&r, 8, -.1, .5, 0));
    says(&r, &none.verdict[F2], "No.");
    says(&r, &none.verdict[F4], "Not tested: F2, which comes earlier in the fixed order, is not \"yes\".");
    says(&r, &reversed.verdict[F2], "Reversed.");
    Verdicts small = verdicts_of(&r, folder_of(&r, 8, .08, .5, 0));         // .048 and .054: delta lies in the interval
    says(&r, &small.verdict[F2], "Undecided: the interval holds both what matters and what does not. With this mean and spread, more than "
                                 "31 bases would decide.");
    // .045 and .051: the mean is .002 below delta; the half-width is .0027 with 8 bases, and below .002 with 13
    Verdicts nearly = verdicts_of(&r, folder_of(&r, 8, .075, .5, 0));
    says(&r, &nearly.verdict[F2], "Undecided: the interval holds both what matters and what does not. With this mean and spread, 13 bases "
                                  "would decide.");
}

static void a_wide_interval_is_underpowered_and_says_how_many_bases_it_takes(void **state)
{
    (void)state;
    const Registration r = made_registration();
    const char *folder = new_folder();
    for (int64_t k = 1; k <= 8; k++)        // F2 is .36 on four bases and 0 on four: t(7) .18 sqrt(8/7) / sqrt(8) = .1609
        base_made(&r, folder, k, (Line[]){ { 0, k % 2 ? .7 : .1, 0 }, { 0, .1, 0 }, { 1, .05, 0 } });
    Verdicts v = verdicts_of(&r, folder);
    says(&r, &v.verdict[F2], "Underpowered: the half-width of the interval is 0.161, over 0.12. With this spread, 13 bases would bring it "
                             "down to 0.12.");
}

static void too_few_bases_are_undecided_and_say_how_many(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Verdicts none = verdicts_of(&r, new_folder()), seven = verdicts_of(&r, folder_of(&r, 7, .3, .5, 0));
    for (size_t k = 0; k < none.count; k++) {
        says(&r, &none.verdict[k], "Undecided: 0 of 8 bases are finished.");
        says(&r, &seven.verdict[k], "Undecided: 7 of 8 bases are finished.");
        assert_string_equal(verdict_numbers(&none.verdict[k].all, none.verdict[k].finding, &arena), "");
    }
    assert_true(none.finished == 0 && seven.finished == 7 && seven.verdict[F2].all.interval.mean > .18);
}

static void one_base_may_miss_a_level_but_two_may_not(void **state)
{
    (void)state;
    const Registration r = made_registration();
    Verdicts one = verdicts_of(&r, folder_of(&r, 8, .3, .5, 1)), two = verdicts_of(&r, folder_of(&r, 8, .3, .5, 2));
    says(&r, &one.verdict[F2], "Yes.");
    assert_true(one.verdict[F2].all.reached == 7 && one.verdict[F1].all.reached == 8);
    says(&r, &two.verdict[F2], "Undecided: 2 of 8 bases never reach a level.");
    says(&r, &two.verdict[F1], "Yes.");                                     // L forgets half on every base
}

static void base_0_is_never_part_of_a_verdict(void **state)
{
    (void)state;
    const Registration r = made_registration();
    const char *folder = folder_of(&r, 2, .3, .5, 0);
    base_made(&r, folder, 0, (Line[]){ { 0, .9, 0 }, { 0, 0, 0 }, { 0, 0, 0 } });
    Verdicts v = verdicts_of(&r, folder);
    assert_true(v.finished == 2 && v.verdict[F2].all.interval.mean < .2);
    assert_true(v.verdict[F2].all.base[0].number == 1 && v.verdict[F2].all.base[1].number == 2);
}

/* Replaces a file of base 3 by this text. */
static void spoil(const char *folder, const char *name, const char *text)
{
    const char *path = arena_format(&arena, "%s/base-3/%s", folder, name);
    assert_true(path && file_write(path, text, strlen(text), &error));
}

static void refused(const Registration *r, const char *folder, const char *sentence)
{
    Verdicts v;
    assert_false(verdicts_read(&v, r, folder, &arena, &error));
    expect_sentence(&error, "base-3", sentence);
}

static void a_base_that_was_changed_is_refused(void **state)
{
    (void)state;
    const Registration r = made_registration();
    const char *folder = folder_of(&r, 3, .3, .5, 0);
    size_t size;
    const char *manifest = file_read(arena_format(&arena, "%s/base-3/manifest.json", folder), 1 << 20, &size, &arena, &error);
    const char *table = file_read(arena_format(&arena, "%s/base-3/contrasts.csv", folder), 1 << 20, &size, &arena, &error);
    assert_true(manifest && table);
    spoil(folder, "contrasts.csv", "finding,method,seed,value,reached\n");
    refused(&r, folder, "contrasts.csv: the SHA-256 of the file is");
    // one contrast is forged, and the manifest has the digest of the forgery, but the trajectory gives another value
    char *forged = arena_text(&arena, table), *digit = strstr(forged, "F2,ga,1,0.18");
    assert_non_null(digit);
    digit[strlen("F2,ga,1,0.")] = '9';
    spoil(folder, "contrasts.csv", forged);
    const char *before = digest_bytes(table, strlen(table)).hex, *at = strstr(manifest, before);
    assert_non_null(at);
    spoil(folder, "manifest.json", arena_format(&arena, "%.*s%s%s", (int)(at - manifest), manifest,
                                                digest_bytes(forged, strlen(forged)).hex, at + 64));
    refused(&r, folder, "contrasts.csv:6: F2 by ga with seed 1 does not follow from trajectory.csv");
    spoil(folder, "contrasts.csv", table);
    Registration other = r;
    other.digest.hex[0] ^= 1;
    spoil(folder, "manifest.json", manifest);
    Verdicts v;
    assert_false(verdicts_read(&v, &other, folder, &arena, &error));
    expect_sentence(&error, "base-1/manifest.json", "the base was made by the registration");
    const char *name = strstr(manifest, "\"base\": 3");
    assert_non_null(name);
    spoil(folder, "manifest.json", arena_format(&arena, "%.*s\"base\": 4%s", (int)(name - manifest), manifest, name + 9));
    refused(&r, folder, "the base is 4, expected 3 by the name of the folder");
    assert_false(base_number(&r, "out/base-9", &(int64_t){ 0 }, &error));
    expect_sentence(&error, "out/base-9", "expected a name from base-0 to base-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_true_effect_is_yes_with_its_numbers), stand_test(no_effect_and_a_reversed_effect_are_not_yes),
        stand_test(a_wide_interval_is_underpowered_and_says_how_many_bases_it_takes),
        stand_test(too_few_bases_are_undecided_and_say_how_many), stand_test(one_base_may_miss_a_level_but_two_may_not),
        stand_test(base_0_is_never_part_of_a_verdict), stand_test(a_base_that_was_changed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
