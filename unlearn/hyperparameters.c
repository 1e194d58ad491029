/* SPDX-License-Identifier: MIT */
#include "unlearn/hyperparameters.h"

#include <stdio.h>
#include <string.h>
#include "unlearn/method.h"

typedef struct {
    const char *key;
    ValueType type;
    const char *fallback, *range;
    size_t offset;
} Variant;

static const Variant variants[] = {
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { #key, TYPE_##TYPE, fallback, range, offsetof(Hyperparameters, key) },
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
};
enum { VARIANTS = sizeof variants / sizeof *variants };

const Preset presets[] = {
#define PRESET(preset, method, variants, settings) { #preset, method, variants, settings },
#include "unlearn/presets.def"
#undef PRESET
};
const size_t presets_count = sizeof presets / sizeof *presets;

bool hyperparameters_set(Hyperparameters *v, const char *key, const char *value, Error *e)
{
    char name[80];
    for (size_t k = 0; k < VARIANTS; k++) {
        if (strcmp(variants[k].key, key) != 0)
            continue;
        snprintf(name, sizeof name, "unlearn.%s", key);
        return value_read(variants[k].type, variants[k].range, value, (char *)v + variants[k].offset, NULL)
            || value_refuse(variants[k].type, variants[k].range, name, value, e);
    }
    return error_set(e, "unlearn.%s is unknown, expected a key of unlearn/hyperparameters.def", key);
}

bool hyperparameters_apply(Hyperparameters *v, const char *assignments, Error *e)
{
    char key[64], value[64];
    for (const char *at = assignments; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, "= "), end = strcspn(at, " ");
        if (n == end || n >= sizeof key || end - n > sizeof value)
            return error_set(e, "unlearn: \"%s\" was not understood, expected key=value", at);
        snprintf(key, sizeof key, "%.*s", (int)n, at);
        snprintf(value, sizeof value, "%.*s", (int)(end - n - 1), at + n + 1);
        if (!hyperparameters_set(v, key, value, e))
            return false;
        at += end;
    }
    return true;
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

bool hyperparameters_make(Hyperparameters *v, const struct Method *m, const char *preset, Error *e)
{
    *v = (Hyperparameters){ .beta = 0 };
    for (size_t k = 0; k < VARIANTS; k++)
        if (!hyperparameters_set(v, variants[k].key, variants[k].fallback, e))
            return false;
    if (m->defaults && !hyperparameters_apply(v, m->defaults, e))
        return false;
    if (!preset || !*preset)
        return true;
    if (!preset_known(preset, e))
        return false;
    for (size_t k = 0; k < presets_count; k++)
        if (strcmp(presets[k].preset, preset) == 0 && (strcmp(presets[k].method, "*") == 0 || strcmp(presets[k].method, m->name) == 0)
            && !hyperparameters_apply(v, presets[k].variants, e))
            return false;
    return true;
}
