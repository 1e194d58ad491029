/* SPDX-License-Identifier: MIT */
#include "model/text/prompt.h"

#include <string.h>

#define SYSTEM "A chat between a curious user and an artificial intelligence assistant. " \
               "The assistant gives helpful, detailed, and polite answers to the user's questions. "

static const struct { const char *name, *start, *after_image, *middle, *end; } forms[PROMPT_TEMPLATES] = {
    { "world",     "USER: ",        " ",  " ASSISTANT:",  "</s>" },
    { "plain",     "USER: ",        "\n", "\nASSISTANT:", "" },
    { "vicuna_v1", SYSTEM "USER: ", "\n", " ASSISTANT:",  "</s>" },
    { "llava_hf",  "USER: ",        "\n", " ASSISTANT:",  "</s>" },
};
static const char *const masks[PROMPT_MASKS] = { "answer", "all_text", "all_plus_image" };

const char *prompt_template_name(PromptTemplate t) { return forms[t].name; }
const char *prompt_template_names(void) { return "world, plain, vicuna_v1 or llava_hf"; }
const char *prompt_template_end(PromptTemplate t) { return forms[t].end; }
const char *prompt_mask_name(PromptMask m) { return masks[m]; }

bool prompt_template_find(PromptTemplate *out, const char *name, Error *e)
{
    for (int t = 0; t < PROMPT_TEMPLATES; t++)
        if (!strcmp(name, forms[t].name)) {
            *out = (PromptTemplate)t;
            return true;
        }
    return error_set(e, "prompt template \"%.40s\" is unknown, expected %s", name, prompt_template_names());
}

bool prompt_mask_find(PromptMask *out, const char *name, Error *e)
{
    for (int m = 0; m < PROMPT_MASKS; m++)
        if (!strcmp(name, masks[m])) {
            *out = (PromptMask)m;
            return true;
        }
    return error_set(e, "mask \"%.40s\" is unknown, expected answer, all_text or all_plus_image", name);
}

/* The ids of the texts before and after the picture, with one id for the picture between them. */
static TokenIds encode_sides(const PromptStyle *s, const char *before, const char *after, bool picture, int32_t image,
                             Arena *a, Error *e)
{
    TokenIds left = tokenizer_encode(s->tokenizer, before, TOKENIZER_SPECIAL, a, e),
             right = tokenizer_encode(s->tokenizer, after, TOKENIZER_PLAIN, a, e);
    TokenIds all = { NULL, left.count + picture + right.count };
    if (!left.id || !right.id || !(all.id = arena_array(a, all.count + 1, sizeof *all.id)))
        return (TokenIds){ NULL, 0 };
    memcpy(all.id, left.id, left.count * sizeof *all.id);
    if (picture)
        all.id[left.count] = image;
    memcpy(all.id + left.count + picture, right.id, right.count * sizeof *all.id);
    return all;
}

/* The ids of the filled-in template. `answer` and `end` are empty for the prompt without an answer. */
static TokenIds encode(const PromptStyle *s, const char *question, const char *answer, const char *end, bool picture, int32_t image,
                      Arena *a, Error *e)
{
    const char *start = forms[s->template].start, *gap = picture ? forms[s->template].after_image : "";
    const char *rest = arena_format(a, "%s%s%s%s%s%s", gap, question, forms[s->template].middle, *end || *answer ? " " : "", answer, end);
    if (rest && s->piecewise && picture)
        return encode_sides(s, start, rest, picture, image, a, e);
    const char *whole = rest ? arena_format(a, "%s%s%s", start, picture ? PROMPT_IMAGE : "", rest) : NULL;
    return whole ? tokenizer_encode(s->tokenizer, whole, TOKENIZER_SPECIAL, a, e) : (TokenIds){ NULL, 0 };
}

static bool has(TokenIds ids, int32_t id)
{
    size_t k = 0;
    while (k < ids.count && ids.id[k] != id)
        k++;
    return k < ids.count;
}

/* The first word of `text` for which the tokenizer needs its unknown token; NULL: there is none. */
static const char *unspelled(const Tokenizer *t, const char *text, Arena *a, Error *e)
{
    for (size_t n; *(text += strspn(text, " \t\r\n")); text += n) {
        n = strcspn(text, " \t\r\n");
        TokenIds word = tokenizer_encode_bytes(t, text, n, TOKENIZER_PLAIN, a, e);
        if (word.id && has(word, tokenizer_unknown(t)))
            return arena_format(a, "%.*s", (int)n, text);
    }
    return NULL;
}

