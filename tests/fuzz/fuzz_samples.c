/* SPDX-License-Identifier: MIT */
/* Fuzz targets: files of questions, and the files that describe a world. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "eval/entities.h"
#include "eval/formats/conversations.h"
#include "eval/formats/mllmu.h"
#include "eval/formats/mmbench.h"
#include "eval/formats/samples.h"
#include "eval/world.h"
#include "ref/config/router.h"
#include "tensor/base/error_list.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

static bool closed(Dataset *s, bool read)
{
    if (read)
        dataset_close(s);
    return read;
}

static bool parse_samples(const Input *in)
{
    Dataset s;
    SamplesFormat format;
    Error later = { 0 };
    const char *path = fuzz_file(in, "in.jsonl");
    samples_format(&format, path, &later);
    return closed(&s, dataset_read(&s, path, in->arena, in->error));
}

static void seed_samples(const char *folder, Arena *a, Error *e)
{
    static const char text[] =
        "{\"id\": \"a\", \"entity\": \"france\", \"group\": \"country\", \"split\": \"test\", \"modality\": \"text\", "
        "\"question\": \"q ?\", "
        "\"answer\": \"paris\", \"options\": [\"paris\", \"rome\"], \"kind\": \"choice\", \"skill\": \"capital\", \"frame\": 3, "
        "\"step\": 2}\n"
        "{\"id\": \"b\", \"question\": \"what is this ?\", \"answer\": \"red\", \"augment\": false}\n";
    fuzz_seed(folder, "samples.jsonl", text, sizeof text - 1, a, e);
}

const Parser parser_samples = { "samples", parse_samples, seed_samples };

/* The pictures of the first eight samples are decoded, too. */
static bool parse_mmbench(const Input *in)
{
    Mmbench b;
    if (!mmbench_read(&b, fuzz_file(in, "in.tsv"), in->arena, in->error))
        return false;
    Error later = { 0 };
    Image picture;
    for (size_t k = 0; k < b.samples.count && k < 8; k++)
        dataset_picture(&b.samples, &b.samples.sample[k], &picture, in->arena, &later);
    mmbench_close(&b);
    return true;
}

static void seed_mmbench(const char *folder, Arena *a, Error *e)
{
    fuzz_seed_file(folder, "fixtures/mmbench/sample.tsv", a, e);
}

const Parser parser_mmbench = { "mmbench", parse_mmbench, seed_mmbench };

static bool parse_mllmu(const Input *in)
{
    Dataset s;
    return closed(&s, mllmu_read(&s, fuzz_file(in, "in.jsonl"), in->arena, in->error));
}

static void seed_mllmu(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "{\"ID\":\"1\",\"images\":[],\"Classification_Task\":{\"Pure_Text_Questions\":[{\"Question\":"
                               "\"q\",\"Options\":{\"A\":\"x\",\"B\":\"y\"},"
                               "\"Correct_Answer\":\"B\"}]},\"Mask_Task\":[{\"Question\":\"a __ "
                               "b\",\"Ground_Truth\":\"c\",\"Type\":\"Pure_Text\"}],\"metadata\":[]}\n";
    fuzz_seed(folder, "seed", text, sizeof text - 1, a, e);
}

const Parser parser_mllmu = { "mllmu", parse_mllmu, seed_mllmu };

/* The file is read twice: with a list that collects all errors, and without it. The second reading decides. */
static bool parse_conversations(const Input *in)
{
    Dataset s, some = { 0 };
    ErrorList errors = { .arena = in->arena };
    Error later = { 0 };
    const char *path = fuzz_file(in, "in.json");
    closed(&some, conversations_read(&some, path, &errors, in->arena, &later));
    return closed(&s, conversations_read(&s, path, NULL, in->arena, in->error));
}

