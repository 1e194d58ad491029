/* SPDX-License-Identifier: MIT */
/* Picture tags: what a command says about the orientation tags of the pictures that it is going to read. */
#ifndef PULSE_REF_CLI_PICTURE_TAGS_H
#define PULSE_REF_CLI_PICTURE_TAGS_H

#include "model/training/dataset.h"

/* Says on stderr, in one line, that a picture of one of the n data sets has an EXIF orientation tag other than 1, and is read as its file
 * stores it. Says nothing where no picture has one, and nothing where `upright`, because then pictures are turned. A data set that was
 * not opened (pictures NULL) has no pictures. Returns whether something was said. */
bool picture_tags_tell(const char *command, const Dataset *const *list, size_t n, bool upright);

#endif
