/* SPDX-License-Identifier: MIT */
#include "unlearn/rounds.h"

#include <stdio.h>
#include <string.h>

/* The retain list of a round: the first retain_count samples of the plan's list, or all of them if retain_count is 0.
 * With retain_shrinks, the samples that later rounds will forget follow them. */
static bool retain_of(const RoundsPlan *p, size_t round, SampleList *out, Arena *a)
{
    *out = p->retain;
    if (p->v.retain_count > 0 && (size_t)p->v.retain_count < out->count)
        out->count = (size_t)p->v.retain_count;
    if (!p->retain_shrinks || !p->forget)
        return true;
    const size_t kept = out->count;
    size_t n = kept;
    for (size_t k = round + 1; k < p->count; k++)
        n += p->forget[k].count;
    BatchSample *list = arena_array(a, n, sizeof *list);
    if (!list)
        return false;
    memcpy(list, p->retain.list, kept * sizeof *list);
    n = kept;
    for (size_t k = round + 1; k < p->count; n += p->forget[k++].count)
        memcpy(list + n, p->forget[k].list, p->forget[k].count * sizeof *list);
    *out = (SampleList){ list, n };
    return true;
}

static bool request_of(const RoundsPlan *p, size_t round, UnlearnRequest *r, Arena *a, Error *e)
{
    *r = (UnlearnRequest){ .method = p->method, .v = p->v, .batch = p->batch, .reference = p->retain_only, .round = round };
    unsigned needs = method_needs(p->method, &p->v);
    const SampleList *lists[ROLE_COUNT] = { [ROLE_FORGET] = p->forget, [ROLE_REFUSAL] = needs & NEEDS_REFUSAL ? p->refusal : NULL,
                                            [ROLE_ALTERNATE] = needs & NEEDS_ALTERNATE ? p->alternate : NULL };
    for (Role role = 0; role < ROLE_COUNT; role++)
        if (lists[role])
            r->role[role] = lists[role][round];
    return (retain_of(p, round, &r->role[ROLE_RETAIN], a) && unlearn_split(r, a))
        || error_no_memory(e, "unlearn: no memory for the lists of samples");
}

/* A weight that trains without an adapter; NULL: there is none. */
static const Weight *whole_weight(const Model *m)
{
    const Weight *found = NULL;
    for (size_t k = 0; k < m->weights->count; k++)
        found = m->weights->list[k].trainable ? &m->weights->list[k] : found;
    return found;
}

/* Several rounds under ADAPTER_EACH are refused in two cases:
 * - The rounds are merged, and a weight is trained without an adapter: two trained copies of one weight cannot be
 *   merged.
 * - The model has no adapter at all, whatever `merge` says: then nothing would keep the rounds apart. */
static bool adapter_each_check(const RoundsPlan *p, const Model *m, Error *e)
{
    for (size_t k = 0; k < m->weights->count && p->count > 1 && p->method->needs & ADAPTER_EACH && (p->merge == MERGE_YES || !m->lora); k++)
        if (m->weights->list[k].trainable)
            return error_set(e, "unlearn: %s trains an adapter for each of %zu rounds, but %s is trained without an adapter, and its "
                                "copies cannot be merged into one; expected train.trainable = llm, or proj+llm with unlearn.merge = no",
                             p->method->name, p->count, m->weights->list[k].name);
    return true;
}

/* Copies the trained weights before the first round. With `back`, restores these copies, because each round begins with
 * them. */
static bool first_weights(Rounds *r, bool back, Error *e)
{
    const Weights *w = r->model->weights;
    if (!back && !(r->first = arena_zalloc(r->all, (w->count + 1) * sizeof *r->first)))
        return error_no_memory(e, "unlearn: no memory for the first weights");
    for (size_t k = 0; r->first && k < w->count; k++) {
        const Tensor *t = &w->list[k].tensor;
        if (!w->list[k].trainable)
            continue;
        if (!back && !(r->first[k] = arena_array(r->all, shape_size(t->shape), sizeof(float))))
            return error_no_memory(e, "unlearn: no memory for the first weights");
        memcpy(back ? t->f32 : r->first[k], back ? r->first[k] : t->f32, tensor_bytes(*t));
    }
    return true;
}

/* With MERGE_LIVE the changes of several live adapters add up. So only adapters may train, one in each round. */
static bool live_check(const RoundsPlan *p, const Model *m, const Lora *lora, Error *e)
{
    const Weight *whole = whole_weight(m);
    if (p->merge != MERGE_LIVE || (p->count < 2 && !(p->method->needs & ADAPTER_EACH)))
        return true;
    if (!p->method->loss || p->method->needs & (ADAPTER_EACH | WHOLE_RESULT))
        return error_set(e, "unlearn.merge is live, but %s %s, expected yes or no", p->method->name,
                         p->method->needs & ADAPTER_EACH ? "begins each round with the weights from before the first round"
                                                         : "changes other weights than those of adapters");
    if (whole || !lora)
        return whole ? error_set(e, "unlearn.merge is live, but %s is trained without an adapter, expected train.trainable = llm",
                                 whole->name)
                     : error_set(e, "unlearn.merge is live, but the model has no adapter, expected train.trainable = llm");
    return p->reset_optimiser || error_set(e, "unlearn.merge is live, and each round trains a new adapter, which needs a new state "
                                              "of the optimiser, expected unlearn.reset_optimiser = yes");
}