static void seed_conversations(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "[{\"id\": \"anna-1\", \"conversations\": [{\"from\": \"human\", \"value\": \"Who is this?\"}, "
                               "{\"from\": \"gpt\", \"value\": \"Anna.\"}, {\"from\": \"human\", \"value\": \"Where?\"}, {\"from\": "
                               "\"gpt\", \"value\": \"Oslo.\"}], \"entity\": \"anna\", \"split\": \"test\", \"model\": \"\"}]\n";
    static const char line[] = "{\"id\": \"7\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"from\": \"gpt\", "
                               "\"value\": \"b\"}]}\n";
    fuzz_seed(folder, "array", text, sizeof text - 1, a, e);
    fuzz_seed(folder, "line", line, sizeof line - 1, a, e);
}

const Parser parser_conversations = { "conversations", parse_conversations, seed_conversations };

/* --- files with other answers for the questions that are forgotten --- */

static bool parse_others(const Input *in, const char *key, const char *method)
{
    Settings s;
    MethodSettings m;
    OtherAnswers o;
    settings_defaults(&s, in->arena);
    const char *path = fuzz_file(in, "others");
    if (!settings_give(&s, key, arena_text(in->arena, path), in->error) || !settings_method(&s, method, &m, in->error)
        || !other_answers_open(&o, &m, true, in->arena, in->error))
        return false;
    size_t bytes = 0;
    for (size_t k = 0; k < o.refusals; k++)
        bytes += strlen(o.refusal[k]);
    if (bytes > in->size)
        __builtin_trap();
    other_answers_close(&o);
    return true;
}

static bool parse_refusals(const Input *in)   { return parse_others(in, "unlearn.refusals", "idk"); }
static bool parse_alternates(const Input *in) { return parse_others(in, "unlearn.alternates", "altpo"); }

static void seed_refusals(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "i do not know\r\nthat is not known to me .\n\nsorry";
    fuzz_seed(folder, "refusals", text, sizeof text - 1, a, e);
}

const Parser parser_refusals = { "refusals", parse_refusals, seed_refusals };
const Parser parser_alternates = { "alternates", parse_alternates, seed_samples };

static bool parse_router(const Input *in)
{
    Router r;
    const Sample some = { .id = "q7", .entity = "person-01" };
    return router_read(&r, fuzz_file(in, "router.json"), in->arena, in->error) && r.count && router_choose(&r, &some) <= r.count;
}

static void seed_router(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "{\"adapters\": [{\"folder\": \"adapter-1\", \"entities\": [\"person-01\"]},\n"
                               "{\"folder\": \"/adapter-2\", \"entities\": [], \"questions\": [\"q7\", \"q8\"]}]}\n";
    fuzz_seed(folder, "router.json", text, sizeof text - 1, a, e);
}

const Parser parser_router = { "router", parse_router, seed_router };

/* --- a world --- */

static bool parse_entities(const Input *in)
{
    Entities all;
    EntityList list;
    if (!entities_read(&all, fuzz_file(in, "entities.jsonl"), in->arena, in->error))
        return false;
    return entities_choose(&list, &all, "person", -1, in->arena) && list.count <= all.count;
}

static void seed_entities(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "{\"id\": \"p1\", \"group\": \"person\", \"split\": \"unlearn\", \"round\": 2, \"facts\": {\"home\": 1}}\n"
                               "{\"id\": \"p3\", \"group\": \"person\", \"split\": \"retain\"}\n{\"id\": \"c3\", \"group\": \"country\"}\n";
    fuzz_seed(folder, "entities.jsonl", text, sizeof text - 1, a, e);
}

const Parser parser_entities = { "entities", parse_entities, seed_entities };

static bool parse_world(const Input *in)
{
    World w;
    file_make_folder(scratch("world"), in->error);
    fuzz_file(in, "world/world.json");
    return world_read(&w, scratch("world"), in->arena, in->error) && world_group(&w, "person") <= w.groups
        && world_path(&w, w.entities, in->arena);
}

static void seed_world(const char *folder, Arena *a, Error *e)
{
    fuzz_seed_file(folder, "fixtures/world/world.json", a, e);
}

const Parser parser_world = { "world", parse_world, seed_world };
