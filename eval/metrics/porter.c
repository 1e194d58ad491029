/* SPDX-License-Identifier: MIT */
/* Porter's stemmer, with the changes of NLTK:
 *   - there is a list of irregular words, and words of two letters stay as they are;
 *   - words of four letters that end in -ies or -ied keep the e;
 *   - y becomes i after a consonant only;
 *   - -bli becomes -ble, and the suffixes -fulli and -logi are also replaced;
 *   - when -alli has become -al, the same step runs again.
 * With C for one or more consonants and V for one or more vowels, a word is [C](VC)^m[V]; m is its measure. After a
 * consonant, y is a vowel. */
#include <stdbool.h>
#include <string.h>
#include "eval/metrics/rouge.h"

typedef struct { char *s; size_t n; } Word;

static bool consonant(const char *s, size_t i)
{
    bool flip = false;
    for (; s[i] == 'y' && i > 0; i--)
        flip = !flip;
    return (strchr("aeiou", s[i]) == NULL) != flip;
}

static size_t measure(const char *s, size_t n)
{
    size_t m = 0;
    for (size_t k = 1; k < n; k++)
        m += consonant(s, k) && !consonant(s, k - 1);
    return m;
}

static bool has_vowel(const char *s, size_t n)
{
    bool any = false;
    for (size_t k = 0; k < n; k++)
        any = any || !consonant(s, k);
    return any;
}

static bool ends_double(Word w)
{
    return w.n >= 2 && w.s[w.n - 1] == w.s[w.n - 2] && consonant(w.s, w.n - 1);
}

/* Whether the word ends in consonant, vowel, consonant other than w x y, or is one vowel and one consonant. */
static bool ends_cvc(const char *s, size_t n)
{
    if (n == 2)
        return !consonant(s, 0) && consonant(s, 1);
    return n >= 3 && consonant(s, n - 3) && !consonant(s, n - 2) && consonant(s, n - 1) && !strchr("wxy", s[n - 1]);
}

static bool ends(Word w, const char *suffix)
{
    size_t k = strlen(suffix);
    return w.n >= k && memcmp(w.s + w.n - k, suffix, k) == 0;
}

/* Replaces the end of the word. No rule has a new end that is longer than the old one, so there is room for it. */
static void replace(Word *w, const char *suffix, const char *by)
{
    w->n -= strlen(suffix);
    memcpy(w->s + w->n, by, strlen(by));
    w->n += strlen(by);
}

typedef struct { const char *suffix, *by; } Rule;

/* Applies the first rule whose suffix fits, if the measure of the letters before the suffix is above `least`. False:
 * the word stays as it is. */
static bool apply(Word *w, const Rule *rule, size_t count, size_t least)
{
    for (size_t k = 0; k < count; k++)
        if (ends(*w, rule[k].suffix)) {
            bool acts = measure(w->s, w->n - strlen(rule[k].suffix)) > least;
            if (acts)
                replace(w, rule[k].suffix, rule[k].by);
            return acts;
        }
    return false;
}

static void plurals(Word *w)
{
    if (ends(*w, "ies"))
        replace(w, "ies", w->n == 4 ? "ie" : "i");
    else if (ends(*w, "sses"))
        replace(w, "sses", "ss");
    else if (ends(*w, "s") && !ends(*w, "ss"))
        w->n--;
}

static void past_and_ing(Word *w)
{
    const char *suffix = ends(*w, "ed") ? "ed" : ends(*w, "ing") ? "ing" : NULL;
    if (ends(*w, "ied")) {
        replace(w, "ied", w->n == 4 ? "ie" : "i");
        return;
    }
    if (ends(*w, "eed")) {
        w->n -= measure(w->s, w->n - 3) > 0;
        return;
    }
    if (!suffix || !has_vowel(w->s, w->n - strlen(suffix)))
        return;
    w->n -= strlen(suffix);
    if (ends(*w, "at") || ends(*w, "bl") || ends(*w, "iz"))
        w->s[w->n++] = 'e';
    else if (ends_double(*w))
        w->n -= !strchr("lsz", w->s[w->n - 1]);
    else if (measure(w->s, w->n) == 1 && ends_cvc(w->s, w->n))
        w->s[w->n++] = 'e';
}

