/* SPDX-License-Identifier: MIT */
/* Pinned: the closed list of operators and methods that `total` covers (pinned.def). A new one does not change
 * `total`. */
#ifndef PULSE_REF_DIGEST_PINNED_H
#define PULSE_REF_DIGEST_PINNED_H

#include <stdbool.h>
#include <stddef.h>

/* The names of the pinned methods, in the order in which their family runs them. */
extern const char *const pinned_methods[];
extern const size_t pinned_methods_count;

/* Whether the operator or the method of this name is one of pinned.def. */
bool operator_is_pinned(const char *name);
bool method_is_pinned(const char *name);

#endif
