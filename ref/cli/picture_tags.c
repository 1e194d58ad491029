/* SPDX-License-Identifier: MIT */
#include "ref/cli/picture_tags.h"

#include <stdio.h>

bool picture_tags_print(const char *command, const Dataset *const *list, size_t n, bool upright)
{
    const char *image = NULL;
    unsigned orientation;
    for (size_t k = 0; k < n && !image && !upright; k++)
        image = list[k]->pictures ? picture_cache_tagged(list[k]->pictures, &orientation) : NULL;
    if (image)
        fprintf(stderr, "pulse-ref: %s: %s has the EXIF orientation tag %u, and is read as it is stored (data.orientation = exif "
                        "turns such pictures)\n", command, image, orientation);
    return image != NULL;
}
