/* SPDX-License-Identifier: MIT */
/* Settings: what a CONFIG.ini says, every key with its default, type and range in settings.def.
 *
 *     Settings s;
 *     settings_open(&s, "run.ini", &set, &arena, &error);      // unknown keys and values out of range: FILE:LINE: sentence
 *     s.train_steps
 *
 * A section [method.rmu], or --set method.rmu.unlearn.steering_coeff=20, holds for that method alone and goes over everything else; its
 * keys have their section before them: unlearn.steering_coeff, optimiser.lr, lora.alpha.
 * Always: numbers are read locale-free and whole ("30x" is an error); a REAL is the nearest float; text lives in the arena.
 * Paths are left as written: settings_path makes them relative to the config's folder. */
#ifndef PULSE_REF_CONFIG_SETTINGS_H
#define PULSE_REF_CONFIG_SETTINGS_H

#include "ref/cli/options.h"
#include "tensor/base/hash.h"
#include "tensor/base/value.h"

enum {
#define SETTING(section, key, ...) SETTING_##section##_##key,
#include "ref/config/settings.def"
#undef SETTING
    SETTINGS
};

typedef struct {
#define SETTING(section, key, TYPE, ...) FIELD_##TYPE section##_##key;
#include "ref/config/settings.def"
#undef SETTING
    bool given[SETTINGS];                // by the config or by --set, so not to be overridden by a preset
    struct OwnSetting *own;              // of single methods, in the order they were given
    const char *file;                    // the config; NULL: none was read
    Arena *arena;
} Settings;

void settings_defaults(Settings *s, Arena *a);
bool settings_read(Settings *s, const char *path, Error *e);
bool settings_set(Settings *s, const char *assignment, Error *e);
/* What a command was given: the defaults, then its --config (NULL: none), then every --set. */
bool settings_open(Settings *s, const char *config, const OptionList *set, Arena *a, Error *e);
/* What the section of this method says becomes what the settings say. */
void settings_own(Settings *s, const char *method);
/* The assignments "section.key=value …" of a preset, for keys that were not given. */
bool settings_preset(Settings *s, const char *assignments, Error *e);
/* A path of the config: relative ones start at the config's folder. */
const char *settings_path(const Settings *s, const char *path);
/* That path, which is there; NULL, and a sentence with file and key, when it is empty or nothing of that name can be read. */
const char *settings_input(const Settings *s, const char *key, const char *path, Error *e);
/* Puts "CONFIG: key" before the sentence of a failure that is the key's. */
bool settings_blame(const Settings *s, const char *key, Error *e);
/* "section.key = value" for every setting, in the order of the list, then the methods' own: what a manifest keeps and a digest covers. */
char *settings_text(const Settings *s, Arena *a);

#endif
