/* SPDX-License-Identifier: MIT */
/* Alternates: other answers to the questions that are to be forgotten, which the model itself gives (AltPO, Mekala
 * et al. 2025).
 *
 * The model is asked the question, with the text unlearn.alternate_instruction before it (it may be empty).
 * - The answer is drawn token by token (generate_sampled), up to 32 tokens.
 * - Its first token is neither the end token nor the first token of the true answer or of an option of the sample, so
 *   that an alternate does not begin like an answer that a metric looks for.
 * - The random numbers for the sample with id X have the purpose "unlearn.alternate.X". While the answer is blank, it
 *   is drawn again, with the purposes "unlearn.alternate.X.1", "unlearn.alternate.X.2", …, up to 100 draws in all.
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
