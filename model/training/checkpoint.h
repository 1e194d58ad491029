/* SPDX-License-Identifier: MIT */
/* Checkpoint: a training run that was stopped, in FOLDER/checkpoint.safetensors, so that it can continue with the same bits.
 *
 * The file holds the trainable weights under their names, AdamW's moments as "adam.m.<name>" and "adam.v.<name>", "train.step"
 * (I64), "train.powers" (F64: beta1^t and beta2^t), "train.identity" (U8, a text), "train.log.bytes" (I64) and "train.log" (U8),
 * which say how far the training's log was written and its SHA-256 up to there, "train.memory" (F32), what the objective keeps from
 * step to step, and "train.digest" (U8), the SHA-256 of all the other tensors with their names. It is written whole or not at all; a
 * bit that was changed since is found when it is loaded. */
#ifndef PULSE_MODEL_TRAINING_CHECKPOINT_H
#define PULSE_MODEL_TRAINING_CHECKPOINT_H

#include "model/training/train.h"

typedef struct {
    int64_t bytes;               // 0: there is no log, or it is empty
    Digest  digest;              // of these bytes
} LogMark;

/* `identity` is a digest of what is being trained; checkpoint_load refuses a checkpoint of another identity. */
bool checkpoint_save(const Trainer *r, const char *folder, const char *identity, LogMark log, Error *e);
bool checkpoint_exists(const char *folder);
/* Restores weights, moments, step and powers, and reports the mark of the log. The whole file is checked before the trainer changes. */
bool checkpoint_load(Trainer *r, const char *folder, const char *identity, LogMark *log, Error *e);

#endif
