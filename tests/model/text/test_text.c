/* SPDX-License-Identifier: MIT */
/* Tokenizers: ids and texts against recorded values of Hugging Face, and the files that are refused. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_train.h"
#include "model/text/utf8.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"

static char *unhex(const char *hex, size_t *n)
{
    *n = strlen(hex) / 2;
    char *out = arena_zalloc(&arena, *n + 1);
    for (size_t i = 0; i < *n; i++)
        out[i] = (char)strtoul((char[3]){ hex[2 * i], hex[2 * i + 1], 0 }, NULL, 16);
    return out;
}

static const char *ids_text(const int32_t *id, size_t n)
{
    static char out[8192];
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < n && at < sizeof out - 16; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", (int)id[i]);
    return out;
}

static void case_check(const Tokenizer *const *tokenizers, const json_t *c)
{
    static const char *const names[] = { "legacy", "first", "words" };
    const char *name = json_string_value(json_object_get(c, "tokenizer"));
    const Tokenizer *t = NULL;
    char wanted[8192] = "";
    size_t n, m, at = 0, i;
    json_t *v;
    for (size_t k = 0; k < 3; k++)
        t = strcmp(name, names[k]) ? t : tokenizers[k];
    const char *text = unhex(json_string_value(json_object_get(c, "text")), &n);
    const char *decoded = unhex(json_string_value(json_object_get(c, "decoded")), &m);
    json_array_foreach(json_object_get(c, "ids"), i, v)
        at += (size_t)snprintf(wanted + at, sizeof wanted - at, "%s%d", i ? " " : "", (int)json_integer_value(v));
    TokenIds got = tokenizer_encode_bytes(t, text, n, TOKENIZER_SPECIAL, &arena, &error);
    expect_fine(&error);
    if (strcmp(ids_text(got.id, got.count), wanted))
        fail_msg("%s \"%s\": ids %s, expected %s", name, text, ids_text(got.id, got.count), wanted);
    char *back = tokenizer_decode(t, got.id, got.count, true, &arena, &error);
    assert_memory_equal(back, decoded, m + 1);
}

static void ids_and_texts_equal_those_of_hugging_face(void **state)
{
    (void)state;
    static const char *const paths[] = { "fixtures/tokenizers/legacy.json", "fixtures/tokenizers/first.json",
                                         "fixtures/tokenizers/words.json" };
    const Tokenizer *tokenizers[3];
    size_t n, cases = 0;
    for (size_t k = 0; k < 3; k++) {
        tokenizers[k] = tokenizer_open(paths[k], &arena, &error);
        expect_fine(&error);
    }
    const char *all = file_read("fixtures/tokenizers/cases.jsonl", 1 << 20, &n, &arena, &error);
    for (const char *line = all, *stop; (stop = strchr(line, '\n')); line = stop + 1, cases++) {
        json_t *c = json_parse(line, (size_t)(stop - line), "cases.jsonl", &error);
        case_check(tokenizers, c);
        json_decref(c);
    }
    assert_int_equal(cases, 3 * 80);
}

/* --- Tokenizers that are put together from parts, for forms that the fixtures do not have --- */

#define BASE "\"<unk>\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\"bc\":5,\"\xe2\x96\x81\":6,\"\xe2\x96\x81" "a\":7,\"abc\":8,\" \":9,\"aa\":10"
#define MERGES "\"b c\",\"a b\",\"a bc\",\"\xe2\x96\x81 a\",\"a a\""

static const Tokenizer *small(const char *parts, const char *model, const char *added)
{
    char json[4096];
    snprintf(json, sizeof json, "{\"added_tokens\":[%s],%s\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",%s\"vocab\":{" BASE "},"
             "\"merges\":[" MERGES "]}}", added, parts, model);
    return tokenizer_parse(json, strlen(json), "small.json", &arena, &error);
}

static void expect_ids(const Tokenizer *t, const char *text, const char *wanted)
{
    expect_fine(&error);
    TokenIds got = tokenizer_encode(t, text, TOKENIZER_SPECIAL, &arena, &error);
    expect_fine(&error);
    if (strcmp(ids_text(got.id, got.count), wanted))
        fail_msg("\"%s\": ids %s, expected %s", text, ids_text(got.id, got.count), wanted);
}

