/* SPDX-License-Identifier: MIT */
/* Seq case: requests to forget that come one after another, on a tiny model with adapters (unlearn/rounds.h).
 *
 * samples.jsonl: the samples of each request ("group": "round1", …) and those to retain; every step shows all of its round's and
 * all of the retained, so no order needs to be known. Adapters are merged when a round ends, and begin anew.
 * in: round<k>.<module>.lora_A.weight, the A that round k starts with (B is zero).
 * out: loss, norm F32 [steps]: of each step, the gradient norm before clipping; and by their names the weights after the last
 * merge, of those that change. case.json: "steps", each with the digest of all that is trained (store_digest) after it. */
#ifndef PULSE_REF_VECTORS_CASE_SEQ_H
#define PULSE_REF_VECTORS_CASE_SEQ_H

#include "ref/config/setup.h"
#include "tensor/base/json.h"

enum { SEQ_ROUNDS = 3, SEQ_STEPS = 3 };

typedef struct { const char *id, *model, *method, *settings, *flags; } SeqForm;
extern const SeqForm seq_forms[];
extern const size_t seq_forms_count;
extern const char seq_samples[];         // samples.jsonl

typedef struct {
    Entry *in, *out;
    size_t in_count, out_count;
    json_t *steps;
} SeqCase;

/* `folder`: of the suite, with the model; `samples`: path of samples.jsonl; settings: with f->settings. */
bool seq_case_make(const SeqForm *f, const char *folder, const char *samples, const Settings *settings, SeqCase *c, Arena *a, Error *e);

#endif
