/* SPDX-License-Identifier: MIT */
/* MMBench: reads its TSV file, which has images as base64, into samples, and counts right answers in the two ways of
 * MMBench.
 *
 *     Mmbench b;
 *     mmbench_read(&b, "mmbench_dev_20230712.tsv", &arena, &error);
 *     questions_add(&q, &b.samples, (Choice){ KIND_CHOICE, NULL, 0, false }, &error);  … evaluate(…, DEPTH_TEXT, …) …
 *     mmbench_score(&b, results, q.count, &single, &circular, &error);
 *
 * A question with n options becomes n samples, "<index>-0" … "<index>-<n-1>", one for each round. Each round rotates
 * the options left by one. The prompt is that of LLaVA, and the answer is a letter:
 *     [hint\n] question \nA. …\nB. … \nAnswer with the option's letter from the given choices directly.
 * - The list of options ends before the first one that is empty, "nan" or "none". A hint with one of these values is
 *   left out.
 * - Rows with an index of 10^6 or more are rotations that the file already has. They are left out, because all
 *   rotations are made here.
 * - If the image cell is a number, the image is that of the row with this index.
 * - The columns index, question, A, B, answer and image are needed. hint, C, D and category may be missing. source,
 *   l2-category, comment and split are not read.
 * - Errors begin with FILE:LINE: a column is unknown or missing, a cell is not the number, letter or base64 that it
 *   must be, a row has fewer than two options, two rows have the same index, there is no answer. */
#ifndef PULSE_EVAL_FORMATS_MMBENCH_H
#define PULSE_EVAL_FORMATS_MMBENCH_H

#include "eval/evaluate.h"
#include "eval/metrics/metric.h"
#include "model/training/dataset.h"

enum { MMBENCH_OPTIONS = 4 };

typedef struct {
    int64_t     index;
    const char *option[MMBENCH_OPTIONS];
    size_t      options, answer;         // how many, and which is right
    size_t      first;                   // the index of its round 0 in the samples; the other rounds follow
} MmbenchQuestion;

typedef struct {
    Dataset          samples;
    MmbenchQuestion *question;
    size_t           count, left_out;    // left_out: how many rows were left out, being rotations
} Mmbench;

bool mmbench_read(Mmbench *out, const char *path, Arena *a, Error *e);
/* Like mmbench_read, but a row that cannot be read becomes a sentence of the list and is left out (error_list.h). An
 * error in the table itself still ends the reading. */
bool mmbench_read_some(Mmbench *out, const char *path, ErrorList *errors, Arena *a, Error *e);
/* Counts right answers: single passes (round 0) and CircularEval. The results must be in the order of the samples. The
 * results of some samples may be missing; a question is counted only if all its rounds have one. answer_choice takes
 * the choice from the greedy text; a text that chooses nothing is wrong. Error: the results are not those of the
 * samples. */
bool mmbench_score(const Mmbench *b, const Result *r, size_t count, Ratio *single, Ratio *circular, Error *e);
void mmbench_close(Mmbench *b);

#endif