static void the_lowest_rank_is_merged_first_and_the_leftmost_of_equals(void **state)
{
    (void)state;
    const Tokenizer *t = small("", "", "");
    expect_ids(t, "abc", "8");          /* first "b c" is merged, whose rank is lower than that of "a b"; then "a bc" */
    expect_ids(t, "aaa", "10 1");
    expect_ids(t, "aaaaa", "10 10 1");
    expect_ids(t, "cabbca", "3 4 5 1");
}

static void unknown_characters_are_fused_only_when_the_file_says_so(void **state)
{
    (void)state;
    expect_ids(small("", "", ""), "axya\xf0\x9f\xa6\x99z", "1 0 0 1 0 0");
    expect_ids(small("", "\"fuse_unk\":true,", ""), "axya\xf0\x9f\xa6\x99z", "1 0 1 0");
}

#define ADDED(flags) "{\"id\":20,\"content\":\"aXb\",\"special\":true," flags "}"

static void added_tokens_obey_their_flags(void **state)
{
    (void)state;
    const Tokenizer *alone = small("", "", ADDED("\"single_word\":true"));
    expect_ids(alone, "aXb aXb", "20 9 20");
    expect_ids(alone, "aaXb", "10 0 2");
    expect_ids(alone, "aXba", "1 0 2 1");
    expect_ids(alone, "aXb.", "20 0");
    expect_ids(alone, "\xc3\xa9" "aXb", "0 1 0 2");
    expect_ids(alone, "\xe2\x80\x83" "aXb\xe3\x80\x80", "0 20 0");
    expect_ids(small("", "", ADDED("\"lstrip\":true")), "a \t\xc2\xa0" "aXb a", "1 20 9 1");
    expect_ids(small("", "", ADDED("\"rstrip\":true")), "a aXb  \na", "1 9 20 1");
    expect_ids(small("", "", ADDED("\"lstrip\":true,\"rstrip\":true")), "  aXb  aXb  ", "20 20");
}

static void of_added_tokens_that_begin_at_one_place_the_longest_is_taken(void **state)
{
    (void)state;
    const Tokenizer *t = small("", "", "{\"id\":20,\"content\":\"<a>\",\"special\":true},{\"id\":21,\"content\":\"<a>b\",\"special\":true},"
                                  "{\"id\":22,\"content\":\"<\",\"special\":true}");
    expect_ids(t, "<a>b<a><b", "21 20 22 2");
}

static void normalized_added_tokens_are_looked_for_in_the_normalised_text(void **state)
{
    (void)state;
    const char *replace = "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"c\"},";
    expect_ids(small(replace, "", "{\"id\":20,\"content\":\"ac\",\"special\":false,\"normalized\":true}"), "ax ac",
               "20 9 20");
    expect_ids(small(replace, "", "{\"id\":20,\"content\":\"ac\",\"special\":false,\"normalized\":false}"), "ax ac",
               "1 3 9 20");
}

static void metaspace_marks_always_first_or_never(void **state)
{
    (void)state;
#define META(more) "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"" more "},"
    const char *image = "{\"id\":20,\"content\":\"<i>\",\"special\":true}";
    expect_ids(small(META(""), "", image), "a b<i>a", "7 6 2 20 7");
    expect_ids(small(META(",\"prepend_scheme\":\"first\""), "", image), "a b<i>a", "7 6 2 20 1");
    expect_ids(small(META(",\"prepend_scheme\":\"first\""), "", image), "<i>a", "20 1");
    expect_ids(small(META(",\"prepend_scheme\":\"never\""), "", image), "a a", "1 7");
    expect_ids(small(META(",\"add_prefix_space\":false"), "", image), "a a", "1 7");
    expect_ids(small(META(""), "", image), " a", "7");
    expect_ids(small("\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},", "", image), " ab\xc2\xa0\n c ", "4 3");
}

static void expect_decoded(const char *decoder, const int32_t *id, size_t n, const char *wanted)
{
    char parts[512];
    snprintf(parts, sizeof parts, "\"decoder\":%s,", decoder);
    const Tokenizer *t = small(parts, "", "{\"id\":11,\"content\":\"<0x41>\"},{\"id\":12,\"content\":\"<0xff>\"}");
    expect_fine(&error);
    assert_string_equal(tokenizer_decode(t, id, n, true, &arena, &error), wanted);
}

