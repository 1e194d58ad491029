/* SPDX-License-Identifier: MIT */
#include "ref/cli/table.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "tensor/base/json.h"

enum { COLUMNS_MAX = 16, INDENT = 2, PAGE = 120 };          // PAGE: the width where stdout is not a terminal

/* "x w b?" becomes ["x", "w", "b?"]. */
static json_t *json_words(const char *text)
{
    json_t *list = json_array();
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, " ");
        if (n)
            json_add(list, json_stringn(at, n));
        at += n + (at[n] == ' ');
    }
    return list;
}

static void put_cell(json_t *row, const char *column, const char *text)
{
    char name[64];
    const size_t n = strcspn(column, "[");
    snprintf(name, sizeof name, "%.*s", (int)n, column);
    json_put(row, name, column[n] ? json_words(text) : text ? json_string(text) : json_null());
}

static bool print_json(const char *const *columns, size_t n, const char *const *cells, size_t rows, Error *e)
{
    json_t *all = json_array();
    for (size_t r = 0; r < rows; r++) {
        json_t *row = json_object();
        for (size_t c = 0; c < n; c++)
            put_cell(row, columns[c], cells[r * n + c]);
        json_add(all, row);
    }
    bool written = json_print(stdout, all, 2);
    json_decref(all);
    putchar('\n');
    return written || error_no_memory(e, "the table could not be written as JSON, because memory ran out");
}

/* The width of a text in columns of the terminal, one for each character. */
static int text_width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Measures the widest cell of each column. Returns the width of the table, with two spaces between columns. */
static int measure(int *width, const char *const *columns, size_t n, const char *const *cells, size_t rows)
{
    int all = 0;
    for (size_t c = 0; c < n; c++) {
        width[c] = text_width(columns[c]);
        for (size_t r = 0; r < rows; r++) {
            const int cell = cells[r * n + c] ? text_width(cells[r * n + c]) : 0;
            width[c] = cell > width[c] ? cell : width[c];
        }
        all += width[c] + (c ? 2 : 0);
    }
    return all;
}

static void print_lines(const int *width, const char *const *columns, size_t n, const char *const *cells, size_t rows,
                        const char *const *titles)
{
    const int indent = titles ? INDENT : 0;
    printf("%*s", indent, "");
    for (size_t c = 0; c < n; c++)
        printf("%-*s%s", c + 1 < n ? width[c] : 0, columns[c], c + 1 < n ? "  " : "\n");
    for (size_t r = 0; r < rows; r++) {
        if (titles && titles[r])
            printf("\n%s\n", titles[r]);
        printf("%*s", indent, "");
        for (size_t c = 0; c < n; c++) {
            const char *text = cells[r * n + c] ? cells[r * n + c] : "";
            printf("%s%*s%s", text, c + 1 < n ? width[c] - text_width(text) : 0, "", c + 1 < n ? "  " : "\n");
        }
    }
}

/* The width of the terminal that stdout is; 0 where it is not a terminal. */
static int terminal_width(void)
{
    struct winsize size = { .ws_col = 0 };
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void wrap(const char *text, int indent, int width)
{
    const int space = width - indent;
    for (int at = 0, gap = 0; *text;) {
        int n = (int)strcspn(text, " ");
        bool breaks = at && at + gap + n > space;
        printf("%s%*s%.*s", breaks ? "\n" : "", breaks ? indent : gap, "", n, text);
        at = n + (breaks ? 0 : at + gap);
        text += n;
        gap = (int)strspn(text, " ");
        text += gap;
    }
    putchar('\n');
}

void print_wrapped(const char *text, int indent)
{
    const int terminal = terminal_width();
    wrap(text, indent, terminal ? terminal : PAGE);
}

/* Prints each row as a paragraph, because the table is wider than `page`: first the row's first cell, then each further
 * cell that is not NULL, after the name of its column. */
static void print_paragraphs(int page, const char *const *columns, size_t n, const char *const *cells, size_t rows,
                             const char *const *titles)
{
    int label = 0;
    for (size_t c = 1; c < n; c++)
        label = (int)strlen(columns[c]) > label ? (int)strlen(columns[c]) : label;
    for (size_t r = 0; r < rows; r++) {
        if (titles && titles[r])
            printf("%s%s\n\n", r ? "\n" : "", titles[r]);
        printf("%s%s\n", r && !(titles && titles[r]) ? "\n" : "", cells[r * n]);
        for (size_t c = 1; c < n; c++)
            if (cells[r * n + c]) {
                printf("  %-*s  ", label, columns[c]);
                wrap(cells[r * n + c], label + 4, page);
            }
    }
}

static void print_text(const char *const *columns, size_t n, const char *const *cells, size_t rows,
                       const char *const *titles)
{
    const int terminal = terminal_width(), page = terminal ? terminal : PAGE;
    int width[COLUMNS_MAX];
    if (measure(width, columns, n, cells, rows) + (titles ? INDENT : 0) > page)
        print_paragraphs(page, columns, n, cells, rows, titles);
    else
        print_lines(width, columns, n, cells, rows, titles);
}

static bool columns_fit(size_t n, Error *e)
{
    return (n > 0 && n <= COLUMNS_MAX) || error_set(e, "a table has 1 to %d columns, not %zu", COLUMNS_MAX, n);
}

bool table_print(const char *const *columns, size_t n, const char *const *cells, size_t rows, bool json, Error *e)
{
    if (!columns_fit(n, e))
        return false;
    if (json)
        return print_json(columns, n, cells, rows, e);
    print_text(columns, n, cells, rows, NULL);
    return true;
}

bool table_print_under(const char *const *titles, const char *const *columns, size_t n, const char *const *cells,
                       size_t rows, Error *e)
{
    if (!columns_fit(n, e))
        return false;
    print_text(columns, n, cells, rows, titles);
    return true;
}