static void final_y(Word *w)
{
    if (w->n > 2 && w->s[w->n - 1] == 'y' && consonant(w->s, w->n - 2))
        w->s[w->n - 1] = 'i';
}

static void double_suffixes(Word *w)
{
    static const Rule rules[] = {
        { "ational", "ate" }, { "tional", "tion" }, { "enci", "ence" }, { "anci", "ance" }, { "izer", "ize" },
        { "bli", "ble" }, { "alli", "al" }, { "entli", "ent" }, { "eli", "e" }, { "ousli", "ous" },
        { "ization", "ize" }, { "ation", "ate" }, { "ator", "ate" }, { "alism", "al" }, { "iveness", "ive" },
        { "fulness", "ful" }, { "ousness", "ous" }, { "aliti", "al" }, { "iviti", "ive" }, { "biliti", "ble" },
        { "fulli", "ful" },
    };
    if (ends(*w, "logi"))                                     // the suffix is -ogi, so the l counts as part of the stem
        w->n -= measure(w->s, w->n - 3) > 0;
    else if (ends(*w, "alli") && apply(w, rules, sizeof rules / sizeof *rules, 0))
        double_suffixes(w);
    else
        apply(w, rules, sizeof rules / sizeof *rules, 0);
}

static void single_suffixes(Word *w)
{
    static const Rule rules[] = { { "icate", "ic" }, { "ative", "" }, { "alize", "al" }, { "iciti", "ic" }, { "ical", "ic" },
                                  { "ful", "" }, { "ness", "" } };
    apply(w, rules, sizeof rules / sizeof *rules, 0);
}

static void last_suffixes(Word *w)
{
    static const Rule rules[] = {
        { "al", "" }, { "ance", "" }, { "ence", "" }, { "er", "" }, { "ic", "" }, { "able", "" }, { "ible", "" },
        { "ant", "" }, { "ement", "" }, { "ment", "" }, { "ent", "" }, { "ou", "" },
        { "ism", "" }, { "ate", "" }, { "iti", "" }, { "ous", "" }, { "ive", "" }, { "ize", "" },
    };
    if (!ends(*w, "ion"))
        apply(w, rules, sizeof rules / sizeof *rules, 1);
    else if (w->n > 3 && strchr("st", w->s[w->n - 4]) && measure(w->s, w->n - 3) > 1)
        w->n -= 3;
}

static void tidy(Word *w)
{
    size_t m = w->n ? measure(w->s, w->n - 1) : 0;
    if (ends(*w, "e") && (m > 1 || (m == 1 && !ends_cvc(w->s, w->n - 1))))
        w->n--;
    if (ends(*w, "ll") && measure(w->s, w->n - 1) > 1)
        w->n--;
}

/* Replaces an irregular word by its stem. Here the `suffix` of a rule is the whole word. False: it is not irregular. */
static bool irregular(Word *w)
{
    static const Rule words[] = {
        { "sky", "sky" }, { "skies", "sky" }, { "dying", "die" }, { "lying", "lie" }, { "tying", "tie" },
        { "news", "news" }, { "innings", "inning" }, { "inning", "inning" }, { "outings", "outing" },
        { "outing", "outing" }, { "cannings", "canning" }, { "canning", "canning" }, { "howe", "howe" },
        { "proceed", "proceed" }, { "exceed", "exceed" }, { "succeed", "succeed" },
    };
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (w->n == strlen(words[k].suffix) && ends(*w, words[k].suffix)) {
            replace(w, words[k].suffix, words[k].by);
            return true;
        }
    return false;
}

size_t porter_stem(char *word, size_t n)
{
    Word w = { word, n };
    if (n <= 2 || irregular(&w))
        return w.n;
    plurals(&w);
    past_and_ing(&w);
    final_y(&w);
    double_suffixes(&w);
    single_suffixes(&w);
    last_suffixes(&w);
    tidy(&w);
    return w.n;
}
