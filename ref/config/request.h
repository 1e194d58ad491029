/* SPDX-License-Identifier: MIT */
/* Request: the samples that the section [unlearn] names, read and ready for the model, round by round.
 *
 * Only lines with "split": "train" are used, and of these no reverse question: those are asked about what was
 * forgotten, and never forgotten themselves. unlearn.forget_entities says how many rounds there are. Always: no sample,
 * and no question with its picture and answer, stands both in a forget list and in the retain list, nor in the forget
 * lists of two rounds. Fails: a missing or empty list, a sample in two lists, a forget sample without an alternate: a
 * sentence with FILE:LINE. */
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
