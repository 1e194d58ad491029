/* SPDX-License-Identifier: MIT */
/* Protocol: from a config to a plan: which models are unlearned how, what is asked of them, and what depends on what.
 *
 * A case is one scenario x method x trainable x seed; its splits say who is forgotten, request by request, and who is retained.
 * A stage is a piece of work with a digest: SHA-256 over its recipe (all settings that it depends on, as text) and the digests of its
 * inputs. Stages with the same digest are one stage, and a finished one is never run again. Kinds:
 *     train    a model fine-tuned by a config: vanilla, oracle
 *     unlearn  all requests of a case, with a snapshot (adapters) after each `trajectory` epochs and after each request
 *     answer   a model's, or all of an unlearn stage's snapshots', answers to the questions of a group and to the general ones
 *     probe    what is only asked of a model at its end: attacks, membership, distance to the oracle (probe.h)
 * Always: stages stand after what they need. The scenario "pretrained" is ranked by what the base model answers, so its splits are
 * known when that answer stage is done (protocol_splits). */
#ifndef PULSE_EVAL_PROTOCOL_H
#define PULSE_EVAL_PROTOCOL_H

#include "eval/evaluate.h"
#include "eval/rules.h"
#include "model/lora.h"
#include "tensor/base/hash.h"
#include "tensor/op.h"
#include "unlearn/method.h"

typedef enum { MODEL_BASE, MODEL_VANILLA, MODEL_ORACLE, MODELS } StartModel;
const char *start_model_name(StartModel m);

typedef enum { WHO_ROUNDS, WHO_TWENTY, WHO_BEST, WHO_DRAWN } Who;
typedef enum { REQUESTS_ONE, REQUESTS_ROUNDS, REQUESTS_ABLATION, REQUESTS_STRESS } Requests;

typedef struct {
    const char *name, *group;
    StartModel  start;
    Who         who;
    Requests    requests;
    const char *epochs, *help;           // epochs: the default
} Scenario;
extern const Scenario scenarios[];
extern const size_t scenarios_count;
const Scenario *scenario_find(const char *name);     // NULL: unknown

enum { GROUPS = 3 };
const char *group_file(size_t group);                // "persons.jsonl"

typedef struct {
    const char *recipe;                  // settings that its unlearn stages depend on, as text
    const char *trainable;
    int64_t     batch;
    bool        oracle;                  // its reference is the oracle
    bool        merge;                   // adapters are merged into the weights between requests
} MethodConfig;

typedef struct {
    const char *scenarios, *methods, *seeds, *stress, *ablation_methods, *stress_methods, *control_methods;     // "a, b, c"
    const char *rules, *probed;          // likewise; probed: names of cases
    const char *epochs[16];              // by scenario; "": its default
    const char *stop_within;             // as epochs, for RULE_accuracy
    double      stop;
    int64_t     rounds, best, forget;    // requests of sequential; how many of the best are taken; how many of those forgotten
    double      trajectory;              // epochs between snapshots; 0: none but the last
    int64_t     frames;                  // test frames of each fact; 0: all
    const MethodConfig *method;          // one for each of methods[]
    const char *reading;                 // settings that every answer depends on, as text
    const char *probing;                 // settings that a probe depends on besides
    const char *code;                    // digest of the sources that make stages
    bool        without_oracle;
    Digest      model[MODELS];           // of the given models; hex "": to be trained
    const char *train[MODELS];           // recipe of a model that is to be trained
    Digest      group[GROUPS], general, entities;    // of the questions with their pictures
} ProtocolConfig;

typedef struct {
    const Scenario *scenario;
    const char *name;                    // "finetuned", "stress-25", "sequential-accuracy" (a rule other than budget): the column scenario
    const Method *method;
    Trainable   trainable;
    uint64_t    seed;
    int64_t     rounds;
    Rule        rule;
    double      epochs;                  // passes over a request's questions, at most
    int64_t     steps;                   // of each request; 0: what epochs come to
    size_t      unlearn, answer;         // stages
    size_t      before, oracle;          // answer stages; oracle == NO_STAGE: none exists
    size_t      probe, probe_before, probe_oracle;       // probe stages; NO_STAGE: none is wanted, or there is no oracle
} Case;

enum { NO_STAGE = 0xffffffff };
typedef enum { STAGE_TRAIN, STAGE_UNLEARN, STAGE_ANSWER, STAGE_PROBE } StageKind;

typedef struct {
    StageKind   kind;
    const char *name, *recipe;
    Digest      digest;
    size_t      input[4], inputs;        // stages
    const Case *one;                     // of an unlearn or probe stage: the first case that wants it
    StartModel  model;                   // trained, or asked; of a stage that asks what an unlearn stage made: where that starts
    size_t      of, group;               // of an answer or probe stage: the unlearn stage (NO_STAGE: model), and whom is asked about
    double      cost;                    // about seconds; for progress and order only
} Stage;

typedef struct {
    ProtocolConfig config;
    Entities    entities;
    Case       *cases;
    Stage      *stage;
    size_t      case_count, stage_count;
    size_t      made[MODELS];            // the train stage of a model; NO_STAGE: it is given
    Arena      *arena;
} Plan;

bool plan_make(Plan *p, const ProtocolConfig *c, const Entities *all, Arena *a, Error *e);

/* Who is forgotten in each request, and who is retained. */
typedef struct {
    EntityList forget, retain, *request;     // forget: all requests together, in order
    size_t     requests;
} Splits;

/* ranking: what the base model answered about the group (only read for WHO_BEST, else NULL). Checks that nobody is in two places. */
bool protocol_splits(Splits *s, const Plan *p, const Case *c, const Result *ranking, size_t count, Arena *a, Error *e);
/* Steps of one request at most: RN(epochs x ceil(10 entities / batch)), half up, at least 1; or as many as the rule says. */
int64_t epoch_steps(const Plan *p, const Case *c, size_t entities);
int64_t request_steps(const Plan *p, const Case *c, size_t entities);
/* Whether a snapshot is kept after this step of a request, and its name, "round-1-step-75". */
bool snapshot_after(const Plan *p, const Case *c, size_t entities, int64_t step);
const char *snapshot_name(int64_t round, int64_t step, char out[64]);
/* Whether a request's accuracy is looked at after this step. */
bool stop_after(const Plan *p, const Case *c, size_t entities, int64_t step);
const MethodConfig *method_config(const Plan *p, const Method *m);
size_t group_of(const Scenario *s);                  // place of its group

#endif
