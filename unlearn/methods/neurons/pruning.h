/* SPDX-License-Identifier: MIT */
/* The host arithmetic of MANU, apart from the forward passes, so that it can be checked by hand. All of it is
 * binary64, and each sum runs from its first element to its last.
 *
 * Five codes call five algorithms MANU; `manu_form` chooses one of them. Two compare pictures with text, three
 * compare the forget set with the retain set in each modality alone.
 *
 * The contrast of pictures and text (paper, mip_editor). A neuron is one channel of h = act(gate) up in an MLP of
 * the language model. Its statistics for a set (forget, retain) and a modality (m: samples with a picture, t:
 * samples without) are, over n rows z,
 *     A = sum |z|, Q = sum z^2, S = sum z, F = the number of active rows;
 *     a = A/n, q = Q/n, f = F/n, mean = S/n, var = Q/n - mean mean, or 0 where that is below 0;
 * all are 0 for a modality without samples.
 * With eps = 1e-8 the importance and the score of the paper are
 *     I = |a_m - a_t|/(a_m + a_t + eps) + |f_m - f_t|/(f_m + f_t + eps)
 *       + sqrt(var_m + var_t) + sqrt(|q_m - q_t|/(q_m + q_t + eps))
 *     score = I(forget)/(I(retain) + eps)
 * A row is active where |z| > tau, and all token rows of the samples count. MIP-Editor's port takes eps = 1e-6, the
 * last token's row of each sample, z > tau for active, the signed mean for a, the count F for f, and var = (Q - S
 * mean)/(n - 1). The floor(percent/100 neurons) neurons with the highest scores are edited, equal scores in the
 * order of layers and then of channels: the paper zeroes a neuron, the port scales it by 0.9.
 *
 * The ratio of forget and retain (official, open_mm, cmju). A channel is one output of fc1 or fc2 in the vision
 * tower, measured on samples with a picture, or of gate_proj, up_proj or down_proj in the language model, measured
 * on samples without. Over the rows of a group
 *     a = A/n, d = the standard deviation, r = sqrt(Q/n);
 * each is averaged over the groups of a set, and with eps = 1e-5
 *     score = 2 (a_f/(a_r + eps) - 1) + 2 (d_f/(d_r + eps) - 1) + 2 (r_f/(r_r + eps) - 1).
 * The share of active rows has the weight 0 in all three codes. Every channel whose score is at least the k-th
 * highest is pruned, so ties prune more than k: its row of the weight and its bias become 0.
 *     form      group                      d                          layers measured         threshold            k
 *     official  one position of a sample,  sqrt((Q - S S/n)/(n - 1))  all, for the last 3     one for each tower   floor(p n)
 *               over all layers
 *     open_mm   the rows of a sample       sqrt(Q/n - (S/n)(S/n))     the last 3              one for each tower   at least 1
 *     cmju      all rows of the set        sqrt(Q/n - (S/n)(S/n))     the last 3              one for both towers  at least 1
 * The official code registers every layer under the same three names, so that the last three layers share one score.
 * official and cmju clamp activations to [-1000, 1000]. The codes measure batches of several padded samples; here a
 * batch is one sample without padding. */
#ifndef PULSE_UNLEARN_METHODS_NEURONS_PRUNING_H
#define PULSE_UNLEARN_METHODS_NEURONS_PRUNING_H

#include "unlearn/unlearn.h"

/* A, Q, S, F and n of one neuron. */
typedef struct {
    double absolute, square, sum, active, rows;
} ManuSums;

/* What the forms count as active, and how large an activation may be. */
typedef struct {
    double tau, most;                   // most: activations are clamped to [-most, most]; 0: they are not
    bool   positive;                    // z > tau is active; else |z| > tau
} ManuCount;

/* Adds channel k of the activations z [rows, channels]. */
void   manu_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, ManuCount c);

/* I of the paper, and of MIP-Editor's port; the score of either; the arrays are [picture, text]. */
double manu_importance(const ManuSums *picture, const ManuSums *text);
double manu_port_importance(const ManuSums *picture, const ManuSums *text);
double manu_score(const ManuSums forget[2], const ManuSums retain[2]);
double manu_port_score(const ManuSums forget[2], const ManuSums retain[2]);

/* The sums of a, d and r over the groups of a set. */
typedef struct {
    double absolute, deviation, rms, groups;
} ManuMeans;

/* Adds the measures of a group. unbiased: d divides by n - 1. */
void   manu_group(ManuMeans *m, const ManuSums *s, bool unbiased);
double manu_ratio(const ManuMeans *forget, const ManuMeans *retain);

/* order [n]: the indices 0 to n-1 by score, the highest first, equal scores in the order of their indices. `a` is
 * scratch memory; false where there is no memory. */
bool   manu_rank(const double *score, size_t n, uint32_t *order, Arena *a);
/* *threshold: the k-th highest score, 1 <= k <= n; `a` and the result as above. */
bool   manu_threshold(const double *score, size_t n, size_t k, double *threshold, Arena *a);

/* The last node that module `name` of layer `layer` recorded on the tape, and the first: "….layers.1.mlp.fc2" for
 * ("…", 1, "fc2"). An output of a linear map is the last one; what the map multiplies is the first input of the
 * first one. NULL: there is none. */
const Node *manu_output(const Tape *t, const char *layers, size_t layer, const char *name);
const Node *manu_input(const Tape *t, const char *layers, size_t layer, const char *name);

/* The forms that compare the forget set with the retain set, pruning_ratio.c. */
bool   manu_ratio_edit(const MethodRun *x);

#endif
