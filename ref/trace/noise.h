/* SPDX-License-Identifier: MIT */
/* Noise: how far a correct implementation that computes in a given precision may be from the right values of a recorded
 * step.
 *
 *     NoiseModel z;
 *     noise_open(&z, &tape, &arena, &error);
 *     noise_make(&z, PRECISION_FP32, NULL, noise, &error);          // noise[k]: of the node with id k, end to end
 *
 * Monte Carlo arithmetic (Parker, "Monte Carlo Arithmetic", 1997; Denis et al., "Verificarlo", 2016): the nodes of a
 * tape are computed NOISE_RUNS times again, and each time the arithmetic of the precision is imitated at random. The
 * differences from the right values are the noise: their root mean square, and the largest, over all runs and elements.
 * (The noise of a weight after Adam can be larger: add_reversed_updates in noise.c.) Random bits are Philox over
 * precision, run, node, purpose and element, so the noise is the same on every machine. What is done at random:
 *
 *     always      xi e is added to every result, with xi uniform in [-1, 1]. e is the operator's own rounding term
 *                 (bound_rounding), with sqrt(n) / 4 in place of n for a sum of n terms. e is 0 for numbers that are
 *                 only moved, and for masked zeros.
 *     tf32        the operands of products are rounded to 11 significant bits. (No processor that this program runs on
 *                 computes so.)
 *     bf16-mixed  autocast: operands and results of products are rounded to bf16. So are the results of operators that
 *                 follow a product element by element (gelu, silu, mul, axpy, rope, their derivatives). Norms, softmax,
 *                 residual sums, sums of gradients, the loss from the logits on, and the optimiser stay in fp32.
 *     bf16, fp16  the whole model in the format: weights, inputs and every result outside the loss and the optimiser.
 *
 * Rounding to a format is stochastic: up or down with probabilities that make it exact on average. Every sum is added
 * in fp32. The outputs of a reference model are a leaf ("input.reference.…"). When all nodes are computed again ("end
 * to end"), this leaf gets the noise of the model's own outputs. */
#ifndef PULSE_REF_TRACE_NOISE_H
#define PULSE_REF_TRACE_NOISE_H

#include "tensor/tape.h"

typedef enum { PRECISION_FP32, PRECISION_TF32, PRECISION_BF16, PRECISION_FP16, PRECISION_BF16_MIXED,
               PRECISIONS } Precision;
enum { NOISE_RUNS = 8 };

const char *precision_name(Precision p);             // "fp32", "tf32", "bf16", "fp16", "bf16-mixed"
bool        precision_find(const char *name, Precision *out);

typedef struct { double rms, most; } Noise;

typedef struct {
    const Tape *tape;                // only ids, operators, phases, modules, inputs, attributes and results are looked at
    float **rounding;                // by id: e of each element; NULL for a leaf
    Arena *arena;
} NoiseModel;

/* Computes the rounding terms of all nodes. The tape must stay as it is. */
bool noise_open(NoiseModel *z, const Tape *tape, Arena *a, Error *e);
/* noise[k] receives the noise of node k. `chosen` (by id): only these nodes are computed again. All others keep
 * their right values, so the noise is that of the chosen nodes alone. NULL: all nodes. Scratch memory is taken
 * from the arena, and given back. */
bool noise_make(const NoiseModel *z, Precision p, const bool *chosen, Noise *noise, Error *e);

#endif
