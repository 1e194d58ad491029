/* SPDX-License-Identifier: MIT */
/* The tokenizers of the suite: one vocabulary in three forms. */
#include <stdio.h>
#include <string.h>
#include "ref/vectors/case_tok.h"

#define MARK "\xe2\x96\x81"         // U+2581, the blank of SentencePiece; the texts below have _ for it

/* The 120 merges in their order: "he+l" merges "he" and "l". The tokens that they make come after those of the 256
 * bytes. */
static const char merges[] =
    "_+t _+a _+c e+n h+e i+s o+n r+e _+w _a+n _t+o a+g a+p e+r k+en l+o n+a u+e _+i _+na _c+o _t+he _to+ken _w+h '+t 4+2 A+N A+S AN+T "
    "AS+S ASS+I ASSI+S ASSIS+T ASSIST+ANT E+R F+r Fr+a Fra+n Fran+c Franc+e P+a Pa+r Par+is S+ER U+SER a+f a+l a+t af+é ag+e ap+e ap+i "
    "api+t apit+al b+l bl+ue c+h d+on don+'t er+s ers+on f+l fl+ag g+re gre+en h+ape h+is he+l hel+lo i+ch i+on l+d lo+u lou+r m+age "
    "m+e n+t nt+r ntr+y o+f o+r or+ld p+erson q+ue que+s ques+t quest+ion re+d s+e s+hape s+w sw+er u+ntry v+e ï+ve _+, _+. _+0 _+1 _+2 "
    "_+42 _+: _+? _+ASSISTANT _+France _+Paris _+USER _+blue _+don't _+flag _+green _+hello _+is _+of _+person _+question _+red _+shape "
    "_a+re _an+d";
/* The last tokens: single characters and, in the form `words`, whole words. */
static const char characters[] =
    "' , . 0 1 2 4 : ? A E F I N P R S T U a b c d e f g h i k l m n o p q r s t u v w y é ï _";
static const char whole_words[] =
    "_what _this _name _capital _country _colour _which _these _answer _world _tokens _image _in _café _naïve";

static json_t *added_token(json_int_t id, const char *content, bool strip, bool is_special)
{
    return json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content, "single_word", 0, "lstrip", (int)strip,
                     "rstrip", (int)strip, "normalized", 0, "special", (int)is_special);
}

/* Reads the next word, leaves out its '+', and writes MARK for each '_'. *cut becomes the offset at which the '+'
 * was. */
static bool next(const char **at, char out[64], size_t *cut)
{
    size_t n = 0;
    *at += strspn(*at, " ");
    for (*cut = 0; **at && **at != ' '; ++*at)
        if (**at == '+')
            *cut = n;
        else
            n += (size_t)sprintf(out + n, **at == '_' ? MARK : "%c", **at);
    out[n] = 0;
    return n > 0;
}

static void add_words(json_t *vocab, const char *words)
{
    char token[64];
    for (size_t cut; next(&words, token, &cut);)
        json_put(vocab, token, json_integer((json_int_t)json_object_size(vocab)));
}

static json_t *vocabulary(bool words)
{
    json_t *vocab = json_object();
    char byte[8];
    add_words(vocab, "<unk> <s> </s>");
    for (int b = 0; b < 256; b++) {
        snprintf(byte, sizeof byte, "<0x%02X>", b);
        json_put(vocab, byte, json_integer(3 + b));
    }
    add_words(vocab, merges);
    add_words(vocab, characters);
    if (words)
        add_words(vocab, whole_words);
    return vocab;
}

/* The first `most` merges. `pairs`: a merge is written ["a", "b"], as in newer files, instead of "a b". */
static json_t *merge_list(bool pairs, size_t most)
{
    json_t *list = json_array();
    const char *at = merges;
    char token[64];
    for (size_t cut; json_array_size(list) < most && next(&at, token, &cut);)
        json_add(list, pairs ? json_pack("[s#, s]", token, (int)cut, token + cut)
                                          : json_sprintf("%.*s %s", (int)cut, token, token + cut));
    return list;
}

json_t *tok_tokenizer(const char *id)
{
    const bool legacy = strcmp(id, "legacy") == 0, first = strcmp(id, "first") == 0, words = strcmp(id, "words") == 0;
    if (!legacy && !first && !words)
        return NULL;
    // with 40 of the 120 merges, most whole words can be found only by ignore_merges
    json_t *vocab = vocabulary(words), *merged = merge_list(first, words ? 40 : 120), *normalizer = json_null(),
        *pre = json_null();
    const json_int_t n = (json_int_t)json_object_size(vocab);
    if (legacy)
        normalizer = json_pack("{s:s, s:[{s:s, s:s}, {s:s, s:{s:s}, s:s}]}", "type", "Sequence", "normalizers", "type", "Prepend",
                               "prepend", MARK, "type", "Replace", "pattern", "String", " ", "content", MARK);
    if (first)
        pre = json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", MARK, "prepend_scheme", "first",
                        "split", 0);
    if (words)
        pre = json_pack("{s:s, s:[{s:s}, {s:s, s:s, s:s, s:b}]}", "type", "Sequence", "pretokenizers", "type", "WhitespaceSplit",
                        "type", "Metaspace", "replacement", MARK, "prepend_scheme", "always", "split", 1);
    json_t *model = json_pack("{s:s, s:n, s:s, s:n, s:n, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token", "<unk>",
                              "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1, "byte_fallback", 1, "vocab",
                              vocab, "merges", merged);
    if (words)
        json_put(model, "ignore_merges", json_true());
    json_t *added = json_pack("[o, o, o, o, o, o]", added_token(0, "<unk>", false, true), added_token(1, "<s>", false, true),
                              added_token(2, "</s>", false, true), added_token(n, "<image>", first, true),
                              added_token(n + 1, "<pad>", false, true), added_token(n + 2, "Paris!", false, false));
    json_t *post = json_pack("{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:[], s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing",
                             "single", "SpecialToken", "id", "<s>", "type_id", 0, "Sequence", "id", "A", "type_id", 0, "pair",
                             "special_tokens", "<s>", "id", "<s>", "ids", 1, "tokens", "<s>");
    json_t *decoder = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]}", "type", "Sequence",
                                "decoders", "type", "Replace", "pattern", "String", MARK, "content", " ", "type", "ByteFallback",
                                "type", "Fuse", "type", "Strip", "content", " ", "start", 1, "stop", 0);
    return json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation", "padding", "added_tokens",
                     added, "normalizer", normalizer, "pre_tokenizer", pre, "post_processor", post, "decoder", decoder, "model",
                     model);
}
