/* SPDX-License-Identifier: MIT */
/* Prefixes: a cache of keys and values that samples share. A prefix that several samples begin with is run once, and
 * its rows are kept for later calls.
 *
 *     Prefixes *x = prefixes_make(&model, model.memory, &error);
 *     Node *z = prefixes_logits(x, &tape, samples, &count, SIZE_MAX, ROWS_SUPERVISED, &map);     // [map.row_count, V]
 *     prefixes_free(x);
 *
 * The samples form a tree of tokens. Two samples share a row as long as their ids are equal and, at image tokens, the
 * digests of their pictures too: the longest common prefix of ids, whatever texts they came from. A row of the tree is
 * run once; the options of a question are branches of its prompt, and the questions about a picture are branches of
 * that picture. Sharing changes no bit: every operator is correctly rounded, and a row depends on nothing but itself
 * and the rows before it.
 * Memory: the rows that are kept between calls, as keys, values and last hidden states, take at most `memory` bytes.
 * All of them are forgotten when the next ones do not fit beside them, and a call whose own rows do not fit keeps none.
 * With 0, rows are shared inside a call only.
 * A Prefixes belongs to one model whose weights stay as they are: whoever changes a weight frees it, or calls
 * prefixes_forget. There are no gradients: the tape must be under no_grad. Rows that no wanted row depends on, such as
 * that of an answer's end token, are not run. One thread at a time. */
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

/* NULL: no memory, which `e` says. */
Prefixes *prefixes_make(const Model *m, size_t memory, Error *e);
void      prefixes_free(Prefixes *x);                              // x may be NULL
void      prefixes_forget(Prefixes *x);
/* The rows that may be kept, at most; prefixes_allow raises them to `rows`, for a sample that must fit. */
size_t    prefixes_capacity(const Prefixes *x);
void      prefixes_allow(Prefixes *x, size_t rows);
/* The rows that are kept now. */
size_t    prefixes_rows(const Prefixes *x);
/* The rows that were run so far, over all calls. */
size_t    prefixes_run_rows(const Prefixes *x);

/* The logits that model_forward gives for batch_pack of the samples, bit for bit; `map` is in the tape's arena. It
 * always takes the first of the *count samples, and then the next ones as long as the new rows of all together are at
 * most `limit` and at most prefixes_capacity. *count becomes how many it took. NULL on failure, which the tape's error
 * says, and where no row is wanted. Fails as batch_pack does. */
Node     *prefixes_logits(Prefixes *x, Tape *t, const BatchSample *samples, size_t *count, size_t limit,
                          BatchRows rows, RowMap *map);

#endif