static void decoders_do_what_their_names_say(void **state)
{
    (void)state;
    expect_decoded("null", (int32_t[]){ 7, 6, 2 }, 3, "\xe2\x96\x81" "a \xe2\x96\x81 b");
    expect_decoded("{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}", (int32_t[]){ 7, 6, 2, 7 }, 4, "a b a");
    expect_decoded("{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"never\"}",
                   (int32_t[]){ 7, 2 }, 2, " ab");
    expect_decoded("{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}",
                   (int32_t[]){ 11, 11, 1, 11, 12 }, 5,
                   "AAa\xef\xbf\xbd\xef\xbf\xbd");
    expect_decoded("{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\"a\",\"start\":1,"
                   "\"stop\":2}]}",
                   (int32_t[]){ 10, 2, 10, 1 }, 4, "aba");
}

static void an_id_that_is_no_token_is_left_out(void **state)
{
    (void)state;
    const Tokenizer *t = small("", "", ADDED("\"lstrip\":false"));
    const char *alone = tokenizer_decode(t, (int32_t[]){ 1 }, 1, false, &arena, &error);
    assert_string_equal(tokenizer_decode(t, (int32_t[]){ 15, 1, 15, -1, 99 }, 5, false, &arena, &error), alone);
    expect_fine(&error);
    assert_true(tokenizer_size(t) == 21 && tokenizer_id(t, "aXb") == 20 && tokenizer_id(t, "nothing") == -1
                && !tokenizer_token(t, 15));
    assert_true(tokenizer_is_special(t, 20) && !tokenizer_is_special(t, 1));
}

static void text_that_is_not_utf8_is_refused_at_its_byte(void **state)
{
    (void)state;
    static const struct { const char *text; size_t n; const char *part; } cases[] = {
        { "a\xff", 2, "at byte 1" }, { "\xc0\x80", 2, "at byte 0" }, { "ab\xed\xa0\x80", 5, "at byte 2" },
        { "\xf4\x90\x80\x80", 4, "at byte 0" },
        { "\xe2\x96", 2, "at byte 0" }, { "a\x80", 2, "at byte 1" }, { "\xf0\x82\x82\xac", 4, "at byte 0" },
    };
    const Tokenizer *t = small("", "", "");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_null(tokenizer_encode_bytes(t, cases[k].text, cases[k].n, TOKENIZER_PLAIN, &arena, &error).id);
        expect_sentence(&error, "not UTF-8", cases[k].part);
    }
}

