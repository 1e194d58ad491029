/* SPDX-License-Identifier: MIT */
/* Variants: the hyper-parameters of every method and the named switches between what the public codes do.
 *
 * One Variants describes one published form exactly; a preset fills in all of it (METHODS.md). Reals are fp32. */
#ifndef PULSE_UNLEARN_VARIANTS_H
#define PULSE_UNLEARN_VARIANTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { NPO_SEQUENCE_SUM, NPO_BATCH_MEAN, NPO_RAW_LOGITS } NpoRatio;        // what d is made of
typedef enum { REFERENCE_ROUND_START, REFERENCE_ORIGINAL, REFERENCE_RETAIN_ONLY } ReferenceModel;
typedef enum { KL_SUPERVISED, KL_ALL_POSITIONS, KL_BATCH } KlNorm;                 // what the KL is divided by
typedef enum { KLR_KL, KLR_MUSE_RAW } KlrForm;
typedef enum { STEPS_JOINT, STEPS_PHASED } StepOrder;                              // forget and retain in each step, or one pass after the other

typedef struct {
    float beta, beta2;          // NPO, DPO, SimNPO, UNDIAL beta; WGA beta; SatImp beta1, beta2
    float lambda;               // weight of the KL regulariser
    float gamma, alpha;         // weight of the forget and of the retain term
    float delta;                // SimNPO margin
    float steering;             // RMU c
    int64_t layer;              // RMU hidden state
    float percent;              // MANU: share of neurons that are zeroed
    NpoRatio npo_ratio;
    ReferenceModel reference;
    KlNorm kl_norm;
    KlrForm klr;
    StepOrder schedule;
    float dpo_scale;            // 2: 2/beta (open-unlearning); 1: Rafailov
    uint64_t seed;
} Variants;

#endif
