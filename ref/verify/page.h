/* SPDX-License-Identifier: MIT */
/* Page: the findings as one self-contained HTML page. */
#ifndef PULSE_REF_VERIFY_PAGE_H
#define PULSE_REF_VERIFY_PAGE_H

#include "ref/verify/findings.h"

/* Writes the page. On top are the headline, and the first answer outside with its formulas. Below, each case has the
 * answers of the forward pass, the backward pass and the update, as trees of modules that fold. They are coloured by
 * error over noise, and a fold with an answer outside is open. The file is written whole or not at all. */
bool page_write(const Findings *f, const char *path, Arena *a, Error *e);

#endif
