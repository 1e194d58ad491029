/* SPDX-License-Identifier: MIT */
/* ROUGE and Porter's stemmer against the recorded values of rouge_score and NLTK. */
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>
#include "eval/metrics/rouge.h"

/* Words from Porter's paper, and words that NLTK stems differently from it. The stems are those of NLTK 3.8, which
 * agreed with ours on 264,446 words. */
static void words_are_stemmed_as_nltk_does(void **state)
{
    (void)state;
    static const struct { const char *word, *stem; } cases[] = {
        { "caresses", "caress" }, { "ponies", "poni" }, { "ties", "tie" }, { "dies", "die" }, { "skies", "sky" },
        { "cats", "cat" }, { "caress", "caress" }, { "us", "us" }, { "feed", "feed" }, { "agreed", "agre" },
        { "plastered", "plaster" }, { "bled", "bled" }, { "motoring", "motor" }, { "sing", "sing" },
        { "conflated", "conflat" }, { "troubled", "troubl" }, { "sized", "size" }, { "hopping", "hop" },
        { "tanned", "tan" }, { "falling", "fall" }, { "hissing", "hiss" }, { "fizzed", "fizz" },
        { "failing", "fail" }, { "filing", "file" }, { "spied", "spi" }, { "died", "die" }, { "happy", "happi" },
        { "sky", "sky" }, { "enjoy", "enjoy" }, { "spy", "spi" }, { "relational", "relat" },
        { "conditional", "condit" }, { "rational", "ration" }, { "valenci", "valenc" }, { "hesitanci", "hesit" },
        { "digitizer", "digit" }, { "conformabli", "conform" }, { "radicalli", "radic" }, { "differentli", "differ" },
        { "vileli", "vile" }, { "analogousli", "analog" }, { "vietnamization", "vietnam" },
        { "predication", "predic" }, { "operator", "oper" }, { "feudalism", "feudal" }, { "decisiveness", "decis" },
        { "hopefulness", "hope" }, { "callousness", "callous" }, { "formaliti", "formal" },
        { "sensitiviti", "sensit" }, { "sensibiliti", "sensibl" }, { "triplicate", "triplic" },
        { "formative", "form" }, { "formalize", "formal" }, { "electriciti", "electr" }, { "electrical", "electr" },
        { "hopeful", "hope" }, { "goodness", "good" }, { "revival", "reviv" }, { "allowance", "allow" },
        { "inference", "infer" }, { "airliner", "airlin" }, { "gyroscopic", "gyroscop" }, { "adjustable", "adjust" },
        { "defensible", "defens" }, { "irritant", "irrit" }, { "replacement", "replac" }, { "adjustment", "adjust" },
        { "dependent", "depend" }, { "adoption", "adopt" }, { "homologou", "homolog" }, { "communism", "commun" },
        { "activate", "activ" }, { "angulariti", "angular" }, { "homologous", "homolog" }, { "effective", "effect" },
        { "bowdlerize", "bowdler" }, { "probate", "probat" }, { "rate", "rate" }, { "cease", "ceas" },
        { "controll", "control" }, { "roll", "roll" }, { "geologi", "geolog" }, { "archaeology", "archaeolog" },
        { "theology", "theolog" }, { "hopefully", "hope" }, { "generally", "gener" }, { "dying", "die" },
        { "lying", "lie" }, { "tying", "tie" }, { "news", "news" }, { "innings", "inning" }, { "outing", "outing" },
        { "cannings", "canning" }, { "howe", "howe" }, { "proceed", "proceed" }, { "exceeded", "exceed" },
        { "succeed", "succeed" }, { "oed", "o" }, { "eed", "eed" }, { "a", "a" }, { "as", "as" }, { "by", "by" },
        { "y", "y" }, { "yy", "yy" }, { "ayy", "ayi" }, { "42nd", "42nd" }, { "1990s", "1990" },
        { "generalizations", "gener" }, { "oscillators", "oscil" }, { "possibly", "possibl" }, { "usefulli", "use" },
        { "equalli", "equal" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char word[64];
        snprintf(word, sizeof word, "%s", cases[k].word);
        word[porter_stem(word, strlen(word))] = 0;
        assert_string_equal(word, cases[k].stem);
    }
}

typedef struct { const char *reference, *text; bool stemmer; Rouge want[ROUGE_KINDS]; } Case;

/* { precision, recall, F } of ROUGE-1, ROUGE-2 and ROUGE-L, from a Python implementation with NLTK's stemmer. */
static void scores_are_those_of_rouge_score_to_the_last_bit(void **state)
{
    (void)state;
    static const Case cases[] = {
        { "the cat sat on the mat", "the cat sat on the mat", false,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "the cat sat on the mat", "the cat sat on the mat", true,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "the cat sat on the mat", "the the the the", false,
          { { 0x1p-1, 0x1.5555555555555p-2, 0x1.999999999999ap-2 }, { 0, 0, 0 },
            { 0x1p-1, 0x1.5555555555555p-2, 0x1.999999999999ap-2 } } },
        { "the cat sat on the mat", "the the the the", true,
          { { 0x1p-1, 0x1.5555555555555p-2, 0x1.999999999999ap-2 }, { 0, 0, 0 },
            { 0x1p-1, 0x1.5555555555555p-2, 0x1.999999999999ap-2 } } },
        { "police killed the gunman", "police kill the gunman", false,
          { { 0x1.8p-1, 0x1.8p-1, 0x1.8p-1 }, { 0x1.5555555555555p-2, 0x1.5555555555555p-2, 0x1.5555555555555p-2 },
            { 0x1.8p-1, 0x1.8p-1, 0x1.8p-1 } } },
        { "police killed the gunman", "police kill the gunman", true,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "police killed the gunman", "the gunman kill police", false,
          { { 0x1.8p-1, 0x1.8p-1, 0x1.8p-1 }, { 0x1.5555555555555p-2, 0x1.5555555555555p-2, 0x1.5555555555555p-2 },
            { 0x1p-1, 0x1p-1, 0x1p-1 } } },
        { "police killed the gunman", "the gunman kill police", true,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1.5555555555555p-2, 0x1.5555555555555p-2, 0x1.5555555555555p-2 },
            { 0x1p-1, 0x1p-1, 0x1p-1 } } },
        { "She was happily studying astronomical generalizations.", "studies of astronomy; happy generalization", false,
          { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "She was happily studying astronomical generalizations.", "studies of astronomy; happy generalization", true,
          { { 0x1.999999999999ap-2, 0x1.5555555555555p-2, 0x1.745d1745d1745p-2 }, { 0, 0, 0 },
            { 0x1.999999999999ap-2, 0x1.5555555555555p-2, 0x1.745d1745d1745p-2 } } },
        { "a b c d e f g", "g f e d c b a", false,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1.2492492492492p-3, 0x1.2492492492492p-3, 0x1.2492492492492p-3 } } },
        { "a b c d e f g", "g f e d c b a", true,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1.2492492492492p-3, 0x1.2492492492492p-3, 0x1.2492492492492p-3 } } },
        { "one two one two one", "two one two", false,
          { { 0x1p+0, 0x1.3333333333333p-1, 0x1.7ffffffffffffp-1 }, { 0x1p+0, 0x1p-1, 0x1.5555555555555p-1 },
            { 0x1p+0, 0x1.3333333333333p-1, 0x1.7ffffffffffffp-1 } } },
        { "one two one two one", "two one two", true,
          { { 0x1p+0, 0x1.3333333333333p-1, 0x1.7ffffffffffffp-1 }, { 0x1p+0, 0x1p-1, 0x1.5555555555555p-1 },
            { 0x1p+0, 0x1.3333333333333p-1, 0x1.7ffffffffffffp-1 } } },
        { "", "words here", false, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "", "words here", true, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "words here", "", false, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "words here", "", true, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "... !?", "--", false, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "... !?", "--", true, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "It's 3.5% of caf\303\251 prices", "its 3 5 of cafe price", false,
          { { 0x1p-1, 0x1.b6db6db6db6dbp-2, 0x1.d89d89d89d89dp-2 },
            { 0x1.999999999999ap-2, 0x1.5555555555555p-2, 0x1.745d1745d1745p-2 },
            { 0x1p-1, 0x1.b6db6db6db6dbp-2, 0x1.d89d89d89d89dp-2 } } },
        { "It's 3.5% of caf\303\251 prices", "its 3 5 of cafe price", true,
          { { 0x1.5555555555555p-1, 0x1.2492492492492p-1, 0x1.3b13b13b13b13p-1 },
            { 0x1.999999999999ap-2, 0x1.5555555555555p-2, 0x1.745d1745d1745p-2 },
            { 0x1.5555555555555p-1, 0x1.2492492492492p-1, 0x1.3b13b13b13b13p-1 } } },
        { "\342\204\252elvin \304\260stanbul", "kelvin i stanbul", false,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "\342\204\252elvin \304\260stanbul", "kelvin i stanbul", true,
          { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "Zo\303\253's dogs ran quickly", "zo s dog runs quick", false,
          { { 0x1.999999999999ap-2, 0x1.999999999999ap-2, 0x1.999999999999bp-2 }, { 0x1p-2, 0x1p-2, 0x1p-2 },
            { 0x1.999999999999ap-2, 0x1.999999999999ap-2, 0x1.999999999999bp-2 } } },
        { "Zo\303\253's dogs ran quickly", "zo s dog runs quick", true,
          { { 0x1.3333333333333p-1, 0x1.3333333333333p-1, 0x1.3333333333333p-1 }, { 0x1p-1, 0x1p-1, 0x1p-1 },
            { 0x1.3333333333333p-1, 0x1.3333333333333p-1, 0x1.3333333333333p-1 } } },
        { "flies dying skies", "fly die sky", false, { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } },
        { "flies dying skies", "fly die sky", true,
          { { 0x1.5555555555555p-1, 0x1.5555555555555p-1, 0x1.5555555555555p-1 }, { 0x1p-1, 0x1p-1, 0x1p-1 },
            { 0x1.5555555555555p-1, 0x1.5555555555555p-1, 0x1.5555555555555p-1 } } },
        { "x", "x", false, { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "x", "x", true, { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1p+0, 0x1p+0, 0x1p+0 } } },
        { "x y", "y x", false, { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1p-1, 0x1p-1, 0x1p-1 } } },
        { "x y", "y x", true, { { 0x1p+0, 0x1p+0, 0x1p+0 }, { 0, 0, 0 }, { 0x1p-1, 0x1p-1, 0x1p-1 } } },
    };
    Error e = { 0 };
    Arena a = arena_make(&e);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Rouge got[ROUGE_KINDS];
        assert_true(rouge_score(cases[k].reference, cases[k].text, cases[k].stemmer, got, &a));
        for (int kind = 0; kind < ROUGE_KINDS; kind++) {
            const Rouge *g = &got[kind], *w = &cases[k].want[kind];
            if (g->precision != w->precision || g->recall != w->recall || g->f != w->f)
                fail_msg("\"%s\" against \"%s\", kind %d: %a %a %a", cases[k].text, cases[k].reference, kind, g->precision,
                         g->recall, g->f);
        }
    }
    assert_int_equal(a.used, 0);
    arena_free(&a);
}

