/* SPDX-License-Identifier: MIT */
/* Step: one optimiser step of one method on the samples of a file. The step is computed, but the weights change only
 * when step_commit is called.
 *
 *     Step s = { .settings = settings, .folder = model, .batch = "batch.jsonl" };
 *     step_make(&s, "npo", &arena, &error);          // s.trainer.tape holds every number of the step
 *     step_close(&s);
 *
 * Each line of the file gets a role:
 *   - If any line has the "group" forget, retain, refusal, alternate, forget_text or random, every line must have one
 *     of these. The k-th refusal and the k-th alternate belong to the k-th forget line.
 *   - Otherwise, if the method needs both forget and retain lines, the second half of the file is to be retained. With
 *     an odd number of lines, the second half is the smaller one.
 *   - Otherwise, all lines have the one role that the method needs.
 * If the file has no refusals, each forget question gets the answer REFUSAL. If it has no alternates, each forget
 * question gets the answer of the next forget line, and the last one gets that of the first forget line. The reference
 * is the model in the folder `reference` or, if that is NULL, the model before the step.
 *
 * Everything lives in the arena, except for mapped weights, pictures and the trainer, which step_close gives back. A
 * Step whose making failed must be closed as well. A Step must not be moved after step_make. */
#ifndef PULSE_REF_TRACE_STEP_H
#define PULSE_REF_TRACE_STEP_H

#include "ref/config/answers.h"
#include "ref/config/session.h"

typedef struct { const Sample *sample; const char *answer; Role role; } StepSample;

typedef struct {
    Settings settings;               // the settings that were given
    const char *folder, *batch, *reference;
    MethodSettings m;                // the settings in force: a given one, or else the preset's, or else the method's
    Session session, other;          // other: the reference, if one was given
    Dataset samples;
    StepSample *used;                // the samples that the step reads, role after role
    size_t used_count;
    UnlearnRequest request;
    Unlearn *unlearn;                // the method's state of the step that was computed last
    Trainer trainer;
} Step;

/* The default settings, changed by `assignments`: "section.key=value", separated by spaces. */
bool step_settings(Settings *s, const char *assignments, Arena *a, Error *e);
bool step_make(Step *s, const char *method, Arena *a, Error *e);

/* step_make in two halves, for samples that are in no file. step_prepare opens the model, its reference and the
 * optimiser. Then the caller fills s->request.role, whose lists must outlive the step, and calls step_compute, whose
 * `a` must live until step_commit. After that, another step of the same request may be computed. */
bool step_prepare(Step *s, const char *method, Arena *a, Error *e);
bool step_compute(Step *s, Arena *a, Error *e);
/* Makes the step final: takes over the new weights and moments, and what the method remembers. */
void step_commit(Step *s);
void step_close(Step *s);

#endif
