/* SPDX-License-Identifier: MIT */
/* Base: the folder of one finished base, FOLDER/base-3, with trajectory.csv, contrasts.csv and manifest.json.
 *
 * The manifest says what was registered (the SHA-256 of prereg.ini), the base and its seed, the last link of each run's own manifest, and
 * the SHA-256 of both tables. It is written last: a folder that has one is finished. */
#ifndef PULSE_EVAL_EVIDENCE_BASE_H
#define PULSE_EVAL_EVIDENCE_BASE_H

#include "eval/evidence/trajectory.h"
#include "tensor/base/json.h"

/* "FOLDER/base-3"; NULL: no memory, which `a` says. */
const char *base_folder(const char *folder, int64_t base, Arena *a);
/* The number of the base in the last part of a path, "…/base-3". Error: it ends otherwise, or no such base is registered. Base 0 is not
 * registered, and may be made. */
bool base_number(const Registration *r, const char *path, int64_t *out, Error *e);

/* Writes the three files of a base into its folder, which is made. `runs` has the link of each run by its name, and is taken over. */
bool base_write(const char *folder, const Registration *r, int64_t base, const Trajectory *t, json_t *runs, Arena *a, Error *e);
/* Whether a base is finished. */
bool base_finished(const char *folder);
/* Reads the contrasts of a finished base. Error: it was made by another registration or is another base, a table is not the one of the
 * manifest, or the contrasts do not follow from the trajectory. */
bool base_read(Contrasts *out, const char *folder, const Registration *r, int64_t base, Arena *a, Error *e);

#endif
