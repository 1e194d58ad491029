/* SPDX-License-Identifier: MIT */
/* The arithmetic of MANU, separate from the forward passes, so that it can be checked by hand. All of it is binary64,
 * and each sum runs from its first element to its last.
 *
 * Five different algorithms are called MANU in papers and codes; `manu_form` chooses one. Two of them compare pictures
 * with text. The other three compare the forget set with the retain set, in each modality alone.
 *
 * The contrast of pictures and text (paper, mip_editor). A neuron is one channel of h = act(gate) up in an MLP of
 * the language model. Its statistics for a set (forget, retain) and a modality (m: samples with a picture, t:
 * samples without) are, over n rows in which h is z,
 *     A = sum |z|, Q = sum z^2, S = sum z, F = the number of active rows;
 *     a = A/n, q = Q/n, f = F/n, mean = S/n, var = Q/n - mean mean, or 0 where that is below 0;
 * all are 0 for a modality without samples.
 * With eps = 1e-8 the importance and the score of the paper are
 *     I = |a_m - a_t|/(a_m + a_t + eps) + |f_m - f_t|/(f_m + f_t + eps)
 *       + sqrt(var_m + var_t) + sqrt(|q_m - q_t|/(q_m + q_t + eps))
 *     score = I(forget)/(I(retain) + eps)
 * A row is active where |z| > tau, and all token rows of the samples count. MIP-Editor's port differs: eps = 1e-6,
 * only the last token's row of each sample counts, a row is active where z > tau, a is the signed mean, f is the
 * count F, and var = (Q - S mean)/(n - 1). Of N neurons, the floor(N percent/100) with the highest scores are edited;
 * equal scores are ordered by layer and then by channel. The paper zeroes a neuron, the port scales it by 0.9.
 *
 * The ratio of forget and retain (official, open_mm, cmju). A channel is one output of fc1 or fc2 in the vision
 * tower, measured on samples with a picture, or one output of gate_proj, up_proj or down_proj in the language model,
 * measured on samples without. Over the n values of a channel in a group
 *     a = A/n, d = the standard deviation, rms = sqrt(Q/n);
 * each is averaged over the groups of a set (index f: the forget set; r: the retain set), and with eps = 1e-5
 *     score = 2 (a_f/(a_r + eps) - 1) + 2 (d_f/(d_r + eps) - 1) + 2 (rms_f/(rms_r + eps) - 1).
 * The share of active rows has the weight 0 in all three codes. A channel is pruned if its score is at least the k-th
 * highest, so with ties more than k channels are pruned. Its row of the weight and its bias become 0. k is floor(p N),
 * where p = percent/100 and N is the number of channels that share the threshold. If floor(p N) is 0, official
 * refuses it, and open_mm and cmju take k = 1; but open_mm with percent = 0 prunes nothing.
 *     form      group                     d                         layers measured      threshold           k
 *     official  one position of a sample  sqrt((Q - S S/n)/(n - 1)) all, for the last 3  one for each tower  floor(p N)
 *               over all layers
 *     open_mm   the rows of a sample      sqrt(Q/n - (S/n)(S/n))    the last 3           one for each tower  at least 1
 *     cmju      all rows of the set       sqrt(Q/n - (S/n)(S/n))    the last 3           one for both towers at least 1
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

/* What counts as active, and how large an activation may be. */
typedef struct {
    double tau, most;                   // most: activations are clamped to [-most, most]; 0: they are not
    bool   positive;                    // z > tau is active; else |z| > tau
} ManuCount;

/* Adds channel k of the activations z [rows, channels]. */
void   manu_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, ManuCount c);

/* I and the score of the paper; the arrays are [picture, text]. */
double manu_importance(const ManuSums *picture, const ManuSums *text);
double manu_score(const ManuSums forget[2], const ManuSums retain[2]);
/* I and the score of MIP-Editor's port. */
double manu_port_importance(const ManuSums *picture, const ManuSums *text);
double manu_port_score(const ManuSums forget[2], const ManuSums retain[2]);

/* The sums of a, d and rms over the groups of a set, and the number of groups. */
typedef struct {
    double absolute, deviation, rms, groups;
} ManuMeans;

/* Adds a, d and rms of a group. unbiased: the variance under d is divided by n - 1. */
void   manu_group(ManuMeans *m, const ManuSums *s, bool unbiased);
double manu_ratio(const ManuMeans *forget, const ManuMeans *retain);

/* order [n]: the indices 0 to n-1, sorted by score, the highest first; equal scores keep the order of their indices.
 * `a` is scratch memory; false where there is none. */
bool   scores_rank(const double *score, size_t n, uint32_t *order, Arena *a);
/* *threshold: the k-th highest score, 1 <= k <= n. `a` is scratch memory; false where there is none. */
bool   manu_threshold(const double *score, size_t n, size_t k, double *threshold, Arena *a);

/* The output and the input of a linear map, as nodes on the tape. The map is the module "LAYERS.1.mlp.fc2" for
 * ("LAYERS", 1, "fc2"). Its output is the last node that the module recorded; its input is the first input of the first
 * node. NULL: there is none. */
const Node *mlp_map_output(const Tape *t, const char *layers, size_t layer, const char *name);
const Node *mlp_map_input(const Tape *t, const char *layers, size_t layer, const char *name);

/* The `edit` hook for the forms that compare the forget set with the retain set (pruning_ratio.c). */
bool   manu_ratio_edit(const MethodRun *x);

#endif
