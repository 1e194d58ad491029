/* SPDX-License-Identifier: MIT */
/* Answers: the other answers to the questions that are to be forgotten (refusals and alternates), and lists of samples with them.
 *
 * A refusal of sample k is a line of the file unlearn.refusals, drawn for the id of k from the seed (purpose
 * "unlearn.refusal.ID"), so that it does not depend on the other samples. An alternate is the answer that the JSONL file
 * unlearn.alternates has under the same id. Without a file, where the caller allows it: the refusal is REFUSAL, and the alternate
 * is the first wrong option of the sample itself. */
#ifndef PULSE_REF_CONFIG_ANSWERS_H
#define PULSE_REF_CONFIG_ANSWERS_H

#include "model/training/dataset.h"
#include "ref/config/setup.h"

#define REFUSAL "i do not know"

typedef struct {
    const char **refusal;            // the lines; NULL: REFUSAL
    size_t   refusals;
    Dataset  alternate;              // path NULL: the first wrong option
    uint64_t seed;
} OtherAnswers;

/* Reads the files that the method needs. without_files: a file that is not named has the substitute above; else that is an error.
 * Fails as well on a file without a line. */
bool other_answers_open(OtherAnswers *o, const MethodSettings *m, bool without_files, Arena *a, Error *e);
void other_answers_close(OtherAnswers *o);

/* Some samples of a file, in the order of the file. */
typedef struct {
    const Sample **sample;
    size_t count;
} Chosen;

/* The samples ready for the model, with the answers of the role: their own (forget, retain), or other ones. Not augmented, so that what a
 * reference says of a sample can be kept. Fails on a sample without an alternate: FILE, and FILE:LINE of the sample. */
bool role_samples(SampleList *out, const Reader *r, const Dataset *from, const Chosen *chosen, Role role, const OtherAnswers *o,
                  Arena *a, Error *e);

/* Room for the lists of `rounds` rounds that the method needs, all empty. */
bool round_samples_make(RoundSamples *q, size_t rounds, const MethodSettings *m, Arena *a);
/* Fills the lists of one round; the retain list is set apart. */
bool round_samples_fill(RoundSamples *q, size_t round, const Reader *r, const Dataset *from, const Chosen *forget,
                        const OtherAnswers *o, Arena *a, Error *e);

#endif
