/* SPDX-License-Identifier: MIT */
/* Plain cross-entropy: on the retain set (retrain, retain_ft), and on refusals (idk). */
#include "unlearn/method.h"

static Node *retain_loss(MethodStep *s)
{
    return add_ce(s, NULL, ROLE_RETAIN, 1);
}

static Node *idk_loss(MethodStep *s)
{
    return and_retain(s, add_ce(s, NULL, ROLE_REFUSAL, s->v->gamma));
}

const Method method_retrain = {
    .name = "retrain", .source = "the oracle: the base model fine-tuned without the forget set (MLLMU-Bench reference_model_FT.py)",
    .formula = "L = CE(retain), from the base model;  dL/dz = c (p - e_y), c = 1/N",
    .needs = NEEDS_RETAIN | NEEDS_BASE, .loss = retain_loss,
};

const Method method_retain_ft = {
    .name = "retain_ft", .source = "retain-only fine-tuning (CLEAR: retain_ft)",
    .formula = "L = CE(retain), from the model that is to forget;  dL/dz = c (p - e_y), c = 1/N",
    .needs = NEEDS_RETAIN, .loss = retain_loss,
};

const Method method_idk = {
    .name = "idk", .source = "preference optimisation by refusals (PO): TOFU; UMU-Bench; MMUBench",
    .formula = "L = gamma CE(refusals to the forget questions) + alpha CE(retain);  dL/dz = c (p - e_y), c = gamma/N on refusals, alpha/N on retain",
    .needs = NEEDS_REFUSAL | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = idk_loss,
};
