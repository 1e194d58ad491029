/* SPDX-License-Identifier: MIT */
/* Form: what a paper or a public code computes under the name of a method, written as switches of our method.
 * codes.def lists all forms.
 *
 *     Form f;
 *     form_read(&f, method_find("npo"), "preset=mllmu_bench", &error);      // f.v: the values; f.all_text: true
 *
 * Functions that return bool leave a sentence in `e` on failure. */
#ifndef PULSE_REF_EXPLAIN_FORM_H
#define PULSE_REF_EXPLAIN_FORM_H

#include "unlearn/method.h"

typedef struct {
    const char *method, *who;
    const char *switches;              // NULL: no switch of ours computes it
    const char *differs;               // how it differs from our default
} Code;
extern const Code codes[];             // in the order of codes.def
extern const size_t codes_count;

/* A default of ours that no public text or code fixes. */
typedef struct { const char *method, *key, *why; } Ours;
extern const Ours ours[];
extern const size_t ours_count;
/* Why the value of the key is our own choice; NULL: it is a published one. */
const char *ours_why(const char *method, const char *key);

/* Whether the method cannot work on adapters, so that all weights are trained where it is measured. */
bool method_trains_whole_weights(const Method *m);

typedef struct {
    const Method *method;
    Hyperparameters v;
    bool all_text;                     // data.mask = all_text: every text token is supervised
} Form;

/* Makes a form of method m: its defaults, changed by the switches of a row of codes.def. */
bool form_read(Form *f, const Method *m, const char *switches, Error *e);
/* The switches with presets written out, "npo_ratio=batch_mean beta=0.4", in `a`, without those that the method does
 * not read or that are its defaults; "" where nothing is left. NULL: no memory. */
const char *form_switches(const Method *m, const char *switches, Arena *a);

#endif
