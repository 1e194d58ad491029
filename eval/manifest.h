/* SPDX-License-Identifier: MIT */
/* Manifest: what a run was made of, so that it can be audited by doing it again.
 *
 * Each finished stage leaves stage.json in its folder: kind, digest, recipe, digests of its inputs, SHA-256 of every file it
 * made. manifest.json holds version and specification, the digest of the sources, the config, all stages in order and the run's results; each entry's `link` is
 * SHA-256(link of the entry before + its own text), so the last one, `chain`, covers everything. No time, no path of a machine. */
#ifndef PULSE_EVAL_MANIFEST_H
#define PULSE_EVAL_MANIFEST_H

#include "eval/protocol.h"
#include "tensor/base/json.h"

/* Writes FOLDER/stage.json over `files` (names inside the folder), last of all: then the stage is finished. */
bool stage_finish(const Plan *p, size_t stage, const char *folder, const char *const *files, size_t count, Error *e);
bool stage_finished(const char *folder);
/* Whether a finished stage's files are what its stage.json says, so that nothing is made from others. */
bool stage_check(const char *folder, Error *e);

/* DIR/manifest.json; stages are in DIR/stages/<digest>. Fails when a stage's files are not what its stage.json says. */
bool manifest_write(const Plan *p, const char *folder, const char *config, const char *const *results, size_t count, Arena *a, Error *e);
/* One more entry, a file that was made from what the manifest says: report.html. */
bool manifest_add(const char *folder, const char *name, const char *file, Error *e);

/* An audit, without running anything: whether the links of FOLDER/manifest.json are what they must be and every file that it names has its
 * digest. True: yes. False: e says what is different. */
bool manifest_check(const char *folder, Arena *a, Error *e);
/* Whether two runs come to the same, entry by entry (config, sources, stages, results, report). False without e->failed: `different` says where first. */
bool manifest_same(const char *one, const char *two, char different[512], Arena *a, Error *e);

#endif
