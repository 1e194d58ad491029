/* SPDX-License-Identifier: MIT */
/* Identity: digests of what a training or a stage starts from, each over the whole content of the files, so that inputs
 * that differ anywhere have different digests. Names of files and folders are not hashed. */
#ifndef PULSE_REF_CONFIG_IDENTITY_H
#define PULSE_REF_CONFIG_IDENTITY_H

#include "model/training/dataset.h"
#include "tensor/base/hash.h"

/* The digest of how a model reads: tokenizer.json, the file of the picture processor, and the chat template of the
 * folder, if it has one. */
bool reader_digest(const char *folder, Digest *out, Arena *a, Error *e);
/* The digest of a model: config.json, the weights (model.safetensors, or the index and every shard), and how it reads.
 * generation_config.json is in no digest: it changes no number, because it is either refused or ignored. */
bool model_digest(const char *folder, Digest *out, Arena *a, Error *e);
/* The digest of a file of samples, and of the files of its pictures in the order of their names. */
bool samples_digest(const Dataset *s, Digest *out, Arena *a, Error *e);

#endif
