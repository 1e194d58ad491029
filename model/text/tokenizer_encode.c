/* SPDX-License-Identifier: MIT */
/* Encoding, in the order of `tokenizers`:
 *   1. Added tokens without the flag `normalized` are cut out of the text.
 *   2. Each part between them is normalised, and the added tokens with this flag are cut out of it.
 *   3. The rest is cut into pieces, and each piece is merged into tokens. */
#include "model/text/tokenizer_parts.h"

#include <string.h>
#include "model/text/utf8.h"

typedef struct {
    const Tokenizer *tokenizer;
    Arena      *scratch;
    IdBuffer    ids;
} Encoder;

static bool span_is_at(Span text, size_t at, Span what)
{
    return text.n - at >= what.n && !memcmp(text.at + at, what.at, what.n);
}

bool step_apply(const TextStep *s, Span in, TextBuffer *out)
{
    if (s->kind == STEP_PREPEND)
        return (!in.n || buffer_add(out, s->to.at, s->to.n)) && buffer_add(out, in.at, in.n);
    size_t from = 0;                                                     // STEP_REPLACE
    for (size_t at = 0; at < in.n; ) {
        if (!span_is_at(in, at, s->from)) {
            at++;
            continue;
        }
        if (!buffer_add(out, in.at + from, at - from) || !buffer_add(out, s->to.at, s->to.n))
            return false;
        from = at += s->from.n;
    }
    return buffer_add(out, in.at + from, in.n - from);
}

static bool normalise(const Encoder *c, Span in, Span *out)
{
    *out = in;
    for (size_t k = 0; k < c->tokenizer->normalizer.count; k++) {
        TextBuffer b = { .arena = c->scratch };
        if (!step_apply(&c->tokenizer->normalizer.step[k], *out, &b))
            return false;
        *out = buffer_span(&b);
    }
    return true;
}

/* --- Pieces --- */

/* In these functions, at_start says whether the text is the beginning of all that is encoded, and k is the index of the
 * pre-tokenizer's step. */
static bool merge_pieces(Encoder *c, Span in, bool at_start, size_t k);

/* Cuts the text before every mark if the step asks for it, and merges the pieces. */
static bool merge_marks(Encoder *c, Span text, bool at_start, size_t k)
{
    const TextStep *s = &c->tokenizer->pre.step[k];
    for (size_t at = 0, end; at < text.n; at = end) {
        for (end = at + 1; end < text.n && !(s->split && span_is_at(text, end, s->to)); end++)
            ;
        if (!merge_pieces(c, (Span){ text.at + at, end - at }, at_start && !at, k + 1))
            return false;
    }
    return true;
}

/* Replaces blanks by marks, and puts a mark before the text where the step wants one. */
static bool merge_metaspace(Encoder *c, Span in, bool at_start, size_t k)
{
    const TextStep *s = &c->tokenizer->pre.step[k];
    TextStep blanks = { .kind = STEP_REPLACE, .from = { " ", 1 }, .to = s->to };
    TextBuffer marked = { .arena = c->scratch }, whole = { .arena = c->scratch };
    if (!step_apply(&blanks, in, &marked))
        return false;
    Span text = buffer_span(&marked);
    bool wanted = s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && at_start);
    if (wanted && !span_is_at(text, 0, s->to)) {
        if (!buffer_add(&whole, s->to.at, s->to.n) || !buffer_add(&whole, text.at, text.n))
            return false;
        text = buffer_span(&whole);
    }
    return merge_marks(c, text, at_start, k);
}

/* Applies step k and the later steps to a piece. The depth of the recursion is the number of steps, at most 8. */
static bool merge_pieces(Encoder *c, Span in, bool at_start, size_t k)
{
    const TextSteps *pre = &c->tokenizer->pre;
    if (!in.n)
        return true;
    if (k == pre->count)
        return tokenizer_merge(c->tokenizer, in, &c->ids, c->scratch);
    if (pre->step[k].kind == STEP_METASPACE)
        return merge_metaspace(c, in, at_start, k);
    for (size_t at = 0, from = 0, n; at <= in.n; at += n) {              // STEP_WORDS; the end counts as white space
        uint32_t ch = ' ';
        n = at < in.n ? utf8_next(in.at + at, in.n - at, &ch) : 1;
        if (!utf8_is_space(ch))
            continue;
        if (!merge_pieces(c, (Span){ in.at + from, at - from }, at_start && !from, k + 1))
            return false;
        from = at + n;
    }
    return true;
}

/* --- Added tokens --- */

static bool word_character(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
        || (c >= 0x80 && !utf8_is_space(c));
}

/* The index at which the last character before `at` begins. */
static size_t character_before(Span s, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)s.at[at] >> 6) == 2);
    return at;
}

static bool stands_alone(Span s, size_t from, size_t to)
{
    uint32_t c;
    if (from > 0) {
        size_t b = character_before(s, from);
        if (utf8_next(s.at + b, from - b, &c) && word_character(c))
            return false;
    }
    return !(to < s.n && utf8_next(s.at + to, s.n - to, &c) && word_character(c));
}

