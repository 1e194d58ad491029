/* SPDX-License-Identifier: MIT */
/* Op: an operator is a formula over the real numbers and a kernel that returns the float nearest to the formula's
 * value.
 *
 *     Tensor x = tensor_view(floats, shape_of(2, rows, cols)), y = { .data = NULL };
 *     if (op_run(op_find("softmax"), 1, &x, NULL, &arena, &error, &y))
 *         use(y.f32);                              // [rows, cols], memory of the arena
 *
 * Every number of a run is the result of an operator, in the forward pass, the gradients and the optimiser's step.
 * Each operator has one record (struct Op), which ops.def names once. The table `ops`, `pulse-ref list ops`, the tests
 * and the traces are made from these records.
 * A record is constant, and a call touches only what it is given; so two threads may run operators at the same time,
 * each with an arena and an Error of its own. */
#ifndef PULSE_TENSOR_OP_H
#define PULSE_TENSOR_OP_H

#include "tensor/tensor.h"

#define PULSE_SPEC "1"       // version of the specification: the operators that make up a model, and so its roundings

typedef struct Op   Op;
typedef struct Node Node;
typedef struct Tape Tape;
typedef struct BoundRule BoundRule;

enum { OP_FLOATS = 6, OP_REALS = 2, OP_INTS = 6 };

/* The attributes of a call: what an operator is told besides its inputs. Each index has a name. ops.h gives each
 * operator an enum (ADAM_LR, ADAM_EPS, …), and the operator's record gives each index a text for people to read:
 * `.floats = { [ADAM_LR] = "lr", … }`. */
typedef struct {
    float   f[OP_FLOATS];    // hyperparameters, which are fp32 numbers
    double  d[OP_REALS];     // binary64 scalars: only Adam's c1 and c2
    int64_t n[OP_INTS];      // counts and flags
    const int32_t *index;    // ids, labels, positions, row numbers or segments; they belong to the caller
    size_t  index_count;     // 0: index may be NULL
} Attrs;

/* One call of an operator on plain tensors: all that a shape check and a kernel see. No pointer of a Call may be NULL;
 * out.data may be NULL before the kernel runs (call_run). */
typedef struct {
    const Op *op;
    const Tensor *in;        // [n_in] the inputs
    size_t n_in;
    const Attrs *attrs;
    Tensor out;              // F32, of the shape that op->shape gave; the kernel writes every element
    Arena *scratch;          // memory for the kernel's own use, taken back after it, and for the result (call_run)
    Error *error;            // receives the first failure
} Call;

static inline const Tensor *call_value(const Call *c, size_t k) { return &c->in[k]; }

/* Records "gelu: shapes [2] F16 do not fit, expected …", with the first four inputs at most, in `e` and returns false.
 * For shape checks. */
bool call_refuse(const Call *c, const char *expected, Error *e);

/* How the last bit of a result is decided (REPRODUCE.md, section 1). CLASS_MOVE: nothing is rounded. */
typedef enum { CLASS_MOVE, CLASS_A, CLASS_A_RATIONAL, CLASS_B, CLASS_C, CLASS_D } OpClass;

/* What becomes of a gradient that arrives at the operator's result in the backward pass. */
typedef enum {
    GRADIENT_VJP,            // vjp passes it on; without vjp, it is an error if a trainable parameter needs it
    GRADIENT_NONE,           // it ends here on purpose: the result counts as a constant (argmax, the optimiser's updates)
} Gradient;

struct Op {
    const char *name;        // one word, by which op_find finds it
    const char *formula;     // over the reals; "RN(...)" is the float nearest to the value
    OpClass     kind;
    const char *inputs;      // their names in order, "x w b?": b may be left out; "x..." stands for any number of inputs
    const char *shapes;      // "[N, K], [M, K], [M] -> [N, M]": of inputs and result; […] is any shape, everywhere the same
    unsigned    half;        // bit k set: input k may also be F16 or BF16, and is widened exactly; other inputs are F32
    const char *floats[OP_FLOATS];   // names of attrs.f; NULL after the last
    const char *reals[OP_REALS];     // names of attrs.d
    const char *ints[OP_INTS];       // names of attrs.n
    const char *index;       // name and layout of attrs.index, "ids [N]"; NULL: the operator reads none

    /* Gives the shape of the result. It checks all that the kernel relies on, including the ranges of index data. If
     * something does not fit, it returns false with a sentence that names the operator and the shapes. */
    bool (*shape)(const Call *c, Shape *out, Error *e);
    /* Writes the float nearest to the formula's value into every element of c->out.f32. A failure goes into
     * c->error. */
    void (*kernel)(const Call *c);
    /* How far the result of a sane fp32 implementation may be off, given how far its operands are off (bound_rule.h).
     * NULL: no rule. */
    void (*bound)(BoundRule *r);
    Gradient gradient;
    /* The vector-Jacobian product: `dy` is the gradient of the loss with respect to the result `y`. It records the
     * operators that compute the gradient of each input with wants_grad, and calls tape_contribute once for each
     * such input. NULL: the operator has no derivative. */
    void (*vjp)(Tape *t, Node *y, Node *dy);
};

/* Checks the inputs and the shapes of a call and runs its kernel. The caller sets every field of `c`; c->out
 * may stay empty. If out.data is NULL, the result becomes a piece of c->scratch. Otherwise the result is
 * written to out.data, and `out` must be F32 of the result's shape. Inputs and output must not overlap.
 * Returns false, with a sentence, when something failed; the output is then undefined. Each thread of the
 * call checks its floating-point control register (float_env_region). The arithmetic itself is tested by
 * float_env_check, which tape_make and tape_reset call. */
bool call_run(Call *c);

/* For kernels: runs the items 0 to n - 1 of a call on the threads of the team, in parts of about `grain` or more items
 * (tensor/base/team.h). */
typedef void CallPart(const Call *c, size_t begin, size_t end);
void call_parts(const Call *c, size_t n, size_t grain, CallPart *run);

/* Checks the inputs and gives the shape of the result, without running the kernel. c->out is not read. */
bool call_shape(const Call *c, Shape *shape);

/* call_run with single arguments. `attrs` may be NULL: all attributes are 0. *out is used as c->out above.
 * `e` may differ from scratch->error; a lack of scratch memory is then reported to `e`. */
bool op_run(const Op *op, size_t n_in, const Tensor in[], const Attrs *attrs, Arena *scratch, Error *e, Tensor *out);

extern const Op *const ops[];       // in the order of ops.def, then NULL; OP(name) has the record op_record_name
extern const size_t ops_count;
const Op   *op_find(const char *name);            // NULL: there is no operator of this name
const char *op_class_name(OpClass kind);          // "A", "A'", …

/* Sets the attribute `name` of `op` (one of its floats, reals or ints). A float becomes the nearest fp32 number; an
 * integer attribute takes only whole numbers that fit int64. If there is no such attribute, or `value` is NaN or
 * does not fit, the function fails with a sentence that names operator and attribute, and leaves `a` unchanged. The
 * operator's shape function checks later whether the value makes sense. */
bool attrs_set(Attrs *a, const Op *op, const char *name, double value, Error *e);

#endif
