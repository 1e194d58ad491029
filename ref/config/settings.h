/* SPDX-License-Identifier: MIT */
/* Settings: what a CONFIG.ini says. settings.def lists every key with its type, its default, its range and its parts
 * (what depends on it).
 *
 *     Settings s;
 *     settings_open(&s, "run.ini", &set, &arena, &error);      // an error names FILE:LINE of a wrong key or value
 *     s.train_steps
 *
 * A section [method.rmu], or --set method.rmu.unlearn.steering_coeff=20, holds for that method alone and overrides
 * everything else; its keys are written with their section: unlearn.steering_coeff, optimiser.lr, lora.alpha.
 * Always: a number is read as a whole ("30x" is an error) and without the locale; a REAL is the nearest fp32 value;
 * texts live in the arena. Paths are kept as they are written; settings_path resolves a relative one from the folder of
 * the config. */
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

/* The column `parts` of settings.def. The bits IN_… say what depends on a key; the others are properties of the key. */
enum {
    IN_NOTHING = 0,
    IN_TRAIN   = 1 << 0,                 // a training, its checkpoints and its log
    IN_ROUNDS  = 1 << 1,                 // rounds of unlearning or of relearning
    IN_ANSWER  = 1 << 2,                 // how a model is asked
    IN_STEP    = 1 << 3,                 // one optimiser step, as `trace` writes it
    PER_METHOD = 1 << 4,                 // one method may have a value of its own
    BY_CONTENT = 1 << 5,                 // the value names a file, or the folder of an adapter; what counts is its content
    UNLESS_DEFAULT = 1 << 6,             // settings_part leaves the key out while it has its default
    LIST       = 1 << 7,                 // the value is several names with commas between
    IN_COMMAND = 1 << 8                  // the result of `pulse-ref unlearn`, which also depends on the keys of IN_ROUNDS
};

/* The choices of data.orientation, in their order. */
enum { ORIENTATION_STORED, ORIENTATION_EXIF };
/* The choices of data.generation, in their order. */
enum { GENERATION_FOLDER, GENERATION_GREEDY };

typedef struct {
#define SETTING(section, key, TYPE, ...) FIELD_##TYPE section##_##key;
#include "ref/config/settings.def"
#undef SETTING
    const char *from[SETTINGS];          // who set the value: a config, --set, "given" (settings_give), a preset, a method;
                                         // NULL: the default
    bool given[SETTINGS];                // the user set the value, so that a preset does not override it
    struct MethodSetting *of_methods;    // the values for single methods, in the order in which they were given
    const char *file;                    // the config; NULL: none was read
    Arena *arena;
} Settings;

void settings_defaults(Settings *s, Arena *a);
bool settings_read(Settings *s, const char *path, Error *e);
/* Sets a key by "section.key=value", as --set does. */
bool settings_set(Settings *s, const char *assignment, Error *e);
/* Sets "section.key" to a value that came from another option or from a caller of the library. */
bool settings_give(Settings *s, const char *name, const char *value, Error *e);
/* Makes the settings of a command: the defaults, then its --config (NULL: none), then every --set. */
bool settings_open(Settings *s, const char *config, const OptionList *set, Arena *a, Error *e);
/* Puts in force the values that were given for this method alone. */
void settings_for_method(Settings *s, const char *method);
/* Sets the assignments "section.key=value …" of a preset, except the keys that were given. `from` names the preset. */
bool settings_preset(Settings *s, const char *assignments, const char *from, Error *e);
/* The keys that have one of these parts, in the order of settings.def, each with its value and with who set it.
 * Returns how many rows it filled in; value is NULL where memory ran out. */
typedef struct { const char *section, *key, *value, *from; } SettingRow;
size_t settings_rows(const Settings *s, unsigned part, SettingRow rows[SETTINGS], Arena *a);
/* A path of the config: a relative one starts at the folder of the config. */
const char *settings_path(const Settings *s, const char *path);
/* The same path, if the file or folder is there; else NULL, and a sentence that names the config and the key. */
const char *settings_input(const Settings *s, const char *key, const char *path, Error *e);
/* Puts "CONFIG: key" before the sentence of a failure that the key caused. */
bool settings_error_prefix(const Settings *s, const char *key, Error *e);
/* The text that a manifest keeps: a line "section.key = value" for every key, in the order of settings.def, then the
 * values for single methods. Long values are not cut. NULL: no memory. */
char *settings_text(const Settings *s, Arena *a);
/* A line "section.key = value" for every key that has one of these parts, except where UNLESS_DEFAULT or
 * hyperparameter_is_later leaves out a key with its default. The text identifies a training, rounds, answers or a step.
 * A key that is BY_CONTENT has SHA-256 digests in place of names: for a file, that of its bytes; for the folder of an
 * adapter, that of the digests of its two files. NULL: a file cannot be read, or no memory. */
char *settings_part(const Settings *s, unsigned part, Arena *a, Error *e);

#endif
