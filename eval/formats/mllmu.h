/* SPDX-License-Identifier: MIT */
/* MLLMU-Bench: reads files that have one person on each line. fixtures/convert_mllmu.py makes such files from the
 * published parquet files. Each question becomes a sample.
 *
 *     {"ID": "001", "images": ["images/full-001.png"],
 *      "Classification_Task": {"Image_Textual_Questions": [{"Question": "…", "Options": {"A": "…", "B": "…"},
 *                                                           "Correct_Answer": "B"}],
 *                              "Pure_Text_Questions": […]},
 *      "Mask_Task": [{"Question": "… __ …", "Ground_Truth": "…", "Type": "Image_Textual"}],
 *      "Generation_Task": [{"Type": "Pure_Text", "Question": "…", "Ground_Truth": "…"}],
 *      "metadata": [{"Question": "…", "Answer": "…"}]}
 *
 * Each task may be absent. The samples have the group "mllmu"; their entity is the ID, and their skill is the task. The
 * name in brackets is the function (accuracy.h) or the metric that scores the answers:
 *     classification   kind choice; the options in stored order, never shuffled; the answer is a letter
 *                      (answer_first_letter). The prompt is
 *                      question \nA: …\nB: … \nJust give ONE letter representing the answer directly.
 *     cloze            kind cloze; "__" is written "[Blank]" (answer_cloze)
 *     generation       kind open (rougeL_stem)
 *     metadata         kind open, split train, with the image: the model learns the persons from these
 * Where a person has n images, question k (from 0) of a list, if it has a picture, shows image k mod n. The original
 * code draws an image and few-shot examples at random, without a seed. Here there are no few-shot examples, so every
 * question is scored and the denominator is fixed. Errors begin with FILE:LINE and name the task: a key is unknown or
 * missing, the letters of the options have a gap or do not begin with A, an answer is not an option, an image is
 * missing. */
#ifndef PULSE_EVAL_FORMATS_MLLMU_H
#define PULSE_EVAL_FORMATS_MLLMU_H

#include "model/training/dataset.h"
#include "model/training/sample.h"

bool mllmu_read(Dataset *out, const char *path, Arena *a, Error *e);
/* Like mllmu_read, but an error in a person becomes a sentence of the list (error_list.h), and the rest of this
 * person's questions is left out. */
bool mllmu_read_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e);

#endif
