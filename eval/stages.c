/* SPDX-License-Identifier: MIT */
/* The stages of a plan. Each has a recipe, which is a text of all the settings that it depends on, and a digest of the
 * recipe and of its inputs. A finished stage is found again by its digest, so no byte of a recipe may change. */
#include "eval/stages.h"

#include <string.h>
#include "tensor/base/decimal.h"

/* How long the work of stages takes with the shipped model on one core, in seconds, as measured
 * (docs/many-machines.md): a step of training, a step of unlearning, the answers of a model, those of a snapshot, and a
 * probe. A step of unlearning with retained samples takes twice as long. The number of questions of a request is known
 * only when the request begins; the estimate assumes QUESTIONS. */
static const double seconds_train_step = 0.16, seconds_step = 0.06, seconds_model = 1.6, seconds_snapshot = 1.1,
                    seconds_probe = 4;
enum { QUESTIONS = 2000 };

static int64_t case_steps(const Plan *p, const Case *c)
{
    return c->steps ? c->rounds * c->steps : request_steps(p, c, QUESTIONS);
}

static double answers_cost(const Plan *p, const Case *c)
{
    int64_t snapshots = c->rounds;
    for (int64_t step = 1, last = request_steps(p, c, QUESTIONS); c->rounds == 1 && step < last; step++)
        snapshots += snapshot_after(p, c, QUESTIONS, step);
    return seconds_snapshot * (double)snapshots;
}

/* The index of the stage with this recipe and these inputs. Adds it to the plan unless it is there. */
static size_t stage_add(Plan *p, Stage s)
{
    Hash h = hash_begin();
    hash_text(&h, "pulse-ref " PULSE_VERSION " stage, spec " PULSE_SPEC);
    hash_text(&h, p->config.code);
    hash_text(&h, s.recipe);
    for (size_t k = 0; k < s.inputs; k++)
        hash_text(&h, p->stage[s.input[k]].digest.hex);
    s.digest = hash_end(&h);
    for (size_t k = 0; k < p->stage_count; k++)
        if (strcmp(p->stage[k].digest.hex, s.digest.hex) == 0)
            return k;
    p->stage[p->stage_count] = s;
    return p->stage_count++;
}

/* The line about checkpoints in the recipe of a stage that trains. Kept checkpoints are files of the stage. */
static const char *checkpoints_text(const Plan *p)
{
    return p->config.checkpoints ? arena_format(p->arena, "checkpoints %lld\n", (long long)p->config.checkpoints) : "";
}

/* The line about snapshots in the recipe of an unlearn stage. */
static const char *snapshots_text(const Plan *p)
{
    char epochs[32];
    return p->config.snapshot_every ? arena_format(p->arena, "snapshots every %lld steps\n", (long long)p->config.snapshot_every)
                                    : arena_format(p->arena, "trajectory %s\n", decimal_double(p->config.trajectory, epochs));
}

/* The line about exposures in a recipe. It is empty unless only entities of some exposures are forgotten. */
static const char *exposures_text(const Plan *p, const Case *one)
{
    const bool some = *p->config.exposures && strcmp(one->scenario->group, "exposed") == 0;
    return some ? arena_format(p->arena, "exposures %s\n", p->config.exposures) : "";
}

/* The train stage that makes a model; NO_STAGE where the model is given. */
static size_t model_stage(Plan *p, StartModel m)
{
    if (p->made[m] != NO_STAGE || *p->config.model[m].hex)
        return p->made[m];
    Stage s = { .kind = STAGE_TRAIN, .name = start_model_name(m), .model = m,
                .cost = seconds_train_step * (double)p->config.train_steps[m] };
    s.recipe = arena_format(p->arena, "%s%s", p->config.train[m], checkpoints_text(p));
    return p->made[m] = s.recipe ? stage_add(p, s) : NO_STAGE;
}

/* The text about a model in the recipe of stage s: "vanilla <digest>" for a given model, "vanilla made" for one that a
 * train stage makes. That stage becomes an input of s. */
static const char *model_text(Plan *p, StartModel m, Stage *s)
{
    size_t made = model_stage(p, m);
    if (made != NO_STAGE)
        s->input[s->inputs++] = made;
    return arena_format(p->arena, "%s %s", start_model_name(m), made == NO_STAGE ? p->config.model[m].hex : "made");
}

