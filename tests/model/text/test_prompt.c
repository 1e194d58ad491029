/* SPDX-License-Identifier: MIT */
/* Prompts: the ids of each template, and the targets of each mask. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "model/text/prompt.h"
#include "model/text/tokenizer_train.h"
#include "tests/support/scratch.h"

static const Tokenizer *world, *legacy, *first;

static int begin(void **state)
{
    static const char *const words[] = { "USER:", "ASSISTANT:", "what", "is", "this", "?", "red", "green", "1", "3" };
    stand_begin(state);
    assert_true(tokenizer_train(scratch("world"), words, sizeof words / sizeof *words, 0, &error));
    world = tokenizer_open(scratch("world/tokenizer.json"), &arena, &error);
    legacy = tokenizer_open("fixtures/tokenizers/legacy.json", &arena, &error);
    first = tokenizer_open("fixtures/tokenizers/first.json", &arena, &error);
    expect_fine(&error);
    return 0;
}

/* The prompt as text: tokens with a blank between them. A token that is a label is put in [ ]. */
static const char *shown(const Tokenizer *t, const Prompt *p)
{
    static char out[4096];
    size_t at = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool learnt = i > 0 && p->targets[i - 1] >= 0;
        if (learnt)
            assert_int_equal(p->targets[i - 1], p->ids[i]);
        at += (size_t)snprintf(out + at, sizeof out - at, learnt ? "%s[%s]" : "%s%s", i ? " " : "", tokenizer_token(t, p->ids[i]));
    }
    assert_int_equal(p->targets[p->n - 1], -1);
    return out;
}

#define M "\xe2\x96\x81"      // U+2581, which marks the beginning of a word

static void expect_prompt(PromptStyle s, const char *question, const char *answer, bool picture, const char *wanted)
{
    Prompt p;
    assert_true(prompt_make(&p, &s, question, answer, picture, &arena, &error));
    if (strcmp(shown(s.tokenizer, &p), wanted))
        fail_msg("%s, %s: \"%s\", expected \"%s\"", prompt_template_name(s.template), prompt_mask_name(s.mask),
                 shown(s.tokenizer, &p), wanted);
}

static void the_prompt_of_the_world_is_words_and_image_tokens(void **state)
{
    (void)state;
    PromptStyle s = { .tokenizer = world, .template = PROMPT_WORLD, .image_tokens = 3 };
    expect_prompt(s, "what is this ?", "red", true,
                  "<s> " M "USER: <image> <image> <image> " M "what " M "is " M "this " M "? " M "ASSISTANT: [" M "red] [</s>]");
    expect_prompt(s, "what is 3 ?", "1 3", false,
                  "<s> " M "USER: " M "what " M "is " M "3 " M "? " M "ASSISTANT: [" M "1] [" M "3] [</s>]");
    expect_prompt(s, "what ?", NULL, true, "<s> " M "USER: <image> <image> <image> " M "what " M "? " M "ASSISTANT:");
}

static void masks_say_which_tokens_are_learnt(void **state)
{
    (void)state;
    PromptStyle s = { .tokenizer = world, .template = PROMPT_WORLD, .image_tokens = 2, .mask = MASK_ALL_TEXT };
    expect_prompt(s, "what ?", "red", true, "<s> [" M "USER:] <image> <image> [" M "what] [" M "?] [" M "ASSISTANT:] [" M "red] [</s>]");
    s.mask = MASK_ALL_PLUS_IMAGE;
    expect_prompt(s, "what ?", "red", true,
                  "<s> [" M "USER:] [<image>] [<image>] [" M "what] [" M "?] [" M "ASSISTANT:] [" M "red] [</s>]");
}

static void a_prompt_knows_where_picture_and_answer_are(void **state)
{
    (void)state;
    PromptStyle s = { .tokenizer = world, .template = PROMPT_WORLD, .image_tokens = 16 };
    Prompt with, asked, text;
    assert_true(prompt_make(&with, &s, "what ?", "red green", true, &arena, &error)
                && prompt_make(&asked, &s, "what ?", NULL, true, &arena, &error)
                && prompt_make(&text, &s, "what ?", "red green", false, &arena, &error));
    assert_true(with.image_begin == 2 && with.image_count == 16 && with.n == 2 + 16 + 3 + 3);
    assert_true(with.answer_begin == with.n - 3 && with.answer_count == 3);
    assert_true(asked.n == with.answer_begin && asked.answer_begin == asked.n && asked.answer_count == 0);
    assert_memory_equal(asked.ids, with.ids, asked.n * sizeof *asked.ids);
    assert_true(text.image_count == 0 && text.n == with.n - 16 && text.answer_begin == text.n - 3);
}

/* The prompt must have the ids that the tokenizer gives for `text`, which is the template written out by hand. */
static void expect_same_as_text(PromptStyle s, bool picture, const char *text)
{
    Prompt p;
    assert_true(prompt_make(&p, &s, "what is this ?", "the flag of France", picture, &arena, &error));
    TokenIds ids = tokenizer_encode(s.tokenizer, text, TOKENIZER_SPECIAL, &arena, &error);
    assert_int_equal(p.n, ids.count);
    assert_memory_equal(p.ids, ids.id, p.n * sizeof *p.ids);
}

