/* SPDX-License-Identifier: MIT */
#include "ref/config/hyper.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *section, *key;
    ValueType type;
    const char *range;
    size_t offset;
    unsigned parts;             // of a setting (settings.def); 0 for a hyperparameter
} Key;

static const Key hyperparameters[] = {
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { "unlearn", #key, TYPE_##TYPE, range, offsetof(Hyperparameters, key), 0 },
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
};

static const Key settings[] = {
#define SETTING(section, key, TYPE, fallback, range, parts, help) \
    { #section, #key, TYPE_##TYPE, range, offsetof(Settings, section##_##key), parts },
#include "ref/config/settings.def"
#undef SETTING
};

static json_t *kth_choice(const char *choices, int k)
{
    for (; k > 0; k--)
        choices += strcspn(choices, "|") + 1;
    return json_stringn(choices, strcspn(choices, "|"));
}

static void add(json_t *to, const Key *k, const void *values)
{
    const void *field = (const char *)values + k->offset;
    const char *key = strcmp(k->section, "unlearn") == 0 ? hyperparameter_recorded(k->key) : k->key;
    char hex[32], name[80];
    switch (k->type) {
    case TYPE_INT:    json_put(to, key, json_integer(*(const int64_t *)field)); break;
    case TYPE_BOOL:   json_put(to, key, json_boolean(*(const bool *)field)); break;
    case TYPE_TEXT:   json_put(to, key, json_string(*(const char *const *)field)); break;
    case TYPE_CHOICE: json_put(to, key, kth_choice(k->range, *(const int *)field)); break;
    case TYPE_REAL:
        snprintf(name, sizeof name, "%s.hex", key);
        json_put(to, key, json_decimal(*(const float *)field));
        json_put(to, name, json_string(hex_double((double)*(const float *)field, hex)));
    }
}

json_t *hyper_parameters(const Hyperparameters *v)
{
    json_t *all = json_object();
    for (size_t k = 0; k < sizeof hyperparameters / sizeof *hyperparameters; k++)
        if (hyperparameter_stated(v, hyperparameters[k].key))
            add(all, &hyperparameters[k], v);
    return all;
}

json_t *hyper_settings(const Settings *s, const char *section)
{
    json_t *all = json_object();
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++)
        if (strcmp(settings[k].section, section) == 0 && (s->given[k] || !(settings[k].parts & UNLESS_DEFAULT)))
            add(all, &settings[k], s);
    return all;
}
