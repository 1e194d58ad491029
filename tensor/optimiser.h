/* SPDX-License-Identifier: MIT */
/* Optimiser: AdamW, Adam and SGD, with clipping by the global norm and a schedule of the learning rate.
 *
 *     if (optimiser_step(&o, &tape, params, gradients))   // after tape_backward: records the step on the tape
 *         optimiser_commit(&o);                           // writes the new weights and moments
 *
 * A step has two halves, so that no weight changes unless the whole step has succeeded.
 * Fields are named as in PyTorch. A hyperparameter is the fp32 number nearest to its text.
 * AdamW (Loshchilov & Hutter 2019), where g is a gradient and G the norm of all gradients together:
 *
 *     g' = RN(k g) if k = RN(max_norm / (G + 1e-6)) is below 1, else g
 *     m' = RN(beta1 m + (1 - beta1) g')        v' = RN(beta2 v + (1 - beta2) g'^2)
 *     p' = RN(p - lr (m'/c1 / (sqrt(v'/c2) + eps) + decay p))
 *     c1 = 1 - beta1^t                         c2 = 1 - beta2^t
 *
 * Adam adds decay p to g' instead, before m' and v'. SGD has p' = RN(p - lr (b' + decay p)), b' = RN(momentum b + g').
 * The powers beta1^t and beta2^t are kept in binary64; each step multiplies them by beta1 and beta2 once more.
 * Always: a parameter that no gradient reaches in a step has a gradient of zero, so its moments and its weights decay.
 * With decay_matrices_only set, weight decay touches only tensors of rank 2 or more. An Optimiser belongs to one thread
 * at a time. */
#ifndef PULSE_TENSOR_OPTIMISER_H
#define PULSE_TENSOR_OPTIMISER_H

#include "tensor/tape.h"

typedef enum { OPTIMISER_ADAMW, OPTIMISER_ADAM, OPTIMISER_SGD, OPTIMISER_COUNT } OptimiserKind;
typedef enum { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_COUNT } ScheduleKind;

/* The learning rate of step t, counted from 1 to `steps`. It is rounded once.
 *     t <= warmup         lr t / warmup
 *     t <= hold           lr
 *     after that          constant: lr; linear and cosine: it falls to floor lr at t = steps, linearly or along half a
 *                         cosine of x = (t - hold) / (steps - hold) */
typedef struct {
    ScheduleKind kind;
    float   lr;
    float   floor;             // the fraction of lr that is left at the end
    int64_t warmup, hold, steps;
} Schedule;
bool schedule_lr(const Schedule *s, int64_t t, float *lr, Error *e);

typedef struct {
    OptimiserKind kind;
    Schedule schedule;
    float beta1, beta2, eps, weight_decay, momentum;
    float max_norm;            // gradients are scaled down to this global norm; 0: no clipping
    bool  decay_matrices_only;
} OptimiserConfig;

typedef struct {
    const char *name;          // the name of the parameter
    Tensor *value;             // the weights, which optimiser_commit writes; they belong to the caller
    Tensor  m, v;              // the moments, zero at first (SGD keeps its momentum b in m, and has no v)
    Node   *new_value, *new_m, *new_v, *grad;   // nodes of the step that is being recorded; grad is not clipped
} OptimiserSlot;

/* Replaces the gradient g of slot k before the update uses it. If the step clips, g is clipped already. A mask that
 * must not change the norm is applied here. */
typedef struct {
    void *context;
    Node *(*run)(void *context, Tape *t, size_t k, Node *g);   // NULL: g is kept
} GradientHook;

typedef struct {
    OptimiserConfig config;
    GradientHook clipped;      // is run for every slot, after the clipping if there is one
    OptimiserSlot *slots;
    size_t  count;
    int64_t step;              // how many steps were committed
    double  beta1_power, beta2_power;    // beta1^t and beta2^t after the committed steps
    float   lr, norm;          // of the step that is being recorded: the learning rate and, if it clips, the global norm
} Optimiser;

/* The moments are in the arena. False: memory ran out. */
bool optimiser_make(Optimiser *o, const OptimiserConfig *c, size_t count, const char *const names[],
                    Tensor *const values[], Arena *a);
/* params[k] is the leaf of slot k on the tape; NULL: the step did not use the parameter. gradients[k] is its gradient;
 * NULL: it is zero. If the function returns false, with a sentence in the tape's Error, nothing may be committed. */
bool optimiser_step(Optimiser *o, Tape *t, Node *const params[], Node *const gradients[]);
void optimiser_commit(Optimiser *o);

#endif
