/* SPDX-License-Identifier: MIT */
/* Method: a record of one way to unlearn. It has a name, a source, the equation in words, what the method needs, and
 * hooks.
 *
 * methods.def names each method once; `pulse-ref list methods`, the report, the docs and the tests read the records.
 * A gradient method has a `loss` hook, which reads like its equation. The hook records the loss as a chain of
 * operators, and seeds dL/dz: it gives the logits the gradient from which the backward pass starts. A method without
 * optimiser steps (manu) has an `edit` hook instead. A record has exactly one of the two.
 *
 * Notation of the formulas. A part holds the samples of one role: B samples with N supervised tokens, T_i of them in
 * sample i. z are the logits, p = softmax(z), y is the label and e_y its one-hot vector; nll = -log p_y. RN rounds to
 * the nearest fp32.
 *     NLL_i = RN(sum of nll over sample i)        CE_i = RN(sum of nll over sample i / T_i)
 *     CE    = RN(sum of nll over the part / N)    d_i  = RN(NLL_i - NLL_ref_i), where ref is the frozen reference model
 * Each operation of a formula is one operator, which rounds once; operators run in the order in which they are written.
 * A coefficient c is one expression and is rounded once; but a part of it that stands in RN() is rounded first, by
 * itself. A weighted sum of terms is L = RN(w1 t1), then L = RN(L + w2 t2), and so on. Where a step does not read all
 * roles (schedule), the terms of the other roles are left out.
 *
 * Records are constants, and hooks keep no state of their own, so methods may run in several threads on different
 * tapes. */
#ifndef PULSE_UNLEARN_METHOD_H
#define PULSE_UNLEARN_METHOD_H

#include "model/training/train.h"
#include "unlearn/hyperparameters.h"

/* The roles of the samples of a step, which a batch packs in this order. Sample k of the refusals or alternates is
 * another answer to forget sample k. Where a method has the role forget_text, the forget samples without a picture
 * have it, and the role forget keeps those with a picture. A random sample is a forget question with the answer of a
 * retain sample, drawn anew in each step. */
typedef enum { ROLE_FORGET, ROLE_RETAIN, ROLE_REFUSAL, ROLE_ALTERNATE, ROLE_FORGET_TEXT, ROLE_RANDOM, ROLE_COUNT } Role;
const char *role_name(Role r);

enum {
    NEEDS_FORGET = 1 << ROLE_FORGET, NEEDS_RETAIN = 1 << ROLE_RETAIN,
    NEEDS_REFUSAL = 1 << ROLE_REFUSAL, NEEDS_ALTERNATE = 1 << ROLE_ALTERNATE,
    NEEDS_FORGET_TEXT = 1 << ROLE_FORGET_TEXT, NEEDS_RANDOM = 1 << ROLE_RANDOM,
    REFERENCE_FORGET = NEEDS_FORGET << ROLE_COUNT,      // the logits of the reference model on the samples of the role
    REFERENCE_RETAIN = NEEDS_RETAIN << ROLE_COUNT,
    REFERENCE_REFUSAL = NEEDS_REFUSAL << ROLE_COUNT,
    REFERENCE_ALTERNATE = NEEDS_ALTERNATE << ROLE_COUNT,
    REFERENCE_FORGET_TEXT = NEEDS_FORGET_TEXT << ROLE_COUNT,
    NEEDS_REFERENCE = ((1 << ROLE_COUNT) - 1) << ROLE_COUNT,    // any of them
    RETAIN_IF_ALPHA = 1 << 16,      // NEEDS_RETAIN holds only where alpha > 0
    NEEDS_HIDDEN    = 1 << 17,      // the loss reads a hidden state in place of logits, of the reference as well
    NEEDS_VECTOR    = 1 << 18,      // the method draws a random direction
    NEEDS_BASE      = 1 << 19,      // training starts from the model that has not yet learnt the forget set
    KL_ON_FORGET    = 1 << 20,      // kl_norm applies to the forget samples as well as to the retain samples
    TEXT_ASIDE      = 1 << 21,      // only `begin` reads the forget_text samples, and no step does; there may be none
    GRADIENTS_APART = 1 << 22,      // each role has a forward pass and gradients of its own, which `gradients` combines
    NEEDS_EARLIER   = 1 << 23,      // copies of the adapters of earlier rounds are kept (MethodRun.earlier)
    RETAIN_ASIDE    = 1 << 24,      // steps read the retain samples only to take random answers from them
    RANDOM_OR_REFUSAL = 1 << 25,    // NEEDS_RANDOM becomes NEEDS_REFUSAL where answers = refusal
    FORGET_BY_ROWS  = 1 << 26,      // the forget part has all rows, except under forget_rows = shifted
    ADAPTER_EACH    = 1 << 27,      // with NEEDS_EARLIER: each round trains new adapters, and begins with the weights
                                    // from before the first round
    WHOLE_RESULT    = 1 << 28       // `finish` also writes into the weights that have adapters
};

