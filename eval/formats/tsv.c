/* SPDX-License-Identifier: MIT */
#include "eval/formats/tsv.h"

#include <string.h>
#include "model/text/utf8.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

/* How far the text has been read. Each cell is terminated in place. */
typedef struct {
    char  *at;
    size_t line;
    char   ended;                 // what ended the last cell: a tab, '\n', or 0 for the end of the text
    bool   lost;                  // where the next row begins is not known
} Cursor;

/* Moves past the tab or line end after a cell, or stays at the end of the text; false: neither follows the cell. The
 * caller writes the NUL that ends the cell. */
static bool cell_end(Cursor *c)
{
    if (c->at[0] == '\r' && (c->at[1] == '\n' || c->at[1] == 0))
        c->at++;
    c->ended = *c->at;
    if (*c->at != '\t' && *c->at != '\n' && *c->at != 0)
        return false;
    c->line += *c->at == '\n';
    c->at += *c->at != 0;
    return true;
}

/* NULL: the quotation mark is not closed, or something other than a tab or a line end follows the closing one. */
static char *quoted_cell(Cursor *c)
{
    char *cell = ++c->at, *to = cell;
    while (*c->at && (*c->at != '"' || c->at[1] == '"')) {
        c->at += *c->at == '"';
        c->line += *c->at == '\n';
        *to++ = *c->at++;
    }
    if (*c->at == 0)
        return NULL;
    c->at++;
    if (!cell_end(c))
        return NULL;
    *to = 0;
    return cell;
}

static char *plain_cell(Cursor *c)
{
    char *cell = c->at, *end;
    c->at += strcspn(c->at, "\t\n");
    end = c->at > cell && c->at[-1] == '\r' && *c->at != '\t' ? c->at - 1 : c->at;
    cell_end(c);
    *end = 0;
    return cell;
}

static char *next_cell(Cursor *c)
{
    return *c->at == '"' ? quoted_cell(c) : plain_cell(c);
}

static bool head_read(Tsv *t, Cursor *c, Arena *a, Error *e)
{
    size_t columns = 1;
    for (const char *s = c->at; *s && *s != '\n'; s++)
        columns += *s == '\t';
    if (!(t->column = arena_array(a, columns, sizeof *t->column)))
        return false;
    do {
        const char *name = next_cell(c);
        if (!name || !*name)
            return error_set(e, "%s:1: column %zu has no name", t->path, t->columns + 1);
        if (tsv_column(t, name) < t->columns)
            return error_set(e, "%s:1: the column \"%.40s\" appears twice", t->path, name);
        t->column[t->columns++] = name;
    } while (c->ended == '\t');
    return true;
}

static bool row_read(Tsv *t, Cursor *c, Error *e)
{
    const size_t line = c->line;
    size_t n = 0;
    bool empty = true;
    t->line[t->rows] = line;
    do {
        const char *cell = next_cell(c);
        c->lost = !cell;
        if (!cell)
            return error_set(e, "%s:%zu: cell %zu begins with a quotation mark that is not closed before a tab or a line end",
                             t->path, line, n + 1);
        if (n < t->columns)
            t->cell[t->rows * t->columns + n] = cell;
        n++;
        empty &= *cell == 0;
    } while (c->ended == '\t');
    // a blank line, or the empty cells that spreadsheets leave below the last row
    if (empty)
        return true;
    if (n != t->columns)
        return error_set(e, "%s:%zu: the row has %zu cells, expected %zu, one for each column of the first line", t->path, line, n,
                         t->columns);
    t->rows++;
    return true;
}

static bool text_check(const Tsv *t, const char *text, size_t n, Error *e)
{
    size_t bad = utf8_valid(text, n), zero = strlen(text), at = zero < bad ? zero : bad, line = 1;
    for (size_t k = 0; k < at; k++)
        line += text[k] == '\n';
    return at == n || error_set(e, "%s:%zu: the line is not UTF-8", t->path, line);
}

bool tsv_read(Tsv *t, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    size_t n, lines = 1;
    *t = (Tsv){ .path = arena_text(a, path) };
    char *text = t->path ? file_text(path, LIMIT_TABLE, &n, a, e) : NULL;
    if (!text || !text_check(t, text, n, e))
        return false;
    for (size_t k = 0; k < n; k++)
        lines += text[k] == '\n';
    Cursor c = { text, 1, 0, false };
    for (; *c.at == '\n' || (c.at[0] == '\r' && c.at[1] == '\n'); c.at++)
        c.line += *c.at == '\n';
    if (!head_read(t, &c, a, e))
        return false;
    t->line = arena_array(a, lines, sizeof *t->line);
    t->cell = t->columns <= (size_t)-1 / lines ? arena_array(a, lines * t->columns, sizeof *t->cell) : NULL;
    if (!t->line || !t->cell)
        return error_no_memory(e, "%s: no memory for %zu lines of %zu cells", path, lines, t->columns);
    while (*c.at)
        if (!row_read(t, &c, e) && (c.lost || !error_list_take(errors, e)))
            return false;
    return t->rows || errors || error_set(e, "%s:1: the first line names columns, but no row follows", path);
}

size_t tsv_column(const Tsv *t, const char *name)
{
    for (size_t k = 0; k < t->columns; k++)
        if (strcmp(t->column[k], name) == 0)
            return k;
    return t->columns;
}

static int digit64(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A'
         : c >= 'a' && c <= 'z' ? c - 'a' + 26
         : c >= '0' && c <= '9' ? c - '0' + 52
         : c == '+'             ? 62
         : c == '/'             ? 63
                                : -1;
}

bool base64_decode(const char *text, unsigned char *out, size_t *n)
{
    size_t length = strlen(text), pads = 0;
    *n = 0;
    while (pads < 2 && pads < length && text[length - 1 - pads] == '=')
        pads++;
    if (length == 0 || length % 4)
        return false;
    for (size_t k = 0; k < length; k += 4) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            int d = k + j >= length - pads ? 0 : digit64(text[k + j]);
            if (d < 0)
                return false;
            bits = bits << 6 | (uint32_t)d;
        }
        size_t bytes = k + 4 == length ? 3 - pads : 3;
        if (bits & ((1u << (24 - 8 * bytes)) - 1))           // the bits after the last whole byte must be 0
            return false;
        for (size_t j = 0; j < bytes; j++)
            out[(*n)++] = (unsigned char)(bits >> (16 - 8 * j));
    }
    return true;
}
