/* SPDX-License-Identifier: MIT */
#include "ref/table.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "tensor/json.h"

enum { COLUMNS_MAX = 16 };

/* "x w b?" becomes ["x", "w", "b?"]. */
static json_t *json_words(const char *text)
{
    json_t *list = json_array();
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, " ");
        if (n)
            json_array_append_new(list, json_stringn(at, n));
        at += n + (at[n] == ' ');
    }
    return list;
}

static void put_cell(json_t *row, const char *column, const char *text)
{
    char name[64];
    const size_t n = strcspn(column, "[");
    snprintf(name, sizeof name, "%.*s", (int)n, column);
    json_object_set_new(row, name, column[n] ? json_words(text) : text ? json_string(text) : json_null());
}

static bool print_json(const char *const *columns, size_t n, const char *const *cells, size_t rows, Error *e)
{
    json_t *all = json_array();
    for (size_t r = 0; r < rows; r++) {
        json_t *row = json_object();
        for (size_t c = 0; c < n; c++)
            put_cell(row, columns[c], cells[r * n + c]);
        json_array_append_new(all, row);
    }
    bool written = json_dumpf(all, stdout, JSON_INDENT(2)) == 0;
    json_decref(all);
    putchar('\n');
    return written || error_set(e, "the table could not be written as JSON");
}

/* Columns but the last are as wide as their widest cell. */
static void print_text(const char *const *columns, size_t n, const char *const *cells, size_t rows)
{
    int width[COLUMNS_MAX] = { 0 };
    for (size_t c = 0; c + 1 < n; c++) {
        width[c] = (int)strlen(columns[c]);
        for (size_t r = 0; r < rows; r++) {
            int wide = cells[r * n + c] ? (int)strlen(cells[r * n + c]) : 0;
            width[c] = wide > width[c] ? wide : width[c];
        }
    }
    for (size_t c = 0; c < n; c++)
        printf("%-*s%s", width[c], columns[c], c + 1 < n ? "  " : "\n");
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < n; c++) {
            const char *text = cells[r * n + c] ? cells[r * n + c] : "";
            printf("%-*s%s", width[c], text, c + 1 < n ? "  " : "\n");
        }
}

bool table_print(const char *const *columns, size_t n, const char *const *cells, size_t rows, bool json, Error *e)
{
    if (n == 0 || n > COLUMNS_MAX)
        return error_set(e, "a table has 1 to %d columns, not %zu", COLUMNS_MAX, n);
    if (json)
        return print_json(columns, n, cells, rows, e);
    print_text(columns, n, cells, rows);
    return true;
}