/* The samples of one role in a step. The rows of a part are the supervised positions, sample after sample, or all
 * positions (method_reads_all_rows says when). Among all positions, those that are not supervised have the label -1.
 * V is the size of the vocabulary, and C the width of a hidden state. */
typedef struct {
    Node *z;                        // [R, V] logits
    Node *z_ref;                    // [R, V] logits of the reference; NULL where the method does not need them
    Node *h, *h_ref;                // [R, C] hidden states under NEEDS_HIDDEN, when z and z_ref are NULL
    const int32_t *labels;          // [R] token ids, or -1
    const int32_t *offsets;         // [B + 1]: sample i has the rows offsets[i] to offsets[i+1] - 1
    const uint32_t *places;         // [B]: sample i is run->role[role].list[places[i]]; NULL: random samples, or no run
    size_t rows, samples, tokens;   // R, B, N
} Part;

typedef struct {
    const BatchSample *list;
    size_t count;
} SampleList;

/* The samples of `list` whose question has a picture, or those whose question has none, as a new list in `a`. Sample
 * k of `questions` has the question of sample k: `questions` is the list itself or, for refusals and alternates, the
 * forget list. The new list is NULL when there is no memory. */
SampleList samples_by_picture(SampleList list, SampleList questions, bool picture, Arena *a);

/* One request to forget: what a method works on. */
typedef struct {
    const Hyperparameters *hyper;
    Model *model;                   // the method changes its trainable weights and the adapters that train: the pairs
                                    // of model->lora from index model->lora->frozen on
    const Model *reference;         // frozen; NULL where the method needs none
    SampleList role[ROLE_COUNT];    // the whole lists; the list of ROLE_RANDOM is empty
    size_t batch;                   // how many samples of each list a step reads, at most
    size_t round;                   // from 0
    const TrainConfig *train;       // how the steps of the request train; NULL: not known, as in a single step (trace)
    int64_t steps;                  // how many optimiser steps the request has, if `train` is known
    bool goes_on;                   // some steps were taken before, so adapters need not be zero (adapters_fresh)
    const Lora *earlier;            // [round] copies of the adapters of earlier rounds, if NEEDS_EARLIER or
                                    // unlearn.merge = live asks for them; NULL: none
    Arena *arena;                   // lives as long as the request
    Error *error;
} MethodRun;

/* Which lists a step reads: under schedule = joint all of them, else either the retain list or all others. */
typedef enum { STEP_JOINT, STEP_FORGET, STEP_RETAIN } StepPhase;

/* Numbers that a method keeps from step to step. They are 0 before the first step of a request, and checkpoints hold
 * them. */
enum { METHOD_MEMORY = TRAINER_MEMORY };

