/* SPDX-License-Identifier: MIT */
/* Suite: the reference answers as a folder (fixtures/vectors/v1), made from nothing but this program.
 *
 *     models/tiny-llava-{a,b,mini}, …-reference
 *                                                model folders as on the Hub, and samples (*.jsonl) with their pictures
 *     op/<op>.<form>/                            one operator (case_op.h)
 *     prep/{crop,pad,png}.<form>/                a picture and the pixels that are made of it (case_prep.h)
 *     tok/<form>/                                texts as ids and back (case_tok.h)
 *     mask/<template>.<mask>/                    questions and answers as ids, and which ids are labels (case_mask.h)
 *     loss/<method>.<form>/                      one loss on given logits (case_loss.h)
 *     weights/<method>.<form>/                   what a method does to weights, gradients and scores (case_weights.h)
 *     block/<module>.<model>/                    one module alone (case_block.h)
 *     step/<method>.<form>.<model>/              one optimiser step, as the files of a trace (trace_file.h)
 *     seq/pulse-<method>.<form>/                 several requests, one after another (case_seq.h)
 *     reject/                                    files that readers must refuse, must accept, or may treat either way
 *                                                (case_reject.h)
 *     manifest.json                              the cases, every file with its SHA-256, the specification, and a
 *                                                digest of all
 * Each case has case.json; schema/<kind>.json says what it holds. The tensors of a case are in in.safetensors, if it is
 * given any, and in out.safetensors. Those of a step are in the files of a trace.
 * noise.safetensors holds how far a correct implementation may be from each answer at each precision (noise_trace.h).
 * Answers that must be right in every bit have no noise. An entry is called "<case>/<name>"; for a step it is
 * "<case>/t<k>" or "<case>/input.reference.<role>" end to end, and "<case>/<module>@<answer>" for the module alone.
 * wrong.safetensors holds the answers of implementations with a known mistake, as "<case>@<flag>/<tensor>" (made by
 * tests/support/wrong/make_wrong.c). <flag> is the name of the mistake. For a step, <tensor> is one of the modules'
 * answers, "<module>@<answer>", or one of the small tensors of the whole step. Each case.json lists the mistakes whose
 * answers wrong.safetensors has. */
#ifndef PULSE_REF_VECTORS_SUITE_H
#define PULSE_REF_VECTORS_SUITE_H

#include "ref/vectors/case_loss.h"
#include "ref/vectors/case_op.h"
#include "ref/vectors/case_seq.h"
#include "tensor/base/json.h"

/* reference: a model folder, as `model`; NULL: the reference is the model before the step. batch: a file of samples in
 * the model's folder. settings: "section.key=value …". mistakes: as in SuiteCase. */
typedef struct { const char *id, *model, *reference, *batch, *method, *settings, *mistakes; } StepForm;
extern const StepForm step_forms[];
extern const size_t step_forms_count;

/* How the answers of another implementation are judged: each element against its bound, or all of them bit for bit. A
 * whole step, or a sequence of requests, has no bound; its results are judged end to end, by their noise. */
typedef enum { JUDGE_BOUND, JUDGE_EXACT, JUDGE_END_TO_END } Judge;
typedef struct {
    const char *name;                // the first part of a case's path: "prep"
    const char *answers;             // the file of a case that holds its answers
    Judge judge;
    bool optional;                   // answers may be missing: only those are judged that the other implementation gave
} SuiteKind;
/* The kind that a path of a case, or of one of its files, begins with; NULL: the path begins with no kind. */
const SuiteKind *suite_kind(const char *path);
const char *judge_name(Judge j);     // "bound", "exact", "end_to_end"

typedef struct {
    const char *folder;
    json_t *files, *cases;           // the two lists of the manifest, as far as they are written
    Entry *noise;                    // the content of noise.safetensors so far (suite_noise.c)
    size_t noise_count, noise_capacity;
    Arena *arena;
    Error *error;
} Suite;

/* The content of a case, before it is written. */
typedef struct {
    const char *id, *mistakes;          // mistakes: the names of known mistakes, separated by blanks
    const char *section, *definition;                  // the header that states the formula in full; the formula in one line
    // files that are written already: "picture.png preprocessor_config.json"; NULL: there are none
    const char *files;
    const Entry *in, *out;
    size_t in_count, out_count;
    json_t *more;                    // the keys of case.json that only this kind has; suite_case releases it
} SuiteCase;

/* Writes the whole suite except for the known mistakes, which make_wrong.c writes. False: `e` says why. */
bool suite_write(const char *folder, Arena *a, Error *e);
/* Writes the tiny models and their batches (suite_models.c). */
bool suite_models(Suite *s);
/* Appends {"path", "sha256"} of the file FOLDER/path to the manifest. */
bool suite_file(Suite *s, const char *path);
/* Writes a file of the suite and appends it to the manifest. */
bool suite_bytes(Suite *s, const char *path, const void *bytes, size_t n);
/* Writes in.safetensors, out.safetensors and case.json of a case, and appends them to the manifest. */
bool suite_case(Suite *s, SuiteCase c);
/* Adds the noise of a case's answers to noise.safetensors: out[k] is the result of node[k] of the tape. An out[k] that
 * is a bound is passed over. */
bool suite_noise(Suite *s, const char *id, const Tape *t, const Entry *out, const size_t *node, size_t count);
/* Adds the noise of a step whose trace is already in the suite. */
bool suite_noise_step(Suite *s, const char *id);
/* Adds the noise of a sequence of requests, whose right answers are `right`. The sequence is run again from weights
 * that are changed at random (SeqShake). The changes stand for the roundings inside the run: at most 2^-20 of a weight
 * at fp32, 2^-11 at tf32 and fp16, and 2^-8 at bf16 and bf16-mixed. */
bool suite_noise_seq(Suite *s, const SeqForm *f, const char *id, const char *samples, const MethodSettings *m,
                     const SeqCase *right);
/* Writes noise.safetensors. */
bool suite_noise_save(Suite *s);
/* "below" of the manifest, which the caller owns: {"fp32": ["step/npo.adamw.b@BetaDecimal", …], …}. It lists for each
 * precision those mistakes, known for a step, that cannot be told from noise, because they change every answer too
 * little. Empty if the suite has no wrong.safetensors. */
json_t *suite_below(Suite *s);
/* The words of "a b c" as a JSON list, which the caller owns. */
json_t *word_list(const char *words);

#endif
