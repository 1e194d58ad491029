/* SPDX-License-Identifier: MIT */
/* The registration prereg.ini: what it must contain, what is refused, and the seeds that follow from its bytes. */
#include "tests/support/stand.h"

#include <string.h>
#include "eval/evidence/registration.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

#define EXPLORED "intervention", "exposure", "late"

static const char small[] =
    "; a comment\n"
    "[registration]\n"                                                      // line 2
    "bases = 8\nseeds = 1, 2\nmethods = ga, npo\nlevels = 0.6, 0.4\nwidest = 0.12\nsnapshot_every = 5\norder = F2\n"
    "[arm E]\n"                                                             // line 10
    "run = early\nmodel = e\nscenario = placed\ntrainable = llm\nsteps = 100 npo=50\nmatching = unlearn_matching\n"
    "reporting = unlearn_reporting\n"
    "[arm L]\n"                                                             // line 18
    "run = late\nmodel = l\nscenario = placed\ntrainable = llm\nsteps = 100 npo=50\nmatching = a, b\nreporting = c\n"
    "[finding F2]\n"                                                        // line 26
    "says = It costs more\nmeasure = general\narms = L, E\nthreshold = 0\ndelta = 0.05\npaper = 90 %\nmeasured = 20 persons\n";

static bool read_text(Registration *r, const char *text)
{
    const char *path = scratch("prereg.ini");
    assert_true(file_write(path, text, strlen(text), &error));
    return registration_read(r, path, &arena, &error);
}

/* The text `small`, in which `from` is replaced by `to`. */
static const char *with(const char *from, const char *to)
{
    const char *at = strstr(small, from);
    assert_non_null(at);
    return arena_format(&arena, "%.*s%s%s", (int)(at - small), small, to, at + strlen(from));
}

static void all_that_is_registered_is_read(void **state)
{
    (void)state;
    Registration r;
    assert_true(read_text(&r, small));
    assert_true(r.bases == 8 && r.seeds == 2 && r.seed[1] == 2 && r.methods == 2 && r.levels == 2 && r.level[1] == .4);
    assert_true(r.widest == .12 && r.snapshot_every == 5 && r.arms == 2 && r.findings == 1 && r.ordered == 1);
    assert_string_equal(r.method[1], "npo");
    assert_true(r.arm[1].splits == 2 && r.arm[0].runs == 1);
    assert_string_equal(r.arm[1].matching[1], "b");
    assert_string_equal(r.arm[0].steps[0], "100 npo=50");
    const Finding *f = &r.finding[0];
    assert_true(f->measure == MEASURE_general && f->arm[0] == 1 && f->arm[1] == 0 && f->delta == .05 && f->order == 1);
    assert_string_equal(f->says, "It costs more");
}

static void what_is_unknown_missing_or_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    const struct { const char *from, *to, *says; } bad[] = {
        { "bases = 8\n", "", "prereg.ini:3: [registration] has no key bases" },
        { "bases = 8\n", "bases = 8\nbases = 8\n", "prereg.ini:4: [registration] has the key bases twice" },
        { "bases = 8\n", "bases = eight\n", "prereg.ini:3: bases is \"eight\", expected a whole number from 2 to 20" },
        { "bases = 8\n", "basis = 8\n", "prereg.ini:3: [registration] has the unknown key basis" },
        { "bases = 8\n", "says = x\n", "prereg.ini:3: [registration] has the unknown key says" },
        { "seeds = 1, 2\n", "seeds = 1, 1\n", "prereg.ini:4: seeds has \"1\" twice" },
        { "seeds = 1, 2\n", "seeds = one\n", "prereg.ini:4: seeds has \"one\"" },
        { "seeds = 1, 2\n", "seeds =\n", "prereg.ini:4: [registration] has nothing after seeds =" },
        { "methods = ga, npo\n", "methods = ga, nopo\n", "prereg.ini:5: methods has \"nopo\"" },
        { "levels = 0.6, 0.4\n", "levels = 0.4, 0.6\n", "prereg.ini:6: levels has \"0.6\", expected accuracies between 0 and 1" },
        { "order = F2\n", "order = F3\n", "prereg.ini:9: order has \"F3\", but there is no [finding F3]" },
        { "[arm E]\n", "[arms E]\n", "prereg.ini:11: the section is [arms E], expected [registration], [arm NAME] or [finding NAME]" },
        { "[arm E]\n", "[arm E F]\n", "prereg.ini:11: the name \"E F\"" },
        { "[arm E]\n", "[arm]\n", "prereg.ini:11: the section is [arm]" },
        { "[registration]\n", "[arm X]\n", "prereg.ini:3: [arm X] has the unknown key bases" },
        { "trainable = llm\n", "trainable = llm\nset = lora.rank\n", "prereg.ini:15: set has \"lora.rank\", expected words of the form" },
        { "trainable = llm\n", "set = a.b=c\ntrainable = llm\nset = a.b=c\n", "prereg.ini:16: [arm E] has the key set twice" },
        { "scenario = placed\n", "scenario = plac\n", "prereg.ini:13: scenario is \"plac\"" },
        { "trainable = llm\n", "trainable = projector\n", "prereg.ini:14: trainable is \"projector\"" },
        { "run = late\n", "run = early\n", "prereg.ini:19: the arms E and L share the run early" },
        { "run = early\n", "run = one, two, three\n", "prereg.ini:15: steps is \"100 npo=50\", expected one number for each of the 3" },
        { "[finding F2]\n", "[finding F2]\nsays = x\n", "prereg.ini:28: [finding F2] has the key says twice" },
        { "measure = general\n", "measure = generally\n", "prereg.ini:28: measure is \"generally\"" },
        { "measure = general\n", "measure = lost\n", "prereg.ini:29: arms has 2 words, expected 1 for the measure lost" },
        { "arms = L, E\n", "arms = L, X\n", "prereg.ini:29: there is no [arm X]" },
        { "delta = 0.05\n", "delta = -1\n", "prereg.ini:31: delta is \"-1\", expected a number from 0 to 1" },
        { "says = It costs more\n", "what is this\n", "prereg.ini:27: not understood" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        Registration r;
        if (read_text(&r, with(bad[k].from, bad[k].to)))
            fail_msg("\"%s\" in place of \"%s\" is no error", bad[k].to, bad[k].from);
        expect_sentence(&error, bad[k].says);
    }
}

