/* SPDX-License-Identifier: MIT */
/* Probe: what rows of logits say that answers do not: whether a model tells texts it was trained on from others like them
 * (membership), and how far its predictions are from another model's.
 *
 * Members and held-out texts. In this world nobody is left out of training, so no question can be the held-out text; answers can: the values
 * of invented persons are drawn at random, so to a model that never saw a person the right answer and another value of the same
 * attribute are alike. A member is a training question about someone who is to be forgotten, with its answer (one frame of each attribute, with the
 * picture and by name); its held-out twin is the same question with the last of the wrong options. The oracle's AUC is near 1/2. Countries' facts are
 * not drawn; there it says whether the right answer is more likely than a wrong one.
 * The end token is left out, as open-unlearning does: many answers are then one token, and Min-K is LOSS on those. */
#ifndef PULSE_EVAL_METRICS_MEMBERSHIP_H
#define PULSE_EVAL_METRICS_MEMBERSHIP_H

#include "eval/evaluate.h"
#include "eval/metrics/ranks.h"

/* Of the supervised tokens of a sample but its last one; what scores of membership are made of. */
typedef struct {
    float  *nll;                         // [tokens]
    double *mu, *variance;               // [tokens]: of log p over the next token
    size_t  tokens;
} TextScore;
bool text_scores(const Model *m, const BatchSample *samples, size_t count, TextScore *out, Arena *a, Error *e);

enum { MIA_KINDS = 4 };
extern const char *const mia_names[MIA_KINDS];          // mia_loss, mia_reference, mia_min_k, mia_min_k_plus
/* The AUC of a kind. The reference model's scores of the same texts: only read for mia_reference. Error: as auc_of. */
bool membership(int kind, Auc *out, const TextScore *member, const TextScore *member_reference, size_t n, const TextScore *holdout,
                const TextScore *holdout_reference, size_t m, Arena *a, Error *e);

/* Over all supervised rows of the samples: the root of the mean of (z - z')^2, and the mean Jensen-Shannon divergence. */
typedef struct { double rms, divergence; } LogitsDistance;
bool logits_distance(const Model *x, const Model *y, const BatchSample *samples, size_t count, LogitsDistance *out, Error *e);

/* The sample of a question; held: with the last wrong option as its answer. */
bool probe_sample(const Reader *r, const Question *q, bool held, BatchSample *out, Arena *a, Error *e);

#endif
