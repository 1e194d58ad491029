/* SPDX-License-Identifier: MIT */
#include "model/text/tokenizer_train.h"

#include <stdio.h>
#include <string.h>
#include "model/text/tokenizer_parts.h"
#include "model/text/utf8.h"
#include "tensor/base/file.h"

#define MARK "\xe2\x96\x81"                          // U+2581, SentencePiece's sign for a blank

/* A word is the list of its parts; merges join parts to longer ones. A token is stored as its text. */
typedef struct { Span *part; size_t count; } Word;
typedef struct { Span *at; size_t count, capacity; } Spans;
/* split: the parts of each word. pairs: the left and the right part of the first merge, then those of the second, … */
typedef struct { Spans words, tokens, pairs; Word *split; Arena *arena; Error *error; } Trainer;

typedef struct { Span left, right; } Pair;

static int span_order(Span x, Span y)
{
    int c = memcmp(x.at, y.at, x.n < y.n ? x.n : y.n);
    return c ? c : x.n < y.n ? -1 : x.n > y.n;
}

static int pair_order(Pair x, Pair y)
{
    int c = span_order(x.left, y.left);
    return c ? c : span_order(x.right, y.right);
}

/* A stable merge sort, bottom-up from runs of length 1. `spare` has room for n pairs. */
static void sort_pairs(Pair *p, size_t n, Pair *spare)
{
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t from = 0; from < n; from += 2 * run) {
            size_t middle = from + run < n ? from + run : n, end = from + 2 * run < n ? from + 2 * run : n;
            for (size_t k = from, i = from, j = middle; k < end; k++)
                spare[k] = i < middle && (j == end || pair_order(p[i], p[j]) <= 0) ? p[i++] : p[j++];
        }
        memcpy(p, spare, n * sizeof *p);
    }
}

static bool sort_unique(Spans *s, Arena *a)
{
    Pair *p = arena_array(a, s->count + 1, sizeof *p), *spare = arena_array(a, s->count + 1, sizeof *spare);
    if (!p || !spare)
        return false;
    for (size_t i = 0; i < s->count; i++)
        p[i] = (Pair){ s->at[i], { "", 0 } };
    sort_pairs(p, s->count, spare);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!kept || span_order(s->at[kept - 1], p[i].left))
            s->at[kept++] = p[i].left;
    s->count = kept;
    return true;
}

static bool spans_make(Spans *s, size_t capacity, Arena *a)
{
    *s = (Spans){ arena_array(a, capacity + 1, sizeof *s->at), 0, capacity };
    return s->at != NULL;
}

static bool word_check(const char *word, Error *e)
{
    size_t n = strlen(word);
    uint32_t c;
    if (!n || utf8_valid(word, n) != n)
        return error_set(e, "a word of the tokenizer is empty or not UTF-8: \"%.80s\"", word);
    for (size_t at = 0; at < n; at += utf8_next(word + at, n - at, &c))
        if (utf8_next(word + at, n - at, &c) && (utf8_is_space(c) || c < ' '))
            return error_set(e, "the word \"%.80s\" of the tokenizer contains white space or a control character",
                             word);
    return true;
}

static bool words_fill(Trainer *t, const char *const *words, size_t count)
{
    if (!spans_make(&t->words, count, t->arena))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!word_check(words[i], t->error))
            return false;
        char *marked = arena_format(t->arena, MARK "%s", words[i]);
        if (!marked)
            return false;
        t->words.at[t->words.count++] = (Span){ marked, strlen(marked) };
    }
    return sort_unique(&t->words, t->arena);
}

/* Cuts every word into its characters. The distinct characters become the first tokens, sorted by their bytes, which is
 * the order of code points. */
