/* SPDX-License-Identifier: MIT */
#include "model/lora/lora_config.h"

#include <ctype.h>
#include <regex.h>
#include <strings.h>
#include <string.h>
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* --- The keys --- */

// adapter_config.def describes the rules
typedef enum { RULE_READ, RULE_NOTHING, RULE_EMPTY } Rule;

static const struct { const char *name; Rule rule; const char *why; } keys[] = {
#define ADAPTER_KEY(name, rule, why) { name, RULE_##rule, why },
#include "model/lora/adapter_config.def"
};
enum { KEYS = sizeof keys / sizeof *keys };

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_object(v) && !json_object_size(v))
        || (json_is_array(v) && !json_array_size(v));
}

/* Checks that every key is used, changes nothing, or is empty. */
static bool keys_check(const json_t *config, const char *path, Error *e)
{
    const char *key;
    json_t *value;
    if (!json_is_object(config))
        return error_set(e, "%s: must be an object", path);
    json_object_foreach((json_t *)config, key, value) {
        size_t k = 0;
        while (k < KEYS && strcmp(keys[k].name, key))
            k++;
        if ((k == KEYS || keys[k].rule == RULE_EMPTY) && !is_empty(value))
            return error_set(e, "%s: \"%s\" asks for what is not computed here%s%s%s", path, key, k < KEYS ? " (" : "",
                             k < KEYS ? keys[k].why : "", k < KEYS ? ")" : "");
    }
    return true;
}

/* The value of a key; NULL: it is absent or null, and PEFT's default applies. */
static const json_t *given(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    return json_is_null(v) ? NULL : v;
}

static bool kind_check(const json_t *config, const char *path, Error *e)
{
    static const char *const biases[] = { "none", "all", "lora_only" };
    const char *text = "";
    if (!json_get_text(config, "peft_type", &text, path, e))
        return false;
    if (strcmp(text, "LORA"))
        return error_set(e, "%s: \"peft_type\" is \"%s\", \"LORA\" was expected", path, text);
    if (!given(config, "bias"))
        return true;
    if (!json_get_text(config, "bias", &text, path, e))
        return false;
    for (size_t k = 0; k < 3; k++)
        if (!strcmp(text, biases[k]))
            return true;
    return error_set(e, "%s: \"bias\" must be \"none\", \"all\" or \"lora_only\"", path);
}

/* For some start values, PEFT subtracts the product of the first factors from the base weight W, also when it loads the
 * adapter. This program does not, so such start values are refused, and so are those that it does not know. The start
 * values of `harmless` matter only when training begins. */
static bool start_check(const json_t *config, const char *path, Error *e)
{
    static const char *const harmless[] = { "gaussian", "eva", "orthogonal", "mica" };
    const json_t *v = given(config, "init_lora_weights");
    const char *text = json_string_value(v);
    if (!v || json_is_boolean(v))
        return true;
    for (size_t k = 0; text && k < sizeof harmless / sizeof *harmless; k++)
        if (!strcasecmp(text, harmless[k]))
            return true;
    return error_set(e,
                     "%s: \"init_lora_weights\" is \"%.40s\", which changes the base weights too or is unknown; expected true, false, "
                     "gaussian, eva, orthogonal or mica (PEFT's save_pretrained with path_initial_model_for_weight_conversion "
                     "converts the adapter)",
                     path, text ? text : "not text");
}

/* --- Patterns --- */

