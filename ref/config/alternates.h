/* SPDX-License-Identifier: MIT */
/* Alternates: other answers to the questions that are to be forgotten, which the model itself gives (AltPO, Mekala
 * et al. 2025).
 *
 * The model is asked the question once more, perhaps with an instruction before it:
 *     drawn      token by token (generate_sampled); a draw that is too long is cut
 *     excluded   as the first token: the end token, and the first tokens of the true answer and of the options of the
 *                sample, so that an alternate does not begin like an answer that a metric looks for
 *     random     numbers for the sample with id X have the purpose "unlearn.alternate.X"; where the draw gives no
 *                text, the next draw has the purpose "unlearn.alternate.X.1", and so on
 * The authors of AltPO draw 5 answers for each question from a model that follows instructions. We draw one, and
 * exclude first tokens; both are our own choice. */
#ifndef PULSE_REF_CONFIG_ALTERNATES_H
#define PULSE_REF_CONFIG_ALTERNATES_H

#include "model/training/reader.h"
#include "ref/config/setup.h"

typedef struct {
    const Model  *model;
    const Reader *reader;
    const char   *instruction;         // the text before the question; "": none
    float         temperature;
    uint64_t      seed;
} AlternateMaker;

/* A maker as the settings say. The caller sets the model and its reader. */
AlternateMaker alternate_maker(const MethodSettings *m);
/* Makes the alternate of a sample, in `a`. NULL: it could not be made; the error names FILE:LINE of the sample. */
const char *alternate_make(const AlternateMaker *m, const Dataset *from, const Sample *x, Arena *a, Error *e);

#endif
