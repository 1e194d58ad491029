/* SPDX-License-Identifier: MIT */
/* Output: before a command works, it tries to write where its output will go, so that no long computation is lost to a
 * folder that is not there or may not be written. */
#ifndef PULSE_REF_CLI_OUTPUT_H
#define PULSE_REF_CLI_OUTPUT_H

#include <stdbool.h>
#include "tensor/base/error.h"

/* Whether a file can be written under this name; its folder is made where it is not there. What stands there stays as
 * it is. */
bool output_file(const char *path, Error *e);
/* Whether files can be written in this folder, which is made where it is not there. */
bool output_folder(const char *path, Error *e);

#endif
