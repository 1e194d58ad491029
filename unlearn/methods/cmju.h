/* SPDX-License-Identifier: MIT */
/* The arithmetic of CMJU, separate from the model, so that it can be checked by hand. */
#ifndef PULSE_UNLEARN_METHODS_CMJU_H
#define PULSE_UNLEARN_METHODS_CMJU_H

#include "unlearn/method.h"

/* For which modality of the forget set a trained tensor matters: for neither enough (then it is frozen), for both, for
 * text, or for pictures. */
typedef enum { CMJU_FROZEN, CMJU_SHARED, CMJU_TEXT, CMJU_PICTURE } CmjuGroup;

/* What the `begin` hook makes: one group for each slot of the optimiser. */
typedef struct {
    size_t count;
    CmjuGroup *group;                   // [count]
} Cmju;

/* Sets group [n] from the saliency of each of n tensors in text and in pictures, in binary64.
 *  - In each modality the saliency is divided by (the largest one + 1e-12), which gives s_t and s_m.
 *  - The max(1, floor(n share)) tensors with the highest s_t + s_m are salient; where sums are equal, the first.
 *    All others are frozen.
 *  - With r = s_t/(s_t + s_m + 1e-12), a salient tensor is in the text group where r > 1/2 + margin, in the picture
 *    group where r < 1/2 - margin, and shared otherwise.
 * `a` is scratch memory; false: there is none. */
bool cmju_partition(const double *text, const double *picture, size_t n, double share, double margin, CmjuGroup *group,
                    Arena *a);
/* The groups of the trained tensors of a request. The saliency of a tensor is the mean square of its gradient of CE,
 * averaged over the forget samples without a picture (text) or over those with one. NULL: a failure. */
Cmju *cmju_groups(const MethodRun *run);
/* The gradients of a forget step: g->sum from g->of[ROLE_FORGET] (pictures) and g->of[ROLE_FORGET_TEXT], as cmju.c
 * says. */
bool cmju_forget(MethodStep *s, const Gradients *g, const Cmju *c);

#endif
