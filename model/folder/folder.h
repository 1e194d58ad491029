/* SPDX-License-Identifier: MIT */
/* Writes a whole model folder: not only the weights, but all that transformers and this program need to open a model.
 * The commands train, unlearn, merge and export use it.
 *
 *     new          config.json and model.safetensors
 *     adjusted     processor_config.json: those keys from which transformers computes the number of image tokens
 *                  (patch_size, vision_feature_select_strategy, num_additional_image_tokens) are made to agree
 *                  with config.json
 *     copied       the files of folder_files.def, which stay true for the new weights
 *     not copied   files about the old weights or their training (README.md, log.jsonl, optimiser state, adapters) */
#ifndef PULSE_MODEL_FOLDER_FOLDER_H
#define PULSE_MODEL_FOLDER_FOLDER_H

#include "model/lora/lora.h"

/* Makes `folder` and writes it. `source` holds the tokenizer and the picture processor; it may be `folder` itself. */
bool folder_write(const char *folder, const char *source, const Weights *w, const ModelConfig *c, Error *e);
/* The same, but `maker` makes the weights that have no data, each one when it is written (store_write_made). */
bool folder_write_made(const char *folder, const char *source, const Weights *w, const ModelConfig *c,
                       StoreMaker maker, Error *e);
/* Writes the model with its adapters merged into it (lora_merge). Each weight is merged when it is written, so
 * besides the mapped files only a few times the memory of the largest weight is needed. `w` is not changed. */
bool folder_write_merged(const char *folder, const char *source, const Weights *w, const Lora *l,
                         const ModelConfig *c, Error *e);
/* Copies the file `name` of one folder into another, byte for byte. */
bool folder_copy(const char *from, const char *to, const char *name, Error *e);

#endif
