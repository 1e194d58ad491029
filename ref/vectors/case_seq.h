/* SPDX-License-Identifier: MIT */
/* Seq case: requests to forget that come one after another, on a tiny model with adapters (unlearn/rounds.h).
 *
 * samples.jsonl holds the samples of each request ("group": "round1", …) and those to retain ("retain"). A step reads
 * whole lists: all samples of its round, all retained samples, or both, as the method's schedule says. So their order
 * does not matter. The refusals are REFUSAL (answers.h). When a round ends, the adapters are merged into the weights,
 * and new ones are started. The method `adapters` starts each round from the first weights instead, and merges all
 * adapters at the end.
 * in.safetensors holds round<k>.<module>.lora_A.weight, the A that round k starts with; B starts as zero.
 * out.safetensors holds loss and norm, F32 [steps], and each weight that changes, under its own name and as it is
 * after the last merge. norm is the norm of the gradient before clipping. "steps" in case.json has the digest of all
 * trained weights (store_digest) after each step. */
#ifndef PULSE_REF_VECTORS_CASE_SEQ_H
#define PULSE_REF_VECTORS_CASE_SEQ_H

#include "ref/config/session.h"
#include "tensor/base/json.h"

enum { SEQ_ROUNDS = 3, SEQ_STEPS = 3 };

/* settings: "section.key=value …". mistakes: as in SuiteCase (suite.h). */
typedef struct { const char *id, *model, *method, *settings, *mistakes; } SeqForm;
extern const SeqForm seq_forms[];
extern const size_t seq_forms_count;
extern const char seq_samples[];         // samples.jsonl

typedef struct {
    Entry *in, *out;
    size_t in_count, out_count;
    json_t *steps;
} SeqCase;

/* Each weight w starts the run as w + xi size w, where xi is uniform in [-1, 1] and drawn anew for each `run`. At the
 * end of the run, xi size w is subtracted from the weight again. size 0: nothing is added. */
typedef struct { double size; uint64_t run; } SeqShake;

/* `folder` is the folder of the suite, with its models; `samples` is the path of samples.jsonl; `m` has the settings
 * of f for its method. The caller owns c->steps, which is NULL after a failure. */
bool seq_case_make(const SeqForm *f, const char *folder, const char *samples, const MethodSettings *m, SeqShake shake, SeqCase *c,
                   Arena *a, Error *e);

#endif