static bool characters_fill(Trainer *t, size_t merges)
{
    size_t bytes = 0;
    for (size_t i = 0; i < t->words.count; i++)
        bytes += t->words.at[i].n;
    t->split = arena_array(t->arena, t->words.count + 1, sizeof *t->split);
    if (!t->split || !spans_make(&t->tokens, bytes + merges + t->words.count, t->arena))
        return false;
    for (size_t i = 0; i < t->words.count; i++) {
        Span w = t->words.at[i];
        uint32_t c;
        t->split[i] = (Word){ arena_array(t->arena, w.n, sizeof(Span)), 0 };
        if (!t->split[i].part)
            return false;
        for (size_t at = 0, n; at < w.n; at += n) {
            n = utf8_next(w.at + at, w.n - at, &c);
            t->split[i].part[t->split[i].count++] = t->tokens.at[t->tokens.count++] = (Span){ w.at + at, n };
        }
    }
    return sort_unique(&t->tokens, t->arena);
}

/* Finds the most frequent pair of neighbouring parts; of equally frequent ones, the first in the order of pair_order.
 * False: there is no pair. */
static bool best_pair(const Trainer *t, Pair *pairs, Pair *spare, Pair *best)
{
    size_t n = 0, most = 0;
    for (size_t i = 0; i < t->words.count; i++)
        for (size_t k = 0; k + 1 < t->split[i].count; k++)
            pairs[n++] = (Pair){ t->split[i].part[k], t->split[i].part[k + 1] };
    sort_pairs(pairs, n, spare);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && !pair_order(pairs[i], pairs[j]); j++)
            ;
        if (j - i > most) {
            most = j - i;
            *best = pairs[i];
        }
    }
    return n > 0;
}

static void join_pair(Word *w, const Pair *p)
{
    size_t kept = 0;
    for (size_t k = 0; k < w->count; k++, kept++) {
        w->part[kept] = w->part[k];
        if (k + 1 < w->count && !span_order(w->part[k], p->left) && !span_order(w->part[k + 1], p->right))
            w->part[kept].n += w->part[++k].n;                          // the two are adjacent in memory
    }
    w->count = kept;
}

static bool learn(Trainer *t, size_t merges)
{
    size_t bytes = 0;
    for (size_t i = 0; i < t->words.count; i++)
        bytes += t->words.at[i].n;
    Pair best, *pairs = arena_array(t->arena, bytes + 1, sizeof *pairs),
        *spare = arena_array(t->arena, bytes + 1, sizeof *spare);
    if (!pairs || !spare || !spans_make(&t->pairs, 2 * merges, t->arena))
        return false;
    for (size_t m = 0; m < merges && best_pair(t, pairs, spare, &best); m++) {
        char *both = arena_format(t->arena, "%.*s%.*s", (int)best.left.n, best.left.at, (int)best.right.n,
                                  best.right.at);
        if (!both)
            return false;
        for (size_t i = 0; i < t->words.count; i++)
            join_pair(&t->split[i], &best);
        t->tokens.at[t->tokens.count++] = (Span){ both, best.left.n + best.right.n };
        t->pairs.at[t->pairs.count++] = best.left;
        t->pairs.at[t->pairs.count++] = best.right;
    }
    return true;
}

/* --- Writing --- */

static void write_string(FILE *f, Span s)
{
    putc('"', f);
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] == '"' || s.at[i] == '\\')
            putc('\\', f);
        putc(s.at[i], f);
    }
    putc('"', f);
}

static bool known(const Trainer *t, size_t count, Span s)
{
    for (size_t i = 0; i < count; i++)
        if (!span_order(t->tokens.at[i], s))
            return true;
    return false;
}

static void write_added(FILE *f, size_t id, const char *text, const char *end)
{
    fprintf(f, "    {\"id\": %zu, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
               "\"normalized\": false, \"special\": true}%s\n", id, text, end);
}

static void write_vocabulary(FILE *f, const Trainer *t)
{
    size_t id = 3;
    fputs("    \"vocab\": {\n      \"<unk>\": 0,\n      \"<s>\": 1,\n      \"</s>\": 2", f);
    for (unsigned b = 0; b < 256; b++)
        fprintf(f, ",\n      \"<0x%02X>\": %zu", b, id++);
    for (size_t i = 0; i < t->tokens.count; i++) {
        if (known(t, i, t->tokens.at[i]))
            continue;
        fputs(",\n      ", f);
        write_string(f, t->tokens.at[i]);
        fprintf(f, ": %zu", id++);
    }
    for (size_t i = 0; i < t->words.count; i++) {
        if (known(t, t->tokens.count, t->words.at[i]))
            continue;
        fputs(",\n      ", f);
        write_string(f, t->words.at[i]);
        fprintf(f, ": %zu", id++);
    }
    fputs("\n    },\n", f);
}