static size_t spaces_before(Span s, size_t at)
{
    while (at > 0) {
        size_t b = character_before(s, at);
        uint32_t c;
        if (!utf8_next(s.at + b, at - b, &c) || !utf8_is_space(c))
            break;
        at = b;
    }
    return at;
}

static size_t spaces_after(Span s, size_t at)
{
    uint32_t c;
    size_t n;
    while (at < s.n && (n = utf8_next(s.at + at, s.n - at, &c)) > 0 && utf8_is_space(c))
        at += n;
    return at;
}

/* The longest added token of this pass (normalized or not) that begins at `at`; NULL: there is none. pattern[k] is the
 * text of added token k, normalised in the pass with `normalized`. */
static const AddedToken *added_at(const Encoder *c, Span s, size_t at, const Span *pattern, bool normalized)
{
    const AddedToken *best = NULL;
    size_t length = 0;
    for (size_t k = 0; k < c->tokenizer->added_count; k++)
        if (c->tokenizer->added[k].normalized == normalized && pattern[k].n > length && span_is_at(s, at, pattern[k])) {
            best = &c->tokenizer->added[k];
            length = pattern[k].n;
        }
    return best;
}

typedef bool Rest(Encoder *c, Span part, bool at_start);

/* Cuts the added tokens of one pass out of s, the leftmost and then the longest first, and gives the text before,
 * between and after them to `rest`. */
static bool cut_added(Encoder *c, Span s, bool at_start, const Span *pattern, bool normalized, Rest *rest)
{
    size_t done = 0;
    for (size_t at = 0; at < s.n; ) {
        const AddedToken *t = added_at(c, s, at, pattern, normalized);
        if (!t) {
            at++;
            continue;
        }
        size_t from = at, to = at + pattern[t - c->tokenizer->added].n;
        at = to;
        if (t->single_word && !stands_alone(s, from, to))
            continue;
        if (t->lstrip)
            from = spaces_before(s, from);
        if (t->rstrip)
            to = spaces_after(s, to);
        if (from > done && !rest(c, (Span){ s.at + done, from - done }, at_start && !done))
            return false;
        if (!ids_add(&c->ids, t->id))
            return false;
        done = to;
    }
    return done >= s.n || rest(c, (Span){ s.at + done, s.n - done }, at_start && !done);
}

static bool encode_pieces(Encoder *c, Span part, bool at_start) { return merge_pieces(c, part, at_start, 0); }

static bool encode_normalised(Encoder *c, Span part, bool at_start)
{
    Span text, *pattern = arena_array(c->scratch, c->tokenizer->added_count + 1, sizeof *pattern);
    if (!pattern || !normalise(c, part, &text))
        return false;
    for (size_t k = 0; k < c->tokenizer->added_count; k++)
        if (!normalise(c, c->tokenizer->added[k].text, &pattern[k]))
            return false;
    return cut_added(c, text, at_start, pattern, true, encode_pieces);
}

static bool encode_all(Encoder *c, Span text, TokenizerSpecials specials)
{
    const Tokenizer *t = c->tokenizer;
    Span *pattern = arena_array(c->scratch, t->added_count + 1, sizeof *pattern);
    bool ok = pattern != NULL;
    for (size_t k = 0; ok && k < t->added_count; k++)
        pattern[k] = t->added[k].text;
    for (size_t k = 0; ok && specials && k < t->before_count; k++)
        ok = ids_add(&c->ids, t->before[k]);
    ok = ok && cut_added(c, text, true, pattern, false, encode_normalised);
    for (size_t k = 0; ok && specials && k < t->after_count; k++)
        ok = ids_add(&c->ids, t->after[k]);
    return ok;
}

TokenIds tokenizer_encode_bytes(const Tokenizer *t, const char *text, size_t n, TokenizerSpecials specials, Arena *a,
                                Error *e)
{
    TokenIds out = { NULL, 0 };
    if (utf8_valid(text, n) != n) {
        error_set(e, "the text is not UTF-8 at byte %zu", utf8_valid(text, n));
        return out;
    }
    Arena scratch = arena_make(e);
    Encoder c = { t, &scratch, { .arena = &scratch } };
    if (!encode_all(&c, (Span){ text, n }, specials))
        error_no_memory(e, "no memory to encode a text of %zu bytes", n);
    else if ((out.id = arena_array(a, c.ids.n + 1, sizeof *out.id)) && (out.count = c.ids.n))
        memcpy(out.id, c.ids.id, out.count * sizeof *out.id);
    arena_free(&scratch);
    return out;
}

TokenIds tokenizer_encode(const Tokenizer *t, const char *text, TokenizerSpecials specials, Arena *a, Error *e)
{
    return tokenizer_encode_bytes(t, text, strlen(text), specials, a, e);
}
