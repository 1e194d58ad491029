/* SPDX-License-Identifier: MIT */
/* Verify compares reference answers with those of this program, or the answers of another implementation with the
 * reference answers. */
#ifndef PULSE_REF_VERIFY_VERIFY_H
#define PULSE_REF_VERIFY_VERIFY_H

#include "ref/cli/options.h"
#include "ref/verify/manifest.h"

/* Which answers of another implementation are judged, and how. */
typedef struct {
    // what is judged: the cases whose paths begin with one of these, or the answers of a trace whose names do (empty:
    // all). Each must find an answer
    const OptionList *only;
    bool partial;                    // missing answers are counted, but do not make the verdict undecided
    bool precision_given;            // the answers were computed at `precision`; false: see check_precision
    Precision precision;
} VerifyOptions;

/* `verify DIR` checks that every file of the folder is whole and has the bits that this program makes, and that our
 * readers accept and refuse the files of reject/ as their names demand (case_reject.h). False: nothing could be judged,
 * and `e` says why. */
bool verify_own(Findings *f, const char *folder, json_t *manifest, Arena *a, Error *e);

/* `verify DIR GOT` judges the answers of another implementation. GOT is a folder with <case>/out.safetensors (for a
 * step <case>/trace.safetensors), or one file with tensors "<case>/<name>". All cases of op/, loss/, weights/, block/,
 * prep/, tok/ and mask/ must be there, complete. A case of any other kind is judged only if GOT has it. The answers of
 * a step are of three kinds, which their names tell apart:
 *
 *     <module>@<answer>           fed: the answers of a module that was given our inputs ("modules" of trace.json).
 *                                 They are judged by the proven bound of the module, and by its own noise.
 *     hooked.<module>@<answer>    hooked: the inputs and answers of a module, recorded while the other implementation
 *                                 ran the whole step. They are judged by the noise of the step. <answer> is an answer
 *                                 of the module, `in` or `grad.out`.
 *     loss, logits, grad.<name>, after.<name>, adam.m.<name>, adam.v.<name>, sgd.momentum.<name>, t<k>, grad.t<k>
 *                                 ends: the results of the whole step, which are judged by the noise of the step
 * GOT may also have the inputs of the step (param.<name>, input.<name>, index.t<k>). They must have the right bits;
 * only the outputs of a reference model are judged by the noise of the step.
 *
 * If one tensor of the kind grad, after, adam.m, adam.v or sgd.momentum is present, all tensors
 * of its kind are expected. */
bool verify_got(Findings *f, const char *folder, const char *got, const VerifyOptions *options, json_t *manifest,
                Arena *a, Error *e);

/* `verify TRACE GOT` does the same for a folder that `pulse-ref trace` wrote. GOT is a safetensors file with the names
 * above, or the folder of another trace. */
bool verify_trace(Findings *f, const char *folder, const char *got, const VerifyOptions *options, Arena *a, Error *e);

#endif
