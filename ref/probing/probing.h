/* SPDX-License-Identifier: MIT */
/* Probing: everything that is measured of one model about what was, or is to be, forgotten, as rows of results.csv.
 *
 * The section [unlearn] of a config says which files and entities are forgotten and retained, and data.general what general ability is; so
 * the config of `pulse-ref unlearn` is a config of `pulse-ref probe`. The models beside the probed one are optional: `before` knows what
 * was forgotten, the oracle never saw it. */
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
    /* asked: the open test questions about what is forgotten and retained, and the general questions with options; pictured: those
     * of the forgotten with a picture; reverse: the reverse test questions about the forgotten; members: one training question for each
     * forgotten fact and modality; frames: all training questions about them with a picture; open_general: the open general
     * questions. */
    Questions asked[ASKS], pictured, reverse, members, frames, open_general;
    Session before, oracle;              // folder NULL: there is none
    bool    knows[OTHER_PICTURES], knows_reverse;      // whether `before` answers 0.9 of the questions on such pictures
    double *from_oracle;                 // d1 of each question asked[ASK_FORGET] (depth.h); NULL: there are not both models
    double  floor;
    bool    pretrained;                  // what is forgotten was learned in pre-training; the caller sets it (depth.h)
    Arena  *arena;
} Probing;

/* Opens the files of the config, and the models beside; `before` and `oracle` may be NULL. `to` is the session of the model that will be
 * probed, opened: the others must fit it. */
bool probing_open(Probing *p, const Settings *s, const char *before, const char *oracle, const Session *to, Arena *a, Error *e);
/* The same for the lists of a run, whose files stay the caller's. */
bool probing_open_lists(Probing *p, const Settings *s, const Dataset *group, const EntityList *forget, const EntityList *retain,
                        const Dataset *general, const char *before, const char *oracle, const Session *to, Arena *a, Error *e);
/* Closes the models beside, and with `files` the files too. */
void probing_close(Probing *p, bool files);

/* Adds the rows of a model, whose column `method` is `state`: what `eval` measures, membership, and what the model knows. */
bool probing_rows(Probing *p, const Session *x, const char *state, Rows *rows, Error *e);
/* Only what it knows: ranks, other pictures, reverse questions, depth. */
bool probing_knowledge(Probing *p, const Session *x, const char *state, Rows *rows, Error *e);
/* Adds the row of the universal perturbation. The session's model is not made yet (session_model), and is made here. */
bool probing_perturbation(Probing *p, Session *x, Rows *rows, Error *e);
/* Adds the row of the model after relearning on general questions; the same. */
bool probing_relearned_general(Probing *p, Session *x, Rows *rows, Error *e);

#endif
