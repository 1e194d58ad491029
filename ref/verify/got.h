/* SPDX-License-Identifier: MIT */
/* Got: the answers of another implementation. They are a folder with one file for each case, or one file
 * with the tensors of all cases. */
#ifndef PULSE_REF_VERIFY_GOT_H
#define PULSE_REF_VERIFY_GOT_H

#include "tensor/store.h"

typedef struct {
    const char *path;
    bool one_file;
    Store file;                      // the one file
    Arena *arena;
} Got;

/* False: nothing can be read at the path, or the folder has a manifest.json of another specification. After success,
 * got_close must be called. */
bool got_open(Got *g, const char *path, Arena *a, Error *e);
void got_close(Got *g);
/* Whether there is any answer of the case; `file` is the path of its own file in a folder. */
bool got_has(const Got *g, const char *id, const char *file);
/* One answer of a case; NULL: it is not there. `own` is the case's own file in a folder. */
const Tensor *got_find(const Got *g, const Store *own, const char *id, const char *name);

#endif
