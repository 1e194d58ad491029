/* SPDX-License-Identifier: MIT */
/* The two families of the unlearning methods: `methods` has those of pinned.def, later_methods all others. They compute
 * the loss and the gradients of the logits, for each method that is defined on logits. */
#include "ref/digest/digest.h"
#include "ref/digest/pinned.h"
#include "unlearn/method.h"

enum { V = 37, SAMPLES = 3, ROWS = 7 };

static const int32_t offsets[SAMPLES + 1] = { 0, 2, 3, ROWS }, labels[ROWS] = { 5, 0, 36, 7, 7, 20, 1 };

static Part part(Probe *p)
{
    const Shape s = shape_of(2, (size_t)ROWS, (size_t)V);
    Node *z = probe_param(p, PROBE_NORMAL, s), *ref = probe_input(p, PROBE_NORMAL, s);
    return (Part){ .z = z, .z_ref = ref, .labels = labels, .offsets = offsets, .rows = ROWS, .samples = SAMPLES,
                   .tokens = ROWS };
}

/* Runs one step of a method. `changes` changes its default hyperparameters: "beta=0.3 gamma=0.7". */
static void run(Probe *p, const Method *m, const char *changes)
{
    Hyperparameters v;
    MethodStep s = { .tape = p->tape, .hyper = &v, .step = 1 };
    if (!hyperparameters_make(&v, m, NULL, p->error) || !hyperparameters_apply(&v, changes, p->error))
        return;
    // pinned methods keep the roles that they had when `total` was recorded, because each role draws fresh data
    const int roles = method_is_pinned(m->name) ? ROLE_ALTERNATE + 1 : ROLE_COUNT;
    for (int k = 0; k < roles; k++)
        s.part[k] = part(p);
    m->loss(&s);
    probe_walk(p);
}

/* Runs a method with several hyperparameters. A method whose loss reads hidden states, or which has no loss because it
 * edits weights, has nothing to run here. */
static void run_each(Probe *p, const Method *m)
{
    static const char *const changes[] = { "", "beta=0.3 gamma=0.7 alpha=1.3 lambda=0.6 skip_first=yes kl_norm=batch",
                                           "npo_ratio=batch_mean klr=muse_raw", "npo_ratio=raw_logits dpo_scale=1" };
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
        if (m->loss && !(m->needs & NEEDS_HIDDEN))
            run(p, m, changes[k]);
}

void digest_methods(Probe *p)
{
    for (size_t k = 0; k < pinned_methods_count; k++) {
        const Method *m = method_find(pinned_methods[k]);
        if (m)
            run_each(p, m);
        else
            error_set(p->error, "digest: there is no method %s, expected all of ref/digest/pinned.def",
                      pinned_methods[k]);
    }
}

void digest_later_methods(Probe *p)
{
    for (size_t k = 0; k < methods_count; k++)
        if (!method_is_pinned(methods[k]->name))
            run_each(p, methods[k]);
}
