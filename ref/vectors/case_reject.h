/* SPDX-License-Identifier: MIT */
/* Reject case: files that every reader must refuse (n_), must accept (y_), or may do either with (i_).
 *
 * reject/<reader>/<name>: readers are safetensors, config (config.json), tokenizer (tokenizer.json), png, samples (JSONL).
 * case.json: "cases", each with its file, what is expected, the reason, and what this program does ("here").
 * out: accepted I32 [n_ and y_ files, in the order of the list], 1 accepted, 0 refused. */
#ifndef PULSE_REF_VECTORS_CASE_REJECT_H
#define PULSE_REF_VECTORS_CASE_REJECT_H

#include "ref/vectors/made.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* A picture of a few pixels, and what is wrong with it. */
typedef struct {
    PngForm head;                        // what IHDR says
    bool no_palette, no_data, no_end, row_missing;
    const char *chunk;                   // another one before the data: its kind, then its data
    int flip;                            // the byte of which a bit is flipped, below 0 from the end; 0: none
    size_t cut;                          // bytes that are missing at the end
    uint8_t index, zlib;                 // colour of the first pixel of a palette; bits flipped in the first byte of the data
    const char *after;                   // bytes after the end
} PngDamage;

typedef struct {
    const char *path, *reason;           // "safetensors/n_hole.safetensors"
    const char *text;                    // the file; of safetensors the header
    long long length;                    // of safetensors: what the header's length is said to be, 0: the right one
    size_t zeros;                        // of safetensors: bytes of data
    PngDamage png;
} RejectForm;
extern const RejectForm reject_forms[];
extern const size_t reject_forms_count;

typedef enum { REJECT_REFUSE, REJECT_ACCEPT, REJECT_EITHER } RejectExpected;
RejectExpected reject_expected(const RejectForm *f);
const char *reject_expected_name(RejectExpected x);      // "refuse", "accept", "implementation-defined"

bool reject_file(const RejectForm *f, Made *out, Arena *a, Error *e);
/* Whether our reader accepts the file. Where it does not, `said` holds the sentence of its refusal. */
bool reject_reads(const RejectForm *f, const char *path, Error *said);
/* accepted */
Tensor reject_answers(Arena *a);

#endif
