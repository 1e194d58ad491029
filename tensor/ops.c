/* SPDX-License-Identifier: MIT */
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
