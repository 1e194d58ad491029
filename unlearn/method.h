/* SPDX-License-Identifier: MIT */
/* Method: one way to unlearn. Its name, where it comes from, its loss as an equation, what it needs, and its hooks.
 *
 * methods.def names each method once; the table, `pulse-ref list methods`, the docs and the tests are made from it.
 * A gradient method's `loss` reads like its row of METHODS.md: it takes the parts of the step it needs (forget,
 * retain, …), records its loss as a chain of operators and seeds dL/dz.
 *
 * Notation: sample i, T_i supervised tokens, NLL_i = sum of its nll, CE_i = NLL_i / T_i; N supervised tokens and B
 * samples of a part; z logits, p = softmax(z), e_y the one-hot of the label; d_i = NLL_i - NLL_ref_i. */
#ifndef PULSE_UNLEARN_METHOD_H
#define PULSE_UNLEARN_METHOD_H

#include "model/train.h"
#include "unlearn/variants.h"

/* Roles of the samples of a step, packed in this order. Refusals and alternates are other answers to the forget questions. */
typedef enum { ROLE_FORGET, ROLE_RETAIN, ROLE_REFUSAL, ROLE_ALTERNATE, ROLE_COUNT } Role;
const char *role_name(Role r);

enum {
    NEEDS_FORGET = 1 << ROLE_FORGET, NEEDS_RETAIN = 1 << ROLE_RETAIN,
    NEEDS_REFUSAL = 1 << ROLE_REFUSAL, NEEDS_ALTERNATE = 1 << ROLE_ALTERNATE,
    NEEDS_REFERENCE = 1 << 8,       // logits of the frozen model on the same samples
    NEEDS_VECTOR    = 1 << 9,       // a random direction (RMU)
    NEEDS_ORACLE    = 1 << 10       // a model that never saw the forget set
};

/* The samples of one role in a step: rows of logits and what belongs to them. */
typedef struct {
    Node *z;                        // [R, V]
    Node *z_ref;                    // [R, V] of the reference; NULL unless NEEDS_REFERENCE
    const int32_t *labels;          // [R]; -1: a row without supervision (kl_norm = all_positions)
    const int32_t *offsets;         // [B + 1]: rows of sample i are offsets[i] … offsets[i+1] - 1
    size_t rows, samples, tokens;   // R, B, N
} Part;

typedef struct {
    Tape *tape;
    const Variants *v;              // hyper-parameters and named switches
    Forward forward;                // hidden states, for methods that are not defined on logits
    Batch batch;
    Part part[ROLE_COUNT];          // a role that is not there has samples == 0
    int64_t step, steps;
    const void *state;              // what `begin` made
} MethodStep;

typedef struct {
    const char *name;
    const char *source;             // paper, and the public code where it differs
    const char *formula;
    unsigned    needs;
    /* Records the loss and seeds gradients; the scalar node. NULL: not a gradient method. */
    Node *(*loss)(MethodStep *s);
    /* Before the first step: checks what is missing, makes random vectors. May be NULL. */
    bool  (*begin)(const Variants *v, Model *m, Arena *a, const void **state, Error *e);
    /* Before each update: masks over gradients, terms over adapters. May be NULL. */
    bool  (*gradients)(const void *state, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count);
} Method;

extern const Method *const methods[];   // in the order of methods.def
extern const size_t methods_count;
const Method *method_find(const char *name);

/* Pieces that equations share (loss.c). */
Node *loss_nll(MethodStep *s, const Part *p);                              // [R]
Node *loss_nll_sum(MethodStep *s, const Part *p, Node *nll);               // NLL_i [B]
Node *loss_ce(MethodStep *s, const Part *p);                               // CE_B
/* dL/dz += c (p - e_y), c [R] or one number for all rows. */
void  seed_label(MethodStep *s, const Part *p, Node *c);
void  seed_label_all(MethodStep *s, const Part *p, float c);
/* dL/dz += c (p - q) */
void  seed_target(MethodStep *s, const Part *p, Node *q, Node *c);
/* Each row of sample i gets c_i: [B] -> [R]. */
Node *rows_of_samples(MethodStep *s, const Part *p, Node *per_sample);

#endif
