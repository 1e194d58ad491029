/* SPDX-License-Identifier: MIT */
/* LoraFileConfig: what PEFT's adapter_config.json says. For lora*.c and tests only.
 *
 * adapter_config.def lists every key with what becomes of it: it is obeyed, it changes nothing, or it must be empty.
 * rank_pattern and alpha_pattern give single modules another rank or alpha. A key of theirs is a regular expression of Python; it
 * fits a module whose path, as the file writes it, ends with it at a dot: re.match("(.*\.)?(KEY)$", path). The first key that fits
 * holds, in the order of the file, for ranks and alphas apart (PEFT since 0.14; older versions agree unless a module fits
 * different keys in the two). Expressions beyond characters, ., \d, \w, classes, groups, alternatives, ^, $ and the counts * + ? {m,n}
 * are refused by name. */
#ifndef PULSE_MODEL_LORA_LORA_CONFIG_H
#define PULSE_MODEL_LORA_LORA_CONFIG_H

#include "model/lora/lora.h"

typedef struct {
    const char *pattern;       // as the file has it
    const char *posix;         // the same as an extended regular expression of POSIX; NULL: it has only characters and dots
    int64_t     rank;          // of a rank_pattern
    float       alpha;         // of an alpha_pattern
} LoraPattern;

typedef struct {
    LoraConfig   config;       // of the modules that no pattern fits; `targets` and `base` are NULL
    LoraPattern *ranks, *alphas;
    size_t       rank_count, alpha_count;
    bool         tying;        // ensure_weight_tying
} LoraFileConfig;

/* Reads the file at `path`; the patterns are in `a`. The sentence of a failure names the key. */
bool lora_config_read(LoraFileConfig *out, const char *path, Arena *a, Error *e);
/* The configuration of the module at `module_path`: the ranks and alphas that fit it. */
LoraConfig lora_config_of(const LoraFileConfig *c, const char *module_path);

#endif
