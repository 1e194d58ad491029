/* SPDX-License-Identifier: MIT */
/* A world of ten entities and a config, from which tests make plans. Only one source of a program may include it,
 * because its data are static. */
#ifndef PULSE_TESTS_EVAL_PLANS_H
#define PULSE_TESTS_EVAL_PLANS_H

#include <string.h>
#include "eval/protocol.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"
#include "tests/support/stand.h"

static const char ten_entities[] =
    "{\"id\": \"p1\", \"group\": \"person\", \"split\": \"unlearn\", \"round\": 2}\n"
    "{\"id\": \"p2\", \"group\": \"person\", \"split\": \"unlearn\", \"round\": 1, \"facts\": {\"home\": \"x\"}}\n"
    "{\"id\": \"p3\", \"group\": \"person\", \"split\": \"retain\"}\n"
    "{\"id\": \"p4\", \"group\": \"person\", \"split\": \"unlearn\", \"round\": 1}\n"
    "{\"id\": \"p5\", \"group\": \"person\", \"split\": \"retain\"}\n"
    "{\"id\": \"c3\", \"group\": \"country\"}\n"
    "{\"id\": \"c1\", \"group\": \"country\"}\n"
    "{\"id\": \"c2\", \"group\": \"country\"}\n"
    "{\"id\": \"c4\", \"group\": \"country\"}\n"
    "{\"id\": \"c5\", \"group\": \"country\"}\n";

static const char *written(const char *name, const char *text)
{
    const char *path = scratch("%s", name);
    assert_true(file_write(path, text, strlen(text), &error));
    return path;
}

/* Reads the lines of entities.jsonl in `text`. About each entity there are ten open training questions. */
static bool read_entities(Entities *all, const char *text)
{
    if (!entities_read(all, written("entities.jsonl", text), &arena, &error))
        return false;
    for (size_t k = 0; k < all->count; k++)
        all->entity[k].questions = 10;
    return true;
}

static MethodConfig method_list[64];
static Digest group_digest[3];
static const World world = { .path = "world.json", .groups = 3, .general = { "general", "general.jsonl", false, NULL, NULL },
    .group = (WorldGroup[]){ { "person", "persons.jsonl", true, NULL, NULL }, { "country", "countries.jsonl", false, NULL, NULL },
                             { "known_person", "known_persons.jsonl", false, NULL, NULL } } };

static ProtocolConfig config_of(const char *scenarios)
{
    ProtocolConfig c = {
        .scenarios = scenarios, .methods = "ga", .seeds = "0", .stress = "1, 3", .ablation_methods = "ga",
        .stress_methods = "ga", .control_methods = "ga", .exposures = "", .rounds = 2, .best = 4, .forget = 2, .trajectory = 1,
        .method = method_list, .stopping = "budget", .probed = "", .stop_within = "10 ga_klr=40", .stop = 0.35,
        .probing = "attack.lr = 0.0003\n", .code = "c0de", .reading = "data.template = world\n",
        .model = { { "b" }, { "v" }, { "o" } }, .group = group_digest, .general = { "g" }, .entities = { "e" },
    };
    for (size_t k = 0; k < scenarios_count; k++)
        c.steps[k] = c.epochs[k] = "";
    for (size_t k = 0; k < 3; k++)
        snprintf(group_digest[k].hex, sizeof group_digest[k].hex, "g%zu", k);
    for (size_t k = 0; k < methods_count; k++)
        method_list[k] = (MethodConfig){ "optimiser.lr = 0.0003\n", "proj+llm", 20, false, true };
    return c;
}

static bool plan_of(Plan *p, const ProtocolConfig *c)
{
    Entities all;
    return read_entities(&all, ten_entities) && plan_make(p, c, &world, &all, &arena, &error);
}

static Plan planned(const ProtocolConfig *c)
{
    Plan p;
    bool good = plan_of(&p, c);
    expect_fine(&error);
    assert_true(good);
    return p;
}

static const char *digest_of(const Plan *p, size_t stage) { return p->stage[stage].digest.hex; }

#endif
