/* SPDX-License-Identifier: MIT */
/* Report: writes the results of a run as one page, DIR/report.html.
 *
 * DIR/results.csv must exist; trajectory.csv, answers.jsonl and manifest.json may be missing, and then the page says
 * so. The page is self-contained: it holds its style, figures and images, and no script, time or path. `world` is
 * the folder of the questions and their images (eval/world.h). Where `world` is NULL or has no world.json, the page
 * shows the ids of questions in place of their texts, and no images. A file that is not in its format is an error,
 * which names the file and, in tables, the line; then no page is written. */
#ifndef PULSE_REF_REPORT_REPORT_H
#define PULSE_REF_REPORT_REPORT_H

#include "tensor/base/error.h"

bool report_write(const char *dir, const char *world, Error *e);

#endif
