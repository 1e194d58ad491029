/* SPDX-License-Identifier: MIT */
/* Checkpoint: the state of a training run in FOLDER/checkpoint.safetensors, with which the run can continue, bit
 * for bit.
 *
 *     <name>                             the trainable weights
 *     adam.m.<name>, adam.v.<name>       the optimiser's moments; with SGD, both are the momentum
 *     train.step I64                     how many steps were taken
 *     train.powers F64                   beta1^t and beta2^t after step t
 *     train.identity U8                  a text that identifies the training (`identity` below)
 *     train.log.bytes I64, train.log U8  how far the training's log was written, and its SHA-256 up to there
 *     train.memory F32                   what the objective keeps from step to step
 *     train.digest U8                    the SHA-256 of all the other tensors with their names
 *
 * The file is written whole or not at all. Loading fails if any bit of a tensor was changed since then. */
#ifndef PULSE_MODEL_TRAINING_CHECKPOINT_H
#define PULSE_MODEL_TRAINING_CHECKPOINT_H

#include "model/training/train.h"

/* How far the log was written. */
typedef struct {
    int64_t bytes;               // 0: there is no log, or it is empty
    Digest  digest;              // of these bytes
} LogMark;

/* `identity` is a text that only this training has, such as a digest of its settings and samples. checkpoint_load
 * refuses a checkpoint with another identity. */
bool checkpoint_save(const Trainer *r, const char *folder, const char *identity, LogMark log, Error *e);
bool checkpoint_exists(const char *folder);
/* Restores weights, moments, step, powers and memory, and gives the mark of the log. The whole file is checked
 * before the trainer is changed. */
bool checkpoint_load(Trainer *r, const char *folder, const char *identity, LogMark *log, Error *e);

#endif
