/* SPDX-License-Identifier: MIT */
/* Scenario: what is unlearned from which model, and in how many requests. scenarios.def is the list; everything that is said
 * about a scenario anywhere stands in its record. */
#ifndef PULSE_EVAL_SCENARIO_H
#define PULSE_EVAL_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { MODEL_BASE, MODEL_VANILLA, MODEL_ORACLE, MODELS } StartModel;
const char *start_model_name(StartModel m);          // "base", "vanilla", "oracle"

/* Who is to be forgotten: the entities with a round; a drawn part of them; of those that the base model knows best a drawn part;
 * a drawn part of the whole group. The numbers stand in recipes of stages, so that their order is fixed. */
typedef enum { WHO_ROUNDS, WHO_TWENTY, WHO_BEST, WHO_DRAWN } Who;
typedef enum { REQUESTS_ONE, REQUESTS_ROUNDS, REQUESTS_ABLATION, REQUESTS_STRESS } Requests;

typedef struct {
    const char *name, *group, *many;
    StartModel  start;
    Who         who;
    Requests    requests;
    const char *steps, *help;            // steps: the default of [steps]
    const char *title, *label, *caption; // words of the report, where @ stands for `many` or the word of world.json
    bool        say_missing;             // the report says where a run has no such scenario
} Scenario;

extern const Scenario scenarios[];
extern const size_t scenarios_count;
const Scenario *scenario_find(const char *name);     // NULL: there is none of that name
/* Whether a model that never learned what is to be forgotten can exist: only for what was learned in fine-tuning. */
bool scenario_has_oracle(const Scenario *s);
/* Whether its splits are those of entities.jsonl; else they are drawn. */
bool scenario_splits_given(const Scenario *s);

#endif
