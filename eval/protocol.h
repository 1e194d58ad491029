/* SPDX-License-Identifier: MIT */
/* Protocol: makes a plan from a config. The plan says which model unlearns by which method, which questions it is
 * asked, and which pieces of work depend on which.
 *
 * A case is one scenario x method x trainable x seed x stopping rule, and in the scenario stress x number of requests.
 * Its splits say who is forgotten in each request, and who is retained. A stage is a piece of work with a digest:
 * SHA-256 over its recipe (all the settings that it depends on, as text) and over the digests of its inputs. Stages of
 * the same digest are one stage, and a finished stage is never run again. There are four kinds:
 *     train    fine-tunes a model by a config: vanilla or oracle
 *     unlearn  works through all requests of a case, and keeps a snapshot after each request: the adapters, or all
 *              weights. If there is only one request, it also keeps one after each `trajectory` epochs or each
 *              `snapshot_every` steps
 *     answer   asks a model, or every snapshot of an unlearn stage, the questions of a group and the general ones
 *     probe    measures what only three models get (the one at the end of a case, the one before unlearning, and the
 *              oracle): attacks, membership, distance to the oracle
 * In the list of stages, each stage comes after the stages that it needs. The scenario "pretrained" ranks entities by
 * the answers of the base model, so its splits are known only when that answer stage is done (protocol_splits). A
 * plan is made once and never changes, so any number of threads may read it. What it points to lives in its arena or
 * in the config. */
#ifndef PULSE_EVAL_PROTOCOL_H
#define PULSE_EVAL_PROTOCOL_H

#include "eval/evaluate.h"
#include "eval/scenario.h"
#include "eval/stopping_rules.h"
#include "eval/world.h"
#include "model/lora/lora.h"
#include "tensor/base/hash.h"
#include "tensor/op.h"
#include "unlearn/method.h"

/* What the protocol must know of the settings of one method. */
typedef struct {
    const char *recipe;                  // the settings that its unlearn stages depend on, as text
    const char *trainable;
    int64_t     batch;                   // how many samples of each list a step reads, at most
    bool        oracle;                  // its reference model is the oracle
    bool        merge;                   // unlearn.merge is yes or live: a snapshot builds on those of earlier requests
} MethodConfig;

/* Lists are texts of words, "a, b, c" (words.h). No pointer may be NULL. */
typedef struct {
    const char *scenarios, *methods, *seeds, *stress, *ablation_methods, *stress_methods, *control_methods;
    const char *stopping;                // names of stopping rules
    const char *probed;                  // names of cases that get probe stages
    // The budget of each of scenarios[]: either the steps of all requests together ("50 ga_klr=125"), or the epochs of
    // each request; the other one is "". Where both are "", the scenario's default number of steps holds.
    const char *steps[16];
    const char *epochs[16];
    const char *stop_within;             // the most epochs that a request may take under STOP_accuracy, "2.5 ga_klr=10"
    double      stop;                    // the accuracy, 0 to 1, at which STOP_accuracy ends a request
    int64_t     rounds;                  // requests of the scenario sequential
    const char *exposures;               // the scenario `exposed` forgets only entities of these exposures; "": of any
    int64_t     best, forget;            // how many entities count as best known; how many are drawn to be forgotten
    double      trajectory;              // epochs between snapshots; 0: only the last is kept
    int64_t     snapshot_every;          // steps between snapshots; 0: `trajectory` says
    int64_t     checkpoints;             // the steps between two checkpoints that a stage which trains keeps; 0: none
    int64_t     paraphrases;             // the most test questions that are asked of each fact and modality; 0: all
    const MethodConfig *method;          // one for each of methods[]
    const char *reading;                 // the settings that every answer depends on, as text
    const char *probing;                 // the further settings that a probe depends on, as text
    const char *code;                    // a digest of the sources that make stages
    bool        without_oracle;
    Digest      model[MODELS];           // digests of the models that are given; hex "": the model is to be trained
    const char *train[MODELS];           // the recipe of a model that is to be trained
    int64_t     train_steps[MODELS];     // how many steps that training has, to estimate its cost
    const Digest *group;                 // [groups of the world]: digests of each group's questions with their pictures
    Digest      general, entities;       // of the general questions with their pictures, and of the entities
} ProtocolConfig;

enum { NO_STAGE = 0xffffffff };

