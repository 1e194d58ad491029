/* SPDX-License-Identifier: MIT */
/* Check: another implementation's answers, case by case, against the reference answers. */
#ifndef PULSE_REF_VERIFY_CHECK_H
#define PULSE_REF_VERIFY_CHECK_H

#include "ref/verify/got.h"
#include "ref/verify/judge.h"
#include "ref/verify/manifest.h"
#include "ref/verify/verify.h"

typedef struct {
    const char *folder;              // of the reference answers
    const json_t *manifest;          // NULL for a trace that is not a case of the suite
    const VerifyOptions *options;
    Got got;                         // not opened for such a trace, which has TracedStep.own
    Store noise;                     // of all cases, "<case>/<name>"; of such a trace, "<name>"; count 0: there is none
    JudgeContext context;
    Arena *arena;
} Check;

/* One traced step, open. */
typedef struct {
    const char *id;                  // of the case; "" for a trace that is not a case of the suite
    const json_t *root;              // trace.json
    const Store *values, *bounds;    // trace.safetensors, bound.safetensors
    const Store *own;                // the step's own file of GOT (got_find); NULL: GOT is one file for all cases
} TracedStep;

/* For a trace that is not a case of the suite: if any answer is outside, compares the answers that `mistakes` has kept
 * with those that the mistakes of ref/verify/known/ give. Each mistake is made in the graph of the trace, and the graph
 * is run again. `path` is the path of trace.json, for errors. */
bool check_known(Check *c, const TracedStep *s, const char *path, Error *e);
/* The name in trace.safetensors of an answer of a module, for instance "t123" for the answer "out" of
 * "language_model.lm_head". `answer` may also be "in" or "grad.out". `length` is that of the module's name. NULL: there
 * is no such answer. */
const char *check_answer(const TracedStep *s, const char *module, size_t length, const char *answer);

/* The precision at which answers are judged: --precision if it was given; otherwise bf16-mixed if GOT's file has a BF16
 * or F16 tensor, and fp32 if it has none. */
Precision check_precision(const VerifyOptions *options, const Store *file);
/* The noise of an answer of the case; id "": of the trace. NULL: there is none. */
const Tensor *check_noise(const Check *c, const char *id, const char *name);
/* Judges the answers that GOT has of a step, which are of three kinds: fed, hooked and ends (verify.h). */
bool check_step(Check *c, const TracedStep *s, Error *e);
/* Ends a case: writes into its lines which known mistakes were recognised. Returns their names (NULL: none), and in
 * *lines how many lines they explain. */
const char *check_settle(Check *c, size_t *lines);

#endif
