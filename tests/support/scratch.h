/* SPDX-License-Identifier: MIT */
/* Scratch: a folder for one test program, made when first asked for and removed when the program ends. */
#ifndef PULSE_TESTS_SUPPORT_SCRATCH_H
#define PULSE_TESTS_SUPPORT_SCRATCH_H

/* A path inside the folder. The text stays valid until scratch has been called 16 more times. */
const char *scratch(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
