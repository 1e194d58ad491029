/* SPDX-License-Identifier: MIT */
/* Equal forgetting: what is left of general ability when two models have forgotten equally much.
 *
 * A trajectory is a list of snapshots of one unlearning, in ascending order of steps. What is forgotten may come back
 * for a while, so the running minimum of its accuracy is used. A level is an accuracy. It is reached where the running
 * minimum first falls to it. Linear interpolation between two snapshots gives this place, and general ability is
 * interpolated at the same place. */
#ifndef PULSE_EVAL_EVIDENCE_EQUAL_FORGETTING_H
#define PULSE_EVAL_EVIDENCE_EQUAL_FORGETTING_H

#include <stdbool.h>
#include <stddef.h>

/* contrasts.c also puts other numbers into `forget` and `general`, to interpolate these in the same way. */
typedef struct {
    double step;
    double forget;         // accuracy on what is to be forgotten, the mean of picture and text (the arm's `matching`)
    double general;        // general ability, on the reporting questions
} Snapshot;

/* General ability where `forget` first is at the level or below it; false where it never is. */
bool general_at(double *general, const Snapshot *s, size_t count, double level);
/* The mean of general_at over the levels, added in their order; false where a level is never reached. */
bool general_over_levels(double *general, const Snapshot *s, size_t count, const double *levels, size_t levels_count);

#endif
