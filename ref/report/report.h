/* SPDX-License-Identifier: MIT */
/* Report: writes the results of a run as one page, DIR/report.html.
 *
 * It reads DIR/results.csv, which must be there, and trajectory.csv, answers.jsonl and manifest.json where they are; the page says what is
 * missing. The page needs nothing but itself: style, figures and images stand in it, and it holds no script, no time and no path.
 * `world` is the folder of the questions and their images (eval/world.h); NULL: the page shows none.
 * Error: a file is not of its format, with FILE:LINE; then no page is written. */
#ifndef PULSE_REF_REPORT_REPORT_H
#define PULSE_REF_REPORT_REPORT_H

#include "tensor/base/error.h"

bool report_write(const char *dir, const char *world, Error *e);

#endif
