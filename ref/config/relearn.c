/* SPDX-License-Identifier: MIT */
#include "ref/config/relearn.h"

bool session_relearn(Session *x, const MethodSettings *m, const Questions *on, Arena *a, Error *e)
{
    Rounds r = { .round = 0 };
    BatchSample *sample = arena_array(a, on->count, sizeof *sample);
    for (size_t k = 0; sample && k < on->count; k++)
        if (!reader_sample(&x->reader, on->question[k].from, on->question[k].sample, NULL, 0, NO_AUGMENT, &sample[k], a, e))
            return false;
    if (!sample || !session_begin(x, m, e))
        return false;
    const RoundSamples lists = { .rounds = 1, .retain = { sample, on->count } };
    RoundsPlan plan = rounds_plan(m, &lists, NULL);
    bool good = rounds_make(&r, &plan, &x->model, &x->adapters, a, e) && round_begin(&r, e);
    while (good && round_step(&r, e))
        ;
    good = good && round_end(&r, e);
    rounds_close(&r);
    return good && !e->failed;
}
