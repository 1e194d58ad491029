/* SPDX-License-Identifier: MIT */
#include "tensor/op.h"

#include <stdio.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/base/team.h"

bool call_refuse(const Call *c, const char *expected, Error *e)
{
    char shape[64], all[400] = "";
    for (size_t k = 0, n = 0; k < c->n_in && k < 4; k++) {
        const Tensor *x = call_value(c, k);
        bool plain = x->dtype == F32;
        n += (size_t)snprintf(all + n, sizeof all - n, " %s%s%s", shape_text(x->shape, shape), plain ? "" : " ",
                              plain ? "" : dtype_name(x->dtype));
    }
    return error_set(e, "%s: shapes%s do not fit, expected %s", c->op->name, all, expected);
}

/* Whether an operator with the inputs "x w bias?" takes n_in of them: "bias?" may be left out, and "x..." stands
 * for any number. */
static bool count_fits(const Op *op, size_t n_in)
{
    size_t most = 0, least = 0;
    for (const char *at = op->inputs; at && *at; at += *at == ' ') {
        size_t length = strcspn(at, " ");
        if (length > 3 && strncmp(at + length - 3, "...", 3) == 0)
            return true;
        most++;
        least += at[length - 1] != '?';
        at += length;
    }
    return !op->inputs || (n_in >= least && n_in <= most);
}

static bool dtype_fits(const Op *op, size_t k, Dtype d)
{
    return d == F32 || (k < 32 && op->half >> k & 1 && (d == F16 || d == BF16));
}

static bool inputs_fit(const Call *c)
{
    if (!count_fits(c->op, c->n_in))
        return error_set(c->error, "%s: %zu inputs were given, expected those of \"%s\"", c->op->name, c->n_in, c->op->inputs);
    for (size_t k = 0; k < c->n_in; k++) {
        if (!c->in[k].data && shape_size(c->in[k].shape) > 0)          // a tensor without elements needs no memory
            return error_set(c->error, "%s: input %zu is missing", c->op->name, k);
        if (!dtype_fits(c->op, k, c->in[k].dtype))
            return error_set(c->error, "%s: input %zu is of dtype %s, expected F32", c->op->name, k, dtype_name(c->in[k].dtype));
    }
    return true;
}

/* Finds room for the result: the caller's tensor, which must have that shape, or a piece of the scratch memory. */
static bool output_fits(Call *c, Shape shape)
{
    char have[64], want[64];
    if (!c->out.data)
        return (c->out = tensor_f32(c->scratch, shape)).data != NULL;
    return (c->out.dtype == F32 && shape_equal(c->out.shape, shape))
        || error_set(c->error, "%s: the output is %s %s, expected F32 %s", c->op->name, dtype_name(c->out.dtype),
                     shape_text(c->out.shape, have), shape_text(shape, want));
}

static void kernel_run(Call *c)
{
    Arena *given = c->scratch;
    float_env_region(c->error);
    c->scratch = arena_scratch(given);
    if (c->scratch) {
        c->op->kernel(c);
        arena_scratch_end(given);
    }
    c->scratch = given;
}

bool call_shape(const Call *c, Shape *shape)
{
    *shape = (Shape){ .rank = 0 };
    return inputs_fit(c) && c->op->shape(c, shape, c->error);
}

bool call_run(Call *c)
{
    Error *before = c->scratch->error;
    Shape shape;
    c->scratch->error = c->error;
    if (call_shape(c, &shape) && output_fits(c, shape))
        kernel_run(c);
    c->scratch->error = before;
    return !c->error->failed;
}

bool op_run(const Op *op, size_t n_in, const Tensor in[], const Attrs *attrs, Arena *scratch, Error *e, Tensor *out)
{
    static const Attrs none;
    Call c = { .op = op, .in = in, .n_in = n_in, .attrs = attrs ? attrs : &none, .out = *out, .scratch = scratch, .error = e };
    if (e->failed || !call_run(&c))
        return false;
    *out = c.out;
    return true;
}

typedef struct { const Call *c; CallPart *run; } Parts;

static void part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Parts *p = data;
    (void)worker;
    p->run(p->c, begin, end);
}

void call_parts(const Call *c, size_t n, size_t grain, CallPart *run)
{
    team_run(n, grain, part, &(Parts){ c, run }, c->error);
}
