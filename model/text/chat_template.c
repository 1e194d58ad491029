/* SPDX-License-Identifier: MIT */
#include "model/text/chat_template.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/hash.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

static const struct { PromptTemplate template; const char *digest; } known[] = {
#define CHAT_TEMPLATE(template, digest) { template, digest },
#include "model/text/chat_template.def"
};

/* --- The normal form --- */

/* Copies one tag, {% … %} or {{ … }}, without its blanks outside quotation marks; inside them \n becomes a line end.
 * Returns the end of the tag in the text. */
static const char *tag_copy(const char *p, char **to)
{
    const char close = p[1] == '%' ? '%' : '}';
    char quote = 0;
    for (; *p; p++) {
        if (!quote && p[0] == close && p[1] == '}') {
            *(*to)++ = *p++;
            *(*to)++ = *p++;
            return p;
        }
        if (!quote && strchr(" \t\r\n", *p))
            continue;
        if (quote && p[0] == '\\' && p[1] == 'n') {
            *(*to)++ = '\n';
            p++;
            continue;
        }
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? 0 : *p;
        *(*to)++ = *p;
    }
    return p;
}

static bool ends_with(const char *begin, const char *end, const char *word)
{
    const size_t n = strlen(word);
    return (size_t)(end - begin) >= n && !memcmp(end - n, word, n);
}

static char *normal_form(const char *text, Arena *a)
{
    text += strspn(text, " \t\r\n");
    char *out = arena_alloc(a, strlen(text) + 1), *to = out;
    while (out && *text) {
        char *before = to;
        const char *comment = !strncmp(text, "{#", 2) ? strstr(text, "#}") : NULL;
        if (comment)
            text = comment + 2;
        else if (text[0] == '{' && (text[1] == '%' || text[1] == '{'))
            text = tag_copy(text, &to);
        else
            *to++ = *text++;
        if (ends_with(before, to, "{%generation%}") || ends_with(before, to, "{%endgeneration%}"))
            to = before;
    }
    while (out && to > out && strchr(" \t\r\n", to[-1]))
        to--;
    if (out)
        *to = 0;
    return out;
}

bool chat_template_known(const char *jinja, PromptTemplate *out, Arena *a)
{
    const char *form = normal_form(jinja, a);
    const Digest d = digest_bytes(form ? form : "", form ? strlen(form) : 0);
    for (size_t k = 0; form && k < sizeof known / sizeof *known; k++)
        if (!strcmp(known[k].digest, d.hex)) {
            *out = known[k].template;
            return true;
        }
    return false;
}

/* --- The folder --- */

/* The text under the key "chat_template". Its value is a text, or a list of named texts; transformers takes
 * "default". */
static const char *text_of(const json_t *root)
{
    const json_t *v = json_object_get(root, "chat_template");
    for (size_t k = 0; k < json_array_size(v); k++) {
        const json_t *one = json_array_get(v, k);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && !strcmp(name, "default"))
            return json_string_value(json_object_get(one, "template"));
    }
    return json_string_value(v);
}

const char *chat_template_text(const char *folder, const char **path, Arena *a, Error *e)
{
    static const char *const files[] = { "chat_template.json", "processor_config.json", "tokenizer_config.json" };
    *path = arena_format(a, "%s/chat_template.jinja", folder);
    if (*path && file_exists(*path))
        return file_text(*path, LIMIT_CHAT_TEMPLATE, NULL, a, e);
    for (size_t k = 0; *path && k < sizeof files / sizeof *files; k++) {
        *path = arena_format(a, "%s/%s", folder, files[k]);
        json_t *root = *path && file_exists(*path) ? json_file_wide(*path, LIMIT_CHAT_TEMPLATE, e) : NULL;
        const char *text = root && text_of(root) ? arena_text(a, text_of(root)) : NULL;
        json_decref(root);
        if (text || e->failed)
            return text;
    }
    return NULL;
}

bool chat_template_find(PromptTemplate *out, PromptTemplate fallback, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    const char *path, *text = chat_template_text(folder, &path, &a, e);
    *out = fallback;
    if (text && !chat_template_known(text, out, &a))
        error_set(e, "%s: its chat template is not one of those known here, so the prompt template must be named: %s (--template,"
                     " or data.template of a config)",
                  path, prompt_template_names());
    arena_free(&a);
    return !e->failed;
}
