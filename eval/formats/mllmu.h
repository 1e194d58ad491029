/* SPDX-License-Identifier: MIT */
/* MLLMU-Bench: one person a line, as fixtures/convert_mllmu.py writes it from the published parquet files, read as samples.
 *
 *     {"ID": "001", "images": ["images/full-001.png"],
 *      "Classification_Task": {"Image_Textual_Questions": [{"Question": "…", "Options": {"A": "…", "B": "…"}, "Correct_Answer": "B"}],
 *                              "Pure_Text_Questions": […]},
 *      "Mask_Task": [{"Question": "… __ …", "Ground_Truth": "…", "Type": "Image_Textual"}],
 *      "Generation_Task": [{"Type": "Pure_Text", "Question": "…", "Ground_Truth": "…"}],
 *      "metadata": [{"Question": "…", "Answer": "…"}]}
 *
 * Each task may be absent. Samples are of the group "mllmu", their entity is the ID, their skill the task:
 *     classification   kind choice; the options in stored order, never shuffled; the answer is a letter (answer_first_letter):
 *                      question \nA: …\nB: … \nJust give ONE letter representing the answer directly.
 *     cloze            kind cloze; "__" is written "[Blank]" (answer_cloze)
 *     generation       kind open (rougeL_stem)
 *     metadata         kind open, split train, with the picture: what the persons are learned from
 * Where there are several images, question k of a task shows image k mod their number: the original draws one without a seed, as it
 * does the few-shot examples, which are left out (every question counts, so the denominator does not move).
 * Fails: FILE:LINE and the task: unknown or missing keys, letters without a gap from A, an answer that is no option, a picture that is not there. */
#ifndef PULSE_EVAL_FORMATS_MLLMU_H
#define PULSE_EVAL_FORMATS_MLLMU_H

#include "model/training/dataset.h"
#include "model/training/sample.h"

bool mllmu_read(Dataset *out, const char *path, Arena *a, Error *e);
/* dataset_read, mllmu_read (a first object with an "ID") or, for names in .tsv, mmbench_read: by what the file is. */
bool samples_open(Dataset *out, const char *path, Arena *a, Error *e);

#endif
