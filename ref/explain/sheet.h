/* SPDX-License-Identifier: MIT */
/* Sheet: what `pulse-ref explain` says about one method. The distances of its forms are measured on the tiny model
 * (tiny.h). A sheet is printed as text for a terminal, as JSON, or as a page of docs/methods/. */
#ifndef PULSE_REF_EXPLAIN_SHEET_H
#define PULSE_REF_EXPLAIN_SHEET_H

#include <stdio.h>
#include "ref/explain/tiny.h"
#include "tensor/base/json.h"

/* A form of the method, and how far it is from the method's default. */
typedef struct {
    const Code *code;
    const char *switches;              // written out (form_switches); "-": none is needed; NULL: no switch computes it
    // walk_losses_apart and walk_updates_apart, to two digits; "0": the same bits; NULL: the divisor is 0, or no switch
    const char *loss, *update;
} SheetRow;

/* A hyperparameter that the method reads. `value` is its default for this method. `ours`: why that default is our own
 * choice; NULL: it is a published one. */
typedef struct { const char *key, *value, *range, *help, *ours; } SheetKey;

typedef struct {
    const Method *method;
    const char *needs;
    SheetKey *keys;
    SheetRow *rows;
    size_t key_count, row_count;
} Sheet;

/* Runs every form of the method; everything lives in `a`. */
bool sheet_make(Sheet *s, const Tiny *t, const Method *m, Arena *a, Error *e);

bool    sheet_print(const Sheet *s, Error *e);
json_t *sheet_json(const Sheet *s);                              // the caller owns it
void    sheet_page(const Sheet *s, FILE *to);
/* Print one table of the rows of n methods. */
bool    sheets_print(const Sheet *s, size_t n, Arena *a, Error *e);
void    sheets_page(const Sheet *s, size_t n, FILE *to);

#endif
