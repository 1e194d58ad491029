/* SPDX-License-Identifier: MIT */
/* The style of the page. Colours: Okabe and Ito's, told apart with any colour vision; in dark the lighter of each pair. */
#ifndef PULSE_REF_REPORT_PAGE_STYLE_H
#define PULSE_REF_REPORT_PAGE_STYLE_H

extern const char page_style[];

#endif
