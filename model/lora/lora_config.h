/* SPDX-License-Identifier: MIT */
/* LoraFileConfig: the settings of PEFT's adapter_config.json. For lora*.c and tests only.
 *
 * adapter_config.def says how each key is treated: it is used, it changes nothing, or it must be empty.
 * rank_pattern and alpha_pattern give single modules another rank or alpha. Their keys are regular expressions of
 * Python. A key fits a module if it matches the module's whole path in the file, or all of the path after one of its
 * dots: re.match("(.*\.)?(KEY)$", path).
 * The first key that fits applies, in the order of the file, for ranks and alphas separately (PEFT since 0.14; older
 * versions differ only for a module whose rank and alpha come from different keys).
 * Expressions may have characters, ., \d, \w, classes, groups, alternatives, ^, $ and the quantifiers * + ? {m,n}; any
 * other expression is refused, with its text. */
#ifndef PULSE_MODEL_LORA_LORA_CONFIG_H
#define PULSE_MODEL_LORA_LORA_CONFIG_H

#include "model/lora/lora.h"

typedef struct {
    const char *pattern;       // as the file has it
    const char *posix;         // the same as a POSIX extended expression; NULL: it has only characters and dots
    int64_t     rank;          // of a rank_pattern
    float       alpha;         // of an alpha_pattern
} LoraPattern;

typedef struct {
    LoraConfig   config;       // for modules that no pattern fits; `targets` and `base` are NULL
    LoraPattern *ranks, *alphas;
    size_t       rank_count, alpha_count;
    bool         tying;        // ensure_weight_tying
} LoraFileConfig;

/* Reads the file at `path`; the patterns are in `a`. The sentence of a failure names the key. */
bool lora_config_read(LoraFileConfig *out, const char *path, Arena *a, Error *e);
/* The configuration of the module at `module_path`, with the rank and the alpha that fit it. */
LoraConfig lora_config_of(const LoraFileConfig *c, const char *module_path);

#endif
