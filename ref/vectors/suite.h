/* SPDX-License-Identifier: MIT */
/* Suite: the reference answers as a folder (fixtures/vectors/v1), made from nothing but this program.
 *
 *     models/tiny-llava-{a,b}, {a,b}-reference   model folders as on the Hub, and samples (batch.jsonl, pair.jsonl) with their pictures
 *     op/<op>.<form>/                            one operator (case_op.h)
 *     prep/<road>.<form>/                        a picture on the road to the vision tower (case_prep.h)
 *     tok/<form>/                                texts to ids and back (case_tok.h)
 *     mask/<template>.<mask>/                    questions and answers as ids, and which are learnt (case_mask.h)
 *     loss/<method>.<variant>/                   one loss on given logits (case_loss.h)
 *     block/<module>.<model>/                    one module alone (case_block.h)
 *     step/<method>.<form>.<model>/              trace.safetensors, trace.json, bound.safetensors: one optimiser step (trace_file.h)
 *     seq/pulse-<method>.<form>/                 requests one after another (case_seq.h)
 *     reject/                                    files that a reader must refuse, must accept, may do either with (case_reject.h)
 *     manifest.json                              every file with its SHA-256, the spec, a digest of all
 * Each case has case.json and its tensors in in.safetensors and out.safetensors; schema/<kind>.json says what case.json holds.
 * Known mistakes stand in wrong.safetensors as "<case>@<flag>/<tensor>" (tests/support/wrong/make_wrong.c), of steps "<module>@<answer>"
 * and small tensors of the whole; each case.json lists its own. */
#ifndef PULSE_REF_VECTORS_SUITE_H
#define PULSE_REF_VECTORS_SUITE_H

#include "ref/vectors/case_loss.h"
#include "ref/vectors/case_op.h"
#include "tensor/base/json.h"

typedef struct { const char *id, *model, *reference, *batch, *method, *settings, *flags; } StepForm;
extern const StepForm step_forms[];
extern const size_t step_forms_count;

/* How the answers of another implementation are judged: each against its bound, bit for bit, or end to end without a verdict. */
typedef enum { JUDGE_BOUND, JUDGE_EXACT, JUDGE_END_TO_END } Judge;
typedef struct {
    const char *name, *answers;      // "prep", and the file of a case that holds the answers
    Judge judge;
    bool optional;                   // answers are optional: only those present in GOT are judged
} SuiteKind;
/* Of the path of a case or of one of its files; NULL: no kind begins it. */
const SuiteKind *suite_kind(const char *path);
const char *judge_name(Judge j);     // "bound", "exact", "end_to_end"

typedef struct {
    const char *folder;
    json_t *files, *cases;           // of the manifest so far
    Arena *arena;
    Error *error;
} Suite;

/* What there is to write of a case. */
typedef struct {
    const char *id, *section, *flags, *definition;     // section: the header that states the definition
    const char *files;               // "picture.png preprocessor_config.json": written before; NULL: none but the tensors
    const Entry *in, *out;
    size_t in_count, out_count;
    json_t *more;                    // the keys of its kind; given up
} SuiteCase;

/* Writes the whole suite, but not the known mistakes (make_wrong.c does). */
bool suite_write(const char *folder, Arena *a, Error *e);
/* The tiny models and their batches (suite_models.c). */
bool suite_models(Suite *s);
/* {"path", "sha256"} of folder/path, appended to the manifest. */
bool suite_file(Suite *s, const char *path);
/* A file of the suite, written, and in the manifest. */
bool suite_bytes(Suite *s, const char *path, const void *bytes, size_t n);
/* in.safetensors, out.safetensors and case.json of a case, in the manifest with its other files. */
bool suite_case(Suite *s, SuiteCase c);
/* "a b c" as a list. */
json_t *word_list(const char *words);

#endif
