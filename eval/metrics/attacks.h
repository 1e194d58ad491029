/* SPDX-License-Identifier: MIT */
/* Attacks: whether unlearned knowledge stays unlearned when somebody tries to bring it back.
 *
 * There are two attacks: relearning, a short fine-tuning on what was forgotten (which `run` does), and the quantisation
 * of the weights to 4 bits. Both scores have the symmetric form of the Unlearning Depth Score (attack_score): 1 means
 * that the attack changes nothing. Robustness is the harmonic mean of the two scores. */
#ifndef PULSE_EVAL_METRICS_ATTACKS_H
#define PULSE_EVAL_METRICS_ATTACKS_H

#include "model/weights.h"

/* 1 - |u - o| / (|u| + |o|), and 1 where both are 0; NaN where u or o is. For relearning, u and o are the gains of
 * accuracy of the unlearned model and of the retrained oracle; for quantisation, the accuracies of the unlearned model
 * with 4 bits and without. */
double attack_score(double u, double o);

/* Rounds w [rows, columns] to 4 bits, in place and symmetrically. Each row has one scale s. With group > 0, each
 * group of `group` values of a row has its own, and the last group of a row may be shorter:
 *     s = RN(max|w| / 7),  q = the integer nearest to RN(w / s), half to even, within -7 … 7,  w' = RN(q s);
 *     where s = 0, all are 0.
 * False: a value is not finite, and nothing has been changed. */
bool quantise_rtn4(float *w, size_t rows, size_t columns, size_t group);
/* The weights of linear maps (*_proj, fc1, fc2, linear_1, linear_2, out_proj), without lm_head and embeddings. 4-bit
 * loaders choose the same weights. */
#define QUANTISE_TARGETS "**_proj.weight,**.fc1.weight,**.fc2.weight,**.linear_1.weight,**.linear_2.weight"
/* Quantises every weight of rank 2 whose name matches the pattern; merge adapters first (lora_merge). Error: no weight
 * matches, or one holds a value that is not finite. After an error some weights may have been changed. */
bool weights_quantise(Weights *w, const char *pattern, size_t group, Error *e);

#endif
