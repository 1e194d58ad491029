/* SPDX-License-Identifier: MIT */
/* Report: the results of a run as one page, DIR/report.html.
 *
 * Read: DIR/results.csv, which must be there; trajectory.csv, answers.jsonl and manifest.json where they are, and the page says what
 * is missing. The page needs nothing but itself: style, figures and pictures stand in it; no script, no time, no path.
 * `world`: the folder of the questions and their pictures (eval/world.h); NULL: the page shows none.
 * Fails: a file that is not of its format, with FILE:LINE; then no page is left. */
#ifndef PULSE_REF_REPORT_REPORT_H
#define PULSE_REF_REPORT_REPORT_H

#include "tensor/base/error.h"

bool report_write(const char *dir, const char *world, Error *e);

#endif
