/* SPDX-License-Identifier: MIT */
/* Page: the findings as one self-contained HTML page. */
#ifndef PULSE_REF_VERIFY_PAGE_H
#define PULSE_REF_VERIFY_PAGE_H

#include "ref/verify/verdict.h"

/* Writes the page: the headline, and the first answer that is outside with its formulas, on top; below, for each
 * case, what was judged of the forward pass, of the backward pass and of the update, as trees of modules that fold,
 * coloured by error over noise. Folds with something outside are open. The file is written whole or not at all. */
bool page_write(const Findings *f, const char *path, Arena *a, Error *e);

#endif
