/* SPDX-License-Identifier: MIT */
/* Folders of made-up bases whose trajectories are straight lines, so that their contrasts have closed forms. */
#ifndef PULSE_TESTS_EVAL_EVIDENCE_MADE_BASES_H
#define PULSE_TESTS_EVAL_EVIDENCE_MADE_BASES_H

#include <string.h>
#include "eval/evidence/base.h"
#include "eval/evidence/verdicts.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"
#include "tests/support/stand.h"

#define ARM(name) "[arm " name "]\nrun = " name "\nmodel = " name "\nscenario = placed\ntrainable = llm\nsteps = 20\n" \
                  "matching = unlearn_matching\nreporting = unlearn_reporting\n"
#define FINDING(name, measure, arms, threshold, delta) "[finding " name "]\nsays = " name " holds\nmeasure = " measure "\narms = " arms \
                  "\nthreshold = " threshold "\ndelta = " delta "\npaper = so\nmeasured = this\n"
static const char registered[] =
    "[registration]\nbases = 8\nseeds = 1, 2\nmethods = ga, npo\nlevels = 0.6, 0.4, 0.2\nwidest = 0.12\nsnapshot_every = 10\n"
    "order = F2, F4\n" ARM("E") ARM("L") ARM("O") FINDING("F1", "kept", "L", "0.9", "0") FINDING("F2", "general", "L, E", "0", "0.05")
    FINDING("F4", "gap", "L, E", "0", "0.05") FINDING("placebo", "same_steps", "O, E", "0", "0.05")
    FINDING("size", "lost", "E", "0.9", "0");
enum { ARM_E, ARM_L, ARM_O, ARMS };
enum { F1, F2, F4, PLACEBO, SIZE };
enum { BASES = 8 };

static Registration made_registration(void)
{
    Registration r;
    const char *path = scratch("made.ini");
    assert_true(file_write(path, registered, strlen(registered), &error));
    assert_true(registration_read(&r, path, &arena, &error));
    return r;
}

/* A trajectory of 20 steps. The accuracy on the forget set falls from 1 to `forget`, and general ability from .9 by
 * `cost`. In the end, the accuracy on reporting questions in text is higher by `gap` than that on pictures. */
typedef struct { double forget, cost, gap; } Line;

static void line_add(Trajectory *t, size_t arm, size_t method, size_t seed, Line x)
{
    for (int k = 0; k <= 2; k++) {
        const double at = k / 2.0, known = 1 - at * (1 - x.forget), half = at * x.gap / 2;
        t->point[t->count++] = (Point){ arm, method, seed, 10 * k, { known, known }, { known / 2 - half + .25, known / 2 + half + .25 },
                                        .9 - at * x.cost, 1 - at };
    }
}

/* Writes the folder of base number `base`: for all methods and seeds, line[A] is the trajectory of the arm A. */
static inline void base_made(const Registration *r, const char *folder, int64_t base, const Line line[ARMS])
{
    Trajectory t = { arena_array(&arena, 200, sizeof *t.point), 0 };
    for (size_t arm = 0; arm < ARMS; arm++)
        for (size_t m = 0; m < r->methods; m++)
            for (size_t s = 0; s < r->seeds; s++)
                line_add(&t, arm, m, s, line[arm]);
    assert_true(base_write(base_folder(folder, base, &arena), r, base, &t, json_object(), &arena, &error));
}

#endif