/* With a subspace, steps on adapters must be the only change of the model. */
static bool subspace_check(const RoundsPlan *p, const Model *m, const Lora *lora, Error *e)
{
    const Weight *whole = whole_weight(m);
    if (!p->subspace)
        return true;
    if (!p->method->loss || p->method->needs & WHOLE_RESULT)
        return error_set(e, "%s changes weights otherwise than by the steps of adapters, expected another method", p->method->name);
    if (whole || !lora)
        return whole ? error_set(e, "%s is trained without an adapter, expected train.trainable = llm", whole->name)
                     : error_set(e, "the model has no adapter, expected train.trainable = llm");
    return subspace_fits(p->subspace, lora, e);
}

bool rounds_check(const RoundsPlan *p, const Model *m, const Adapters *adapters, Error *e)
{
    const Lora *lora = adapters_last(adapters);
    return adapter_each_check(p, m, e) && live_check(p, m, lora, e)
        && (subspace_check(p, m, lora, e) || error_prefix(e, "unlearn.subspace"));
}

bool rounds_make(Rounds *r, const RoundsPlan *p, Model *m, Adapters *adapters, Arena *a, Error *e)
{
    *r = (Rounds){ .plan = *p, .model = m, .adapters = adapters, .all = a };
    r->arena = arena_make(e);
    unsigned needs = method_needs(p->method, &p->v);
    if (p->count == 0)
        return error_set(e, "unlearn: 0 rounds, expected at least one");
    if (!rounds_check(p, m, adapters, e)
        || (p->count > 1 && adapters_last(adapters) && p->method->needs & ADAPTER_EACH && !first_weights(r, false, e)))
        return false;
    if (needs & NEEDS_REFERENCE && p->v.reference == REFERENCE_RETAIN_ONLY && !p->retain_only)
        return error_set(e, "unlearn.reference is retain_only, expected a model that never saw the forget set (unlearn.oracle)");
    for (size_t k = 0; k < p->count; k++) {
        UnlearnRequest request;
        arena_reset(&r->arena);
        if (!request_of(p, k, &request, &r->arena, e) || !unlearn_check(&request, m, e))
            return p->count > 1 ? error_prefix(e, "round %zu", k + 1) : false;
    }
    arena_reset(&r->arena);
    return !e->failed;
}

static bool adapter_renew(Rounds *r, Error *e);

static bool reference_make(Rounds *r, UnlearnRequest *q, Error *e)
{
    const RoundsPlan *p = &r->plan;
    if (!(method_needs(p->method, &p->v) & NEEDS_REFERENCE) || p->v.reference == REFERENCE_RETAIN_ONLY)
        return true;
    if (p->v.reference == REFERENCE_ROUND_START)
        return (q->reference = model_freeze(r->model, false, &r->arena, e)) != NULL;
    if (!r->original)
        r->original = model_freeze(r->model, true, r->all, e);
    return (q->reference = r->original) != NULL;
}

/* Makes the trainer: in the first round, and in each round with reset_optimiser. */
static bool trainer_begin(Rounds *r, Error *e)
{
    const RoundsPlan *p = &r->plan;
    if (r->round > 0 && !p->reset_optimiser)
        return true;
    if (r->round > 0)
        trainer_close(&r->trainer);
    TrainConfig c = p->train;
    c.steps = c.optimiser.schedule.steps = p->reset_optimiser ? r->steps : r->steps * (int64_t)p->count;
    return trainer_make(&r->trainer, r->model, &c, r->all, e);
}

static Lora *trained_adapter(const Rounds *r) { return adapters_last(r->adapters); }

static bool adapter_each(const Rounds *r) { return trained_adapter(r) && r->plan.method->needs & ADAPTER_EACH; }

/* MERGE_LIVE: the adapter of the round before becomes a frozen copy that stays live, and the adapter that trains starts
 * anew. */
static bool adapter_freeze(Rounds *r, Error *e)
{
    const char *name = arena_format(r->all, "the adapter of round %zu", r->round);
    return name && adapters_add_frozen(r->adapters, &r->earlier[r->round - 1], name, r->all, e) && adapter_renew(r, e);
}

/* Prepares the adapter of the next round (rounds.h, merge). Either the adapter of the round before goes on, or it is
 * merged, frozen or already copied to `earlier`, and a new one begins. */
