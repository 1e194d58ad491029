/* SPDX-License-Identifier: MIT */
/* Guard: watches what a model still knows while it unlearns, so that unlearning does not destroy it.
 *
 *     Guard g;
 *     guard_open(&g, &method_settings, &session, &arena, &error);
 *     guard_begin(&g, "person-01", &error);                   // before the first step of a round: who is forgotten
 *     ... after every unlearn.probe_every steps ...
 *     guard_probe(&g, &error);                                // g.stop: the round is over, g.why says why
 *     guard_close(&g);
 *
 * There are three probes, each a list of samples: of what is forgotten (unlearn.forget), of what is retained
 * (unlearn.retain), and of general ability (data.general). Each has at most unlearn.probe samples, of the split "test"
 * where its entities have such samples, else of the training samples; reverse questions and names are left out. The
 * forget probe is drawn anew for each round, the others once, from unlearn.seed (purpose "unlearn.probe.forget", …). A
 * probe without a file is not measured, and stops nothing.
 *
 * An answer is right where every token of it is the argmax, as in the metric accuracy. Adapters are merged before
 * they are measured (model_merged), so this is the accuracy that `eval` will give for the adapter that is written.
 *
 * A round stops in two cases:
 *     spoilt   the share of right answers of the retain or the general probe is below unlearn.keep times its value
 *              before the first round. Then the trained weights become those of the last measurement that was not
 *              spoilt
 *     enough   the share of right answers of the forget probe is unlearn.enough or less
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
    // the samples: of the forget probe for the present round, of the others for all rounds; count 0: not measured
    SampleList list[PROBES];
    Ratio    before[PROBES];         // before the first round; of the forget probe, before the present round
    Ratio    now[PROBES];            // in the last measurement
    float  **kept;                   // a copy of each trained weight, from the last measurement that was not spoilt
    bool     measured, stop, spoilt; // measured: a round has begun; spoilt: the weights were put back
    char     why[256];               // why the round stops; set with `stop`
} Guard;

/* Opens the files. The session's model must be ready (session_begin). */
bool guard_open(Guard *g, const MethodSettings *m, Session *s, Arena *a, Error *e);
/* Begins a round: draws its samples and measures them. `entities` are patterns of those who are forgotten; "" means
 * all entities of the file. */
bool guard_begin(Guard *g, const char *entities, Error *e);
/* Measures the probes into g.now, and decides nothing. */
bool guard_measure(Guard *g, Error *e);
/* Measures; decides whether the round stops; keeps the weights, or puts the kept ones back. */
bool guard_probe(Guard *g, Error *e);
/* Puts the kept weights back, and measures. The caller does this after a training that diverged. */
bool guard_restore(Guard *g, Error *e);
void guard_close(Guard *g);

#endif
