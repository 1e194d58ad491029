/* SPDX-License-Identifier: MIT */
/* Verdict: what was found about each answer, counted by verdict, and printed as lines or as one JSON object.
 *
 *     BITEXACT    the bits are those of the reference answer
 *     WITHIN      every element lies within its proven bound
 *     OUTSIDE     an element lies outside its bound, or the answer is that of a known mistake
 *     END-TO-END  there is no bound for a whole step: the distance is told without a verdict
 *     MODULES     sums up the answers of a step's modules
 * Every other word (MISSING, EXTRA, MIS-SHAPED, DAMAGED) says why an answer could not be judged: it is undecided. */
#ifndef PULSE_REF_VERIFY_VERDICT_H
#define PULSE_REF_VERIFY_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/json.h"

/* The findings of one call of `verify`. Zero but for `lines`, which is an array of the caller's, and the two flags. */
typedef struct {
    json_t *lines;                   // under `json`: an object {"where", "verdict", "what"} for each finding; else unused, may be NULL
    size_t exact, within, outside, undecided, unbounded;    // how many answers have which verdict; unbounded: END-TO-END
    size_t summed;                   // how many findings sum up others (MODULES)
    bool json, quiet;                // quiet: nothing is printed but the headline
} Findings;

/* Counts the verdict on the answer `where`, and prints it or keeps it for the JSON. The text may be empty. */
void finding(Findings *f, const char *where, const char *verdict, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Prints the headline, or the JSON object, and returns the exit code: 2 where anything is undecided, else 1 where anything is outside. */
int  findings_tell(const Findings *f);

#endif
