/* SPDX-License-Identifier: MIT */
#include "model/training/train.h"

#include <string.h>
#include "model/reuse/features.h"
#include "tensor/ops.h"

static size_t count_trainable(const Weights *w)
{
    size_t n = 0;
    for (size_t k = 0; k < w->count; k++)
        n += w->list[k].trainable;
    return n;
}

static void collect_trainable(const Weights *w, Weight **list, size_t *count)
{
    for (size_t k = 0; k < w->count; k++)
        if (w->list[k].trainable)
            list[(*count)++] = &w->list[k];
}

bool trainer_make(Trainer *r, Model *m, const TrainConfig *c, Arena *a, Error *e)
{
    *r = (Trainer){ .model = m, .config = *c };
    size_t most = count_trainable(m->weights) + (m->lora ? count_trainable(&m->lora->factors) : 0), count = 0;
    r->trainables = arena_array(a, most, sizeof *r->trainables);
    const char **names = arena_array(a, most, sizeof *names);
    Tensor **values = arena_array(a, most, sizeof *values);
    if (!r->trainables || !names || !values)
        return false;
    if (most == 0)
        return error_set(e, "train: no weight is trainable, expected at least one");
    collect_trainable(m->weights, r->trainables, &count);
    if (m->lora)
        collect_trainable(&m->lora->factors, r->trainables, &count);
    for (size_t k = 0; k < count; k++) {
        names[k] = r->trainables[k]->name;
        values[k] = &r->trainables[k]->tensor;
    }
    r->step_arena = arena_make(e);
    r->tape = tape_make(&r->step_arena, e);
    r->tape.checkpoint = c->checkpointing;
    if (c->features && features_frozen(m))
        m->features = features_make(c->features, e);
    return optimiser_make(&r->optimiser, &c->optimiser, count, names, values, a) && !e->failed;
}

void trainer_close(Trainer *r)
{
    arena_free(&r->step_arena);
    if (r->model) {
        features_free(r->model->features);
        r->model->features = NULL;
    }
}

static Node *param_of(const Trainer *r, const Weight *w)
{
    const Weights *weights = r->model->weights;
    if (w >= weights->list && w < weights->list + weights->count)
        return r->params.weights[w - weights->list];
    return r->params.factors[w - r->model->lora->factors.list];
}

/* Runs the forward and the backward pass of one micro-batch. r->loss becomes its loss, and gradients[k] the gradient of
 * slot k (NULL: it is zero). */
static bool micro_batch_step(Trainer *r, const Objective *o, const BatchSample *all, size_t all_count, size_t first, size_t count,
                       Node **params, Node **gradients)
{
    r->params = params_make(&r->tape, r->model);
    r->loss = o->loss(o->context, &r->tape, &r->params, all + first, count, first, all, all_count);
    tape_backward(&r->tape);
    if (r->tape.error->failed || !r->loss)
        return false;
    for (size_t k = 0; k < r->optimiser.count; k++) {
        params[k] = param_of(r, r->trainables[k]);
        gradients[k] = params[k] ? params[k]->grad : NULL;
    }
    return true;
}

/* Gradient accumulation: runs the micro-batches one after another, and then adds their gradients, and their losses,
 * each with one rounding. The gradients and the loss of each micro-batch are copied to `keep`; everything else that the
 * micro-batch has on the tape is freed before the next micro-batch. */