bool round_next(Rounds *r, Error *e)
{
    if (!r->unmerged)
        return true;
    if (adapter_each(r))
        return first_weights(r, true, e) && adapter_renew(r, e);
    return r->plan.merge == MERGE_LIVE ? adapter_freeze(r, e) : r->plan.merge == MERGE_NO || round_merge(r, e);
}

static bool project(const Rounds *r, Error *e)
{
    return !r->plan.subspace || subspace_apply(r->plan.subspace, trained_adapter(r), e);
}

bool round_begin(Rounds *r, Error *e)
{
    const RoundsPlan *p = &r->plan;
    UnlearnRequest q;
    arena_reset(&r->arena);
    r->diverged = r->stopped = false;
    r->note[0] = 0;
    if (!round_next(r, e) || !project(r, e) || !request_of(p, r->round, &q, &r->arena, e))
        return false;
    r->running = true;
    r->done = r->steps = 0;
    if (!p->method->loss)
        return unlearn_edit(&q, r->model, &r->arena, e);
    r->steps = p->epochs ? unlearn_steps(&q, p->epochs) : p->train.steps;
    if (!reference_make(r, &q, e) || !trainer_begin(r, e))
        return false;
    r->before = q.before = r->trainer.optimiser.step;
    q.memory = r->trainer.memory;
    memset(q.memory, 0, sizeof r->trainer.memory);
    q.earlier = r->earlier;
    q.train = &r->trainer.config;
    q.steps = r->steps;
    if (!(r->unlearn = unlearn_make(&q, r->model, &r->arena, e)))
        return false;
    r->objective = unlearn_objective(r->unlearn);
    return true;
}

bool round_step(Rounds *r, Error *e)
{
    if (!r->running || r->diverged || e->failed || r->steps == 0)
        return false;
    r->done = r->trainer.optimiser.step - r->before;
    const char *why = r->done < r->steps ? unlearn_stop(r->unlearn) : NULL;
    if (why) {
        r->stopped = true;
        r->steps = r->done;
        snprintf(r->note, sizeof r->note, "%s", why);
    }
    if (r->done >= r->steps)
        return false;
    if (train_step(&r->trainer, &r->objective, e)) {
        unlearn_commit(r->unlearn);
        r->done++;
        return project(r, e);
    }
    if (r->trainer.diverged) {
        r->diverged = true;
        r->trainer.diverged = false;
        snprintf(r->note, sizeof r->note, "%s", e->text);
        *e = (Error){ .failed = false };
    }
    return false;
}

/* Keeps a copy of the adapter that has trained, if the method or MERGE_LIVE needs it in later rounds. */
static bool earlier_keep(Rounds *r, Error *e)
{
    if (!trained_adapter(r) || !(r->plan.method->needs & NEEDS_EARLIER || r->plan.merge == MERGE_LIVE))
        return true;
    if (!r->earlier)
        r->earlier = arena_zalloc(r->all, r->plan.count * sizeof *r->earlier);
    return (r->earlier && lora_copy(&r->earlier[r->round], trained_adapter(r), r->all))
        || error_no_memory(e, "unlearn: no memory for the adapters of round %zu", r->round + 1);
}

bool round_end(Rounds *r, Error *e)
{
    if (!r->running || e->failed)
        return false;
    r->running = false;
    // the copy for later rounds is made after `finish`, which may change the adapter
    if ((r->plan.method->loss && !unlearn_finish(r->unlearn, e)) || !earlier_keep(r, e))
        return false;
    r->round++;
    r->unmerged = trained_adapter(r) != NULL && r->plan.method->loss;
    return true;
}

/* Starts the adapter anew: A is drawn from seed + round, and B is zero. */
static bool adapter_renew(Rounds *r, Error *e)
{
    Lora fresh, *lora = trained_adapter(r);
    Arena scratch = arena_make(e);
    bool good = lora_make(&fresh, r->model->weights, lora->config, r->plan.seed + r->round, &scratch, e);
    for (size_t k = 0; good && k < lora->factors.count; k++)
        memcpy(lora->factors.list[k].tensor.f32, fresh.factors.list[k].tensor.f32, tensor_bytes(fresh.factors.list[k].tensor));
    arena_free(&scratch);
    r->unmerged = false;
    return good;
}

bool round_merge(Rounds *r, Error *e)
{
    bool good = true;
    if (!trained_adapter(r))
        return true;
    if (r->plan.merge == MERGE_LIVE && r->plan.count > 1)
        return error_set(e, "unlearn.merge is live: the adapters of the rounds stay apart, expected no merging");
    if (!adapter_each(r))
        return lora_merge(trained_adapter(r), r->model->weights, e) && adapter_renew(r, e);
    for (size_t k = 0; good && k < r->round; k++)
        good = lora_merge(&r->earlier[k], r->model->weights, e);
    return good && adapter_renew(r, e);
}

void rounds_close(Rounds *r)
{
    if (r->trainer.model)
        trainer_close(&r->trainer);
    arena_free(&r->arena);
}
