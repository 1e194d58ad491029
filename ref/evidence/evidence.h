/* SPDX-License-Identifier: MIT */
/* Evidence: reads the trajectories of a base model ("base") from its runs, and prints what was registered and found. An
 * arm is a model that forgets somebody; each base has several arms (docs/evidence.md). */
#ifndef PULSE_REF_EVIDENCE_EVIDENCE_H
#define PULSE_REF_EVIDENCE_EVIDENCE_H

#include "eval/evidence/trajectory.h"
#include "eval/evidence/verdicts.h"
#include "tensor/base/json.h"

/* Reads (in arms.c) the trajectories of all registered arms whose runs are in the folders `runs`/<run>; an arm whose
 * first run is missing is left out. `links` gets the last link (eval/manifest.h) of each run under the run's name.
 * Error: a run has no manifest, lacks rows of a method, seed or split, or took another number of steps than was
 * registered. */
bool arms_read(Trajectory *out, json_t *links, const Registration *r, const char *runs, Arena *a, Error *e);

/* print.c prints:
 *     seeds      the seed of each base
 *     runs       the arguments of `pulse-ref run` for each run, with the models in the folder `models`
 *     verdicts   what the finished bases say about each finding, as text, JSON or Markdown */
typedef enum { TELL_TEXT, TELL_JSON, TELL_MARKDOWN } TellForm;
bool seeds_print(const Registration *r, bool json, Error *e);
bool runs_print(const Registration *r, const char *models, bool json, Arena *a, Error *e);
bool verdicts_print(const Verdicts *v, const Registration *r, TellForm form, Arena *a, Error *e);

#endif
