/* SPDX-License-Identifier: MIT */
/* Setup: from settings to what a command works with: a model, what of it is trained, how, and by which method. */
#ifndef PULSE_REF_CONFIG_SETUP_H
#define PULSE_REF_CONFIG_SETUP_H

#include "model/training/stream.h"
#include "ref/config/settings.h"
#include "unlearn/rounds.h"

/* The weights of model.path, or new ones of model.config. *reader_folder: where tokenizer.json and preprocessor_config.json are. */
bool model_open(const Settings *s, ModelConfig *c, Weights *w, const char **reader_folder, Arena *a, Error *e);
/* A model folder, its path as it is. */
bool model_load(const char *folder, ModelConfig *c, Weights *w, Arena *a, Error *e);
/* What is trained: full, adapters with or without the projector, or patterns of names. */
bool train_targets(const Settings *s, Weights *w, Lora *lora, bool *adapters, Arena *a, Error *e);
TrainConfig train_config(const Settings *s);

/* Everything of `pulse-ref train`: the model and log.jsonl in the folder `out`. o NULL: nothing is printed. */
bool train_folder(const Settings *s, const char *out, bool resume, const Options *o, Arena *a, Error *e);

bool copy_file(const char *from, const char *to, const char *name, Arena *a, Error *e);

/* Settings under a method and unlearn.preset: *out is `s` with the method's own settings, and the preset's for keys that were not given;
 * *m the method called `name`, *v its hyperparameters: defaults, the method's, the preset's, and what was given, each over the one before. */
bool settings_method(const Settings *s, const char *name, Settings *out, const Method **m, Hyperparameters *v, Error *e);

#endif
