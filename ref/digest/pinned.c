/* SPDX-License-Identifier: MIT */
#include "ref/digest/pinned.h"

#include <string.h>

#define PINNED_METHOD(name)
#define PINNED_OPERATOR(name) #name,
static const char *const pinned_operators[] = {
#include "ref/digest/pinned.def"
};
#undef PINNED_METHOD
#undef PINNED_OPERATOR

#define PINNED_METHOD(name) #name,
#define PINNED_OPERATOR(name)
const char *const pinned_methods[] = {
#include "ref/digest/pinned.def"
};
#undef PINNED_METHOD
#undef PINNED_OPERATOR

const size_t pinned_methods_count = sizeof pinned_methods / sizeof *pinned_methods;

static bool among(const char *const *names, size_t n, const char *name)
{
    for (size_t k = 0; k < n; k++)
        if (strcmp(names[k], name) == 0)
            return true;
    return false;
}

bool operator_is_pinned(const char *name)
{
    return among(pinned_operators, sizeof pinned_operators / sizeof *pinned_operators, name);
}
bool method_is_pinned(const char *name) { return among(pinned_methods, pinned_methods_count, name); }
