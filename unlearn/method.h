/* SPDX-License-Identifier: MIT */
/* Method: one way to unlearn, as a record: its name, its source, its equation in words, what it needs, and its hooks.
 *
 * methods.def names each method once; `pulse-ref list methods`, the report, the docs and the tests read the records. A gradient
 * method has a `loss` hook, which reads like its equation: it records the loss as a chain of operators and seeds dL/dz. A method
 * without optimiser steps (manu) has an `edit` hook instead. A record has exactly one of the two.
 *
 * Notation of the formulas. A part holds the samples of one role: B samples with N supervised tokens, sample i has T_i of them.
 * z are the logits, p = softmax(z), y is the label and e_y its one-hot vector; nll = -log p_y. RN rounds to the nearest fp32.
 *     NLL_i = RN(sum of nll over sample i)        CE_i = RN(sum of nll over sample i / T_i)
 *     CE    = RN(sum of nll over the part / N)    d_i  = RN(NLL_i - NLL_ref_i), where ref is the frozen reference model
 * Every operation of a formula is one operator and is rounded once, in the order in which it is written; a coefficient c is one
 * expression and is rounded once. A weighted sum of terms is L = RN(w1 t1), then L = RN(L + w2 t2), and so on. In a phased step
 * the terms of the roles that are not in the step are left out.
 *
 * Records are constants, and hooks keep no state of their own, so methods may run in several threads on different tapes. */
#ifndef PULSE_UNLEARN_METHOD_H
#define PULSE_UNLEARN_METHOD_H

#include "model/training/train.h"
#include "unlearn/hyperparameters.h"

/* The roles of the samples of a step, which a batch packs in this order. Sample k of the refusals or alternates is another answer to
 * forget sample k. Where a method has the role forget_text, the forget samples without a picture have it, and the role forget keeps
 * those with a picture. A random sample is a forget question with the answer of a retain sample, drawn anew in each step. */
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
    NEEDS_HIDDEN    = 1 << 17,      // the loss is defined on a hidden state, of the reference as well, and not on logits
    NEEDS_VECTOR    = 1 << 18,      // the method draws a random direction
    NEEDS_BASE      = 1 << 19,      // training starts from the model that has not yet learnt the forget set
    KL_ON_FORGET    = 1 << 20,      // kl_norm holds for the forget samples as well, and not for the retain samples alone
    TEXT_ASIDE      = 1 << 21,      // only `begin` reads the forget_text samples, and no step does; there may be none
    GRADIENTS_APART = 1 << 22,      // each role has a forward pass and gradients of its own, which `gradients` combines
    NEEDS_EARLIER   = 1 << 23,      // the adapters of the rounds before are kept
    RETAIN_ASIDE    = 1 << 24,      // the retain samples give random answers, and no step reads them otherwise
    RANDOM_OR_REFUSAL = 1 << 25,    // NEEDS_RANDOM is NEEDS_REFUSAL where answers = refusal
    FORGET_BY_ROWS  = 1 << 26,      // the forget part has all rows, but under forget_rows = shifted
    ADAPTER_EACH    = 1 << 27,      // with NEEDS_EARLIER: each round trains other adapters beside the first weights
    WHOLE_RESULT    = 1 << 28       // `finish` writes into the weights beside the adapters: these alone are no result
};

/* The samples of one role in a step. Its rows are the supervised positions, sample after sample; for a part on which kl_norm =
 * all_positions or batch holds, and under FORGET_BY_ROWS, they are all positions, and labels are -1 where a position is not supervised. */
typedef struct {
    Node *z;                        // [R, V] logits
    Node *z_ref;                    // [R, V] logits of the reference; NULL where the method does not need them
    Node *h, *h_ref;                // [R, C] hidden states under NEEDS_HIDDEN, when z and z_ref are NULL
    const int32_t *labels;          // [R] token ids, or -1
    const int32_t *offsets;         // [B + 1]: sample i has the rows offsets[i] to offsets[i+1] - 1
    const uint32_t *places;         // [B]: sample i is run->role[role].list[places[i]]; NULL for random samples, and without a run
    size_t rows, samples, tokens;   // R, B, N
} Part;