static void write_merges(FILE *f, const Trainer *t)
{
    fputs("    \"merges\": [", f);
    for (size_t i = 0; i < t->pairs.count; i += 2) {
        Span l = t->pairs.at[i], r = t->pairs.at[i + 1];
        fputs(i ? ",\n      [" : "\n      [", f);
        write_string(f, l);
        fputs(", ", f);
        write_string(f, r);
        putc(']', f);
    }
    fputs(t->pairs.count ? "\n    ]\n" : "]\n", f);
}

/* The id of <image>: the number of tokens before it. */
static size_t vocabulary_size(const Trainer *t)
{
    size_t n = 3 + 256;
    for (size_t i = 0; i < t->tokens.count; i++)
        n += !known(t, i, t->tokens.at[i]);
    for (size_t i = 0; i < t->words.count; i++)
        n += !known(t, t->tokens.count, t->words.at[i]);
    return n;
}

static void write_tokenizer(FILE *f, const Trainer *t)
{
    size_t image = vocabulary_size(t);
    fputs("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n", f);
    write_added(f, 0, "<unk>", ",");
    write_added(f, 1, "<s>", ",");
    write_added(f, 2, "</s>", ",");
    write_added(f, image, "<image>", ",");
    write_added(f, image + 1, "<pad>", "");
    fputs("  ],\n  \"normalizer\": null,\n"
          "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"WhitespaceSplit\"},\n"
          "    {\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"always\", \"split\": true}]},\n"
          "  \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
          "    \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
          "    \"pair\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
          "      {\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 1}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
          "    \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [1], \"tokens\": [\"<s>\"]}}},\n"
          "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [\n"
          "    {\"type\": \"Replace\", \"pattern\": {\"String\": \"" MARK "\"}, \"content\": \" \"},\n"
          "    {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, "
          "\"stop\": 0}]},\n"
          "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": \"<unk>\",\n"
          "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": true,\n"
          "    \"byte_fallback\": true,\n    \"ignore_merges\": true,\n", f);
    write_vocabulary(f, t);
    write_merges(f, t);
    fputs("  }\n}\n", f);
}

static const char config[] =
    "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\",\n"
    "  \"unk_token\": \"<unk>\",\n  \"pad_token\": \"<pad>\",\n  \"image_token\": \"<image>\",\n  \"padding_side\": \"right\",\n"
    "  \"clean_up_tokenization_spaces\": false,\n  \"model_max_length\": 2048\n}\n";

static bool write_files(const Trainer *t, const char *folder)
{
    FileWriter w;
    const char *path = arena_format(t->arena, "%s/tokenizer.json", folder);
    const char *config_path = arena_format(t->arena, "%s/tokenizer_config.json", folder);
    if (!path || !config_path || !file_make_folder(folder, t->error) || !file_begin(&w, path, t->error))
        return false;
    write_tokenizer(w.stream, t);
    return file_finish(&w, t->error) && file_write(config_path, config, sizeof config - 1, t->error);
}

bool tokenizer_train(const char *folder, const char *const *words, size_t count, size_t merges, Error *e)
{
    Arena a = arena_make(e);
    Trainer t = { .arena = &a, .error = e };
    bool ok = merges > 1u << 20 ? error_set(e, "%zu merges, expected at most %u", merges, 1u << 20)
            : words_fill(&t, words, count) && characters_fill(&t, merges) && learn(&t, merges) && write_files(&t, folder);
    arena_free(&a);
    return ok || error_no_memory(e, "%s: no memory to make a tokenizer of %zu words", folder, count);
}
