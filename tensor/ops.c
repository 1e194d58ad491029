/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "tensor/ops.h"

#define OP(name) extern const Op op_record_##name;
#include "tensor/ops.def"
#undef OP

#define OP(name) &op_record_##name,
const Op *const ops[] = {
#include "tensor/ops.def"
    NULL
};
#undef OP

const size_t ops_count = sizeof ops / sizeof *ops - 1;

const Op *op_find(const char *name)
{
    for (size_t k = 0; k < ops_count; k++)
        if (strcmp(ops[k]->name, name) == 0)
            return ops[k];
    return NULL;
}

const char *op_class_name(OpClass kind)
{
    static const char *const names[] = { "move", "A", "A'", "B", "C", "D" };
    return names[kind];
}

/* The index of `name` in `names`, which has at most `limit` entries; `limit` if the name is not there. */
static size_t index_of(const char *const names[], size_t limit, const char *name)
{
    for (size_t k = 0; k < limit && names[k]; k++)
        if (strcmp(names[k], name) == 0)
            return k;
    return limit;
}

static bool refuse(const Op *op, const char *name, double value, const char *expected, Error *e)
{
    return error_set(e, "%s: the attribute %s is %.17g, expected %s", op->name, name, value, expected);
}

bool attrs_set(Attrs *a, const Op *op, const char *name, double value, Error *e)
{
    size_t f = index_of(op->floats, OP_FLOATS, name), d = index_of(op->reals, OP_REALS, name),
        n = index_of(op->ints, OP_INTS, name);
    if (f == OP_FLOATS && d == OP_REALS && n == OP_INTS)
        return error_set(e, "%s: there is no attribute %s, expected one of those that `pulse-ref list ops` shows",
                         op->name, name);
    if (value != value)
        return refuse(op, name, value, "a number", e);
    if (n < OP_INTS && !(value >= -0x1p63 && value < 0x1p63 && value == trunc(value)))
        return refuse(op, name, value, "an integer from -2^63 to 2^63 - 1", e);
    if (f < OP_FLOATS && isfinite(value) && isinf((float)value))
        return refuse(op, name, value, "a number that fp32 can hold", e);
    if (f < OP_FLOATS)
        a->f[f] = (float)value;
    else if (d < OP_REALS)
        a->d[d] = value;
    else
        a->n[n] = (int64_t)value;
    return true;
}
