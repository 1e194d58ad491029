/* SPDX-License-Identifier: MIT */
/* Probe model: the tiny model that families of the digest compute with. */
#ifndef PULSE_REF_DIGEST_PROBE_MODEL_H
#define PULSE_REF_DIGEST_PROBE_MODEL_H

#include "model/model.h"
#include "ref/digest/digest.h"

ModelConfig probe_config(void);
/* Makes sample i (from 0), which has a picture where i is odd. False: no memory. */
bool probe_sample(BatchSample *out, size_t i, const ModelConfig *c, Arena *a);
/* Hashes every weight with its name. */
void probe_hash_weights(Probe *p, const Weights *w);

#endif
