/* SPDX-License-Identifier: MIT */
/* Findings: the verdict on each answer. judge.h decides the verdict where an answer can be judged. The findings are
 * lines, which are counted by verdict and printed as text, as JSON or as a page.
 *
 *     BITEXACT    the bits are those of the reference answer
 *     WITHIN      the answer is within its proven bound, if it has one, and within the tolerance for its noise, if it
 *                 has noise
 *     OUTSIDE     the answer is not WITHIN; also any NaN or infinity where a number is expected
 *     MIS-SHAPED  a known name with another shape or kind of number; counted as OUTSIDE
 *     NOISY       the noise of the tensor is over half of its value, so the answer says little; it is counted apart
 *     MODULES     sums up the answers of a step's modules
 * Every other word says why an answer is undecided: MISSING, EXTRA, DAMAGED, UNTOLD (there is neither a bound nor
 * noise), EMPTY (an --only finds nothing). */
#ifndef PULSE_REF_VERIFY_FINDINGS_H
#define PULSE_REF_VERIFY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include "ref/trace/noise.h"
#include "tensor/base/json.h"

/* The findings of one call of `verify`. They begin as zeros, except for `lines`, an empty array that the caller owns,
 * and the options json, quiet, all and partial. */
typedef struct {
    // an object for each finding: "where", "verdict", "what", and the numbers of its Evidence
    json_t *lines;
    size_t exact, within, outside, undecided, noisy;       // how many answers have which verdict
    size_t left_out;                 // with `partial`: how many are MISSING; these do not count as undecided then
    size_t summed;                   // how many findings sum up others (MODULES)
    bool judged_at[PRECISIONS];      // at which precisions answers were judged by a bound or by noise
    // quiet: only the headline is printed; all: every line is printed, not only the first ones that are outside, are
    // undecided or sum up others
    bool json, quiet, all, partial;
} Findings;

/* The numbers that a verdict rests on. An unknown number is 0, and an unknown `way` is NULL. `has_element`: there is an
 * element to point at, and row, column, bound, got and right are about it. */
typedef struct {
    const char *way;                 // "fed", "hooked", "ends", "exact"
    double error, noise, ratio;      // root mean square of got - right; of the noise; error over noise
    double bound, got, right;        // of the element at (row, column)
    bool has_element;
    size_t row, column;
} Evidence;

/* Counts the verdict on the answer `where` and keeps its line, which the caller may change but does not own. `v` may be
 * NULL; the text may be empty. */
json_t *finding_with(Findings *f, const char *where, const char *verdict, const Evidence *v, const char *format,
        ...) __attribute__((format(printf, 5, 6)));
/* The same without numbers. */
#define finding(f, where, verdict, ...) finding_with((f), (where), (verdict), NULL, __VA_ARGS__)
/* How many answers are BITEXACT, WITHIN, OUTSIDE or MIS-SHAPED. NOISY does not count: it says that no verdict is
 * possible. */
size_t findings_judged(const Findings *f);
/* "OUTSIDE" if any answer is outside; else "UNKNOWN" if any is undecided or nothing was judged; else "WITHIN" if any is
 * within or noisy; else "BITEXACT". */
const char *findings_verdict(const Findings *f);
/* The headline without a line break, in memory of `a`. */
const char *findings_headline(const Findings *f, Arena *a);
/* Prints the lines and the headline, or one JSON object a line with a summary at the end. Returns the exit code: 1 if
 * any answer is outside; else 2 if any is undecided or nothing was judged; else 0. */
int  findings_print(const Findings *f, Arena *a);

#endif
