/* SPDX-License-Identifier: MIT */
/* Manifest: manifest.json of a folder of reference answers lists every file with its SHA-256
 * (ref/vectors/suite.h writes it). */
#ifndef PULSE_REF_VERIFY_MANIFEST_H
#define PULSE_REF_VERIFY_MANIFEST_H

#include "ref/verify/findings.h"
#include "tensor/base/arena.h"

/* The manifest of the folder, to be released with json_decref. NULL: it cannot be read, or the suite has
 * another specification than ours. */
json_t *manifest_open(const char *folder, Arena *a, Error *e);
/* The SHA-256 of a file as 64 digits, owned by the manifest; NULL: the manifest does not list this path. */
const char *manifest_sha(const json_t *manifest, const char *path);
/* Whether the file folder/path exists and has the SHA-256 `sha`; false if `sha` is NULL. */
bool manifest_holds(const char *folder, const char *path, const char *sha, Arena *a, Error *e);
/* Finds every file of the folder that is missing, damaged or not listed. README.md, schema/, the manifest itself,
 * wrong.safetensors, wrong.json and hidden files need not be listed. False: the manifest or the folder cannot
 * be read. */
bool verify_whole(Findings *f, const char *folder, const json_t *manifest, Arena *a, Error *e);

#endif
