/* SPDX-License-Identifier: MIT */
/* The reader of hyperparameters.def, of its aliases, of presets.def and of grids.def. */
#include "unlearn/hyperparameters.h"

#include <stdio.h>
#include <string.h>
#include "unlearn/method.h"

typedef struct {
    const char *key;
    ValueType type;
    const char *fallback, *range;
    size_t offset, size;
} Key;

static const Key keys[] = {
#define HYPERPARAMETER(key, TYPE, fallback, range, help) \
    { #key, TYPE_##TYPE, fallback, range, offsetof(Hyperparameters, key), sizeof ((Hyperparameters *)0)->key },
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
};
enum { KEYS = sizeof keys / sizeof *keys, KEYS_OF_SPECIFICATION_1 = 19 };

const Preset presets[] = {
#define PRESET(preset, method, hyperparameters, settings) { #preset, method, hyperparameters, settings },
#include "unlearn/presets.def"
#undef PRESET
};
const size_t presets_count = sizeof presets / sizeof *presets;

const Grid grids[] = {
#define GRID(preset, method, key, values) { #preset, method, key, values },
#include "unlearn/grids.def"
#undef GRID
};
const size_t grids_count = sizeof grids / sizeof *grids;

static const struct { const char *older, *key; } aliases[] = {
#define ALIAS(older, key) { #older, #key },
#include "unlearn/hyperparameter_aliases.def"
#undef ALIAS
};
enum { ALIASES = sizeof aliases / sizeof *aliases };

const char *hyperparameter_key(const char *name)
{
    for (size_t k = 0; k < ALIASES; k++)
        if (strcmp(aliases[k].older, name) == 0)
            return aliases[k].key;
    for (size_t k = 0; k < KEYS; k++)
        if (strcmp(keys[k].key, name) == 0)
            return keys[k].key;
    return NULL;
}

const char *hyperparameter_recorded(const char *key)
{
    for (size_t k = 0; k < ALIASES; k++)
        if (strcmp(aliases[k].key, key) == 0)
            return aliases[k].older;
    return key;
}

bool hyperparameter_is_later(const char *key)
{
    for (size_t k = KEYS_OF_SPECIFICATION_1; k < KEYS; k++)
        if (strcmp(keys[k].key, key) == 0)
            return true;
    return false;
}

bool hyperparameter_stated(const Hyperparameters *hyper, const char *key)
{
    Hyperparameters with_default;
    for (size_t k = KEYS_OF_SPECIFICATION_1; k < KEYS; k++)
        if (strcmp(keys[k].key, key) == 0
            && value_read(keys[k].type, keys[k].range, keys[k].fallback, (char *)&with_default + keys[k].offset, NULL))
            return memcmp((const char *)hyper + keys[k].offset, (const char *)&with_default + keys[k].offset, keys[k].size) != 0;
    return true;
}

bool hyperparameters_set(Hyperparameters *hyper, const char *key, const char *value, Error *e)
{
    char name[80];
    const char *known = hyperparameter_key(key);
    for (size_t k = 0; known && k < KEYS; k++) {
        if (strcmp(keys[k].key, known) != 0)
            continue;
        snprintf(name, sizeof name, "unlearn.%s", key);
        return value_read(keys[k].type, keys[k].range, value, (char *)hyper + keys[k].offset, NULL)
            || value_refuse(keys[k].type, keys[k].range, name, value, e);
    }
    return error_set(e, "unlearn.%s is unknown, expected one of `pulse-ref list config`", key);
}

bool hyperparameters_apply(Hyperparameters *hyper, const char *assignments, Error *e)
{
    char key[64], value[64];
    for (const char *at = assignments; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, "= "), end = strcspn(at, " ");
        if (n == end || n >= sizeof key || end - n > sizeof value)
            return error_set(e, "unlearn: \"%s\" was not understood, expected key=value", at);
        snprintf(key, sizeof key, "%.*s", (int)n, at);
        snprintf(value, sizeof value, "%.*s", (int)(end - n - 1), at + n + 1);
        if (!hyperparameters_set(hyper, key, value, e))
            return false;
        at += end;
    }
    return true;
}

/* Whether a list of assignments, such as "beta=0.4 npo_ratio=batch_mean", sets a key. */
static bool sets(const char *assignments, const char *key)
{
    const size_t n = strlen(key);
    for (const char *at = assignments; at && *at; at += strspn(at, " ")) {
        if (strncmp(at, key, n) == 0 && at[n] == '=')
            return true;
        at += strcspn(at, " ");
    }
    return false;
}

static bool preset_is_for(const Preset *p, const char *preset, const struct Method *m)
{
    return preset && strcmp(p->preset, preset) == 0 && (strcmp(p->method, "*") == 0 || strcmp(p->method, m->name) == 0);
}

const char *hyperparameter_source(const struct Method *m, const char *preset, const char *key)
{
    const char *older = hyperparameter_recorded(key);
    for (size_t k = 0; k < presets_count; k++)
        if (preset_is_for(&presets[k], preset, m) && (sets(presets[k].hyperparameters, key) || sets(presets[k].hyperparameters, older)))
            return "preset";
    return sets(m->defaults, key) || sets(m->defaults, older) ? "method" : NULL;
}

bool preset_known(const char *name, Error *e)
{
    char known[256] = "";
    size_t used = 0;
    for (size_t k = 0; k < presets_count; k++) {
        if (strcmp(presets[k].preset, name) == 0)
            return true;
        if (k == 0 || strcmp(presets[k].preset, presets[k - 1].preset) != 0)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", presets[k].preset);
    }
    return error_set(e, "unlearn.preset is \"%s\", expected one of %s", name, known);
}

bool hyperparameters_make(Hyperparameters *hyper, const struct Method *m, const char *preset, Error *e)
{
    *hyper = (Hyperparameters){ .beta = 0 };
    for (size_t k = 0; k < KEYS; k++)
        if (!hyperparameters_set(hyper, keys[k].key, keys[k].fallback, e))
            return false;
    if (m->defaults && !hyperparameters_apply(hyper, m->defaults, e))
        return false;
    if (!preset || !*preset)
        return true;
    if (!preset_known(preset, e))
        return false;
    for (size_t k = 0; k < presets_count; k++)
        if (preset_is_for(&presets[k], preset, m) && !hyperparameters_apply(hyper, presets[k].hyperparameters, e))
            return false;
    return true;
}
