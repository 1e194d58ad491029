/* SPDX-License-Identifier: MIT */
/* O3: each request has an adapter of its own, which learns random answers and stays orthogonal to the adapters of
 * earlier requests.
 *
 *     L = gamma CE(random answers) + lambda sum_j |A_j A^T|^2, over the adapters j of earlier rounds      Gao 2024
 *
 * A [r, in] is the first factor of the adapter of a linear map, and the sum also runs over all maps. In the paper, a
 * detector reads the input of a question and chooses among the adapters. Here all adapters act on every input: they are
 * merged between rounds (unlearn.merge = yes), or frozen and live beside the one that trains (unlearn.merge = live). */
#include "unlearn/terms/terms.h"
#include "unlearn/trained.h"

static bool o3_begin(const MethodRun *run, void **state)
{
    *state = NULL;
    return run->model->lora ? adapters_fresh(run, "o3")
                            : error_set(run->error, "o3: the model has no adapters, expected train.trainable = llm or proj+llm");
}

static Node *o3_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_RANDOM, s->hyper->gamma);
    const Lora *l = s->run ? s->run->model->lora : NULL;
    for (size_t j = 0; l && j < s->run->round; j++)
        for (size_t k = l->frozen; k < l->count; k++) {
            Node *a = s->params[ROLE_RANDOM]->factors[l->pairs[k].a - l->factors.list];
            if (a)
                plus_overlap(&loss, a, &s->run->earlier[j].pairs[k - l->frozen].a->tensor, s->hyper->lambda);
        }
    return loss.sum;
}

const Method method_o3 = {
    .name = "o3", .label = "O3", .source = "Gao et al. 2024 (O3), without its detector of the input",
    .formula = { .loss = "L = gamma CE(random answers) + lambda sum_j |A_j A^T|^2 over the adapters j of the rounds before and all "
                         "maps",
                 .gradient = "dL/dz = c (p - e_y), c = gamma/N; dL/dA = sum_j RN(2 lambda RN(P_j A_j)), P_j = RN(A A_j^T)",
                 .notes = "The terms are added round by round, in each map by map. Adapters are merged between rounds, and nothing "
                          "chooses among them. Random answers are those of retain samples, drawn from seed + step" },
    .defaults = "lambda=0.1",
    .needs = NEEDS_RETAIN | RETAIN_ASIDE | NEEDS_RANDOM | NEEDS_EARLIER, .begin = o3_begin, .loss = o3_loss,
};