static void what_we_do_not_compute_is_named(void **state)
{
    (void)state;
#define MODEL(more) \
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\"," more "\"vocab\":{\"<unk>\":0,\"a\":1,\"aa\":2},\"merges\":[\"a a\"]}"
    static const struct { const char *json, *part;
    } cases[] = {
        { "{", "t.json" },
        { "[]", "model.vocab" },
        { "{}", "model.vocab" },
        { "{\"model\":{\"vocab\":{}}}", "model.merges" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":{\"a\":0},\"merges\":[]}}", "model.type \"Unigram\" is not supported" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", "byte-level BPE is not supported" },
        { "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"vocab\":{\"a\":0},\"merges\":[]}}", "model.unk_token" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "the id of token \"a\"" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999},\"merges\":[]}}", "the id of token \"a\"" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]}}", "the id of token \"a\"" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}", "the same id 1" },
        { "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"a\":1},\"merges\":[]}}",
          "byte_fallback is true, but the vocabulary has no token \"<0x00>\"" },
        { "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"a\",\"vocab\":{\"a\":1},\"merges\":[\"a b\"]}}",
          "model.merges[0]: \"ab\" is not in the vocabulary" },
        { "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"a\",\"vocab\":{\"a\":1},\"merges\":[\"a\"]}}",
          "model.merges[0] is not a pair" },
        { "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"a\",\"vocab\":{\"a\":1},\"merges\":[[\"a\"]]}}",
          "model.merges[0] is not a pair" },
        { "{" MODEL("\"dropout\":0.1,") "}", "model.dropout" },
        { "{" MODEL("\"end_of_word_suffix\":\"</w>\",") "}", "end_of_word_suffix" },
        { "{\"truncation\":{\"max_length\":5}," MODEL("") "}", "truncation is not supported" },
        { "{\"normalizer\":{\"type\":\"NFKC\"}," MODEL("") "}", "normalizer \"NFKC\" is not supported" },
        { "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"\"}," MODEL("") "}",
          "pattern is not supported" },
        { "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," MODEL("") "}", "pre_tokenizer \"ByteLevel\" is not supported" },
        { "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}," MODEL("") "}",
          "replacement is not one character" },
        { "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}," MODEL("") "}",
          "prepend_scheme \"last\"" },
        { "{\"decoder\":{\"type\":\"WordPiece\"}," MODEL("") "}", "decoder \"WordPiece\" is not supported" },
        { "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":3}," MODEL("") "}", "decoder.decoders is not a list" },
        { "{\"post_processor\":{\"type\":\"ByteLevel\"}," MODEL("") "}", "post_processor \"ByteLevel\"" },
        { "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}}]}," MODEL("") "}",
          "neither the sequence" },
        { "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{"
          "\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[7]}}}," MODEL("") "}",
          "must have ids of tokens" },
        { "{\"added_tokens\":[{\"id\":1}]," MODEL("") "}", "added_tokens[0] has no content" },
        { "{\"added_tokens\":[{\"id\":2,\"content\":\"a\"}]," MODEL("") "}", "but the vocabulary says 1" },
        { "{\"added_tokens\":[{\"id\":1,\"content\":\"new\"}]," MODEL("") "}", "the same id 1" },
        { "{\"added_tokens\":[{\"id\":\"1\",\"content\":\"new\"}]," MODEL("") "}", "the id of token \"new\"" },
        { "{\"added_tokens\":{}," MODEL("") "}", "added_tokens is not a list" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_null(tokenizer_parse(cases[k].json, strlen(cases[k].json), "t.json", &arena, &error));
        expect_sentence(&error, "t.json", cases[k].part);
    }
    assert_null(tokenizer_open(scratch("none.json"), &arena, &error));
    expect_sentence(&error, "none.json");
}

static void a_damaged_tokenizer_gives_an_error_or_a_tokenizer(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    size_t n;
    char *json = file_read("fixtures/tokenizers/first.json", 1 << 20, &n, &arena, &error);
    ArenaMark mark = arena_mark(&arena);
    for (int round = 0; round < 1500; round++) {
        size_t at = check_below(&seed, n);
        char kept = json[at];
        json[at] = (char)(round % 2 ? check_random(&seed) : (uint64_t)"{}[],:\"0\\n"[check_below(&seed, 10)]);
        const Tokenizer *t = tokenizer_parse(json, n, "t.json", &arena, &error);
        if (!t)
            expect_sentence(&error, "t.json");
        else
            assert_non_null(tokenizer_encode(t, "USER: <image> what is this ?", TOKENIZER_SPECIAL, &arena, &error).id);
        json[at] = kept;
        arena_release(&arena, mark);
    }
}

/* Every text is decoded to itself, whatever characters it has. */
static void decoding_undoes_encoding(void **state)
{
    (void)state;
    static const char *const bits[] = { "a", " ", "  ", "the", "\n", "\xc3\xa9", "\xf0\x9f\xa6\x99", "\xe6\x97\xa5", "?",
                                        "France", "0", "z", "\t", "\xe2\x80\x8b" };
    uint64_t seed = check_seed();
    const Tokenizer *t = tokenizer_open("fixtures/tokenizers/legacy.json", &arena, &error);
    for (int round = 0; round < 2000; round++) {
        char text[256] = "";
        for (size_t k = check_below(&seed, 30); k > 0; k--)
            strcat(text, bits[check_below(&seed, 14)]);
        TokenIds ids = tokenizer_encode(t, text, TOKENIZER_SPECIAL, &arena, &error);
        assert_string_equal(tokenizer_decode(t, ids.id, ids.count, true, &arena, &error), text);
    }
}

/* With quadratic time, this test would not end. */
static void a_text_of_a_million_characters_is_encoded(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    const Tokenizer *t = tokenizer_open("fixtures/tokenizers/legacy.json", &arena, &error);
    char *text = arena_alloc(&arena, N);
    memset(text, 't', N);
    for (size_t i = 0; i < N; i += 3)
        text[i] = 'o';
    assert_true(tokenizer_encode_bytes(t, text, N, TOKENIZER_PLAIN, &arena, &error).count > N / 8);
}

