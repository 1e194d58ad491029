/* SPDX-License-Identifier: MIT */
/* The family of the unlearning methods: the loss and the logit gradients of each one that is defined on logits. */
#include "ref/digest/digest.h"
#include "unlearn/method.h"

enum { V = 37, SAMPLES = 3, ROWS = 7 };

static const int32_t offsets[SAMPLES + 1] = { 0, 2, 3, ROWS }, labels[ROWS] = { 5, 0, 36, 7, 7, 20, 1 };

static Part part(Probe *p)
{
    const Shape s = shape_of(2, (size_t)ROWS, (size_t)V);
    Node *z = probe_param(p, PROBE_NORMAL, s), *ref = probe_input(p, PROBE_NORMAL, s);
    return (Part){ .z = z, .z_ref = ref, .labels = labels, .offsets = offsets, .rows = ROWS, .samples = SAMPLES, .tokens = ROWS };
}

static void run(Probe *p, const Method *m, const char *changes)
{
    Hyperparameters v;
    MethodStep s = { .tape = p->tape, .v = &v, .step = 1 };
    if (!hyperparameters_make(&v, m, NULL, p->error) || !hyperparameters_apply(&v, changes, p->error))
        return;
    for (int k = 0; k < ROLE_COUNT; k++)
        s.part[k] = part(p);
    m->loss(&s);
    tape_backward(p->tape);
}

void digest_methods(Probe *p)
{
    static const char *const forms[] = { "", "beta=0.3 gamma=0.7 alpha=1.3 lambda=0.6 skip_first=yes kl_norm=batch", "npo_ratio=batch_mean klr=muse_raw", "npo_ratio=raw_logits dpo_scale=1" };
    for (size_t k = 0; k < methods_count; k++)
        for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
            if (methods[k]->loss && !(methods[k]->needs & NEEDS_HIDDEN))
                run(p, methods[k], forms[f]);
}