/* What the hooks of a method see of one step. */
typedef struct {
    Tape *tape;
    const Hyperparameters *hyper;
    Part part[ROLE_COUNT];          // samples == 0 where the role is not in the step
    int64_t step;                   // from 1, over all rounds that share an optimiser
    int64_t turn, epoch;            // steps and epochs of this request that are over, from 0
    StepPhase phase;
    float memory[METHOD_MEMORY];    // the loss hook may change it; the change holds once the step has succeeded
    const MethodRun *run;           // NULL where a loss is computed on given logits; what follows is then empty too
    void *state;                    // what `begin` made; NULL without it
    Forward forward;                // of the step's only batch; under GRADIENTS_APART of the batch of the last role
    Batch batch;
    Params *params[ROLE_COUNT];     // the nodes of the parameters: the same for all roles or, under GRADIENTS_APART,
                                    // new ones for each role; NULL: the role is not in the step
} MethodStep;

/* The gradients of a step, one for each slot of the optimiser. NULL means a gradient of zero. */
typedef struct {
    size_t count;
    const OptimiserSlot *slots;
    Node **sum;                     // [count] what the optimiser gets: the hook may replace them
    Node **of[ROLE_COUNT];          // [count] under GRADIENTS_APART the gradients of each role; NULL: not in the step
} Gradients;

/* The equation of a method in words, for people. Any part may be NULL. */
typedef struct {
    const char *loss;               // "L = -CE(forget)"
    const char *gradient;           // "dL/dz = c (p - e_y), c = -1/N"
    const char *variants;           // what the named switches make of both
    const char *notes;              // what else belongs to the definition
} MethodFormula;

typedef struct Method {
    const char *name;               // "npo_gd": in configs, in results.csv, after --method
    const char *label;              // "NPO+GD": on the pages of the report
    const char *source;             // the paper, and the public code where it differs
    MethodFormula formula;
    const char *defaults;           // what differs from hyperparameters.def, "beta=4.5 gamma=0.125"; NULL: nothing
    unsigned    needs;              // bits of the enum above
    bool        by_sequence;        // the forget term is a mean over sequences (of a log-odds each), not over tokens
    /* Records the loss on the tape and seeds its gradients; returns the scalar node, or NULL after a failure of the
     * tape. The hook itself is NULL if the method has no optimiser steps. */
    Node *(*loss)(MethodStep *s);
    /* Runs before the first step: checks the model, draws vectors, measures the samples, remembers weights. *state
     * lives in run->arena; `loss`, `gradients`, `clipped` and `finish` get it. This hook and all below may be NULL. */
    bool  (*begin)(const MethodRun *run, void **state);
    /* Runs after the backward pass and before clipping: masks gradients, combines those of the roles, or adds to
     * them. */
    bool  (*gradients)(MethodStep *s, const Gradients *g);
    /* Runs after clipping, once for each slot: returns the gradient that the moments get in place of g. */
    Node *(*clipped)(MethodStep *s, size_t slot, Node *g);
    /* Runs before each step, with the memory that earlier steps have left. A sentence, in `a`, ends the request; NULL
     * continues it. */
    const char *(*stop)(const Hyperparameters *hyper, const float memory[METHOD_MEMORY], Arena *a);
    /* Runs after the last step. May change the trained weights and, under WHOLE_RESULT, those that have adapters. */
    bool  (*finish)(const MethodRun *run, void *state);
    /* The whole of a method without steps. NULL where `loss` is set. */
    bool  (*edit)(const MethodRun *run);
} Method;

extern const Method *const methods[];   // in the order of methods.def
extern const size_t methods_count;
const Method *method_find(const char *name);            // NULL: there is no such method
/* Whether the method reads this hyperparameter (method_keys.def). That list leaves out `seed`, which every method with
 * steps reads. */
bool method_reads_key(const Method *m, const char *key);
/* The needs under these hyperparameters, in which RETAIN_IF_ALPHA and RANDOM_OR_REFUSAL are resolved: both bits are
 * removed, and NEEDS_RETAIN and NEEDS_RANDOM are changed as the two bits say. */
unsigned method_needs(const Method *m, const Hyperparameters *hyper);
/* Whether the rows of a role are all positions (Part). They are in two cases:
 * - kl_norm is all_positions or batch, and plus_kl compares the role with the reference. That is the role retain, and
 *   under KL_ON_FORGET the role forget, if the reference gives its logits.
 * - The role is forget, the method has FORGET_BY_ROWS, and forget_rows is not shifted. */
