/* SPDX-License-Identifier: MIT */
/* Known: mistakes that are made in the graph of a step or of a module. Some of its nodes get another operator,
 * another number or another input. When the graph is run again (ref/trace/again.h, ref/trace/unit.h), its answers are
 * those of an implementation with that mistake. */
#ifndef PULSE_REF_VERIFY_KNOWN_KNOWN_H
#define PULSE_REF_VERIFY_KNOWN_KNOWN_H

#include "ref/trace/unit.h"

/* Makes the mistake with the name `flag` in the nodes of the unit, or in all nodes if `u` is NULL. The caller keeps
 * copies of the nodes, and puts them back. A leaf that changes gets other memory; its old memory stays as it is. False:
 * the graph has no place for this mistake. */
bool known_make(const Tape *t, const Unit *u, const char *flag, Arena *a);
/* Whether this answer of the mistaken graph is also that of an implementation with the mistake. With two swapped
 * weights it is not, because the graph has the answers of each weight under the name of the other. */
bool known_shows(const char *flag, const char *answer);
/* The names of the mistakes, each once, for k = 0, 1, … NULL: there are no more. */
const char *known_flag(size_t k);

#endif
