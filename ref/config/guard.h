/* SPDX-License-Identifier: MIT */
/* Guard: watches what a model still knows while it unlearns, so that unlearning does not destroy it.
 *
 *     Guard g;
 *     guard_open(&g, &method_settings, &session, &arena, &error);
 *     guard_begin(&g, "person-01", &error);                   // a round: who is forgotten now; measured before its first step
 *     ... after every unlearn.probe_every steps ...
 *     guard_probe(&g, &error);                                // g.stop: the round is over, g.why says why
 *     guard_close(&g);
 *
 * A probe is unlearn.probe samples each of what is forgotten, of what is retained (unlearn.retain) and of general
 * ability (data.general): of the split "test" where the file has such samples, else of the training samples. Which ones
 * is drawn once from unlearn.seed (purpose "unlearn.probe.forget", …). An answer is right where every token of it is
 * the argmax, as in the metric accuracy; adapters are merged for it (model_merged), so that it is the accuracy that
 * `eval` will give for the adapter that is written. A round stops when the share of right answers about retained or
 * general knowledge is below unlearn.keep of what it was before the first round: then the trained weights become those
 * of the last probe that was in order. It stops as well when the share of right answers about the forgotten is
 * unlearn.enough or less. A probe without a file is not measured, and stops nothing.
 * Memory: one copy of the trained weights, in the arena. One thread at a time. Fails, with FILE:LINE, where a sample
 * cannot be read. */
#ifndef PULSE_REF_CONFIG_GUARD_H
#define PULSE_REF_CONFIG_GUARD_H

#include "eval/metrics/metric.h"
#include "model/training/dataset.h"
#include "ref/config/session.h"

typedef enum { PROBE_FORGET, PROBE_RETAIN, PROBE_GENERAL, PROBES } Probe;
extern const char *const probe_names[PROBES];    // "forget", "retain", "general"

typedef struct {
    const MethodSettings *method;
    Session *session;
    Arena   *arena;
    Dataset  file[PROBES];           // path NULL: not given, so not measured
    SampleList list[PROBES];         // of the present round; count 0: not measured
    Ratio    before[PROBES];         // before the first step; of the forget probe, before the present round
    Ratio    now[PROBES];
    float  **kept;                   // the trained weights at the last probe that was in order
    bool     measured, stop, spoilt; // spoilt: the weights were put back
    char     why[256];
} Guard;

/* Opens the files. The session's model must be ready (session_begin). */
bool guard_open(Guard *g, const MethodSettings *m, Session *s, Arena *a, Error *e);
/* A round begins: draws its samples and measures. entities: patterns of those who are forgotten; "": all of the
 * file. */
bool guard_begin(Guard *g, const char *entities, Error *e);
/* Measures the probes into g.now, and decides nothing. */
bool guard_measure(Guard *g, Error *e);
/* Measures; decides whether the round stops; keeps the weights, or puts the kept ones back. */
bool guard_probe(Guard *g, Error *e);
/* Puts the kept weights back, after a training that diverged, and measures. */
bool guard_restore(Guard *g, Error *e);
void guard_close(Guard *g);

#endif
