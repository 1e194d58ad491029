/* SPDX-License-Identifier: MIT */
/* Checkpoint: a training run that was stopped, in FOLDER/checkpoint.safetensors, so that it can continue with the same bits.
 *
 * The file holds the trainable weights under their names, AdamW's moments as "adam.m.<name>" and "adam.v.<name>", "train.step"
 * (I64), "train.powers" (F64: beta1^t and beta2^t) and "train.identity" (U8, a text). It is written whole or not at all. */
#ifndef PULSE_MODEL_TRAINING_CHECKPOINT_H
#define PULSE_MODEL_TRAINING_CHECKPOINT_H

#include "model/training/train.h"

/* `identity` is a digest of what is being trained; checkpoint_load refuses a checkpoint of another identity. */
bool checkpoint_save(const Trainer *r, const char *folder, const char *identity, Error *e);
bool checkpoint_exists(const char *folder);
/* Restores weights, moments, step and powers. The whole file is checked before the trainer changes. */
bool checkpoint_load(Trainer *r, const char *folder, const char *identity, Error *e);

#endif
