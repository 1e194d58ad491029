/* SPDX-License-Identifier: MIT */
/* Base: the folder of one finished base model, FOLDER/base-3, with trajectory.csv, contrasts.csv and manifest.json.
 *
 * The manifest holds the SHA-256 of the registration (prereg.ini), the number of the base and its seed, for each run
 * the last link of the run's manifest (eval/manifest.h), and the SHA-256 of both tables. The base's manifest is written
 * last: a folder that has one is finished. */
#ifndef PULSE_EVAL_EVIDENCE_BASE_H
#define PULSE_EVAL_EVIDENCE_BASE_H

#include "eval/evidence/trajectory.h"
#include "tensor/base/json.h"

/* "FOLDER/base-3"; NULL: no memory, which `a` says. */
const char *base_folder(const char *folder, int64_t base, Arena *a);
/* The number of the base in the last part of a path, "…/base-3". Error: the path ends otherwise, or no such base is
 * registered. Base 0 is allowed, although it is not registered. */
bool base_number(const Registration *r, const char *path, int64_t *out, Error *e);

/* Makes the folder of a base, and writes its three files. `runs` maps the name of each run to the last link of its
 * manifest; this function releases `runs` (json_decref). */
bool base_write(const char *folder, const Registration *r, int64_t base, const Trajectory *t, json_t *runs, Arena *a, Error *e);
/* Whether a base is finished. */
bool base_finished(const char *folder);
/* Reads the contrasts of a finished base. Error: it was made with another registration, it is another base, a table
 * does not have the SHA-256 of the manifest, or the contrasts do not follow from the trajectory. */
bool base_read(Contrasts *out, const char *folder, const Registration *r, int64_t base, Arena *a, Error *e);

#endif
