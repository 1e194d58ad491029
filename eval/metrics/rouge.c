/* SPDX-License-Identifier: MIT */
#include "eval/metrics/rouge.h"

#include <string.h>

typedef struct { char *s; size_t n; } Word;
typedef struct { Word *word; size_t count; } Words;

/* The ASCII letter or digit that Python's lower() makes of the character at s; 0: it makes none. The caller goes on
 * `used` bytes further; the bytes of most characters beyond ASCII are read one by one, and none makes a letter. Two
 * characters beyond ASCII become such letters: the Kelvin sign becomes k, and the dotted capital I becomes i and a
 * combining dot, which ends the word (`parts`). */
static char letter_at(const char *s, size_t *used, bool *parts)
{
    const char c = s[0] >= 'A' && s[0] <= 'Z' ? (char)(s[0] + 32) : s[0];
    const bool kelvin = strncmp(s, "\xe2\x84\xaa", 3) == 0, dotted = strncmp(s, "\xc4\xb0", 2) == 0;
    *used = kelvin ? 3 : dotted ? 2 : 1;
    *parts = dotted;
    if (kelvin || dotted)
        return kelvin ? 'k' : 'i';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : 0;
}

static bool words_make(Words *out, const char *text, bool stemmer, Arena *a)
{
    size_t n = strlen(text), used;
    char *to = arena_alloc(a, n + 1);
    *out = (Words){ arena_array(a, n / 2 + 1, sizeof(Word)), 0 };
    if (!to || !out->word)
        return false;
    for (bool inside = false, parts; *text; text += used) {
        char c = letter_at(text, &used, &parts);
        if (c && !inside)
            out->word[out->count++] = (Word){ to, 0 };
        if (c) {
            out->word[out->count - 1].n++;
            *to++ = c;
        }
        inside = c && !parts;
    }
    for (size_t k = 0; stemmer && k < out->count; k++)
        if (out->word[k].n > 3)
            out->word[k].n = porter_stem(out->word[k].s, out->word[k].n);
    return true;
}

static bool same_words(const Word *a, const Word *b, size_t n)
{
    bool equal = true;
    for (size_t k = 0; equal && k < n; k++)
        equal = a[k].n == b[k].n && memcmp(a[k].s, b[k].s, a[k].n) == 0;
    return equal;
}

/* The scores from the numbers of common n-grams, of n-grams of the text, and of n-grams of the reference. */
static Rouge rouge_of(size_t common, size_t texts, size_t references)
{
    Rouge r = { 0, 0, 0 };
    r.precision = texts ? (double)common / (double)texts : 0;
    r.recall = references ? (double)common / (double)references : 0;
    if (r.precision + r.recall > 0)
        r.f = 2 * r.precision * r.recall / (r.precision + r.recall);
    return r;
}

/* Each n-gram of the text takes an equal n-gram of the reference that is not yet taken. taken[] has an entry for each
 * word of the reference. */
static Rouge rouge_n(Words reference, Words text, size_t n, unsigned char *taken)
{
    size_t common = 0, references = reference.count >= n ? reference.count - n + 1 : 0,
           texts = text.count >= n ? text.count - n + 1 : 0;
    memset(taken, 0, reference.count);
    for (size_t k = 0; k < texts; k++)
        for (size_t j = 0; j < references; j++)
            if (!taken[j] && same_words(text.word + k, reference.word + j, n)) {
                taken[j] = 1;
                common++;
                break;
            }
    return rouge_of(common, texts, references);
}

/* length[j]: the length of the longest common subsequence of the text's words so far and the reference's first j. */
static Rouge rouge_l(Words reference, Words text, size_t *length)
{
    memset(length, 0, (reference.count + 1) * sizeof *length);
    for (size_t k = 0; k < text.count; k++)
        for (size_t j = 0, diagonal = 0; j < reference.count; j++) {
            size_t above = length[j + 1];
            if (same_words(text.word + k, reference.word + j, 1))
                length[j + 1] = diagonal + 1;
            else if (length[j] > above)
                length[j + 1] = length[j];
            diagonal = above;
        }
    return rouge_of(length[reference.count], text.count, reference.count);
}

bool rouge_score(const char *reference, const char *text, bool stemmer, Rouge out[ROUGE_KINDS], Arena *a)
{
    Words r, t;
    ArenaMark mark = arena_mark(a);
    bool good = words_make(&r, reference, stemmer, a) && words_make(&t, text, stemmer, a);
    size_t *length = good ? arena_array(a, r.count + 1, sizeof *length) : NULL;
    unsigned char *taken = length ? arena_alloc(a, r.count + 1) : NULL;
    if (taken) {
        out[ROUGE_1] = rouge_n(r, t, 1, taken);
        out[ROUGE_2] = rouge_n(r, t, 2, taken);
        out[ROUGE_L] = rouge_l(r, t, length);
    }
    arena_release(a, mark);
    return taken != NULL;
}
