/* SPDX-License-Identifier: MIT */
/* Attacks: whether what was unlearned stays so when somebody tries to bring it back.
 *
 * There are two: relearning, a short fine-tuning on what was forgotten (which `run` does), and the quantisation of the weights to
 * 4 bits. Their scores have the symmetric form of the Unlearning Depth Score: 1 where the attack moves nothing that it does not
 * move in the retrained oracle. Robustness is harmonic_mean of both scores. */
#ifndef PULSE_EVAL_METRICS_ATTACKS_H
#define PULSE_EVAL_METRICS_ATTACKS_H

#include "model/weights.h"

/* 1 - |u - o| / (|u| + |o|), and 1 where both are 0. R is that of the gains of accuracy by relearning, of the unlearned model (u)
 * and of the oracle (o); Q is that of an accuracy with 4 bits (u) and before (o). NaN of NaN. */
double attack_score(double u, double o);

/* Rounds to nearest in 4 bits, symmetric, in place, with one scale s for each row or for each group of `group` values of it (0:
 * the row):
 *     s = RN(max|w| / 7),  q = the integer nearest to RN(w / s), half to even, within -7 … 7,  w' = RN(q s);
 *     where s = 0, all are 0.
 * w is [rows, columns]. False: a value is not finite, and nothing has been changed. */
bool quantise_rtn4(float *w, size_t rows, size_t columns, size_t group);
/* The weights of linear maps (*_proj, fc1, fc2, linear_1, linear_2, out_proj), without lm_head and embeddings, as 4-bit loaders
 * take them. */
#define QUANTISE_TARGETS "**_proj.weight,**.fc1.weight,**.fc2.weight,**.linear_1.weight,**.linear_2.weight"
/* Quantises every weight of rank 2 whose name matches the pattern; merge adapters first (lora_merge). Error: no weight matches,
 * or one holds a value that is not finite; then some weights may have been changed. */
bool weights_quantise(Weights *w, const char *pattern, size_t group, Error *e);

#endif