static bool accumulate(Trainer *r, const Objective *o, const BatchSample *all, size_t count, Node **params,
                              Node **gradients, Arena *keep)
{
    size_t n = (size_t)r->config.accumulate, slots = r->optimiser.count;
    n = n < count ? n : count + !count;                // no micro-batch is empty, unless the whole batch is empty
    // [n, slots + 1]: of each micro-batch the gradients of the slots, then the loss; data NULL: it is zero
    Tensor *parts = arena_zalloc(keep, n * (slots + 1) * sizeof *parts);
    if (!parts)
        return false;
    for (size_t m = 0, first = 0; m < n; m++) {
        size_t size = count / n + (m < count % n);
        Node *part_gradients[slots + 1];
        tape_reset(&r->tape);
        if (size == 0)
            continue;
        if (!micro_batch_step(r, o, all, count, first, size, params, part_gradients))
            return false;
        part_gradients[slots] = r->loss;
        for (size_t k = 0; k <= slots; k++)
            if (part_gradients[k]) {
                Tensor *part = &parts[m * (slots + 1) + k];
                *part = tensor_f32(keep, part_gradients[k]->out.shape);
                if (!part->f32)
                    return false;
                memcpy(part->f32, part_gradients[k]->out.f32, tensor_bytes(*part));
            }
        first += size;
    }
    tape_reset(&r->tape);
    for (size_t k = 0; k <= slots; k++) {
        Node *list[n];
        size_t have = 0;
        for (size_t m = 0; m < n; m++)
            if (parts[m * (slots + 1) + k].f32)
                list[have++] = tape_input(&r->tape, "partial", parts[m * (slots + 1) + k]);
        Node *sum = have > 1 ? op_sum_n(&r->tape, have, list) : have ? list[0] : NULL;
        if (k < slots) {
            gradients[k] = sum;
            params[k] = NULL;
        } else
            r->loss = sum;
    }
    return !r->tape.error->failed;
}

static bool finite(float x)
{
    return x - x == 0;
}

/* Whether all new weights and moments are finite. Without clipping no norm is computed, so a gradient that is not
 * finite shows only in them. */
static bool finite_update(const Optimiser *o)
{
    for (size_t k = 0; k < o->count; k++) {
        const Node *parts[] = { o->slots[k].new_value, o->slots[k].new_m, o->slots[k].new_v };
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (parts[i] && !tensor_finite(parts[i]->out))
                return false;
    }
    return true;
}

/* Names what is NaN or infinite in a step; NULL: everything is finite. */
static const char *not_finite(const Trainer *r)
{
    const OptimiserConfig *c = &r->config.optimiser;
    if (!finite(r->stats.loss))
        return "the loss";
    if (!finite(r->stats.norm))
        return "the gradient's norm";
    if (finite_update(&r->optimiser))
        return NULL;
    return c->kind != OPTIMISER_SGD && c->eps == 0
             ? "its weights or moments (with eps = 0, a weight without gradient gets 0/0)"
             : "its weights or moments";
}

bool train_compute(Trainer *r, const Objective *o, Error *e)
{
    BatchSample *samples = NULL;
    size_t count = 0, slots = r->optimiser.count;
    Arena keep = arena_make(e);
    bool done = false;
    tape_reset(&r->tape);
    Node **params = arena_zalloc(&keep, slots * sizeof *params),
        **gradients = arena_zalloc(&keep, slots * sizeof *gradients);
    if (!params || !gradients || !o->samples(o->context, r->optimiser.step + 1, &samples, &count, &keep, e))
        goto end;
    const bool made = r->config.accumulate > 1 ? accumulate(r, o, samples, count, params, gradients, &keep)
                                               : micro_batch_step(r, o, samples, count, 0, count, params, gradients);
    if (!e->failed && !r->loss)
        error_set(e, "train: step %lld has no loss, expected at least one sample", (long long)r->optimiser.step + 1);
    if (!made || !r->loss)
        goto end;
    if (o->gradients && !o->gradients(o->context, &r->tape, gradients, r->optimiser.slots, slots))
        goto end;
    r->optimiser.clipped = (GradientHook){ o->context, o->clipped };
    if (!optimiser_step(&r->optimiser, &r->tape, params, gradients))
        goto end;

    r->stats = (StepStats){ r->loss->out.f32[0], r->optimiser.norm, r->optimiser.lr, 0, count, r->step_arena.peak };
    for (size_t k = 0; k < count; k++)
        r->stats.tokens += samples[k].n;
    const char *what = not_finite(r);
    if (what) {
        r->diverged = true;
        error_set(e, "train: step %lld: %s is not finite (loss %g, gradient norm %g), expected finite numbers; the weights of "
                     "the step before are kept",
                  (long long)r->optimiser.step + 1, what, (double)r->stats.loss, (double)r->stats.norm);
        goto end;
    }
    done = !e->failed;
end:
    arena_free(&keep);
    return done;
}

bool train_step(Trainer *r, const Objective *o, Error *e)
{
    if (!train_compute(r, o, e))
        return false;
    optimiser_commit(&r->optimiser);
    return true;
}