/* Fails if the tokenizer needs its unknown token for some part of the prompt. */
static bool spelled_check(const PromptStyle *s, TokenIds ids, const char *question, const char *answer, Arena *a,
                          Error *e)
{
    const int32_t unknown = tokenizer_unknown(s->tokenizer);
    const char *word;
    if (unknown < 0 || !has(ids, unknown))
        return true;
    if ((word = unspelled(s->tokenizer, question, a, e)))
        return error_set(e, "the tokenizer cannot spell \"%.60s\" of the question, expected words that it has tokens for", word);
    if ((word = unspelled(s->tokenizer, answer ? answer : "", a, e)))
        return error_set(e, "the tokenizer cannot spell \"%.60s\" of the answer, expected words that it has tokens for", word);
    word = unspelled(s->tokenizer, forms[s->template].start, a, e);
    return error_set(e, "the tokenizer cannot spell the prompt template %s%s%.40s, expected another template (data.template)",
                     forms[s->template].name, word ? ", which begins with " : "", word ? word : "");
}

/* The question and the answer must not contain special tokens. `ended`: the template's end token is in the prompt. */
static bool specials_check(const PromptStyle *s, TokenIds ids, bool picture, bool ended, Arena *a, Error *e)
{
    TokenIds added = tokenizer_encode(s->tokenizer, "", TOKENIZER_SPECIAL, a, e);
    size_t expected = (size_t)picture + ended, found = 0;
    for (size_t i = 0; i < added.count; i++)
        expected += tokenizer_is_special(s->tokenizer, added.id[i]);
    for (size_t i = 0; i < ids.count; i++)
        found += tokenizer_is_special(s->tokenizer, ids.id[i]);
    return added.id && (found == expected
        || error_set(e, "question or answer contains a special token (%zu in the prompt, expected %zu)", found, expected));
}

static size_t common_prefix(TokenIds a, TokenIds b)
{
    size_t k = 0;
    while (k < a.count && k < b.count && a.id[k] == b.id[k])
        k++;
    return k;
}

/* Repeats the picture's single id image_tokens times; the tokens after it move. */
static bool expand(Prompt *p, const PromptStyle *s, TokenIds ids, size_t answer_begin, int32_t image, bool picture,
                   Arena *a)
{
    size_t extra = picture ? s->image_tokens - 1 : 0, k = 0;
    p->n = ids.count + extra;
    p->ids = arena_array(a, p->n, sizeof *p->ids);
    p->targets = arena_array(a, p->n, sizeof *p->targets);
    p->image_count = picture ? s->image_tokens : 0;
    if (!p->ids || !p->targets)
        return false;
    for (size_t i = 0; i < ids.count; i++) {
        bool here = picture && ids.id[i] == image;
        if (here)
            p->image_begin = k;
        for (size_t copies = here ? s->image_tokens : 1; copies > 0; copies--)
            p->ids[k++] = ids.id[i];
    }
    p->answer_begin = answer_begin + (answer_begin > p->image_begin ? extra : 0);
    p->answer_count = p->n - p->answer_begin;
    return true;
}

static bool is_supervised(const Prompt *p, PromptMask mask, size_t token)
{
    bool of_image = token >= p->image_begin && token < p->image_begin + p->image_count;
    return mask == MASK_ALL_PLUS_IMAGE || (mask == MASK_ALL_TEXT && !of_image)
        || (token >= p->answer_begin && token < p->answer_begin + p->answer_count);
}

bool prompt_make(Prompt *out, const PromptStyle *style, const char *question, const char *answer, bool picture,
                 Arena *a, Error *e)
{
    int32_t image = tokenizer_id(style->tokenizer, PROMPT_IMAGE);
    const char *end = answer ? forms[style->template].end : "";
    Prompt p = { 0 };
    if (picture && (image < 0 || !style->image_tokens))
        return error_set(e, "the prompt has a picture, but %s", image < 0 ? "the tokenizer has no token \"<image>\"" : "image_tokens is 0");
    TokenIds asked = encode(style, question, "", "", picture, image, a, e);
    TokenIds ids = answer ? encode(style, question, answer, end, picture, image, a, e) : asked;
    if (!asked.id || !ids.id)
        return error_no_memory(e, "no memory for a prompt");
    if (!spelled_check(style, ids, question, answer, a, e) || !specials_check(style, ids, picture, *end != 0, a, e))
        return false;
    if (!expand(&p, style, ids, common_prefix(asked, ids), image, picture, a))
        return error_no_memory(e, "no memory for a prompt");
    if (answer && p.answer_count <= (*end != 0))
        return error_set(e, "the answer has no tokens");
    for (size_t row = 0; row < p.n; row++)
        p.targets[row] = row + 1 < p.n && is_supervised(&p, style->mask, row + 1) ? p.ids[row + 1] : -1;
    *out = p;
    return true;
}
