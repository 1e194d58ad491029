/* SPDX-License-Identifier: MIT */
/* Got: the answers of another implementation, as a folder with a file a case, or as one file with the tensors of all cases. */
#ifndef PULSE_REF_VERIFY_GOT_H
#define PULSE_REF_VERIFY_GOT_H

#include "tensor/store.h"

typedef struct {
    const char *path;
    bool one_file;
    Store file;                      // the one file
    Arena *arena;
} Got;

/* False where nothing can be read at the path. After success it is to be closed. */
bool got_open(Got *g, const char *path, Arena *a, Error *e);
void got_close(Got *g);
/* Whether there is any answer of the case; `file` is the path of its own file in a folder. */
bool got_has(const Got *g, const char *id, const char *file);
/* One answer of a case; NULL: it is not there. `own` is the case's own file, unused where there is one file. */
const Tensor *got_find(const Got *g, const Store *own, const char *id, const char *name);

#endif
