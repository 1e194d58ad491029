/* SPDX-License-Identifier: MIT */
/* The style sheet of the page. The colours are those of Okabe and Ito, which colour-blind readers can tell apart; on a
 * dark background they are lighter. */
#ifndef PULSE_REF_REPORT_PAGE_STYLE_H
#define PULSE_REF_REPORT_PAGE_STYLE_H

extern const char page_style[];

#endif
