/* SPDX-License-Identifier: MIT */
/* Check: another implementation's answers to one case, against the reference answers. */
#ifndef PULSE_REF_VERIFY_CHECK_H
#define PULSE_REF_VERIFY_CHECK_H

#include "ref/cli/options.h"
#include "ref/verify/got.h"
#include "ref/verify/judge.h"
#include "ref/verify/manifest.h"

typedef struct {
    const char *folder;              // of the reference answers
    const json_t *manifest;
    const OptionList *only;
    Got got;
    JudgeContext context;
    Arena *arena;
} Check;

/* Judges what is there of the answers of a case, end to end; `own` is the case's own file (got_find). */
void check_present(Check *c, const char *id, const Store *want, const Store *own);
/* Finds the answers that the case does not have. `modules` of trace.json, whose answers the case has too; may be NULL. */
void check_extra(Check *c, const char *id, const Store *want, const json_t *modules, const Store *own);
/* Judges what is there of a step: each module by itself against its bounds, and the whole end to end. */
bool check_step(Check *c, const char *id, const Store *want, const Store *own, Error *e);

#endif
