/* SPDX-License-Identifier: MIT */
/* pulse-ref explain says what a method is, and which paper and public code computes what under its name. */
#include <string.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/explain/sheet.h"
#include "tensor/base/file.h"

/* Writes the page of one method (n is 0), or the index of n methods. */
static bool write_page(const char *folder, const char *name, const Sheet *s, size_t n, Arena *a, Error *e)
{
    FileWriter w;
    const char *path = arena_format(a, "%s/%s.md", folder, name);
    if (!path || !file_begin(&w, path, e))
        return false;
    if (n)
        sheets_page(s, n, w.stream);
    else
        sheet_page(s, w.stream);
    return file_finish(&w, e);
}

static bool write_pages(const char *folder, const Sheet *s, size_t n, Arena *a, Error *e)
{
    bool good = file_make_folder(folder, e) && (n == 1 || write_page(folder, "index", s, n, a, e));
    for (size_t k = 0; good && k < n; k++)
        good = write_page(folder, s[k].method->name, &s[k], 0, a, e);
    return good;
}

static bool methods_print(const Sheet *s, size_t n, bool json, Arena *a, Error *e)
{
    if (!json)
        return n == 1 ? sheet_print(s, e) : sheets_print(s, n, a, e);
    json_t *all = n == 1 ? NULL : json_array();
    for (size_t k = 0; all && k < n; k++)
        json_add(all, sheet_json(&s[k]));
    command_print(all ? all : sheet_json(s));
    return true;
}

/* Explains one method, or all of them where `method` is NULL: on stdout where `folder` is NULL, else as pages in that
 * folder. */
static bool explain(const Method *method, const char *folder, bool json, Error *e)
{
    Arena a = arena_make(e);
    Tiny t;
    const size_t n = method ? 1 : methods_count;
    Sheet *s = arena_array(&a, n, sizeof *s);
    bool good = s && tiny_make(&t, &a, e);
    for (size_t k = 0; good && k < n; k++)
        good = sheet_make(&s[k], &t, method ? method : methods[k], &a, e);
    good = good && (folder ? write_pages(folder, s, n, &a, e) : methods_print(s, n, json, &a, e));
    arena_free(&a);
    return good;
}

int command_explain(int argc, char **argv)
{
    bool all = false, markdown = false;
    const char *folder = NULL;
    const Option own[] = {
        { "all", NULL, "All methods are explained in one table.", .flag = &all },
        { "markdown", NULL, "The page of the method is written as NAME.md, and with --all every page and index.md.", .flag = &markdown },
        { "out", "DIR", "The pages are written into this folder; the default is docs/methods.", .text = &folder },
    };
    Options o;
    Error e = { .failed = false };
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 1, &status))
        return status;
    if (all == (o.operands == 1))
        return command_fail_text("explain: %s, expected one method of `pulse-ref list methods`, or --all",
                                 all ? "a method is named beside --all" : "no method is named");
    if (markdown ? o.json : folder != NULL)
        return command_fail_text(markdown ? "explain: --json is given beside --markdown, expected one of the two"
                                          : "explain: --out is given without --markdown, expected both");
    const Method *m = all ? NULL : method_find(o.operand[0]);
    if (!all && !m)
        return command_fail_text("explain: there is no method %s, expected one of `pulse-ref list methods`", o.operand[0]);
    return explain(m, !markdown ? NULL : folder ? folder : "docs/methods", o.json, &e) ? EXIT_SAME : command_fail(&e);
}
