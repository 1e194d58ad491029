/* SPDX-License-Identifier: MIT */
/* Evidence: from the runs of a base to its trajectories, and from what is registered and found to words. */
#ifndef PULSE_REF_EVIDENCE_EVIDENCE_H
#define PULSE_REF_EVIDENCE_EVIDENCE_H

#include "eval/evidence/trajectory.h"
#include "eval/evidence/verdicts.h"
#include "tensor/base/json.h"

/* arms.c: the trajectories of all registered arms whose runs are in the folder RUNS/<run>, and the last link of the manifest of each run.
 * Error: a run has no manifest, lacks rows of a method, seed or split, or took other steps than were registered. */
bool arms_read(Trajectory *out, json_t *links, const Registration *r, const char *runs, Arena *a, Error *e);

/* tell.c: prints the seeds of the bases; the runs with the words that `pulse-ref run` needs for each, where the models are in the folder
 * `models`; and the verdicts, as text, as JSON or as Markdown. */
typedef enum { TELL_TEXT, TELL_JSON, TELL_MARKDOWN } TellForm;
bool seeds_print(const Registration *r, bool json, Error *e);
bool runs_print(const Registration *r, const char *models, bool json, Arena *a, Error *e);
bool verdicts_print(const Verdicts *v, const Registration *r, TellForm form, Arena *a, Error *e);

#endif
