/* SPDX-License-Identifier: MIT */
/* Membership inference: whether the model gives away which texts it was trained on.
 *
 * In the shipped world every person takes part in training, so there is nobody whose texts could be the held-out ones.
 * The held-out texts are the same questions with other answers. This works because the attributes of invented persons
 * are drawn at random: for a model that never saw a person, the right answer is no likelier than another value of the
 * same attribute.
 *     member         a training question about a forget entity, with its answer: one paraphrase of each attribute, as
 *                    image and as text
 *     held-out twin  the same question with the last of its wrong options as the answer
 * So the AUC of the oracle is near 1/2. The facts about countries are not drawn at random: there the AUC says whether
 * the right answer is more likely than a wrong one. The end token is left out (memorisation.h). Many answers are then a
 * single token, for which Min-K equals LOSS. */
#ifndef PULSE_EVAL_METRICS_MEMBERSHIP_H
#define PULSE_EVAL_METRICS_MEMBERSHIP_H

#include "eval/results.h"
#include "eval/metrics/ranks.h"

/* The numbers from which the scores of one text are computed (membership_scores.h). */
typedef struct {
    float  *nll;                         // [tokens]
    double *mu, *variance;               // [tokens]: the mean and variance of log p over all possible next tokens
    size_t  tokens;
} MembershipScores;
/* Computes these numbers for `count` samples, into out [count] and `a`. */
bool membership_scores(const Model *m, const BatchSample *samples, size_t count, MembershipScores *out, Arena *a,
                       Error *e);

enum { MEMBERSHIP_KINDS = 4 };
// the metrics mia_loss, mia_reference, mia_min_k, mia_min_k_plus
extern const char *const membership_names[MEMBERSHIP_KINDS];
/* The AUC of one of these metrics, membership_names[kind], for n members and m held-out texts. Only mia_reference reads
 * the scores of the same texts under a reference model; for the other kinds they may be NULL. Errors are those of
 * auc_of. */
bool membership(int kind, Auc *out, const MembershipScores *member, const MembershipScores *member_reference, size_t n,
                const MembershipScores *holdout, const MembershipScores *holdout_reference, size_t m, Arena *a, Error *e);

/* The sample of a question, in `a`; held_out: with the last of its wrong options as the answer. Error: there is no
 * wrong option. */
bool membership_sample(const Reader *r, const Question *q, bool held_out, BatchSample *out, Arena *a, Error *e);

/* Adds a row like `row` for each kind and each modality that the members have, with modality, metric, value and n
 * filled in. oracle: the reference model; NULL: there is none, and no row of mia_reference. */
bool membership_rows(Rows *rows, Row row, const Model *m, const Reader *r, const Questions *members, const Model *oracle, Error *e);

#endif
