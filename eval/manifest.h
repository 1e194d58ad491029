/* SPDX-License-Identifier: MIT */
/* Manifest: what a run was made of, so that somebody can audit it by doing it again.
 *
 * Each finished stage leaves stage.json in its folder: its kind, digest and recipe, the digests of its inputs, and the
 * SHA-256 of every file that it made. manifest.json has a list of entries: first the version, the specification, the
 * digest of the sources and the config; then all stages in order; then the results of the run; then the report, if
 * there is one (manifest_add). The `link` of an entry is SHA-256(the link of the entry before, then the entry's own
 * text), so that the last link, `chain`, covers everything. The link before the first entry is "". No entry holds a
 * time or a path of the machine. */
#ifndef PULSE_EVAL_MANIFEST_H
#define PULSE_EVAL_MANIFEST_H

#include "eval/protocol.h"
#include "tensor/base/json.h"

/* Writes FOLDER/stage.json, which covers `files` (names inside the folder).
 * stage.json is written last of all: a stage that has one is finished. */
bool stage_finish(const Plan *p, size_t stage, const char *folder, const char *const *files, size_t count, Error *e);
bool stage_finished(const char *folder);
/* Whether the stage.json of a finished stage belongs to this stage of the plan, and the stage's files have the digests
 * that stage.json names. */
bool stage_check(const Plan *p, size_t stage, const char *folder, Error *e);

/* Writes FOLDER/manifest.json; the stages are in FOLDER/stages/<digest>, and `results` are names of files in FOLDER.
 * Error: a file of a stage is not what its stage.json says. */
bool manifest_write(const Plan *p, const char *folder, const char *config, const char *const *results, size_t count, Arena *a,
                    Error *e);
/* Adds one more entry, for a file that was made from the results: report.html. */
bool manifest_add(const char *folder, const char *name, const char *file, Error *e);

/* Audits a run without running anything. Checks that each link of FOLDER/manifest.json fits its entry, and that every
 * file has the digest which the manifest states for it. False: e says what is different. */
bool manifest_check(const char *folder, Arena *a, Error *e);
/* The last link of FOLDER/manifest.json; NULL: it has none. */
const char *manifest_chain(const char *folder, Arena *a, Error *e);
/* Whether FOLDER/manifest.json belongs to this plan and config. Compares version, sources, config and each stage. */
bool manifest_of_plan(const Plan *p, const char *folder, const char *config, Arena *a, Error *e);
/* The files of each stage of FOLDER/manifest.json, as a list of objects in the order of the plan: each object maps the
 * name of a file inside the stage's folder to its SHA-256. The caller json_decref's the list. */
json_t *manifest_outputs(const char *folder, Arena *a, Error *e);
/* Whether a stage that was done again, in the folder `again`, made the same files as FOLDER/manifest.json records.
 * False without e->failed: `different` names the first of these files that was made otherwise. */
bool manifest_stage_same(const char *folder, size_t stage, const char *again, char different[512], Arena *a, Error *e);
/* Whether two runs are the same, entry by entry (config, sources, stages, results, report). False without e->failed:
 * `different` says where they first differ. */
bool manifest_same(const char *one, const char *two, char different[512], Arena *a, Error *e);

#endif