/* Lin 2004, section 3: "police killed the gunman" and "police kill the gunman" share 3 of 4 words, 1 of 3 pairs, and a
 * longest common subsequence of 3 words. */
static void the_example_of_the_paper_has_its_values(void **state)
{
    (void)state;
    Error e = { 0 };
    Arena a = arena_make(&e);
    Rouge r[ROUGE_KINDS];
    assert_true(rouge_score("police killed the gunman", "police kill the gunman", false, r, &a));
    assert_true(r[ROUGE_1].f == 0.75 && r[ROUGE_2].recall == 1.0 / 3 && r[ROUGE_L].recall == 0.75);
    assert_true(rouge_score("police killed the gunman", "the gunman kill police", false, r, &a));
    assert_true(r[ROUGE_L].recall == 0.5 && r[ROUGE_2].recall == 1.0 / 3);
    assert_true(rouge_score("police killed the gunman", "police kill the gunman", true, r, &a));
    assert_true(r[ROUGE_1].f == 1 && r[ROUGE_2].f == 1 && r[ROUGE_L].f == 1);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_stemmed_as_nltk_does),
        cmocka_unit_test(scores_are_those_of_rouge_score_to_the_last_bit),
        cmocka_unit_test(the_example_of_the_paper_has_its_values),
    };
    return cmocka_run_group_tests_name("rouge", tests, NULL, NULL);
}
