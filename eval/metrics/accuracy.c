/* SPDX-License-Identifier: MIT */
#include "eval/metrics/accuracy.h"

#include <stdint.h>
#include <string.h>
#include "model/text/utf8.h"

typedef struct { const char *at; size_t n; } Span;

/* The text without the white space at either end. A byte that is not UTF-8 is not white space. */
static Span trimmed(const char *s)
{
    Span t = { s, strlen(s) };
    uint32_t c;
    for (size_t k; t.n && (k = utf8_next(t.at, t.n, &c)) && utf8_is_space(c);)
        t = (Span){ t.at + k, t.n - k };
    for (size_t end = t.n; end;) {
        size_t from = end - 1;
        while (from && ((unsigned char)t.at[from] & 0xc0) == 0x80)
            from--;
        if (utf8_next(t.at + from, end - from, &c) != end - from || !utf8_is_space(c))
            break;
        t.n = end = from;
    }
    return t;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Whether two texts are equal when A to Z are read as a to z. */
static bool same_lower(Span a, Span b)
{
    bool equal = a.n == b.n;
    for (size_t k = 0; equal && k < a.n; k++)
        equal = lower(a.at[k]) == lower(b.at[k]);
    return equal;
}

/* Whether a byte belongs to a word: letters, digits, and every byte beyond ASCII do. */
static bool word_byte(char c)
{
    unsigned char u = (unsigned char)lower(c);
    return (u >= 'a' && u <= 'z') || (u >= '0' && u <= '9') || u >= 0x80;
}

/* Whether `whole` contains `part`. With `words`, `part` must not begin or end inside a word of `whole`. */
static bool contains(Span whole, Span part, bool words)
{
    for (size_t k = 0; part.n && k + part.n <= whole.n; k++) {
        if (!same_lower((Span){ whole.at + k, part.n }, part))
            continue;
        bool left = k == 0 || !word_byte(whole.at[k - 1]) || !word_byte(part.at[0]);
        bool right = k + part.n == whole.n || !word_byte(whole.at[k + part.n]) || !word_byte(part.at[part.n - 1]);
        if (!words || (left && right))
            return true;
    }
    return false;
}

bool answer_exact(const char *text, const char *answer)
{
    Span a = trimmed(text), b = trimmed(answer);
    return a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}

bool answer_cloze(const char *text, const char *answer)
{
    return contains(trimmed(text), trimmed(answer), false);
}

static int letter(char c, size_t n)
{
    return c >= 'A' && c <= 'Z' && (size_t)(c - 'A') < n ? c - 'A' : NO_CHOICE;
}

int answer_first_letter(const char *text, size_t n)
{
    Span t = trimmed(text);
    char c = t.n ? t.at[0] : ' ';
    return letter(c >= 'a' && c <= 'z' ? (char)(c - 32) : c, n);
}

/* Rules 1 and 2 of answer_choice; false: neither applies. */
static bool by_letter(Span t, size_t n, int *out)
{
    const bool bracket = t.n >= 3 && t.at[0] == '(' && t.at[2] == ')';
    const char c = bracket ? t.at[1] : t.n ? t.at[0] : ' ';
    const bool marked = t.n >= 2 && !bracket && (t.at[1] == '.' || t.at[1] == ')' || t.at[1] == ':');
    *out = letter(c, n);
    return c >= 'A' && c <= 'Z' && (t.n == 1 || bracket || marked);
}

/* Rules 3 and 4 of answer_choice. */
static int by_text(Span t, const char *const *option, size_t n)
{
    const Span plain = t.n && t.at[t.n - 1] == '.' ? (Span){ t.at, t.n - 1 } : t;
    int found = NO_CHOICE;
    for (size_t k = 0; k < n; k++)
        if (t.n && (same_lower(trimmed(option[k]), t) || same_lower(trimmed(option[k]), plain)))
            return (int)k;
    for (size_t k = 0; k < n; k++)
        if (contains(t, trimmed(option[k]), true)) {
            if (found != NO_CHOICE)
                return NO_CHOICE;
            found = (int)k;
        }
    return found;
}

int answer_choice(const char *text, const char *const *option, size_t n)
{
    int found;
    Span t = trimmed(text);
    return by_letter(t, n, &found) ? found : by_text(t, option, n);
}
