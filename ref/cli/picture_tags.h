/* SPDX-License-Identifier: MIT */
/* Picture tags: a command reports the orientation tags of the pictures that it is going to read. */
#ifndef PULSE_REF_CLI_PICTURE_TAGS_H
#define PULSE_REF_CLI_PICTURE_TAGS_H

#include "model/training/dataset.h"

/* Prints one line to stderr where a picture of one of the n data sets has an EXIF orientation tag other than 1 and is
 * read as its file stores it. Prints nothing where no picture has such a tag, or where `upright`, because then pictures
 * are turned. A data set that was not opened (pictures NULL) has no pictures. Returns whether a line was printed. */
bool picture_tags_print(const char *command, const Dataset *const *list, size_t n, bool upright);

#endif
