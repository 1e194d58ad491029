/* SPDX-License-Identifier: MIT */
/* Scenario: what is unlearned from which model, and in how many requests. scenarios.def is the list, and says what each
 * field means. */
#ifndef PULSE_EVAL_SCENARIO_H
#define PULSE_EVAL_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

/* base: the pre-trained model. vanilla: the base model after fine-tuning. oracle: the base model after fine-tuning
 * without the forget set. */
typedef enum { MODEL_BASE, MODEL_VANILLA, MODEL_ORACLE, MODELS } StartModel;
const char *start_model_name(StartModel m);          // "base", "vanilla", "oracle"

/* Which entities of the group are to be forgotten. `protocol.forget` says how many are drawn, where there is a draw.
 *     WHO_ROUNDS           all entities that have a round in entities.jsonl; of the group `exposed`, only those whose
 *                          exposure `protocol.exposures` lists, or all of them if it is empty
 *     WHO_DRAWN_OF_ROUNDS  a draw from the entities that have a round
 *     WHO_BEST             a draw from the `protocol.best` entities that the base model knows best
 *     WHO_DRAWN            a draw from the whole group
 * The recipes of stages, and so their digests, hold the numbers of this enum, so its order must stay. */
typedef enum { WHO_ROUNDS, WHO_DRAWN_OF_ROUNDS, WHO_BEST, WHO_DRAWN } Who;
/* How these entities are divided into requests.
 *     REQUESTS_ONE       all in one request
 *     REQUESTS_ROUNDS    in `protocol.rounds` requests, one after another
 *     REQUESTS_ABLATION  two cases, with all entities in one request: one trains llm, the other proj+llm
 *     REQUESTS_STRESS    a case for each number of requests that `protocol.stress` lists */
typedef enum { REQUESTS_ONE, REQUESTS_ROUNDS, REQUESTS_ABLATION, REQUESTS_STRESS } Requests;

typedef struct {
    const char *name, *group, *many;
    StartModel  start;
    Who         who;
    Requests    requests;
    const char *steps, *help;            // steps: the default of the key steps.NAME of a config
    const char *title, *label, *caption; // texts of the report, where @ stands for `many` or for the word in world.json
    bool        report_missing;          // the report says so if a run does not have this scenario
} Scenario;

extern const Scenario scenarios[];
extern const size_t scenarios_count;
const Scenario *scenario_find(const char *name);     // NULL: there is no scenario of that name
/* Whether the scenario can have an oracle, a model that never learned what is to be forgotten. It can if unlearning
 * starts from the fine-tuned model: the oracle is fine-tuned without the forget set. */
bool scenario_has_oracle(const Scenario *s);
/* Whether the scenario reads its splits from entities.jsonl, where the entities to be forgotten have a round. Otherwise
 * it draws its own splits. */
bool scenario_splits_given(const Scenario *s);

#endif
