/* SPDX-License-Identifier: MIT */
/* Op: an operator is a formula over the reals and a kernel that returns the nearest floats to it.
 *
 * Every number of the project comes out of one of these: forward, derivatives and optimiser steps
 * alike (GRAPH.md). One record holds all there is to know of an operator; ops.def names each once;
 * the table, `pulse-ref list ops`, the tests and the trace are made from it. */
#ifndef PULSE_TENSOR_OP_H
#define PULSE_TENSOR_OP_H

#include "tensor/tensor.h"

#define PULSE_SPEC "1"       // the version of GRAPH.md: where the cuts are; a changed cut is another spec

typedef struct Op   Op;
typedef struct Node Node;
typedef struct Tape Tape;
typedef struct BoundRule BoundRule;

enum { OP_FLOATS = 6, OP_REALS = 2, OP_INTS = 6 };

/* What an operator is told besides its inputs. Each place has a name: ops.h gives each operator an enum (ADAM_LR, ADAM_EPS, …),
 * and its record binds the places to the names that people read, `.floats = { [ADAM_LR] = "lr", … }`. */
typedef struct {
    float   f[OP_FLOATS];    // hyper-parameters: fp32-valued (GRAPH.md, two kinds of constants)
    double  d[OP_REALS];     // binary64 scalars: only Adam's c1 and c2
    int64_t n[OP_INTS];      // counts, flags
    const int32_t *index;    // ids, labels, positions, row numbers, segments; owned by the step arena
    size_t  index_count;
} Attrs;

/* One call of an operator on plain tensors. Kernels and shape checks see this and no tape. */
typedef struct {
    const Op *op;
    const Tensor *in;        // [n_in] the operands
    size_t n_in;
    const Attrs *attrs;
    Tensor out;              // the kernel writes every element of out.f32
    Arena *scratch;          // memory for the kernel's own use; the caller takes it back when it likes
    Error *error;            // receives the first failure
} Call;

static inline const Tensor *call_value(const Call *c, size_t k) { return &c->in[k]; }

/* Fails with "gelu: shapes [2] F16 do not fit, expected …"; returns false. */
bool call_refuse(const Call *c, const char *expected, Error *e);

/* How the last bit is decided (NUMERICS section 0). MOVE: nothing is rounded. */
typedef enum { CLASS_MOVE, CLASS_A, CLASS_A_RATIONAL, CLASS_B, CLASS_C, CLASS_D } OpClass;

/* What becomes of a gradient that arrives at the operator's result. */
typedef enum {
    GRADIENT_VJP,            // vjp passes it on; where there is no vjp, it is an error if a trainable parameter lies below
    GRADIENT_NONE,           // it ends here on purpose: the result counts as a constant (argmax, the optimiser's updates)
} Gradient;

struct Op {
    const char *name;        // the one word
    const char *formula;     // over the reals; "RN" is the rounding to the nearest float
    OpClass     kind;
    const char *inputs;      // names in order, "x w b?"; '?' optional, "x..." any number
    unsigned    half;        // bit k: input k may also be stored as F16 or BF16 (widened exactly); all others are F32
    const char *floats[OP_FLOATS];   // names of attrs.f; NULL after the last
    const char *reals[OP_REALS];     // names of attrs.d
    const char *ints[OP_INTS];       // names of attrs.n
    const char *index;       // name and layout of attrs.index, "ids [N]"

    /* The shape of the result; false, with a sentence that names operator and shapes, when the
     * inputs do not fit. Checks everything that kernel relies on (index ranges too). */
    bool (*shape)(const Call *c, Shape *out, Error *e);
    /* Writes the nearest floats to every element of c->out.f32. */
    void (*kernel)(const Call *c);
    /* How far the result of a sane fp32 implementation may be off, given how far its operands are off (bound_rule.h). NULL: no rule. */
    void (*bound)(BoundRule *r);
    Gradient gradient;
    /* Records the operators that make the gradient of each input that wants one, and hands each to
     * tape_contribute. NULL: the operator has no derivative. */
    void (*vjp)(Tape *t, Node *y, Node *dy);
};

/* Checks the inputs and the shapes of a call, and runs its kernel. c->out: memory of the caller, or data NULL, in which
 * case the result is a piece of c->scratch. Every other field of `c` is set. False, with a sentence, when something failed. */
bool call_run(Call *c);

/* Runs an operator on plain tensors, without a tape. `attrs` may be NULL where the operator has none; *out as in call_run.
 * Two threads may run operators at the same time, each with an arena and an Error of its own. */
bool op_run(const Op *op, size_t n_in, const Tensor in[], const Attrs *attrs, Arena *scratch, Error *e, Tensor *out);

extern const Op *const ops[];       // in the order of ops.def; then NULL. The record of OP(name) is `op_record_name`
extern const size_t ops_count;
const Op   *op_find(const char *name);            // NULL: unknown
const char *op_class_name(OpClass kind);          // "A", "A'", …

/* Sets the attribute `name` of `op` (one of its floats, reals or ints). A float becomes the nearest fp32 number; an integer must be
 * one, and fit int64. Fails with a sentence that names operator and attribute where there is no such attribute, `value` is NaN, or
 * it does not fit; `a` is then unchanged. Whether the value makes sense is the operator's to say, in its shape function. */
bool attrs_set(Attrs *a, const Op *op, const char *name, double value, Error *e);

#endif