typedef struct {
    const Scenario *scenario;
    // the column `scenario`: "finetuned", "stress-25"; "sequential-accuracy" under a rule other than budget
    const char *name;
    size_t      group;                   // the index of its group in world.group
    const Method *method;
    Trainable   trainable;
    uint64_t    seed;
    int64_t     rounds;                  // how many requests
    StoppingRule stopping;
    int64_t     steps;                   // of each request; 0: `epochs` says how many
    double      epochs;                  // of each request, where steps is 0
    // Indices of stages.
    size_t      unlearn, answer;
    size_t      before, oracle;          // answer stages of the model before unlearning and of the oracle (or NO_STAGE)
    size_t      probe, probe_before, probe_oracle;       // probe stages; NO_STAGE: not asked for, or there is no oracle
} Case;

/* The model that a case starts from: the scenario's, or the base model for a method that must not have learnt the
 * forget set (retrain). */
StartModel case_start(const Case *c);
/* The method's name in results. The rows of the oracle have "retrain"; those of a case of the method retrain have
 * "retrain_from_base". */
const char *case_method_name(const Case *c);

typedef enum { STAGE_TRAIN, STAGE_UNLEARN, STAGE_ANSWER, STAGE_PROBE } StageKind;

typedef struct {
    StageKind   kind;
    const char *name, *recipe;
    Digest      digest;
    size_t      input[4], inputs;        // the indices of the stages that this one needs, and how many they are
    const Case *one;                     // of an unlearn or probe stage: the first case that needs it
    // the model that is trained or asked; where snapshots of an unlearn stage are asked, the model that it starts from
    StartModel  model;
    // of an answer or probe stage: the unlearn stage whose snapshots are asked (NO_STAGE: `model` itself is); the group
    size_t      of, group;
    double      cost;                    // an estimate in seconds, for the progress bar and the order of stages only
} Stage;

typedef struct {
    ProtocolConfig config;
    World       world;
    Entities    entities;
    Case       *cases;
    Stage      *stage;
    size_t      case_count, stage_count;
    size_t      made[MODELS];            // the train stage of a model; NO_STAGE: the model is given
    Arena      *arena;
} Plan;

/* Whether each request of the case has its own adapter, which is never merged. Then the result is not a single
 * model. */
bool case_routed(const Plan *p, const Case *c);

/* Copies the three structs, not what they point to. Fails with a sentence that names the key of the config. */
bool plan_make(Plan *p, const ProtocolConfig *c, const World *w, const Entities *all, Arena *a, Error *e);

/* Who is forgotten in each request, and who is retained. */
typedef struct {
    EntityList forget, retain, *request;     // forget: all requests together, in order
    size_t     requests;
} Splits;

/* Makes the splits of a case. `ranking` has `count` answers of the base model about the group; it is read only for
 * WHO_BEST, and may be NULL otherwise. Error, with file and line: an entity is both to be forgotten and to be
 * retained. */
bool protocol_splits(Splits *s, const Plan *p, const Case *c, const Result *ranking, size_t count, Arena *a, Error *e);

/* --- Steps --- A request has `questions` open training questions (entity_list_questions). An epoch trains once on
 * each. */

/* The steps of one epoch: ceil(questions / batch). */
int64_t epoch_steps(const Plan *p, const Case *c, int64_t questions);
/* The largest number of steps of one request: the steps of the case, or epochs x epoch_steps, rounded half up to a
 * whole number of at least 1. */
int64_t request_steps(const Plan *p, const Case *c, int64_t questions);
/* Whether a snapshot is kept after this step of a request, and its name, "round-1-step-75". */
bool snapshot_after(const Plan *p, const Case *c, int64_t questions, int64_t step);
const char *snapshot_name(int64_t round, int64_t step, char out[64]);
/* Whether STOP_accuracy measures the accuracy of a request after this step: after each `trajectory` epochs, or after
 * each epoch if that is 0. */
bool stop_after(const Plan *p, const Case *c, int64_t questions, int64_t step);

/* The number of one method in the value of a key. In "3 ga_klr=15" it is 15 for ga_klr, and 3 for all others. */
bool method_number(const char *key, const char *text, const char *method, double *out, Error *e);
/* The settings of a method, which must be one of methods[]. */
const MethodConfig *method_config(const Plan *p, const Method *m);

#endif