static bool is_plain(const char *pattern)
{
    return pattern[strspn(pattern, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] == 0;
}

/* Translates the next item of a pattern, which begins at *from: a character, an escape or the start of a group. Writes
 * the translation at `to`, and moves *from past the item. *in_class says whether the item is between [ and ]. Returns
 * the end of the translation; NULL: the item is not known. */
static char *item_translate(const char **from, bool *in_class, char *to)
{
    const char *p = *from;
    if (p[0] == '\\') {
        const char *as = p[1] == 'd' ? "0-9" : p[1] == 'w' ? "A-Za-z0-9_" : NULL;
        if (!as && (!p[1] || isalnum((unsigned char)p[1]) || *in_class))
            return NULL;
        *from += 2;
        return to + (as ? sprintf(to, *in_class ? "%s" : "[%s]", as) : sprintf(to, "\\%c", p[1]));
    }
    if (p[0] == '(' && p[1] == '?' && !*in_class) {
        if (p[2] != ':')
            return NULL;
        *from += 3;
        return to + sprintf(to, "(");
    }
    if (p[0] == '[' && *in_class)
        return NULL;
    const bool count = !*in_class && strchr("*+?}", p[0]);
    *in_class = p[0] == '[' || (*in_class && p[0] != ']');
    *from += 1 + (count && p[1] == '?');                 // lazy or greedy, a quantifier matches the same paths
    return to + sprintf(to, "%c", p[0]);
}

/* The pattern as a POSIX expression that matches a whole path, or all of it after one of its dots. NULL: the pattern
 * has no translation, or memory ran out. */
static const char *posix_of(const char *pattern, Arena *a)
{
    char *text = arena_alloc(a, 12 * strlen(pattern) + 20);          // \w becomes 12 characters; 20: the beginning and the end
    bool in_class = false;
    regex_t r;
    if (!text)
        return NULL;
    char *to = text + sprintf(text, "^(.*\\.)?(");
    for (const char *p = pattern; to && *p; )
        to = item_translate(&p, &in_class, to);
    if (!to || in_class)
        return NULL;
    strcpy(to, ")$");
    if (regcomp(&r, text, REG_EXTENDED | REG_NOSUB))
        return NULL;
    regfree(&r);
    return text;
}

static bool patterns_read(LoraPattern **out, size_t *count, const json_t *config, const char *key, const char *path,
                          Arena *a, Error *e)
{
    const json_t *object = given(config, key);
    const bool ranks = !strcmp(key, "rank_pattern");
    const char *name;
    json_t *value;
    *count = 0;
    if (object && !json_is_object(object))
        return error_set(e, "%s: \"%s\" must be an object", path, key);
    *out = arena_array(a, json_object_size(object) + 1, sizeof **out);
    json_object_foreach((json_t *)object, name, value) {
        LoraPattern p = { *out ? arena_text(a, name) : NULL, NULL, 0, 0 };
        if (!p.pattern)
            return error_no_memory(e, "%s: no memory for \"%s\"", path, key);
        if (ranks ? !json_get_int(object, name, &p.rank, path, e) : !json_get_float(object, name, &p.alpha, path, e))
            return error_prefix(e, "%s: \"%s\"", path, key);
        if (!is_plain(name) && !(p.posix = posix_of(name, a)))
            return error_set(e, "%s: \"%s\": the expression \"%.80s\" is not understood here", path, key, name);
        (*out)[(*count)++] = p;
    }
    return true;
}

/* Whether the pattern matches the whole path, or all of it after one of its dots. A dot of the pattern is any
 * character. */
static bool plain_fits(const char *pattern, const char *path)
{
    const size_t n = strlen(pattern), length = strlen(path);
    if (n > length || (n < length && path[length - n - 1] != '.'))
        return false;
    for (size_t k = 0; k < n; k++)
        if (pattern[k] != '.' && pattern[k] != path[length - n + k])
            return false;
    return true;
}

static bool pattern_fits(const LoraPattern *p, const char *path)
{
    regex_t r;
    if (!p->posix)
        return plain_fits(p->pattern, path);
    if (regcomp(&r, p->posix, REG_EXTENDED | REG_NOSUB))
        return false;
    bool fits = regexec(&r, path, 0, NULL, 0) == 0;
    regfree(&r);
    return fits;
}

static const LoraPattern *first_fit(const LoraPattern *p, size_t count, const char *path)
{
    for (size_t k = 0; k < count; k++)
        if (pattern_fits(&p[k], path))
            return &p[k];
    return NULL;
}

LoraConfig lora_config_of(const LoraFileConfig *c, const char *module_path)
{
    LoraConfig one = c->config;
    const LoraPattern *rank = first_fit(c->ranks, c->rank_count, module_path),
        *alpha = first_fit(c->alphas, c->alpha_count, module_path);
    if (rank)
        one.rank = rank->rank;
    if (alpha)
        one.alpha = alpha->alpha;
    return one;
}

/* --- The file --- */

/* The defaults are PEFT's: r = 8 and alpha = 8. */
static bool numbers_read(LoraFileConfig *c, const json_t *config, const char *path, Error *e)
{
    c->config = (LoraConfig){ .rank = 8, .alpha = 8 };
    return (!given(config, "r") || json_get_int(config, "r", &c->config.rank, path, e))
        && (!given(config, "lora_alpha") || json_get_float(config, "lora_alpha", &c->config.alpha, path, e))
        && (!given(config, "use_rslora") || json_get_bool(config, "use_rslora", &c->config.rslora, path, e))
        && (!given(config, "ensure_weight_tying") || json_get_bool(config, "ensure_weight_tying", &c->tying, path, e))
        && (lora_config_check(&c->config, e) || error_prefix(e, "%s", path));
}

bool lora_config_read(LoraFileConfig *out, const char *path, Arena *a, Error *e)
{
    *out = (LoraFileConfig){ .rank_count = 0 };
    json_t *config = json_file(path, LIMIT_ADAPTER_CONFIG, e);
    bool good = config && keys_check(config, path, e) && kind_check(config, path, e) && start_check(config, path, e)
             && numbers_read(out, config, path, e)
             && patterns_read(&out->ranks, &out->rank_count, config, "rank_pattern", path, a, e)
             && patterns_read(&out->alphas, &out->alpha_count, config, "alpha_pattern", path, a, e);
    json_decref(config);
    return good;
}