bool method_reads_all_rows(unsigned needs, const Hyperparameters *hyper, Role r);
/* Whether any step of the method reads samples of the role. */
bool method_reads(unsigned needs, Role r);
/* Whether the method needs a list that belongs to what is forgotten: the forget samples, or other answers to their
 * questions. */
bool method_forgets(unsigned needs);
/* "forget, retain if alpha > 0, reference", in `a`. */
const char *method_needs_text(const Method *m, Arena *a);
/* All parts of the formula as one text, "loss;  gradient. variants. notes", in `a`: what case.json and trace.json
 * say. */
const char *method_formula(const Method *m, Arena *a);

/* --- The pieces that equations share (loss.c and terms/). Weights and coefficients are fp32. ---
 *
 *     Loss loss = { .step = s };
 *     plus_ce(&loss, ROLE_FORGET, -gamma);            // L = -gamma CE(forget) + alpha CE(retain)
 *     plus_ce(&loss, ROLE_RETAIN, alpha);
 *     return loss.sum;
 *
 * A `plus_` function adds weight times its term to the sum and seeds weight times the gradient of the term; plus_value
 * alone seeds nothing. A `plus_` function with a role does nothing if the role is not in the step. A `seed_` function
 * seeds a gradient at the logits of a part. All other functions compute values, from which no gradient flows back
 * (part_choose is an exception). After a failure of the tape all functions do nothing, and the nodes that they give are
 * NULL. */
typedef struct {
    MethodStep *step;
    Node *sum;                      // the terms so far, a scalar; NULL: none yet
} Loss;

bool  has(const MethodStep *s, Role r);                             // whether the role is in the step
Node *plus_ce(Loss *loss, Role role, float weight);                 // CE;  dz = RN(weight/N) (p - e_y); returns CE
void  plus_optional_ce(Loss *loss, Role role, float weight);        // the same, but no term at all where weight is 0
void  plus_kl(Loss *loss, Role role, float weight);                 // KL(p_ref || p), as kl_norm, klr, temperature
                                                                    // and kl_direction say
void  plus_npo(Loss *loss, Role role, float weight);                // NPO, as npo_ratio says
/* RN(sum_t RN(w_t nll_t) / N), where no gradient flows through w [R];  dz = RN(weight w_t / N) (p - e_y) */
void  plus_weighted_ce(Loss *loss, const Part *p, Node *nll, Node *w, float weight);
void  plus_value(Loss *loss, Node *term, float weight);             // a given term, whose gradient the caller seeds

/* A part of only those rows of p that `keep` [R] chooses, with their logits. A gradient that is seeded at these logits
 * flows back to the logits of p. Samples without such a row are left out. */
Part  part_choose(MethodStep *s, const Part *p, const bool *keep);
Node *token_nll(MethodStep *s, const Part *p, Node *z);             // [R] nll of the logits z, +0 where no label is
Node *sequence_nll(MethodStep *s, const Part *p, Node *z);          // [B] NLL_i of the logits z
Node *batch_ce(MethodStep *s, const Part *p, Node *z);              // CE of the logits z, a scalar
Node *sequence_gain(MethodStep *s, const Part *p);                  // [B] d_i = RN(NLL_i - NLL_ref_i)

/* loss = -(scale/beta) mean_i log sigmoid(u_i) and w_i = sigmoid(-u_i), where u_i = RN(beta d_i); d has any shape. */
typedef struct {
    Node *loss, *w;
} LogOdds;
LogOdds log_odds(MethodStep *s, Node *d, float scale);

void  seed_label(MethodStep *s, const Part *p, Node *c);                // dz += c (p - e_y), c [R]
void  seed_label_all(MethodStep *s, const Part *p, float c);            // the same with one c for all rows
void  seed_target(MethodStep *s, const Part *p, Node *q, float c);      // dz += c (p - q), q [R, V]
Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample);  // [B] -> [R]: a row of sample i gets element i
Node *rows_of_all(MethodStep *s, const Part *p, Node *c);               // scalar -> [R]: each row gets the scalar

#endif
