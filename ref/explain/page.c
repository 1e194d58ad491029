/* SPDX-License-Identifier: MIT */
/* The pages of docs/methods/: one for each method, and index.md with the table of all of them. */
#include <string.h>
#include "ref/explain/sheet.h"

/* Writes a text into a cell of a table. A bar is escaped, because it would end the cell. */
static void put_cell(FILE *to, const char *text)
{
    for (; *text; text++)
        fprintf(to, *text == '|' ? "\\|" : "%c", *text);
}

static void put_code(FILE *to, const char *text)
{
    fputc('`', to);
    put_cell(to, text);
    fputc('`', to);
}

static void put_switches(FILE *to, const SheetRow *row)
{
    if (!row->switches)
        fputs("no switch does it", to);
    else if (strcmp(row->switches, "-") == 0)
        fputs("the default", to);
    else
        put_code(to, row->switches);
}

static void put_distances(FILE *to, const SheetRow *row)
{
    fprintf(to, " | %s | %s |", row->loss ? row->loss : "", row->update ? row->update : "");
}

static void put_part(FILE *to, const char *name, const char *formula)
{
    if (formula)
        fprintf(to, "- %s: `%s`\n", name, formula);
}

static void put_keys(const Sheet *s, FILE *to)
{
    if (s->key_count == 0) {
        fputs("It has no hyperparameter but `seed`.\n", to);
        return;
    }
    fputs("| key | default | values | what it is |\n|---|---|---|---|\n", to);
    for (size_t k = 0; k < s->key_count; k++) {
        const SheetKey *x = &s->keys[k];
        fprintf(to, "| `%s` | `%s`%s | ", x->key, x->value, x->ours ? " [ours]" : "");
        put_code(to, x->range);
        fputs(" | ", to);
        put_code(to, x->help);
        fprintf(to, "%s%s |\n", x->ours ? ". [ours]: " : "", x->ours ? x->ours : "");
    }
}

void sheet_page(const Sheet *s, FILE *to)
{
    const Method *m = s->method;
    fprintf(to, "# %s\n\n`%s`: %s.\n\n## The equation\n\n", m->label, m->name, m->source);
    put_part(to, "loss", m->formula.loss);
    put_part(to, "gradient", m->formula.gradient);
    put_part(to, "variants", m->formula.variants);
    put_part(to, "notes", m->formula.notes);
    fprintf(to, "\n[method.h](../../unlearn/method.h) says what the letters mean. The method needs: %s.\n\n## Defaults\n\n", s->needs);
    put_keys(s, to);
    fputs("\n## Who computes what\n\n", to);
    fputs("The distances from our default are measured, and [the table of all methods](index.md) says how.\n\n", to);
    fputs("| paper or code | switches here | loss | update | how it differs |\n|---|---|---|---|---|\n", to);
    for (size_t k = 0; k < s->row_count; k++) {
        const SheetRow *x = &s->rows[k];
        fputs("| ", to);
        put_cell(to, x->code->who);
        fputs(" | ", to);
        put_switches(to, x);
        put_distances(to, x);
        fputc(' ', to);
        put_cell(to, x->code->differs);
        fputs(" |\n", to);
    }
    fprintf(to, "\n`pulse-ref explain %s --markdown` makes this page.\n", m->name);
}

void sheets_page(const Sheet *s, size_t n, FILE *to)
{
    fprintf(to, "# Methods, and who computes what under their names\n\n"
                "A published name does not denote one method. Each row is a paper or a public code, the switches with which this\n"
                "program computes what it computes, and how far that is from the default here. `pulse-ref explain NAME` prints\n"
                "the equation, the defaults and these rows for one method; each name below is a link to such a page.\n\n"
                "The distances are measured on a tiny model that has learnt %d samples: %d of them are forgotten in %d requests of\n"
                "%d steps each. *Loss* is the sum of the differences of the losses over the sum of the losses, in absolute values.\n"
                "*Update* is the length of the difference of the two changes of all weights over the length of the change by\n"
                "default. 0 means the same bits; an empty cell means that there is nothing to compare. Only the hyperparameters\n"
                "and the mask of a code are followed, not its optimiser, its batches or its budget, so a 0 says that the\n"
                "definitions agree and nothing else.\n\n"
                "| method | paper or code | switches here | loss | update |\n|---|---|---|---|---|\n",
            TINY_FORGET + TINY_RETAIN, TINY_FORGET, TINY_ROUNDS, TINY_STEPS);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s[i].row_count; k++) {
            fprintf(to, "| [%s](%s.md) | ", s[i].method->name, s[i].method->name);
            put_cell(to, s[i].rows[k].code->who);
            fputs(" | ", to);
            put_switches(to, &s[i].rows[k]);
            put_distances(to, &s[i].rows[k]);
            fputc('\n', to);
        }
    fputs("\n`pulse-ref explain --all --markdown` makes this page and those of the methods.\n", to);
}