/* Arms that share a run must have the same further settings. */
static void further_settings_of_a_run_are_read(void **state)
{
    (void)state;
    Registration r;
    assert_true(read_text(&r, with("trainable = llm\n", "trainable = llm\nset = lora.rank=4, unlearn.subspace=@/adapter-L\n")));
    assert_true(r.arm[0].sets == 2 && r.arm[1].sets == 0);
    assert_string_equal(r.arm[0].set[1], "unlearn.subspace=@/adapter-L");
    assert_false(read_text(&r, arena_format(&arena, "%s[arm X]\nset = lora.rank=4\nrun = early\nmodel = e\nscenario = placed\n"
                                                    "trainable = llm\nsteps = 100 npo=50\nmatching = a\nreporting = c\n", small)));
    expect_sentence(&error, "the arms E and X share the run early, expected the same model, the same settings");
}

/* The files of fixtures/configs/explore/ have the form of a registration, but no base is made from them. */
static void files_of_explorations_are_read_like_registrations(void **state)
{
    (void)state;
    static const char *const names[] = { EXPLORED };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        Registration r;
        const char *path = arena_format(&arena, "fixtures/configs/explore/%s.ini", names[k]);
        if (!registration_read(&r, path, &arena, &error))
            fail_msg("%s", error.text);
        assert_true(r.findings > 0 && r.levels == 5 && r.level[4] == .2);
    }
}

/* The definition of the seed, as a shell command: printf 'base 3' | cat FILE - | sha256sum | cut -c 1-16. */
static void the_seed_of_a_base_follows_from_the_bytes_of_the_file(void **state)
{
    (void)state;
    Registration r, other;
    char seed[17], again[17], of_four[17];
    assert_true(read_text(&r, small) && registration_seed(&r, 3, seed, &error) && registration_seed(&r, 4, of_four, &error));
    const char *bytes = arena_format(&arena, "%sbase 3", small);
    assert_memory_equal(seed, digest_bytes(bytes, strlen(bytes)).hex, 16);
    assert_true(strlen(seed) == 16 && strcmp(seed, of_four) != 0);
    assert_true(read_text(&other, with("; a comment", "; A comment")) && registration_seed(&other, 3, again, &error));
    assert_string_not_equal(seed, again);
    assert_false(registration_seed(&r, 3, again, &error));                  // the file has been changed since it was read
    expect_sentence(&error, "prereg.ini", "the file has changed");
}

/* These numbers were agreed on before any base was run. To change them now is to change the registration. */
static void the_shipped_file_registers_what_was_agreed_on(void **state)
{
    (void)state;
    Registration r;
    assert_true(registration_read(&r, "fixtures/configs/prereg.ini", &arena, &error));
    const double levels[] = { .6, .5, .4, .3, .2 };
    const char *const order[] = { "F2", "F3", "exposure", "F4" }, *const methods[] = { "ga", "ga_klr", "npo" };
    assert_true(r.bases == 8 && r.seeds == 2 && r.methods == 3 && r.levels == 5 && r.ordered == 4 && r.widest == .12);
    assert_memory_equal(r.level, levels, sizeof levels);
    for (size_t k = 0; k < 3; k++)
        assert_string_equal(r.method[k], methods[k]);
    for (size_t k = 0; k < r.findings; k++) {
        const Finding *f = &r.finding[k];
        if (f->order)
            assert_string_equal(f->name, order[f->order - 1]);
        assert_true(f->order == 0 || (f->delta == .05 && f->threshold == 0));
        if (strcmp(f->name, "F2") == 0)
            assert_true(f->measure == MEASURE_general && *r.arm[f->arm[0]].name == 'L' && *r.arm[f->arm[1]].name == 'E');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(all_that_is_registered_is_read), stand_test(what_is_unknown_missing_or_wrong_is_refused_with_its_line),
        stand_test(further_settings_of_a_run_are_read), stand_test(files_of_explorations_are_read_like_registrations),
        stand_test(the_seed_of_a_base_follows_from_the_bytes_of_the_file), stand_test(the_shipped_file_registers_what_was_agreed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
