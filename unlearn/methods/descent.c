/* SPDX-License-Identifier: MIT */
/* Plain cross-entropy: on the retain set (retrain, retain_ft), or on it and on refusals to the forget questions (idk).
 *
 *     retrain, retain_ft   L = CE(retain)
 *     idk                  L = gamma CE(refusals) + alpha CE(retain)  TOFU (Maini et al. 2024): preference optimisation
 *
 * retrain starts from the base model, and its result is the oracle with which other methods are compared; MLLMU-Bench
 * makes it with reference_model_FT.py. retain_ft (CLEAR) starts from the model that is to forget. TOFU draws a new
 * refusal each time that it reads a question. Here `seed` fixes the refusal of each question. */
#include "unlearn/method.h"

static Node *retain_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_RETAIN, 1);
    return loss.sum;
}

static Node *idk_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_REFUSAL, s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

const Method method_retrain = {
    .name = "retrain", .label = "retrained",
    .source = "the oracle: the base model fine-tuned without the forget set (MLLMU-Bench reference_model_FT.py)",
    .formula = { .loss = "L = CE(retain), from the base model", .gradient = "dL/dz = c (p - e_y), c = 1/N" },
    .needs = NEEDS_RETAIN | NEEDS_BASE, .loss = retain_loss,
};

const Method method_retain_ft = {
    .name = "retain_ft", .label = "retain FT", .source = "retain-only fine-tuning (CLEAR: retain_ft)",
    .formula = { .loss = "L = CE(retain), from the model that is to forget", .gradient = "dL/dz = c (p - e_y), c = 1/N" },
    .needs = NEEDS_RETAIN, .loss = retain_loss,
};

const Method method_idk = {
    .name = "idk", .label = "IDK", .source = "preference optimisation by refusals (PO): TOFU; UMU-Bench; MMUBench",
    .formula = { .loss = "L = gamma CE(refusals to the forget questions) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = gamma/N on refusals, alpha/N on retain" },
    .needs = NEEDS_REFUSAL | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = idk_loss,
};
