/* SPDX-License-Identifier: MIT */
/* Session: one model that a command works with: its weights and adapters, its tokenizer and picture processor, and
 * the network that the weights make.
 *
 *     Session s;
 *     if (session_open(&s, &settings, folder, MASK_ANSWER, &arena, &error)      // opens all files
 *         && session_adapter(&s, "out/adapter", true, &error)                   // the weights may be changed here
 *         && session_model(&s, &error))                                         // from here on s.model may be asked
 *         evaluate(&s.model, &s.reader, ...);
 *     session_close(&s);
 *
 * Callers change weights only between session_open and session_model or session_train; later only training does.
 * Ownership: everything lives in the arena except the mapped weights, which session_close unmaps. A Session that is all
 * zero may be closed. The model points into the Session, so a Session must not be moved.
 * One thread at a time. Error, with the name of the file: a file is missing, or is not what was expected. */
#ifndef PULSE_REF_CONFIG_SESSION_H
#define PULSE_REF_CONFIG_SESSION_H

#include "model/lora/adapters.h"
#include "ref/config/setup.h"

typedef struct {
    const char *folder;              // has the tokenizer and the picture processor: the model's or, for new weights, the world's
    ModelConfig config;
    Weights     weights;
    Reader      reader;              // tokenizer, prompt and picture processor; all zero until session_reader
    Adapters    adapters;            // those not merged into the weights; after session_train, the last one trains
    size_t      memory;              // model.memory of the settings, in bytes
    Model       model;
    Arena      *arena;
} Session;

/* Opens a model folder. `folder` NULL: the model of model.path, or new weights of model.config with the tokenizer of
 * data.world. The prompt template is data.template. Where that is not given, it is the folder's own chat template,
 * which chat_template.h must recognise; a folder without one has data.template's default. `mask` says which tokens of a
 * sample are targets. */
bool session_open(Session *s, const Settings *settings, const char *folder, PromptMask mask, Arena *a, Error *e);
/* session_open in two halves: config and weights alone, for callers who bring ids and pixels; then the reader.
 * `settings` may be NULL where `folder` is not. */
bool session_bare(Session *s, const Settings *settings, const char *folder, Arena *a, Error *e);
bool session_reader(Session *s, const Settings *settings, PromptMask mask, Error *e);
/* Opens a model folder as the frozen reference model of the session `trained`. `s` gets no reader. Both models must
 * have vocabularies of the same size and, if `hidden`, hidden states of the same size. */
bool session_reference(Session *s, const char *folder, const Session *trained, bool hidden, Arena *a, Error *e);
/* Reads an adapter folder. With `merge` the adapter is merged into the weights, else it stays beside them. */
bool session_adapter(Session *s, const char *folder, bool merge, Error *e);
/* Does the same with n > 0 folders, whose adapters are all live (adapters.h). Fails where two of them are the same
 * folder. */
bool session_adapters(Session *s, const char *const *folder, size_t n, bool merge, Error *e);
/* Replaces all weights by those of another folder of the same architecture. */
bool session_weights(Session *s, const char *folder, Error *e);
/* Makes s->model from the weights and the adapters. */
bool session_model(Session *s, Error *e);
/* Makes trainable what train.trainable names, with a new adapter if it says so, and makes s->model. The adapters of
 * lora.frozen are live beside the new one. */
bool session_train(Session *s, const Settings *settings, Error *e);
/* Fails where results would be written into `out` over an adapter of lora.frozen. */
bool session_frozen_apart(const Session *s, const Settings *settings, const char *out, Error *e);
/* Makes the model ready for a method: session_train for a gradient method, session_model for one that edits weights
 * without a step. For the latter, lora.frozen is an error. */
bool session_begin(Session *s, const MethodSettings *m, Error *e);
/* Reads the adapter of unlearn.subspace, if one is given, and makes the subspace of the plan from it. */
bool session_subspace(const Session *s, const MethodSettings *m, RoundsPlan *p, Arena *a, Error *e);
/* Writes a whole model folder by folder_write, with the opened folder as its source. */
bool session_save(const Session *s, const char *folder, Error *e);
void session_close(Session *s);

#endif