typedef struct {
    const BatchSample *list;
    size_t count;
} SampleList;

/* The samples of a list whose question has a picture, or those whose question has none, in `a`; NULL in it: no memory. Question k is
 * sample k of `questions`, which is the list itself or, for other answers, the forget list. */
SampleList samples_by_picture(SampleList list, SampleList questions, bool picture, Arena *a);

/* One request to forget: what a method works on. */
typedef struct {
    const Hyperparameters *hyper;
    Model *model;                   // its trainable weights and the last of its adapters change: the pairs of model->lora from
                                    // its `frozen` on
    const Model *reference;         // frozen; NULL where the method needs none
    SampleList role[ROLE_COUNT];    // the whole lists; the list of ROLE_RANDOM is empty
    size_t batch;                   // samples of each role in a step, at most
    size_t round;                   // from 0
    const TrainConfig *train;       // of the steps of the request; NULL where a single step is taken (trace)
    int64_t steps;                  // of the request
    bool goes_on;                   // steps of the request are over: adapters need not be zero (adapters_fresh)
    const Lora *earlier;            // [round] copies of the adapters of the rounds before under NEEDS_EARLIER, else NULL
    Arena *arena;                   // lives as long as the request
    Error *error;
} MethodRun;

/* Which lists a step reads: under schedule = joint all of them, else either the forget list, with what belongs to it, or the retain
 * list. */
typedef enum { STEP_JOINT, STEP_FORGET, STEP_RETAIN } StepPhase;

/* Numbers that a method keeps from step to step. They are 0 before the first step of a request, and checkpoints hold them. */
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
    const MethodRun *run;           // NULL where a loss is computed on logits alone, as are forward, batch and params
    void *state;                    // what `begin` made; NULL without it
    Forward forward;                // of the step's only batch; under GRADIENTS_APART of the last role
    Batch batch;
    Params *params[ROLE_COUNT];     // the parameters' nodes, the same for all roles but under GRADIENTS_APART; NULL: not in the step
} MethodStep;

/* The gradients of a step by slot of the optimiser. A gradient that is NULL is zero. */
typedef struct {
    size_t count;
    const OptimiserSlot *slots;
    Node **sum;                     // [count] what the optimiser gets: the hook may replace them
    Node **of[ROLE_COUNT];          // [count] under GRADIENTS_APART those of each role alone; NULL: the role is not in the step
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
    unsigned    needs;              // of the enum above
    bool        by_sequence;        // the forget term is a mean over sequences, each of which has a log-odds; else over tokens
    /* Records the loss on the tape and seeds its gradients; returns the scalar node, NULL after a failure of the tape.
     * NULL: the method has no optimiser steps. */
    Node *(*loss)(MethodStep *s);
    /* Runs before the first step: checks the model, draws vectors, measures the samples, remembers weights. *state, which the other
     * hooks get, lives in run->arena. May be NULL, as every hook below. */
    bool  (*begin)(const MethodRun *run, void **state);
    /* Runs after the walk back and before clipping: masks gradients, combines those of the roles, or adds to them. */
    bool  (*gradients)(MethodStep *s, const Gradients *g);
    /* Runs after clipping, once for each slot: returns the gradient that the moments get in place of g. */
    Node *(*clipped)(MethodStep *s, size_t slot, Node *g);
    /* Runs before each step, with the memory that the steps before left: a sentence in `a` ends the request there, NULL does not. */
    const char *(*stop)(const Hyperparameters *hyper, const float memory[METHOD_MEMORY], Arena *a);
    /* Runs after the last step and may change the trained weights. */
    bool  (*finish)(const MethodRun *run, void *state);
    /* The whole of a method without steps. NULL where `loss` is set. */
    bool  (*edit)(const MethodRun *run);
} Method;

extern const Method *const methods[];   // in the order of methods.def
extern const size_t methods_count;
const Method *method_find(const char *name);            // NULL: there is no such method
/* Whether the method reads this hyperparameter (method_keys.def). All of them read `seed`, which has no place there. */
bool method_reads_key(const Method *m, const char *key);
/* The needs under these hyperparameters: RETAIN_IF_ALPHA is gone, and NEEDS_RETAIN with it where alpha is 0. RANDOM_OR_REFUSAL is gone
 * too. */
