/* SPDX-License-Identifier: MIT */
/* pulse-ref tokens prints a text as the tokens of a model, each with its id, its piece and the characters that it
 * stands for. */
#include <string.h>
#include "model/text/tokenizer.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/table.h"

#define MARK "\xe2\x96\x81"              // U+2581, which stands for a blank in the pieces of LLaMA's tokenizer

/* The text that a token stands for: every mark is a blank, and "<0x0A>" is that byte. NULL: memory ran out. */
static char *surface(const char *piece, Arena *a)
{
    unsigned byte;
    if (strlen(piece) == 6 && sscanf(piece, "<0x%2X>", &byte) == 1)
        return arena_format(a, "%c", (int)byte);
    char *text = arena_text(a, piece), *to = text;
    for (const char *at = piece; text && *at; )
        if (strncmp(at, MARK, 3) == 0) {
            *to++ = ' ';
            at += 3;
        } else
            *to++ = *at++;
    if (text)
        *to = 0;
    return text;
}

static bool is_blank(char c) { return c && strchr(" \t\r\n", c); }

/* Finds `token`, the text of a token, in `text` from the byte `at` on. Returns the offset of its first byte, and sets
 * *end to the offset after its last byte. If it is not found, returns strlen(text), and *end is where the search
 * ended. Two kinds of blanks need care. The tokenizer may have added a blank before the text or a word. And where it
 * splits at white space, the blanks in `text` belong to no token. */
static size_t locate(const char *text, size_t at, const char *token, size_t *end)
{
    const bool blank = *token == ' ';
    const char *core = token + blank;
    size_t from = at;
    while (!blank && is_blank(text[from]) && strncmp(text + from, token, strlen(token)) != 0)
        from++;
    if (blank && text[from] != ' ')
        token = core;
    const bool there = *token && strncmp(text + from, token, strlen(token)) == 0;
    *end = there ? from + strlen(token) : from;
    return there || !*token ? from : strlen(text);
}

static size_t characters(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t k = 0; k < bytes; k++)
        n += ((unsigned char)text[k] & 0xc0) != 0x80;
    return n;
}

/* The number, from 0, of the character to which the byte `at` belongs. */
static size_t character_of(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return characters(text, at);
}

/* The end of an unknown token, which is the end of its word. */
static size_t unknown_end(const char *text, size_t at)
{
    while (text[at] && !is_blank(text[at]))
        at++;
    return at;
}

typedef struct {
    int32_t id;
    const char *piece;       // NULL: the tokenizer has no token of this id
    // the token is a part of the text; false: the tokenizer's template has added it
    bool inside;
    size_t begin, end;       // the characters of the text that it stands for; `end` is exclusive
} Shown;

/* The tokens of a text as they are shown. The first `before` and the last `after` of them were added by the template.
 * NULL: no memory. */
static Shown *shown(const Tokenizer *t, const char *text, TokenIds all, size_t before, size_t after, Arena *a)
{
    Shown *out = arena_array(a, all.count + 1, sizeof *out);
    size_t at = 0;
    for (size_t k = 0; out && k < all.count; k++) {
        out[k] = (Shown){ all.id[k], tokenizer_token(t, all.id[k]), k >= before && k < all.count - after, 0, 0 };
        const char *token = out[k].piece ? surface(out[k].piece, a) : NULL;
        if (!token || !out[k].inside)
            continue;
        size_t end, from = locate(text, at, token, &end);
        if (from == strlen(text) && end != from) {                     // not found: an unknown token stands for a whole word
            from = at + strspn(text + at, " \t\r\n");
            end = unknown_end(text, from);
        }
        out[k].begin = character_of(text, from);
        out[k].end = characters(text, end);
        at = end;
    }
    return out;
}

static bool print(const Shown *x, size_t n, bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "place", "id", "piece", "characters" };
    const char **cells = arena_array(a, 4 * n + 1, sizeof *cells);
    json_t *list = json_array();
    for (size_t k = 0; cells && k < n; k++) {
        memcpy(cells + 4 * k,
               (const char *[]){ arena_format(a, "%zu", k), arena_format(a, "%d", x[k].id), x[k].piece,
                                 x[k].inside ? arena_format(a, "%zu..%zu", x[k].begin, x[k].end) : NULL },
               4 * sizeof *cells);
        json_add(list, x[k].inside
                                        ? json_pack("{s:i, s:s?, s:I, s:I}", "id", x[k].id, "piece", x[k].piece, "begin",
                                                    (json_int_t)x[k].begin, "end", (json_int_t)x[k].end)
                                        : json_pack("{s:i, s:s?, s:n, s:n}", "id", x[k].id, "piece", x[k].piece, "begin", "end"));
    }
    if (json)
        return command_print(json_pack("{s:o}", "tokens", list)), true;
    json_decref(list);
    return !e->failed && table_print(columns, 4, cells, n, false, e);
}

static bool tokens(const char *folder, const char *text, bool json, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/tokenizer.json", folder);
    const Tokenizer *t = path ? tokenizer_open(path, a, e) : NULL;
    if (!t)
        return false;
    // with and without the tokens that the tokenizer's template adds before and after
    TokenIds all = tokenizer_encode(t, text, TOKENIZER_SPECIAL, a, e), bare = tokenizer_encode(t, text, TOKENIZER_PLAIN, a, e);
    if (!all.id || !bare.id)
        return error_prefix(e, "tokens");
    size_t before = 0;
    while (before < all.count - bare.count && memcmp(all.id + before, bare.id, bare.count * sizeof *bare.id) != 0)
        before++;
    const Shown *x = shown(t, text, all, before, all.count - bare.count - before, a);
    return x && !e->failed && print(x, all.count, json, a, e);
}

int command_tokens(int argc, char **argv)
{
    const char *model = NULL;
    const Option own[] = { { "model", "DIR", "The folder of the model, or any folder with a tokenizer.json.",
                             .text = &model } };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, 1, 1, 1, &status))
        return status;
    if (!model)
        return command_fail_text("tokens: --model is needed (pulse-ref tokens --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool good = tokens(model, o.operand[0], o.json, &a, &e);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
