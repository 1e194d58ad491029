/* SPDX-License-Identifier: MIT */
/* Trajectory: the two tables of a base. trajectory.csv says what the models of the arms know, step by step.
 * contrasts.csv has the numbers of the findings, which follow from the trajectory and the registration.
 *
 * Arms, methods, seeds and findings are indices of the Registration. Errors begin with FILE:LINE. */
#ifndef PULSE_EVAL_EVIDENCE_TRAJECTORY_H
#define PULSE_EVAL_EVIDENCE_TRAJECTORY_H

#include "eval/evidence/registration.h"

/* A snapshot; step 0 is the model before unlearning. matching, reporting and general are accuracies; log_odds is the
 * metric of that name (metrics.def). */
typedef struct {
    size_t  arm, method, seed;
    int64_t step;                        // of all requests together
    // on what is to be forgotten, [0] asked with pictures, [1] in words alone. matching: the questions that say how
    // much is forgotten; reporting: the questions on which the result is reported (registration.def)
    double  matching[2], reporting[2];
    double  general, log_odds;           // on general questions for reporting; log_odds NaN: the model is broken
} Point;

typedef struct {
    Point *point;                        // grouped by arm, method and seed; each group in ascending order of steps
    size_t count;
} Trajectory;

bool trajectory_write(const Trajectory *t, const Registration *r, const char *path, Error *e);
bool trajectory_read(Trajectory *out, const Registration *r, const char *path, Arena *a, Error *e);

/* The measure of a finding, by one method and with one seed. */
typedef struct {
    size_t finding, method, seed;
    bool   reached;                      // false: there is no value, usually because an arm never reaches a level
    double value;
} Contrast;

typedef struct {
    Contrast *item;
    size_t    count;
} Contrasts;

/* A contrast for each finding, method and seed whose arms are all in the trajectory. */
bool contrasts_of(Contrasts *out, const Registration *r, const Trajectory *t, Arena *a, Error *e);
bool contrasts_write(const Contrasts *c, const Registration *r, const char *path, Error *e);
bool contrasts_read(Contrasts *out, const Registration *r, const char *path, Arena *a, Error *e);

#endif
