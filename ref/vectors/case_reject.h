/* SPDX-License-Identifier: MIT */
/* Reject case: files that every reader must refuse (n_), must accept (y_), or may treat either way (i_).
 *
 * The files are reject/<reader>/<name>; the readers are safetensors, config (config.json), tokenizer (tokenizer.json),
 * png, and samples (JSONL). "cases" in case.json lists each file with what is expected, the reason, and what this
 * program does ("here"). out.safetensors holds accepted I32, 1 for accepted and 0 for refused, for the n_ and y_ files
 * in the order of that list. */
#ifndef PULSE_REF_VECTORS_CASE_REJECT_H
#define PULSE_REF_VECTORS_CASE_REJECT_H

#include "ref/vectors/made.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* A picture of a few pixels, and what is wrong with it. After `head`, a member that is 0 or NULL does no damage. */
typedef struct {
    PngForm head;                        // the content of the chunk IHDR
    bool no_palette, no_data, no_end, row_missing;
    const char *chunk;                   // a further chunk before the data: four letters for its kind, then its data
    int flip;                            // the offset of the byte whose lowest bit is flipped; negative: counted from the end
    size_t cut;                          // how many bytes are missing at the end
    uint8_t index;                       // the palette's entry that the first pixel asks for
    uint8_t zlib;                        // the bits that are flipped in the first byte of the compressed data
    const char *after;                   // the bytes that follow the end of the picture
} PngDamage;

typedef struct {
    const char *path, *reason;           // "safetensors/n_hole.safetensors"
    const char *text;                    // the content of the file; for safetensors, the header
    // for safetensors: the length of the header that the file states (-1: it states 2^64 - 1); 0: the true length;
    // below -8: only 4 of the 8 bytes of the length are there
    long long length;
    size_t zeros;                        // for safetensors: how many bytes of data follow, all of them 0
    PngDamage png;
} RejectForm;
extern const RejectForm reject_forms[];
extern const size_t reject_forms_count;

typedef enum { REJECT_REFUSE, REJECT_ACCEPT, REJECT_EITHER } RejectExpected;
RejectExpected reject_expected(const RejectForm *f);
const char *reject_expected_name(RejectExpected x);      // "refuse", "accept", "implementation-defined"

bool reject_file(const RejectForm *f, Made *out, Arena *a, Error *e);
/* Whether our reader accepts the file. If it does not, `refusal` says why. */
bool reject_reads(const RejectForm *f, const char *path, Error *refusal);
/* The tensor `accepted` of out.safetensors. Its data is NULL if memory ran out. */
Tensor reject_answers(Arena *a);

#endif
