/* SPDX-License-Identifier: MIT */
/* A whole model folder: everything that transformers and this program need to open a model, not its weights alone.
 *
 * The one function that writes it serves every command: train, unlearn, merge and export.
 * Written anew: config.json and model.safetensors. Corrected: processor_config.json, whose numbers decide how many image tokens
 * transformers makes: patch_size, vision_feature_select_strategy and num_additional_image_tokens follow config.json; its other keys stay.
 * Carried over from the source folder, as they are, because new weights leave them true: the files of folder_files.def.
 * Left behind: what tells of the old weights or of their training (README.md, log.jsonl, optimiser states, adapters). */
#ifndef PULSE_MODEL_FOLDER_FOLDER_H
#define PULSE_MODEL_FOLDER_FOLDER_H

#include "model/lora/lora.h"

/* Makes `folder` and writes it. `source` holds the tokenizer and the picture processor; it may be `folder` itself. */
bool folder_write(const char *folder, const char *source, const Weights *w, const ModelConfig *c, Error *e);
/* The same, where weights without data are made when they are written (store_write_made). */
bool folder_write_made(const char *folder, const char *source, const Weights *w, const ModelConfig *c,
                       StoreMaker maker, Error *e);
/* The same of the model that adapters are merged into (lora_merge). Each weight is merged when it is written, so that the memory needed
 * besides the mapped files is that of the largest weight, a few times. `w` stays as it is. */
bool folder_write_merged(const char *folder, const char *source, const Weights *w, const Lora *l,
                         const ModelConfig *c, Error *e);
/* Copies the file `name` of one folder into another, byte for byte. */
bool folder_copy(const char *from, const char *to, const char *name, Error *e);

#endif
