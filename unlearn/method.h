/* SPDX-License-Identifier: MIT */
/* Method: one way to unlearn. Its name, where it comes from, its loss as an equation, what it needs, and its hooks.
 *
 * methods.def names each method once; the table, `pulse-ref list methods`, the docs and the tests are made from it.
 * A gradient method's `loss` reads like its row of METHODS.md: it takes the parts of the step it needs (forget,
 * retain, …), records its loss as a chain of operators and seeds dL/dz. A method without steps has `edit` instead.
 *
 * Notation: sample i, T_i supervised tokens, NLL_i = RN(sum of its nll), CE_i = RN(sum of its nll / T_i); N supervised tokens and
 * B samples of a part, CE = RN(sum of all its nll / N); z logits, p = softmax(z), e_y the one-hot of the label;
 * d_i = RN(NLL_i - NLL_ref_i). Every operation of a formula is one operator, rounded once, in the order it is written; a c is
 * one expression, rounded once. A sum of weighted terms is L = RN(w1 t1), then L = RN(L + w2 t2), …; in a phased step, of the terms there are. */
#ifndef PULSE_UNLEARN_METHOD_H
#define PULSE_UNLEARN_METHOD_H

#include "model/training/train.h"
#include "unlearn/hyperparameters.h"

/* Roles of the samples of a step, packed in this order. Refusals and alternates are other answers to the forget questions. */
typedef enum { ROLE_FORGET, ROLE_RETAIN, ROLE_REFUSAL, ROLE_ALTERNATE, ROLE_COUNT } Role;
const char *role_name(Role r);

enum {
    NEEDS_FORGET = 1 << ROLE_FORGET, NEEDS_RETAIN = 1 << ROLE_RETAIN,
    NEEDS_REFUSAL = 1 << ROLE_REFUSAL, NEEDS_ALTERNATE = 1 << ROLE_ALTERNATE,
    REFERENCE_FORGET = NEEDS_FORGET << ROLE_COUNT,      // logits of the frozen model on the samples of the role
    REFERENCE_RETAIN = NEEDS_RETAIN << ROLE_COUNT,
    REFERENCE_REFUSAL = NEEDS_REFUSAL << ROLE_COUNT,
    REFERENCE_ALTERNATE = NEEDS_ALTERNATE << ROLE_COUNT,
    NEEDS_REFERENCE = 15 << ROLE_COUNT,                 // any of them
    RETAIN_IF_ALPHA = 1 << 8,       // the retain set only where alpha > 0
    NEEDS_HIDDEN    = 1 << 9,       // is defined on a hidden state, of the reference too, not on logits
    NEEDS_VECTOR    = 1 << 10,      // a random direction
    NEEDS_BASE      = 1 << 11       // starts from the model that has not yet learnt the forget set
};

/* The samples of one role in a step: rows of logits and what belongs to them. Rows are the supervised ones, but for the
 * retain part under kl_norm = all_positions and batch: there they are all, and labels are -1 where nothing is supervised. */
typedef struct {
    Node *z;                        // [R, V]
    Node *z_ref;                    // [R, V] of the reference; NULL where it is not needed
    Node *h, *h_ref;                // [R, C] hidden states, for NEEDS_HIDDEN alone
    const int32_t *labels;          // [R]
    const int32_t *offsets;         // [B + 1]: rows of sample i are offsets[i] … offsets[i+1] - 1
    size_t rows, samples, tokens;   // R, B, N
} Part;

typedef struct {
    Tape *tape;
    const Hyperparameters *v;              // hyper-parameters and named switches
    Forward forward;
    Batch batch;
    Part part[ROLE_COUNT];          // a role that is not in the step has samples == 0
    int64_t step;
    const void *state;              // what `begin` made
} MethodStep;

typedef struct {
    const BatchSample *list;
    size_t count;
} SampleList;

/* What a method without steps works on. */
typedef struct {
    Model *model;
    const Hyperparameters *v;
    SampleList role[ROLE_COUNT];
} MethodEdit;

typedef struct Method {
    const char *name;
    const char *source;             // paper, and the public code where it differs
    const char *formula;
    const char *defaults;           // what differs from hyperparameters.def, "beta=4.5"; NULL: nothing
    unsigned    needs;
    /* Records the loss and seeds gradients; the scalar node. NULL: not a gradient method. */
    Node *(*loss)(MethodStep *s);
    /* Before the first step: checks what is missing, makes vectors, remembers weights. May be NULL. */
    bool  (*begin)(const Hyperparameters *v, const Model *m, Arena *a, const void **state, Error *e);
    /* Before each update: masks over gradients, terms over adapters. May be NULL. */
    bool  (*gradients)(const void *state, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count);
    /* After the last step: what is made of the trained weights. May be NULL. */
    bool  (*finish)(const void *state, const Hyperparameters *v, Model *m, Error *e);
    /* All there is of a method without steps. */
    bool  (*edit)(const MethodEdit *x, Error *e);
} Method;

extern const Method *const methods[];   // in the order of methods.def
extern const size_t methods_count;
const Method *method_find(const char *name);            // NULL: unknown
/* The needs under these variants: RETAIN_IF_ALPHA is replaced by what it comes to. */
unsigned method_needs(const Method *m, const Hyperparameters *v);
/* "forget, retain if alpha > 0, reference": for lists and sentences. */
const char *method_needs_text(const Method *m, Arena *a);

/* Pieces that equations share (loss.c). Weights and c's are fp32. */
bool  has(const MethodStep *s, Role r);
Node *loss_nll(MethodStep *s, const Part *p);                              // [R]
Node *loss_nll_sum(MethodStep *s, const Part *p, Node *z);                 // NLL_i of the logits z [B]
Node *loss_ce(MethodStep *s, const Part *p, Node *z);                      // CE of the logits z
Node *loss_add(MethodStep *s, Node *sum, Node *term, float weight);        // RN(weight term), RN(sum + weight term)
/* dL/dz += c (p - e_y), c [R] or one number for all rows. */
void  seed_label(MethodStep *s, const Part *p, Node *c);
void  seed_label_all(MethodStep *s, const Part *p, float c);
/* dL/dz += c (p - q) */
void  seed_target(MethodStep *s, const Part *p, Node *q, float c);
/* Each row of sample i gets c_i: [B] -> [R]; all rows get c: scalar -> [R]. */
Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample);
Node *rows_of_all(MethodStep *s, const Part *p, Node *c);
/* weight CE of a role, with its gradient RN(weight/N) (p - e_y), added to `sum`; `sum` itself where the role is not in the step. */
Node *add_ce(MethodStep *s, Node *sum, Role role, float weight);
/* alpha CE of the retain part where alpha > 0. */
Node *and_retain(MethodStep *s, Node *sum);
/* weight KL(p_ref || p) of the retain part as kl_norm and klr say, added to `sum` likewise (kl.c). */
Node *add_kl(MethodStep *s, Node *sum, float weight);
/* -(2/beta) mean_i log sigmoid(beta d_i) and w_i = sigmoid(-beta d_i) from d [B] (npo.c). */
Node *log_odds_loss(MethodStep *s, Node *d, float scale, Node **w);

#endif
