/* SPDX-License-Identifier: MIT */
#include "tests/bounds/hard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/float.h"

Tensor hard_run(const Hard *h, Arena *a)
{
    Tensor out = { .data = NULL };
    Error e = { 0 };
    Attrs attrs = h->attrs;
    attrs.index = attrs.index_count ? h->index : NULL;
    return op_run(h->op, h->n_in, h->in, &attrs, a, &e, &out) ? out : (Tensor){ .data = NULL };
}

/* --- writing --- */

static void write_numbers(FILE *f, const float *x, size_t n)
{
    for (size_t k = 0, same; k < n; k += same) {
        for (same = 1; k + same < n && float_bits(x[k + same]) == float_bits(x[k]);)
            same++;
        if (same > 1)
            fprintf(f, " %zu*%a", same, (double)x[k]);
        else
            fprintf(f, " %a", (double)x[k]);
    }
}

static void write_tensor(FILE *f, const char *word, Tensor t)
{
    fprintf(f, "  %s [", word);
    for (int k = 0; k < t.shape.rank; k++)
        fprintf(f, "%s%zu", k ? "," : "", t.shape.dim[k]);
    fprintf(f, "]");
    write_numbers(f, t.f32, shape_size(t.shape));
}

void hard_write(FILE *f, const char *catches, const Hard *h, Tensor out)
{
    fprintf(f, "%s %s  tier %d  %s", h->exceeds ? "exceeds" : "catches", catches, h->tier, h->op->name);
    for (int k = 0; k < OP_FLOATS && h->op->floats[k]; k++)
        fprintf(f, "  %s %a", h->op->floats[k], (double)h->attrs.f[k]);
    for (int k = 0; k < OP_REALS && h->op->reals[k]; k++)
        fprintf(f, "  %s %a", h->op->reals[k], h->attrs.d[k]);
    for (int k = 0; k < OP_INTS && h->op->ints[k]; k++)
        fprintf(f, "  %s %lld", h->op->ints[k], (long long)h->attrs.n[k]);
    if (h->attrs.index_count)
        fprintf(f, "  index %zu*%d", h->attrs.index_count, (int)h->index[0]);
    for (size_t k = 0; k < h->n_in; k++)
        write_tensor(f, "input", h->in[k]);
    write_tensor(f, "output", out);
    fprintf(f, "\n");
}

/* --- reading --- */

static const char *word_of(const char **at, char word[256])
{
    size_t n = 0;
    while (**at == ' ' || **at == '\n')
        ++*at;
    while (**at && **at != ' ' && **at != '\n' && n < 255)
        word[n++] = *(*at)++;
    word[n] = '\0';
    return word;
}

static bool shape_read(const char *text, Shape *s)
{
    *s = (Shape){ .rank = 0 };
    if (*text++ != '[')
        return false;
    while (*text && *text != ']') {
        char *end;
        s->dim[s->rank++] = strtoul(text, &end, 10);
        if (end == text || s->rank > 4)
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return *text == ']';
}

static bool tensor_read(const char **at, Tensor *t, Arena *a)
{
    char word[256];
    Shape s;
    if (!shape_read(word_of(at, word), &s))
        return false;
    *t = tensor_f32(a, s);
    size_t n = shape_size(s), k = 0;
    while (k < n) {
        char *star = strchr(word_of(at, word), '*'), *end;
        size_t same = star ? strtoul(word, NULL, 10) : 1;
        float x = strtof(star ? star + 1 : word, &end);
        if (!*word || *end || same > n - k)
            return false;
        while (same--)
            t->f32[k++] = x;
    }
    return true;
}

static bool field_read(const char **at, const char *word, Hard *h, Tensor *out, Arena *a, Error *e)
{
    char value[256];
    if (strcmp(word, "input") == 0)
        return h->n_in < HARD_INPUTS && tensor_read(at, &h->in[h->n_in++], a);
    if (strcmp(word, "output") == 0)
        return tensor_read(at, out, a);
    word_of(at, value);
    if (strcmp(word, "index") == 0) {
        char *star = strchr(value, '*');
        h->attrs.index_count = strtoul(value, NULL, 10);
        for (size_t k = 0; star && k < h->attrs.index_count && k < HARD_INDEX; k++)
            h->index[k] = atoi(star + 1);
        return star && h->attrs.index_count <= HARD_INDEX;
    }
    return attrs_set(&h->attrs, h->op, word, strtod(value, NULL), e);
}

bool hard_read(const char *line, Hard *h, char catches[64], Tensor *out, Arena *a, Error *e)
{
    char word[256];
    *h = (Hard){ .op = NULL };
    out->data = NULL;
    h->exceeds = strcmp(word_of(&line, word), "exceeds") == 0;
    if (!h->exceeds && strcmp(word, "catches") != 0)
        return error_set(e, "a case begins with \"%s\", expected \"catches\" or \"exceeds\"", word);
    snprintf(catches, 64, "%.63s", word_of(&line, word));
    if (strcmp(word_of(&line, word), "tier") != 0)
        return error_set(e, "\"%s\" follows what a case catches, expected \"tier\"", word);
    h->tier = atoi(word_of(&line, word));
    h->op = op_find(word_of(&line, word));
    if (!h->op)
        return error_set(e, "there is no operator \"%s\"", word);
    while (*word_of(&line, word))
        if (!field_read(&line, word, h, out, a, e))
            return error_set(e, "%s: the field \"%s\" cannot be read", h->op->name, word);
    return out->data != NULL || error_set(e, "%s: a case without an output", h->op->name);
}
