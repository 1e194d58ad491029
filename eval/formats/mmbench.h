/* SPDX-License-Identifier: MIT */
/* MMBench: its TSV, with pictures as base64, read as samples; and its two ways of counting.
 *
 *     Mmbench b;
 *     mmbench_read(&b, "mmbench_dev_20230712.tsv", &arena, &error);
 *     questions_add(&q, &b.samples, (Choice){ KIND_CHOICE, NULL, 0 }, &error);  … evaluate(…, DEPTH_TEXT, …) …
 *     mmbench_score(&b, results, q.count, &single, &circular, &error);
 *
 * A question with n options becomes n samples "<index>-0" … "<index>-<n-1>", one a round, options rotated left by one each, as LLaVA asks it:
 *     [hint\n] question \nA. …\nB. … \nAnswer with the option's letter from the given choices directly.
 * and the answer is a letter. Options end at the first that is empty, "nan" or "none"; a hint of these kinds is none.
 * Rows of an index from 10^6 on are the rotations that the file itself brings: they are left out, since all are made here.
 * A picture that is a number is that of the row with this index.
 * Columns: index, question, A, B, answer, image; hint, C, D, category may be there; source, l2-category, comment, split are not read.
 * Fails: FILE:LINE: an unknown or missing column, a number, letter or base64 that is none, fewer than two options, two rows of one index, no answers. */
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
    size_t      first;                   // its round 0 in the samples; the other rounds follow
} MmbenchQuestion;

typedef struct {
    Dataset          samples;
    MmbenchQuestion *question;
    size_t           count, left_out;    // rows that are rotations of the file's own
} Mmbench;

bool mmbench_read(Mmbench *out, const char *path, Arena *a, Error *e);
/* Results of all samples in their order. A choice is taken from the greedy text by answer_choice; what chooses nothing is wrong. */
bool mmbench_score(const Mmbench *b, const Result *r, size_t count, Ratio *single, Ratio *circular, Error *e);
void mmbench_close(Mmbench *b);

#endif
