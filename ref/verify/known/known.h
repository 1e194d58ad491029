/* SPDX-License-Identifier: MIT */
/* Known: mistakes that are made in the graph of a step or of a module: some of its nodes get another operator,
 * another number or another input. Run again (ref/trace/again.h, ref/trace/unit.h), the graph answers what an
 * implementation with that mistake answers. */
#ifndef PULSE_REF_VERIFY_KNOWN_KNOWN_H
#define PULSE_REF_VERIFY_KNOWN_KNOWN_H

#include "ref/trace/unit.h"

/* Makes the mistake in the nodes that belong to the unit, or in all nodes where `u` is NULL. The caller keeps copies
 * of the nodes, and puts them back; numbers of leaves that change are new ones in `a`. False: the graph has no place
 * for this mistake. */
bool known_make(const Tape *t, const Unit *u, const char *flag, Arena *a);
/* Whether the mistake in the graph gives this answer of an implementation too. Where two weights are swapped, the
 * graph has the answers of each under the name of the other, and an implementation has not. */
bool known_shows(const char *flag, const char *answer);
/* The names of the mistakes, each once, for k = 0, 1, … NULL: there are no more. */
const char *known_flag(size_t k);

#endif