size_t stage_of_answers(Plan *p, StartModel m, size_t unlearn, size_t group)
{
    Stage s = { .kind = STAGE_ANSWER, .model = m, .of = unlearn, .group = group };
    const ProtocolConfig *c = &p->config;
    const World *w = &p->world;
    const char *model = model_text(p, m, &s);
    s.cost = unlearn == NO_STAGE ? seconds_model : answers_cost(p, p->stage[unlearn].one);
    if (unlearn != NO_STAGE)
        s.input[s.inputs++] = unlearn;
    // the answers of the model before unlearning choose the entities that are forgotten
    if (unlearn != NO_STAGE && p->stage[unlearn].one->scenario->who == WHO_BEST)
        s.input[s.inputs++] = p->stage[unlearn].one->before;
    s.name = unlearn == NO_STAGE ? arena_format(p->arena, "answers/%s/%s", start_model_name(m), w->group[group].name)
                                 : arena_format(p->arena, "answers/%s", p->stage[unlearn].name);
    s.recipe = arena_format(p->arena, "answer\nmodel %s\nquestions %s %s\ngeneral %s\nframes %lld\n%s", model,
                            w->group[group].questions, c->group[group].hex, c->general.hex, (long long)c->paraphrases,
                            c->reading);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}

size_t stage_of_probe(Plan *p, const Case *one, StartModel m, size_t unlearn)
{
    Stage s = { .kind = STAGE_PROBE, .model = m, .of = unlearn, .group = one->group, .one = one, .cost = seconds_probe };
    const ProtocolConfig *c = &p->config;
    const char *model = model_text(p, m, &s),
               *oracle = one->oracle != NO_STAGE && m != MODEL_ORACLE ? model_text(p, MODEL_ORACLE, &s) : "";
    if (unlearn != NO_STAGE)
        s.input[s.inputs++] = unlearn;
    if (one->scenario->who == WHO_BEST)
        s.input[s.inputs++] = one->before;
    s.name = unlearn == NO_STAGE
               ? arena_format(p->arena, "probe/%s/%s/seed%llu", one->name, start_model_name(m), (unsigned long long)one->seed)
               : arena_format(p->arena, "probe/%s", p->stage[unlearn].name);
    s.recipe = arena_format(p->arena,
                            "probe\nmodel %s %s\nseed %llu\nwho %d of %s (%s), entities %s\nbest %lld, forget %lld\n%sgeneral "
                            "%s\nframes %lld\n%s%s",
                            model, oracle, (unsigned long long)one->seed, (int)one->scenario->who,
                            p->world.group[s.group].questions, c->group[s.group].hex, c->entities.hex, (long long)c->best,
                            (long long)c->forget, exposures_text(p, one), c->general.hex, (long long)c->paraphrases, c->reading,
                            c->probing);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}

size_t stage_of_unlearning(Plan *p, const Case *one)
{
    Stage s = { .kind = STAGE_UNLEARN, .model = case_start(one), .one = one, .of = NO_STAGE, .group = one->group };
    const ProtocolConfig *c = &p->config;
    char budget[32], stop[32];
    const char *model = model_text(p, s.model, &s);
    if (one->scenario->who == WHO_BEST)
        s.input[s.inputs++] = one->before;
    const char *reference = method_config(p, one->method)->oracle ? model_text(p, MODEL_ORACLE, &s) : "";
    s.name = arena_format(p->arena, "%s/%s/%s/seed%llu", one->name, one->method->name, trainable_name(one->trainable),
                          (unsigned long long)one->seed);
    s.recipe = arena_format(p->arena,
                            "unlearn\nmodel %s %s\nmethod %s\ntrainable %s\nseed %llu\nwho %d of %s (%s), entities "
                            "%s\nbest %lld, forget %lld\n"
                            "%srequests %lld\n%s %s\n%s%s%s%s",
                            model, reference, one->method->name, trainable_name(one->trainable), (unsigned long long)one->seed,
                            (int)one->scenario->who, p->world.group[s.group].questions, c->group[s.group].hex, c->entities.hex,
                            (long long)c->best, (long long)c->forget, exposures_text(p, one), (long long)one->rounds,
                            one->steps ? "steps" : "epochs",
                            decimal_double(one->steps ? (double)one->steps : one->epochs, budget),
                            snapshots_text(p), checkpoints_text(p),
                            one->stopping == STOP_accuracy
                                ? arena_format(p->arena, "stop %s\n%lld frames\n", decimal_double(c->stop, stop),
                                               (long long)c->paraphrases)
                                : "",
                            method_config(p, one->method)->recipe);
    s.cost = seconds_step * (double)case_steps(p, one) * (one->method->needs & NEEDS_RETAIN ? 2 : 1);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}
