/* SPDX-License-Identifier: MIT */
/* Alternates: other answers to the questions that are to be forgotten, which the model itself gives (AltPO, Mekala et al. 2025).
 *
 * The model is asked the question once more, perhaps with an instruction before it, and its answer is drawn token by token
 * (generate_sampled). The first tokens of the true answer, of the sample's options and the end of an answer are never its first token: an
 * alternate is not what a metric asks about. The draws for the sample of id X have the purpose "unlearn.alternate.X", and
 * where that gives no text "unlearn.alternate.X.1", and so on. A draw that has no end is cut.
 * The authors of AltPO draw 5 answers a question from a model that follows instructions; one a question, and the tokens that are left out,
 * are our own choice. */
#ifndef PULSE_REF_CONFIG_ALTERNATES_H
#define PULSE_REF_CONFIG_ALTERNATES_H

#include "model/training/reader.h"
#include "ref/config/setup.h"

typedef struct {
    const Model  *model;
    const Reader *reader;
    const char   *instruction;         // stands before the question; "": nothing does
    float         temperature;
    uint64_t      seed;
} AlternateMaker;

/* What the settings say; the model and its reader are the caller's to set. */
AlternateMaker alternate_maker(const MethodSettings *m);
/* The alternate of a sample, in `a`; NULL, with FILE:LINE of the sample: it could not be made. */
const char *alternate_make(const AlternateMaker *m, const Dataset *from, const Sample *x, Arena *a, Error *e);

#endif