static void templates_read_as_published(void **state)
{
    (void)state;
    PromptStyle s = { .tokenizer = legacy, .template = PROMPT_PLAIN, .image_tokens = 1 };
    expect_same_as_text(s, true, "USER: <image>\nwhat is this ?\nASSISTANT: the flag of France");
    expect_same_as_text(s, false, "USER: what is this ?\nASSISTANT: the flag of France");
    s.template = PROMPT_VICUNA_V1;
    expect_same_as_text(s, true, "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
                                 "helpful, detailed, "
                                 "and polite answers to the user's questions. USER: <image>\nwhat is this ? ASSISTANT: the flag "
                                 "of France</s>");
    s.image_tokens = 3;       /* Hugging Face's processor also writes the placeholder three times */
    expect_same_as_text(s, true, "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
                                 "helpful, detailed, "
                                 "and polite answers to the user's questions. USER: <image><image><image>\nwhat is this ? "
                                 "ASSISTANT: the flag of France</s>");
}

static void every_template_but_plain_learns_an_end_token(void **state)
{
    (void)state;
    for (int t = 0; t < PROMPT_TEMPLATES; t++) {
        PromptStyle s = { .tokenizer = legacy, .template = (PromptTemplate)t, .image_tokens = 4 };
        Prompt p;
        size_t learnt = 0;
        assert_true(prompt_make(&p, &s, "what is this ?", "red", true, &arena, &error));
        for (size_t row = 0; row < p.n; row++)
            learnt += p.targets[row] >= 0;
        assert_int_equal(learnt, p.answer_count);
        assert_true((p.ids[p.n - 1] == 2) == (t != PROMPT_PLAIN));
    }
}

/* Piecewise tokenisation treats the texts before and after the picture as two segments. LLaMA's legacy form marks the
 * beginning of every segment, so piecewise and whole tokenisation agree. Metaspace "first" marks only the first
 * segment, so they differ. */
static void piecewise_tokenisation_differs_if_only_the_first_segment_is_marked(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        PromptStyle s = { .tokenizer = k ? first : legacy, .template = PROMPT_PLAIN, .image_tokens = 2 };
        Prompt whole, pieces;
        assert_true(prompt_make(&whole, &s, "what is this ?", "red", true, &arena, &error));
        s.piecewise = true;
        assert_true(prompt_make(&pieces, &s, "what is this ?", "red", true, &arena, &error));
        bool same = whole.n == pieces.n && !memcmp(whole.ids, pieces.ids, whole.n * sizeof *whole.ids);
        assert_true(same == !k);
        assert_true(pieces.image_count == 2 && pieces.targets[pieces.answer_begin - 1] == pieces.ids[pieces.answer_begin]);
    }
}

static void prompts_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct { const char *question, *answer; bool picture; const char *part; } cases[] = {
        { "what <image> ?", "red", true, "contains a special token" },
        { "what <image> ?", "red", false, "contains a special token" },
        { "what ?</s>", "red", false, "contains a special token" },      { "what ?", "red</s>", true, "contains a special token" },
        { "what ?", "", true, "the answer has no tokens" },              { "what ?", "  ", false, "the answer has no tokens" },
        { "what \xff", "red", true, "not UTF-8" },                       { "<s>", NULL, true, "contains a special token" },
    };
    PromptStyle s = { .tokenizer = world, .template = PROMPT_WORLD, .image_tokens = 2 };
    Prompt p;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_false(prompt_make(&p, &s, cases[k].question, cases[k].answer, cases[k].picture, &arena, &error));
        expect_sentence(&error, cases[k].part);
    }
    s.image_tokens = 0;
    assert_false(prompt_make(&p, &s, "what ?", "red", true, &arena, &error));
    expect_sentence(&error, "image_tokens is 0");
    PromptTemplate t;
    PromptMask m;
    assert_true(prompt_template_find(&t, "vicuna_v1", &error) && t == PROMPT_VICUNA_V1 && prompt_mask_find(&m, "all_text", &error)
                && m == MASK_ALL_TEXT);
    assert_false(prompt_template_find(&t, "llama3", &error));
    expect_sentence(&error, "template \"llama3\" is unknown");
    assert_false(prompt_mask_find(&m, "none", &error));
    expect_sentence(&error, "mask \"none\" is unknown");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, stand_end)
    const struct CMUnitTest tests[] = {
        TEST(the_prompt_of_the_world_is_words_and_image_tokens), TEST(masks_say_which_tokens_are_learnt),
        TEST(a_prompt_knows_where_picture_and_answer_are),
        TEST(templates_read_as_published), TEST(every_template_but_plain_learns_an_end_token),
        TEST(piecewise_tokenisation_differs_if_only_the_first_segment_is_marked), TEST(prompts_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
