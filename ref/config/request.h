/* SPDX-License-Identifier: MIT */
/* Request: the samples that the section [unlearn] names, read and ready for the model, round by round.
 *
 * Only lines with "split": "train" are used. Reverse questions are left out, because they test a model and are never
 * forgotten themselves. unlearn.forget_entities has one list for each round, with '/' between. No sample, and no
 * question with the same picture and answer, may be both in a forget list and in the retain list, or in the forget
 * lists of two rounds.
 * Error, with FILE:LINE: a list is missing or empty, a sample is in two lists, or a forget sample has no alternate. */
#ifndef PULSE_REF_CONFIG_REQUEST_H
#define PULSE_REF_CONFIG_REQUEST_H

#include "ref/config/answers.h"

typedef struct {
    RoundSamples samples;
    Chosen *forget;                  // [samples.rounds] the samples of each round; NULL where the method needs none
    Dataset forget_file, retain_file;
    OtherAnswers others;
} Request;

/* Reads what the method needs; everything lives in `a` except open picture files. A Request that is all zero may be
 * closed. */
bool request_read(Request *q, const MethodSettings *m, const Reader *r, Arena *a, Error *e);
void request_close(Request *q);

#endif
