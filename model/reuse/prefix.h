/* SPDX-License-Identifier: MIT */
/* Prefixes: a cache of the keys and values of common prefixes. A prefix that several samples begin with is run
 * once, and its rows are kept for later calls.
 *
 *     Prefixes *x = prefixes_make(&model, model.memory, &error);
 *     Node *z = prefixes_logits(x, &tape, samples, &count, SIZE_MAX, ROWS_SUPERVISED, &map);     // [map.row_count, V]
 *     prefixes_free(x);
 *
 * Sharing: the samples form a tree of tokens. Two samples share the rows of their longest common prefix, in which
 * the ids are equal and, at image tokens, the digests of the pictures too. So the options of a question are
 * branches of its prompt, and the questions about a picture are branches of this picture. Sharing changes no bit:
 * every operator is correctly rounded, and a row depends only on itself and the rows before it.
 * Memory: the kept rows (keys, values and last hidden states) take at most `memory` bytes, unless prefixes_allow allows
 * more. If new rows do not fit beside the kept ones, all kept rows are forgotten; if the rows of one call do not fit at
 * all, none of them is kept. If no row may be kept, rows are shared only inside a call.
 * A Prefixes belongs to one model whose weights do not change: after a change, free it or call prefixes_forget. The
 * tape must be under no_grad. The rows of a sample after its last wanted row, such as that of an answer's end token,
 * are not run, except for those of a picture. One thread at a time. */
#ifndef PULSE_MODEL_REUSE_PREFIX_H
#define PULSE_MODEL_REUSE_PREFIX_H

#include "model/model.h"

typedef struct Prefixes Prefixes;

/* Which rows of the logits belong to which sample, as in a Batch. */
typedef struct {
    int32_t *labels;           // [row_count] the targets; -1: not supervised
    int32_t *row_offsets;      // [samples + 1]
    size_t   row_count, samples;
} RowMap;

/* NULL: no memory, and `e` says so. */
Prefixes *prefixes_make(const Model *m, size_t memory, Error *e);
void      prefixes_free(Prefixes *x);                              // x may be NULL
void      prefixes_forget(Prefixes *x);
/* The most rows that may be kept. prefixes_allow raises a smaller number to `rows`, for a sample that must fit. */
size_t    prefixes_capacity(const Prefixes *x);
void      prefixes_allow(Prefixes *x, size_t rows);
/* The number of rows that are kept now. */
size_t    prefixes_rows(const Prefixes *x);
/* The number of rows that were run so far, over all calls. */
size_t    prefixes_run_rows(const Prefixes *x);

/* The logits that model_forward gives for batch_pack of the samples, bit for bit; `map` is in the tape's arena. A call
 * always takes the first of the *count samples, and then the next ones as long as all together have at most `limit`
 * new rows and, if any row may be kept, at most prefixes_capacity. *count becomes the number of samples that the call
 * took. The result is NULL if no row is wanted, and on failure, which the tape's Error tells. Fails as batch_pack
 * does. */
Node     *prefixes_logits(Prefixes *x, Tape *t, const BatchSample *samples, size_t *count, size_t limit,
                          BatchRows rows, RowMap *map);

#endif
