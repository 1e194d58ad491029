/* SPDX-License-Identifier: MIT */
/* Verify: reference answers against this program's, or another implementation's answers against the reference answers. */
#ifndef PULSE_REF_VERIFY_VERIFY_H
#define PULSE_REF_VERIFY_VERIFY_H

#include "ref/cli/options.h"
#include "ref/verify/manifest.h"

/* What of another implementation's answers is to be judged, and how. */
typedef struct {
    const OptionList *only;          // the beginnings of the paths that are judged; empty: all of them. Each must find an answer in GOT
    bool partial;                    // missing answers are counted, and do not make the verdict undecided
    bool precise;                    // the answers were computed at `precision`; false: at fp32, or bf16-mixed where GOT holds BF16 or
                                     // F16
    Precision precision;
} Asked;

/* DIR alone: every file of the folder is whole and is what this program makes, and our readers accept and refuse the files of
 * reject/ as stated there. False after a failure that leaves nothing to judge, with a sentence. */
bool verify_own(Findings *f, const char *folder, json_t *manifest, Arena *a, Error *e);

/* DIR GOT: another implementation's answers, a folder with <case>/out.safetensors or one file of tensors "<case>/<name>".
 * A case of op/, loss/, block/, prep/, tok/ or mask/ must be there whole. Of the other kinds those are judged that are present in GOT.
 * The answers of a step are held against us in three ways, told apart by their names:
 *
 *     <module>@<answer>           fed: what a module answers to our inputs ("modules" of trace.json): its proven bound, and its own noise
 *     hooked.<module>@<answer>    hooked: what a module saw and said in an own pass through the whole step; the noise of the step.
 *                                 <answer> is one of the module's, or in, grad.out
 *     loss, logits, grad.<name>, after.<name>, adam.m.<name>, adam.v.<name>, sgd.momentum.<name>, t<k>, grad.t<k>
 *                                 ends: what the whole step comes to; the noise of the step
 *
 * Of loss, grad, after, adam.m, adam.v and sgd.momentum all are expected of which any is there. */
bool verify_got(Findings *f, const char *folder, const char *got, const Asked *asked, json_t *manifest, Arena *a, Error *e);

/* TRACE GOT: the same of a folder that `pulse-ref trace` wrote. GOT is a safetensors file with the names above, or a trace's folder. */
bool verify_trace(Findings *f, const char *folder, const char *got, const Asked *asked, Arena *a, Error *e);

#endif
