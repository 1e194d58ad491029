/* SPDX-License-Identifier: MIT */
/* Seq case: requests to forget that come one after another, on a tiny model with adapters (unlearn/rounds.h).
 *
 * samples.jsonl holds the samples of each request ("group": "round1", …) and those to retain ("retain"). Every step shows all
 * samples of its round and all retained ones, so that nobody needs to know an order. Adapters are merged when a round ends, and
 * start anew. in: round<k>.<module>.lora_A.weight, the A that round k starts with (B is zero).
 * out: loss and norm, F32 [steps], of each step, the norm being that of the gradient before clipping; and under their
 * names the weights that change, after the last merge. case.json: "steps", each with the digest of all that is
 * trained (store_digest) after it. */
#ifndef PULSE_REF_VECTORS_CASE_SEQ_H
#define PULSE_REF_VECTORS_CASE_SEQ_H

#include "ref/config/session.h"
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

/* folder: the suite's, with its models; samples: the path of samples.jsonl; m: the settings of f under its method. */
bool seq_case_make(const SeqForm *f, const char *folder, const char *samples, const MethodSettings *m, SeqCase *c, Arena *a, Error *e);

#endif