unsigned method_needs(const Method *m, const Hyperparameters *hyper);
/* Whether the rows of a role are all positions, and not the supervised ones alone (Part). */
bool method_reads_all_rows(unsigned needs, const Hyperparameters *hyper, Role r);
/* Whether a step reads samples of the role, and the same of any list that belongs to what is forgotten. */
bool method_reads(unsigned needs, Role r);
bool method_forgets(unsigned needs);
/* "forget, retain if alpha > 0, reference", in `a`. */
const char *method_needs_text(const Method *m, Arena *a);
/* All parts of the formula as one sentence, "loss;  gradient. variants. notes", in `a`: what case.json and trace.json say. */
const char *method_formula(const Method *m, Arena *a);

/* --- The pieces that equations share (loss.c and terms/). Weights and coefficients are fp32. ---
 *
 *     Loss loss = { .step = s };
 *     plus_ce(&loss, ROLE_FORGET, -gamma);            // L = -gamma CE(forget) + alpha CE(retain)
 *     plus_ce(&loss, ROLE_RETAIN, alpha);
 *     return loss.sum;
 *
 * Only `plus_` functions of a term and `seed_` functions touch gradients: a `plus_` function adds weight times its term to the
 * sum and seeds weight times the gradient of the term. It does nothing where the role is not in the step. All other functions
 * compute values, which carry no gradient back. After a failure of the tape all of them do nothing and return NULL. */
typedef struct {
    MethodStep *step;
    Node *sum;                      // the terms so far, a scalar; NULL: none yet
} Loss;

bool  has(const MethodStep *s, Role r);                                     // whether the role is in the step
Node *plus_ce(Loss *loss, Role role, float weight);                         // weight CE;  dz = RN(weight/N) (p - e_y); returns CE
void  plus_optional_ce(Loss *loss, Role role, float weight);                // the same, but no term at all where weight is 0
void  plus_kl(Loss *loss, Role role, float weight);                         // weight KL(p_ref || p), as kl_norm, klr, temperature
                                                                            // and kl_direction say
void  plus_npo(Loss *loss, Role role, float weight);                        // weight NPO, as npo_ratio says
/* weight RN(sum_t RN(w_t nll_t) / N), where no gradient flows through w [R];  dz = RN(weight w_t / N) (p - e_y) */
void  plus_weighted_ce(Loss *loss, const Part *p, Node *nll, Node *w, float weight);
void  plus_value(Loss *loss, Node *term, float weight);                     // weight term; its gradient is the caller's to seed

/* The rows of a part that `keep` [R] chooses, with the logits of these alone; samples without such a row are left out. */
Part  part_choose(MethodStep *s, const Part *p, const bool *keep);
Node *token_nll(MethodStep *s, const Part *p, Node *z);                     // nll of the logits z [R], +0 where there is no label
Node *sequence_nll(MethodStep *s, const Part *p, Node *z);                  // NLL_i of the logits z [B]
Node *batch_ce(MethodStep *s, const Part *p, Node *z);                      // CE of the logits z, a scalar
Node *sequence_gain(MethodStep *s, const Part *p);                          // d_i = RN(NLL_i - NLL_ref_i) [B]

/* -(scale/beta) mean_i log sigmoid(u_i) and w_i = sigmoid(-u_i), where u_i = RN(beta d_i), of any shape of d. */
typedef struct {
    Node *loss, *w;
} LogOdds;
LogOdds log_odds(MethodStep *s, Node *d, float scale);

void  seed_label(MethodStep *s, const Part *p, Node *c);                    // dz += c (p - e_y), c [R]
void  seed_label_all(MethodStep *s, const Part *p, float c);                // the same with one c for all rows
void  seed_target(MethodStep *s, const Part *p, Node *q, float c);          // dz += c (p - q), q [R, V]
Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample);      // [B] -> [R]: each row of sample i gets number i
Node *rows_of_all(MethodStep *s, const Part *p, Node *c);                   // scalar -> [R]

#endif
