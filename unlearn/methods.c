/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "unlearn/method.h"

#define METHOD(name) extern const Method method_##name;
#include "unlearn/methods.def"
#undef METHOD

#define METHOD(name) &method_##name,
const Method *const methods[] = {
#include "unlearn/methods.def"
};
#undef METHOD

const size_t methods_count = sizeof methods / sizeof *methods;

const Method *method_find(const char *name)
{
    for (size_t k = 0; k < methods_count; k++)
        if (strcmp(methods[k]->name, name) == 0)
            return methods[k];
    return NULL;
}

const char *role_name(Role r)
{
    return (const char *const[]){ "forget", "retain", "refusal", "alternate" }[r];
}