/* --- The trainer --- */

static const char *const words[] = { "what", "is", "the", "capital", "of", "this", "country", "?", "paris", "USER:", "ASSISTANT:",
                                     "7", "\xc3\xa9t\xc3\xa9", "\"", "\\", "a", "capitals" };
enum { WORDS = sizeof words / sizeof *words };

static void every_given_word_is_one_token(void **state)
{
    (void)state;
    for (size_t merges = 0; merges <= 30; merges += 15) {
        assert_true(tokenizer_train(scratch("t"), words, WORDS, merges, &error));
        const Tokenizer *t = tokenizer_open(scratch("t/tokenizer.json"), &arena, &error);
        expect_fine(&error);
        for (size_t k = 0; k < WORDS; k++) {
            TokenIds ids = tokenizer_encode(t, words[k], TOKENIZER_PLAIN, &arena, &error);
            assert_int_equal(ids.count, 1);
            assert_string_equal(tokenizer_decode(t, ids.id, 1, false, &arena, &error), words[k]);
        }
        TokenIds ids = tokenizer_encode(t, "USER: <image> what is this ?\nASSISTANT: paris </s>", TOKENIZER_SPECIAL,
                                        &arena, &error);
        assert_int_equal(ids.count, 10);
        assert_true(ids.id[0] == 1 && ids.id[2] == tokenizer_id(t, "<image>") && ids.id[9] == 2);
        ids = tokenizer_encode(t, "whatever \xf0\x9f\xa6\x99 \xc3\xa9", TOKENIZER_PLAIN, &arena, &error);
        assert_string_equal(tokenizer_decode(t, ids.id, ids.count, true, &arena, &error),
                            "whatever \xf0\x9f\xa6\x99 \xc3\xa9");
    }
}

static void the_same_words_make_the_same_tokenizer(void **state)
{
    (void)state;
    const char *other[WORDS + 2] = { "what", "paris" };
    size_t n, m;
    for (size_t k = 0; k < WORDS; k++)
        other[k + 2] = words[WORDS - 1 - k];
    assert_true(tokenizer_train(scratch("t"), words, WORDS, 20, &error)
                && tokenizer_train(scratch("u"), other, WORDS + 2, 20, &error));
    char *t = file_read(scratch("t/tokenizer.json"), 1 << 20, &n, &arena, &error),
         *u = file_read(scratch("u/tokenizer.json"), 1 << 20, &m, &arena, &error);
    assert_int_equal(n, m);
    assert_memory_equal(t, u, n);
    assert_true(file_exists(scratch("t/tokenizer_config.json")));
}

static void impossible_words_are_refused(void **state)
{
    (void)state;
    static const struct { const char *word, *part; } cases[] = {
        { "", "empty or not UTF-8" }, { "\xff", "empty or not UTF-8" }, { "a b", "contains white space" },
        { "a\xc2\xa0", "contains white space" },
        { "\x01", "contains white space" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_false(tokenizer_train(scratch("v"), &cases[k].word, 1, 0, &error));
        expect_sentence(&error, cases[k].part);
    }
    assert_false(file_exists(scratch("v/tokenizer.json")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(ids_and_texts_equal_those_of_hugging_face),
        stand_test(the_lowest_rank_is_merged_first_and_the_leftmost_of_equals),
        stand_test(unknown_characters_are_fused_only_when_the_file_says_so), stand_test(added_tokens_obey_their_flags),
        stand_test(of_added_tokens_that_begin_at_one_place_the_longest_is_taken),
        stand_test(normalized_added_tokens_are_looked_for_in_the_normalised_text),
        stand_test(metaspace_marks_always_first_or_never), stand_test(decoders_do_what_their_names_say),
        stand_test(an_id_that_is_no_token_is_left_out), stand_test(text_that_is_not_utf8_is_refused_at_its_byte),
        stand_test(what_we_do_not_compute_is_named), stand_test(a_damaged_tokenizer_gives_an_error_or_a_tokenizer),
        stand_test(decoding_undoes_encoding), stand_test(a_text_of_a_million_characters_is_encoded),
        stand_test(every_given_word_is_one_token), stand_test(the_same_words_make_the_same_tokenizer),
        stand_test(impossible_words_are_refused),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
