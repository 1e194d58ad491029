/* SPDX-License-Identifier: MIT */
/* The host arithmetic of MANU (manu.c), apart from the forward passes, so that it can be checked by hand. */
#ifndef PULSE_UNLEARN_METHODS_PRUNING_H
#define PULSE_UNLEARN_METHODS_PRUNING_H

#include "unlearn/unlearn.h"

/* What is summed of one neuron over the token rows of a set and a modality. */
typedef struct {
    double absolute, square, sum, active, rows;
} ManuSums;

double manu_importance(const ManuSums *picture, const ManuSums *text);
double manu_score(const ManuSums forget[2], const ManuSums retain[2]);      // [picture, text]
/* order: the places 0 … n-1 by score, highest first, equal ones in order of place. */
bool   manu_rank(const double *score, size_t n, uint32_t *order, Arena *a);

#endif
