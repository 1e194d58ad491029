/* SPDX-License-Identifier: MIT */
/* An adapter for each request, which answers its questions with refusals.
 *
 *     L = gamma CE(refusals) + alpha CE(retain), the loss of idk      LUMoE (MLUBench 2025), without its router
 *
 * Each round begins with the weights from before the first round. At the end, the adapters of all rounds are merged, or
 * they stay apart. If they stay apart, a question is answered with the adapter of its own request alone, which is an
 * upper bound for any router. */
#include "unlearn/method.h"

static Node *adapters_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_REFUSAL, s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

const Method method_adapters = {
    .name = "adapters", .label = "adapters",
    .source = "an adapter per request: LUMoE (MLUBench 2025) without its external router",
    .formula = { .loss = "L = gamma CE(refusals to the forget questions) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = gamma/N on refusals, alpha/N on retain",
                 .notes = "Each round trains adapters of its own beside the weights of the first round. unlearn.merge = yes: those of "
                          "all rounds are merged in the end. unlearn.merge = no: each is used alone, as a router would that knows the "
                          "request" },
    .needs = NEEDS_REFUSAL | NEEDS_RETAIN | RETAIN_IF_ALPHA | NEEDS_EARLIER | ADAPTER_EACH,
    .loss = adapters_loss,
};
