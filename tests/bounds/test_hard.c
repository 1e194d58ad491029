/* SPDX-License-Identifier: MIT */
/* The hard cases of fixtures/hard.txt: whichever tier decides, the results are the recorded ones. MPFR confirms that
 * the first eight elements of each result are the nearest floats. The program build/probe/test_hard, which is
 * linked with a library that reports its estimates, also checks the cases "exceeds" and "apart" (hard.h). Each has an
 * error beyond its bound if the bound is scaled down; with the bound as it is, no error may be beyond it. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/exact/bound_records.h"
#include "tests/bounds/apart.h"
#include "tests/bounds/measured.h"

static const char path[] = "fixtures/hard.txt";

// change: WORD of the line, "exp=0.0641" or "~RULE" (hard.h)
typedef struct { Hard hard; Tensor want; char change[64]; bool apart; } Line;

/* Calls `f` for every case, with an empty arena. Returns the number of cases. */
static size_t each_line(void (*f)(const Line *line))
{
    char *text = NULL;
    size_t capacity = 0, lines = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be opened", path);
    while (getline(&text, &capacity, file) > 0) {
        Line line = { .apart = false };
        if (*text == '#')
            continue;
        arena_reset(&arena);
        line.apart = sscanf(text, "apart %63s", line.change) == 1;
        if (!line.apart)
            hard_read(text, &line.hard, line.change, &line.want, &arena, &error);
        expect_fine(&error);
        f(&line);
        lines++;
    }
    free(text);
    fclose(file);
    return lines;
}

static void expect_recorded(const Line *l)
{
    if (l->apart)
        return;
    const size_t n = shape_size(l->want.shape);
    const OpClass kind = l->hard.op->kind;
    const int last = kind == CLASS_C || kind == CLASS_D ? 1 : 2;    // these classes have no exact tier after double-double
    for (int forced = 0; forced <= last; forced++) {
        tier_force = forced;
        Tensor got = hard_run(&l->hard, &arena);
        tier_force = 0;
        if (!got.data)
            fail_msg("%s, the case for the change %s: the call fails", l->hard.op->name, l->change);
        expect_bits(got.f32, l->want.f32, n, "%s, the case for the change %s, tiers forced %d", l->hard.op->name,
                    l->change, forced);
    }
    for (size_t k = 0; k < n && k < 8; k++) {               // a zero may have either sign
        float truth = hard_nearest(&l->hard, k);
        expect_float(l->want.f32[k], truth == 0 && l->want.f32[k] == 0 ? l->want.f32[k] : truth,
                     "element %zu of %s, the case for the change %s", k, l->hard.op->name, l->change);
    }
}

static void expect_within(const Line *l)
{
    const size_t length = strcspn(l->change, "=");
    for (size_t b = 0; b < bound_records_count; b++)
        if (strncmp(bound_records[b].name, l->change, length) == 0 && !bound_records[b].name[length]
            && (l->apart ? apart_exceeds(b) : l->hard.exceeds && exceeds(&l->hard, b, shape_size(l->want.shape), &arena)))
            fail_msg("%s: an error is beyond the bound %s", l->apart ? apart_name(b) : l->hard.op->name, bound_records[b].name);
}

static void hard_cases_have_the_nearest_floats(void **state)
{
    (void)state;
    assert_true(each_line(expect_recorded) > 50);
}

static void no_error_is_beyond_its_bound(void **state)
{
    (void)state;
    if (!is_probed())
        skip();
    each_line(expect_within);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(hard_cases_have_the_nearest_floats),
        stand_test(no_error_is_beyond_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
