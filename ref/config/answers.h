/* SPDX-License-Identifier: MIT */
/* Answers: other answers to the questions that are to be forgotten (refusals and alternates), and lists of samples
 * with these answers.
 *
 *     refusal     of sample k: a line of the file unlearn.refusals, drawn for the id of k from the seed (purpose
 *                 "unlearn.refusal.ID"), so that it does not depend on the other samples
 *     alternate   of sample k: the answer that the JSONL file unlearn.alternates has under the same id; `pulse-ref
 *                 alternates` writes such a file
 * Where there is no file and the caller allows that, every refusal is REFUSAL, and the model makes an alternate when it
 * is needed (alternates.h). */
#ifndef PULSE_REF_CONFIG_ANSWERS_H
#define PULSE_REF_CONFIG_ANSWERS_H

#include "model/training/dataset.h"
#include "ref/config/alternates.h"
#include "ref/config/setup.h"

#define REFUSAL "i do not know"

typedef struct {
    const char **refusal;            // the lines; NULL: REFUSAL
    size_t   refusals;
    Dataset  alternate;              // path NULL: the maker makes them
    AlternateMaker maker;            // the caller sets its model and reader, where there may be no file
    uint64_t seed;
} OtherAnswers;

/* Reads the files that the method needs. A file that is not named is replaced as said above where `without_files`, and
 * is an error otherwise. An empty file is an error. */
bool other_answers_open(OtherAnswers *o, const MethodSettings *m, bool without_files, Arena *a, Error *e);
void other_answers_close(OtherAnswers *o);

/* Some samples of a file, in the order of the file. */
typedef struct {
    const Sample **sample;
    size_t count;
} Chosen;

/* The samples ready for the model, with the answers of the role: their own (forget, retain) or other ones. They are not
 * augmented, so that the outputs of a reference model for them can be cached. A sample without an alternate is an
 * error. */
bool role_samples(SampleList *out, const Reader *r, const Dataset *from, const Chosen *chosen, Role role, const OtherAnswers *o,
                  Arena *a, Error *e);

/* Allocates the lists that the method and unlearn.retain_shrinks need for `rounds` rounds, all empty. */
bool round_samples_make(RoundSamples *q, size_t rounds, const MethodSettings *m, Arena *a);
/* Fills the lists of one round (from 0), except for the retain list, which all rounds share. */
bool round_samples_fill(RoundSamples *q, size_t round, const Reader *r, const Dataset *from, const Chosen *forget,
                        const OtherAnswers *o, Arena *a, Error *e);

#endif
