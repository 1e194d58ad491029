/* SPDX-License-Identifier: MIT */
/* How a product is cut and computed by the threads of the team. */
#ifndef PULSE_TENSOR_PRODUCT_PRODUCT_RUN_H
#define PULSE_TENSOR_PRODUCT_PRODUCT_RUN_H

#include <stdint.h>
#include "tensor/product/engine.h"
#include "tensor/product/rounding.h"

enum { PRODUCT_ROWS = 104 };            // the most lines of the left operand that are summed at once

typedef struct { Lines a, b; } Operands;

/* Computes the tile `t`, which begins at column 0; t->operands points to an Operands. Freivalds' check (freivalds.h) is
 * made if t->m, t->n and t->length are all at least 300, and for a smaller tile if `call` is a multiple of 16. Adds to
 * *left how many results Exact decided. */
bool product_run(const Engine *engine, const Tile *t, uint64_t call, size_t *left, Arena *arena, Error *e);

#endif
