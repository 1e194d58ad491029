/* SPDX-License-Identifier: MIT */
/* Verify: reference answers against this program's, or another implementation's answers against the reference answers. */
#ifndef PULSE_REF_VERIFY_VERIFY_H
#define PULSE_REF_VERIFY_VERIFY_H

#include "ref/cli/options.h"
#include "ref/verify/manifest.h"

/* DIR alone: every file of the folder is whole and is what this program makes, and our readers accept and refuse the files of
 * reject/ as stated there. False after a failure that leaves nothing to judge, with a sentence. */
bool verify_own(Findings *f, const char *folder, json_t *manifest, Arena *a, Error *e);

/* DIR GOT: another implementation's answers, a folder with <case>/out.safetensors or one file of tensors "<case>/<name>".
 * A case of op/, loss/, block/, prep/, tok/ or mask/ must be there whole. The answers of the other kinds are optional: only those
 * present in GOT are judged. Of a step these are the modules' answers ("<module>@<answer>", each fed with what trace.json says)
 * against their bounds, and the whole step end to end; of a run, the run end to end; of reject/, what the readers accepted.
 * `only`: the beginnings of the paths of the cases that are judged; empty: all of them are. */
bool verify_got(Findings *f, const char *folder, const char *got, const OptionList *only, json_t *manifest, Arena *a, Error *e);

#endif
