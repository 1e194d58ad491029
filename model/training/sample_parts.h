/* SPDX-License-Identifier: MIT */
/* What the two files of samples share. Not for others. */
#ifndef PULSE_MODEL_TRAINING_SAMPLE_PARTS_H
#define PULSE_MODEL_TRAINING_SAMPLE_PARTS_H

#include "model/training/sample.h"

/* Names to their places in a list, at most `room` of them. */
typedef struct NameMap { const char **name; size_t count, room, mask; int32_t *slot; } NameMap;

bool    name_map_make(NameMap *m, size_t room, Arena *a);
int32_t name_map_find(const NameMap *m, const char *name);      // -1: not there
int32_t name_map_add(NameMap *m, const char *name);             // the new place; `name` must live on and be new

/* `room` pictures at most, of files in `folder`. NULL: no memory. */
Pictures *pictures_make(const char *folder, size_t room, Arena *a);
/* Notes the picture and looks whether its file, and its row there, exist. */
bool      pictures_add(Pictures *p, const char *image, Arena *a, Error *e);
/* A picture that stands in no file. */
bool      pictures_put(Pictures *p, const char *image, const void *bytes, size_t n, Arena *a, Error *e);
bool      pictures_get(Pictures *p, const char *image, Image *out, Arena *a, Error *e);
void      pictures_close(Pictures *p);

#endif
