/* SPDX-License-Identifier: MIT */
/* Optimiser: AdamW, Adam, SGD; global-norm clipping; schedules. An update is a row of operators on the tape.
 *
 *     optimiser_step(&o, &tape, params, gradients);   // after tape_backward: records clip, moments and update
 *     if (!error.failed) optimiser_commit(&o);        // weights change only after the whole step succeeded
 *
 * Fields are named as in PyTorch; hyper-parameters are fp32, the nearest float to the text (GRAPH.md, Optimiser).
 * AdamW (Loshchilov & Hutter 2019):  G = |g|, k = RN(max_norm/(G + 1e-6)) when < 1, g' = RN(k g);
 * m' = RN(b1 m + (1-b1) g'), v' = RN(b2 v + (1-b2) g'^2); p' = RN(p - lr (m'/c1/(sqrt(v'/c2) + eps) + decay p)),
 * c1 = 1 - pw1, pw1 = RN64(pw1 b1) each step, c2 likewise.
 * Always: a parameter that the step's graph does not reach has the gradient zero (its moments decay, and so do
 * its weights); weight decay touches matrices only (rank >= 2) when decay_matrices_only is set. */
#ifndef PULSE_TENSOR_OPTIMISER_H
#define PULSE_TENSOR_OPTIMISER_H

#include "tensor/tape.h"

typedef enum { OPTIMISER_ADAMW, OPTIMISER_ADAM, OPTIMISER_SGD, OPTIMISER_COUNT } OptimiserKind;
typedef enum { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_COUNT } ScheduleKind;

/* lr of step t = 1 … steps: lr t / warmup while t <= warmup; then lr until `hold`; then down to floor * lr
 * at t = steps, linearly or along half a cosine of x = (t - hold)/(steps - hold). One rounding. */
typedef struct {
    ScheduleKind kind;
    float   lr;
    float   floor;             // fraction of lr that is left at the end
    int64_t warmup, hold, steps;
} Schedule;
bool schedule_lr(const Schedule *s, int64_t t, float *lr, Error *e);

typedef struct {
    OptimiserKind kind;
    Schedule schedule;
    float beta1, beta2, eps, weight_decay, momentum;
    float max_norm;            // 0: no clipping
    bool  decay_matrices_only;
} OptimiserConfig;

typedef struct {
    const char *name;          // of the parameter
    Tensor *value;             // written by optimiser_commit
    Tensor  m, v;              // moments (v only for Adam), zero at first
    Node   *new_value, *new_m, *new_v, *grad;   // of the step being recorded; grad is the unclipped one
} OptimiserSlot;

typedef struct {
    OptimiserConfig config;
    OptimiserSlot *slots;
    size_t  count;
    int64_t step;              // steps committed
    double  power1, power2;    // pw1, pw2
    float   lr, norm;          // of the step being recorded
} Optimiser;

bool optimiser_make(Optimiser *o, const OptimiserConfig *c, size_t count, const char *const names[], Tensor *const values[], Arena *a);
/* params[k] is the leaf of slot k on the tape, NULL when the step did not use it; gradients[k] its gradient, NULL: zero. */
bool optimiser_step(Optimiser *o, Tape *t, Node *const params[], Node *const gradients[]);
void optimiser_commit(Optimiser *o);

#endif
