/* SPDX-License-Identifier: MIT */
/* Decoding: the steps of the decoder change a list of texts, one for each token. The texts are then joined. */
#include "model/text/tokenizer_parts.h"

#include <string.h>
#include "model/text/utf8.h"

typedef struct { Span *part; size_t count; } Parts;

static bool parts_map(Parts *p, const TextStep *s, Arena *scratch)
{
    for (size_t i = 0; i < p->count; i++) {
        TextBuffer b = { .arena = scratch };
        if (!step_apply(s, p->part[i], &b))
            return false;
        p->part[i] = buffer_span(&b);
    }
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of a byte token, which is 0x41 for "<0x41>"; -1 for every other token. */
static int token_byte(Span s)
{
    if (s.n != 6 || memcmp(s.at, "<0x", 3) || s.at[5] != '>' || hex_digit(s.at[3]) < 0 || hex_digit(s.at[4]) < 0)
        return -1;
    return hex_digit(s.at[3]) << 4 | hex_digit(s.at[4]);
}

/* A run of byte tokens becomes the text of these bytes if they are UTF-8; otherwise each byte becomes U+FFFD. */
static bool parts_bytes(Parts *p, Arena *scratch)
{
    size_t kept = 0;
    for (size_t i = 0, j; i < p->count; i = j) {
        TextBuffer b = { .arena = scratch };
        for (j = i; j < p->count && token_byte(p->part[j]) >= 0; j++)
            if (!buffer_add(&b, &(char){ (char)token_byte(p->part[j]) }, 1))
                return false;
        if (j == i) {
            p->part[kept++] = p->part[j++];
            continue;
        }
        if (utf8_valid(b.at, b.n) != b.n) {
            b.n = 0;
            for (size_t k = i; k < j; k++)
                if (!buffer_add(&b, "\xef\xbf\xbd", 3))
                    return false;
        }
        p->part[kept++] = buffer_span(&b);
    }
    p->count = kept;
    return true;
}

static bool parts_fuse(Parts *p, Arena *scratch)
{
    TextBuffer b = { .arena = scratch };
    for (size_t i = 0; i < p->count; i++)
        if (!buffer_add(&b, p->part[i].at, p->part[i].n))
            return false;
    if (p->count)
        p->part[0] = buffer_span(&b);
    p->count = p->count > 0;
    return true;
}

static void parts_strip(Parts *p, const TextStep *s)
{
    for (size_t i = 0; i < p->count; i++) {
        Span *t = &p->part[i];
        for (size_t k = 0; k < s->left && t->n >= s->to.n && !memcmp(t->at, s->to.at, s->to.n); k++)
            *t = (Span){ t->at + s->to.n, t->n - s->to.n };
        for (size_t k = 0; k < s->right && t->n >= s->to.n && !memcmp(t->at + t->n - s->to.n, s->to.at, s->to.n); k++)
            t->n -= s->to.n;
    }
}

/* Every mark becomes a blank. Encoding may have added a mark to the first token, so there
 * marks are removed instead, unless the step never adds one. */
static bool parts_metaspace(Parts *p, const TextStep *s, Arena *scratch)
{
    TextStep blank = { .kind = STEP_REPLACE, .from = s->to, .to = { " ", 1 } };
    TextStep nothing = { .kind = STEP_REPLACE, .from = s->to, .to = { "", 0 } };
    Parts first = { p->part, p->count > 0 }, rest = { p->part + (p->count > 0), p->count - (p->count > 0) };
    return parts_map(&first, s->prepend == PREPEND_NEVER ? &blank : &nothing, scratch)
        && parts_map(&rest, &blank, scratch);
}

static bool parts_step(Parts *p, const TextStep *s, Arena *scratch)
{
    switch (s->kind) {
    case STEP_BYTES:     return parts_bytes(p, scratch);
    case STEP_FUSE:      return parts_fuse(p, scratch);
    case STEP_METASPACE: return parts_metaspace(p, s, scratch);
    case STEP_STRIP:     parts_strip(p, s); return true;
    default:             return parts_map(p, s, scratch);
    }
}

static bool decode_all(const Tokenizer *t, Parts *p, TextBuffer *out, Arena *scratch)
{
    for (size_t k = 0; k < t->decoder.count; k++)
        if (!parts_step(p, &t->decoder.step[k], scratch))
            return false;
    for (size_t i = 0; i < p->count; i++) {
        if (i && !t->decoder.count && !buffer_add(out, " ", 1))          // without a decoder every token is a word
            return false;
        if (!buffer_add(out, p->part[i].at, p->part[i].n))
            return false;
    }
    return buffer_add(out, "", 1);
}

static bool parts_fill(const Tokenizer *t, const int32_t *id, size_t count, bool skip, Parts *p, Arena *scratch)
{
    p->part = arena_array(scratch, count + 1, sizeof *p->part);
    if (!p->part)
        return false;
    for (size_t i = 0; i < count; i++)
        if (tokenizer_token(t, id[i]) && (!skip || !tokenizer_is_special(t, id[i])))
            p->part[p->count++] = t->token[id[i]];
    return true;
}

char *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t count, bool skip, Arena *a, Error *e)
{
    Arena scratch = arena_make(e);
    Parts p = { NULL, 0 };
    TextBuffer whole = { .arena = &scratch };
    char *out = NULL;
    if (!parts_fill(t, id, count, skip, &p, &scratch) || !decode_all(t, &p, &whole, &scratch))
        error_no_memory(e, "no memory to decode %zu tokens", count);
    else if ((out = arena_alloc(a, whole.n)))
        memcpy(out, whole.at, whole.n);
    arena_free(&scratch);
    return out;
}
