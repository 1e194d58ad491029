/* SPDX-License-Identifier: MIT */
/* Score: the negative log-likelihood that the model gives to known answers, from one teacher-forced forward pass.
 *
 * Every output is correctly rounded, so a sample's score has the same bits alone, in any batch, and with or without a
 * cache. */
#ifndef PULSE_MODEL_TRAINING_SCORE_H
#define PULSE_MODEL_TRAINING_SCORE_H

#include "model/reuse/prefix.h"

typedef struct {
    float    nll;              // RN(sum of nll over the supervised tokens)
    float    ce;               // RN(the same sum / T), where T is `tokens`
    size_t   tokens;           // the number of supervised tokens
    size_t   right;            // supervised tokens that are the argmax of their row
    bool     exact;            // right == T: greedy decoding would give exactly this answer
    float   *token_nll;        // [T]
    int32_t *argmax;           // [T]; of equal logits the lowest id
} SampleScore;

/* Scores `count` samples in order, in batches of about `tokens` rows (0: 2048). Rows that the samples of a batch have
 * in common are run once (prefix.h). The arrays of a score are in `a`. Fails on a sample without a supervised
 * token, and if a logit or an nll is not finite. Thread-safe with an arena for each thread. */
bool score_samples(const Model *m, const BatchSample *samples, size_t count, size_t tokens, SampleScore *out,
                   Arena *a, Error *e);
/* The same, but rows that are in `x` are not run again; a batch has about 2048 new rows. */
bool score_with(Prefixes *x, const BatchSample *samples, size_t count, SampleScore *out, Arena *a, Error *e);

#endif
