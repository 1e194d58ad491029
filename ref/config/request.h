/* SPDX-License-Identifier: MIT */
/* Request: the samples that settings name for unlearning, read and ready for the model, round by round.
 *
 * Only lines with "split": "train" are used, without augmentation, so that what the reference says of a sample can be kept.
 * Always: no sample stands in a round's forget list and in the retain list, or in two forget lists.
 * Fails: a missing or empty list, a sample in both, a forget sample without an alternate: a sentence with FILE:LINE. */
#ifndef PULSE_REF_CONFIG_REQUEST_H
#define PULSE_REF_CONFIG_REQUEST_H

#include "model/training/dataset.h"
#include "ref/config/setup.h"

typedef struct {
    size_t rounds;
    SampleList *forget, *refusal, *alternate;   // one a round; NULL when not needed
    SampleList  retain;
    Dataset forget_file, retain_file, alternate_file;
} Request;

bool request_read(Request *q, const Settings *s, const Method *m, const Hyperparameters *v, const Reader *r, Arena *a, Error *e);
void request_close(Request *q);

#endif
