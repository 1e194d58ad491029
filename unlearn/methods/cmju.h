/* SPDX-License-Identifier: MIT */
/* The arithmetic of CMJU, apart from the model, so that it can be checked by hand. */
#ifndef PULSE_UNLEARN_METHODS_CMJU_H
#define PULSE_UNLEARN_METHODS_CMJU_H

#include "unlearn/method.h"

/* What a trained tensor is to the forget set: it belongs to no group and is frozen, answers for both modalities, for
 * text, or for pictures. */
typedef enum { CMJU_FROZEN, CMJU_SHARED, CMJU_TEXT, CMJU_PICTURE } CmjuGroup;

/* What the `begin` hook makes: one group for each slot of the optimiser. */
typedef struct {
    size_t count;
    CmjuGroup *group;                   // [count]
} Cmju;

/* group [n] from the saliency of each tensor in text and in pictures, in binary64. With s = saliency / (the largest
 * + 1e-12) of each modality, the max(1, floor(n share)) tensors with the highest s_t + s_m have a group, of equal
 * ones the first; by r = s_t/(s_t + s_m + 1e-12) it is text where r > 1/2 + margin, picture where r < 1/2 - margin,
 * else shared. `a` is scratch memory; false where there is none. */
bool cmju_partition(const double *text, const double *picture, size_t n, double share, double margin, CmjuGroup *group,
                    Arena *a);
/* The groups of the trained tensors of a request, by the mean square of each tensor's gradient of CE, as a mean over the
 * forget samples without a picture and over those with one. NULL: a failure. */
Cmju *cmju_groups(const MethodRun *run);
/* The gradients of a forget step: g->sum from g->of[ROLE_FORGET] (pictures) and g->of[ROLE_FORGET_TEXT], as cmju.c
 * says. */
bool cmju_forget(MethodStep *s, const Gradients *g, const Cmju *c);

#endif
