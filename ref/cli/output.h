/* SPDX-License-Identifier: MIT */
/* Output: before a command computes, it tries to write where its output will go. So no long computation is lost because
 * a folder is missing or cannot be written. */
#ifndef PULSE_REF_CLI_OUTPUT_H
#define PULSE_REF_CLI_OUTPUT_H

#include <stdbool.h>
#include "tensor/base/error.h"

/* Whether a file of this name can be written. Makes its folder if it is missing; an existing file is not changed. */
bool output_file(const char *path, Error *e);
/* Whether files can be written in this folder. Makes the folder if it is missing. */
bool output_folder(const char *path, Error *e);

#endif
