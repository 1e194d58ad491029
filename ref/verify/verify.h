/* SPDX-License-Identifier: MIT */
/* Verify: recorded answers against this program's, or another implementation's against the recorded ones.
 * Both print what they find, all of it, and return an exit code (command.h). */
#ifndef PULSE_REF_VERIFY_VERIFY_H
#define PULSE_REF_VERIFY_VERIFY_H

#include "ref/cli/options.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

enum { VERIFY_MANIFEST_BYTES = 4 << 20 };

/* What was found, printed as lines or, under --json, as one object at the end. */
typedef struct {
    json_t *lines;                   // of objects {"where", "verdict", …}
    size_t exact, within, outside, unknown, unbounded, told;    // told: lines that sum up
    bool json, quiet;
} Findings;

void finding(Findings *f, const char *where, const char *verdict, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Every file of the manifest is there and has its SHA-256, and nothing else is there. */
bool verify_whole(Findings *f, const char *folder, const json_t *manifest, Arena *a, Error *e);
/* DIR alone: every file is whole and is what this program makes, and our readers refuse and accept what reject/ says. */
bool verify_own(Findings *f, const char *folder, json_t *manifest, Arena *a, Error *e);
/* DIR GOT. GOT is a folder with <case>/out.safetensors, or one file with tensors "<case>/<name>": all answers of the cases of op/, loss/, block/,
 * prep/, tok/ and mask/, and what there is of the others (SuiteKind): steps, module by module ("<module>@<answer>", each fed with
 * what trace.json says) and end to end, runs end to end, without a verdict unless it is the value of a known mistake; reject/.
 * With `only`, of the cases (and what else GOT holds) those alone whose path begins with one of them. */
bool verify_got(Findings *f, const char *folder, const char *got, const OptionList *only, json_t *manifest, Arena *a, Error *e);
/* The SHA-256 that the manifest has for a path; NULL: it does not list it. */
const char *manifest_sha(const json_t *manifest, const char *path);

#endif
