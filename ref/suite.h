/* SPDX-License-Identifier: MIT */
/* Suite: the reference answers as a folder (fixtures/vectors/v1), made from nothing but this program.
 *
 *     models/tiny-llava-a, -b, -b-reference      model folders as on the Hub, and batch.jsonl with its pictures
 *     loss/<method>.<variant>/                   case.json, in.safetensors, out.safetensors (loss_case.h)
 *     op/<op>.<form>/                            case.json, in.safetensors, out.safetensors: one operator (op_case.h)
 *     step/<method>.<form>.<model>/              case.json, trace.safetensors, trace.json (CONTRACT section 4)
 *     manifest.json                              every file with its SHA-256, the spec, a digest of all
 * Known mistakes with their values stand in wrong.json beside the manifest; tests/make_wrong.c makes it. */
#ifndef PULSE_REF_SUITE_H
#define PULSE_REF_SUITE_H

#include "ref/loss_case.h"
#include "ref/op_case.h"
#include "tensor/json.h"

typedef struct { const char *id, *model, *reference, *method, *settings, *flags; } StepForm;
extern const StepForm step_forms[];
extern const size_t step_forms_count;

/* Writes the whole suite but for wrong.json. */
bool suite_write(const char *folder, Arena *a, Error *e);
/* The tiny models and their batches (suite_models.c); adds their files' paths below `folder` to the manifest. */
bool suite_models(const char *folder, json_t *files, Arena *a, Error *e);
/* {"path", "sha256"} of folder/path, appended to `files`. */
bool suite_file(json_t *files, const char *folder, const char *path, Arena *a, Error *e);

#endif
