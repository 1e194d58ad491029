/* SPDX-License-Identifier: MIT */
/* Probing: measures what one model still knows of what it was told to forget, as rows of results.csv.
 *
 * The config is that of `pulse-ref unlearn`: its section [unlearn] says which files and entities are forgotten and
 * retained, and data.general names the questions of general ability. Two other models are optional: `before` is the
 * model before unlearning, which knows what was forgotten, and the oracle never saw it. */
#ifndef PULSE_REF_PROBING_PROBING_H
#define PULSE_REF_PROBING_PROBING_H

#include "eval/knowledge/pictures.h"
#include "eval/results.h"
#include "ref/config/session.h"

typedef enum { ASK_FORGET, ASK_RETAIN, ASK_GENERAL, ASKS } Ask;

typedef struct {
    const Settings *settings;
    Dataset file[ASKS], reverse_file;    // sample NULL: it is not given
    EntityList forget, retain;
    Questions asked[ASKS];               // test questions: open ones about what is forgotten and retained, general ones with options
    Questions pictured;                  // those of asked[ASK_FORGET] that have a picture
    Questions reverse;                   // the reverse test questions about what is forgotten
    Questions members;                   // training questions about what is forgotten, one for each fact and modality
    Questions trained_pictured;          // all training questions about what is forgotten that have a picture
    Questions open_general;              // the open general questions, of both splits
    Session before, oracle;              // folder NULL: there is none
    bool    knows[OTHER_PICTURES];       // by change (pictures.h): `before` is right on at least 0.9 of `pictured`
    bool    knows_reverse;               // `before` is right on at least 0.9 of `reverse`
    double *from_oracle;                 // d1 of each question of asked[ASK_FORGET] and layer (depth.h); NULL: a model is missing
    double  floor;                       // what patching costs retained questions, in nats (depth.h)
    bool    pretrained;                  // what is forgotten was learned in pre-training; the caller sets it (depth.h)
    Arena  *arena;
} Probing;

/* Opens the files of the config and the two other models; `before` and `oracle` may be NULL. `probed` is the opened
 * session of the model that will be probed: both other models must have its sizes of the vocabulary and of the hidden
 * states, and `before` also its number of layers. */
bool probing_open(Probing *p, const Settings *s, const char *before, const char *oracle, const Session *probed, Arena *a, Error *e);
/* Does the same for the lists of entities of a run, whose files stay the caller's. */
bool probing_open_lists(Probing *p, const Settings *s, const Dataset *group, const EntityList *forget, const EntityList *retain,
                        const Dataset *general, const char *before, const char *oracle, const Session *probed, Arena *a, Error *e);
/* Closes the two other models and the file of reverse questions and, with `files`, the other files too. */
void probing_close(Probing *p, bool files);

/* Adds the rows of a model, with `state` in their column `method`: what `eval` measures, membership, and the rows of
 * probing_knowledge. */
bool probing_rows(Probing *p, const Session *x, const char *state, Rows *rows, Error *e);
/* Adds the rows of what the model still knows: ranks, other pictures, reverse questions, depth. */
bool probing_knowledge(Probing *p, const Session *x, const char *state, Rows *rows, Error *e);
/* Adds the accuracy under the universal perturbation (eval/knowledge/perturbation.h). This function and the next one
 * make the session's model themselves, so the session must be open without one. */
bool probing_perturbation(Probing *p, Session *x, Rows *rows, Error *e);
/* Adds the accuracy on what is forgotten after relearning on general questions. */
bool probing_relearned_general(Probing *p, Session *x, Rows *rows, Error *e);

#endif
