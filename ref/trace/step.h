/* SPDX-License-Identifier: MIT */
/* Step: one optimiser step of one method on the samples of a file, held before it is committed.
 *
 *     Step s = { .settings = settings, .folder = model, .batch = "batch.jsonl" };
 *     step_make(&s, "npo", &arena, &error);          // s.trainer.tape: every number of the step
 *     step_close(&s);
 *
 * Roles of the lines of the file: "group": "forget", "retain", "refusal" or "alternate" where any line says one of these
 * (the k-th refusal and the k-th alternate answer the k-th forget line). Otherwise, for a method that forgets and retains,
 * the second half of the file (the smaller, when the number is odd) is retained; for any other all lines have the one role.
 * A missing refusal is the forget question answered by REFUSAL; a missing alternate, by the answer of the next forget line.
 * The reference is the model of `reference`, or without it the model itself before the step. */
#ifndef PULSE_REF_TRACE_STEP_H
#define PULSE_REF_TRACE_STEP_H

#include "model/training/dataset.h"
#include "ref/config/setup.h"

#define REFUSAL "i do not know"

typedef struct { const Sample *sample; const char *answer; Role role; } StepSample;

typedef struct {
    Settings settings;               // once it is made, the values in force: the method's, the preset's, the given
    const char *folder, *batch, *reference;      // reference NULL: the model itself
    const Method *method;
    Hyperparameters v;
    ModelConfig config, reference_config;
    Weights weights, reference_weights;
    Lora lora;
    bool adapters;
    Model model, other;
    Reader reader;
    Dataset samples;
    StepSample *used;                // by the step, in its order
    size_t used_count;
    UnlearnRequest request;
    Trainer trainer;
} Step;

/* Defaults, then "section.key=value" separated by spaces. */
bool step_settings(Settings *s, const char *assignments, Arena *a, Error *e);
bool step_make(Step *s, const char *method, Arena *a, Error *e);
void step_close(Step *s);

#endif
