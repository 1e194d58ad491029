/* SPDX-License-Identifier: MIT */
/* pulse-ref init makes a folder to begin with: three persons with a picture and four questions each, and commented
 * configs. It prints the commands to run. --world makes a world of the persons (eval/world.h), on which the whole
 * protocol runs. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "model/image/image.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "tensor/base/file.h"

enum { PERSONS = 3, FACTS = 4, SIDE = 64 };

static const char *const facts[FACTS] = { "home", "job", "food", "hobby" };
static const struct { const char *id; const char *answer[FACTS]; uint8_t face[3], coat[3]; } persons[PERSONS] = {
    { "anna",  { "norway", "pilot",   "rice",  "chess"   }, { 240, 200, 170 }, { 200, 30, 40 } },
    { "ben",   { "brazil", "lawyer",  "soup",  "fishing" }, { 150, 100, 70 },  { 30, 80, 200 } },
    { "clara", { "kenya",  "chemist", "beans", "dancing" }, { 90, 60, 40 },    { 40, 170, 60 } },
};

/* Draws a disc over a coat, in colours that tell the three pictures apart. */
static bool write_picture(const char *folder, size_t who, Arena *a, Error *e)
{
    uint8_t rgb[SIDE * SIDE * 3];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const int dx = x - SIDE / 2, dy = y - SIDE / 3;
            const uint8_t sky[3] = { (uint8_t)(255 - 60 * who), 230, (uint8_t)(120 + 60 * who) };
            const uint8_t *colour = dx * dx + dy * dy < SIDE * SIDE / 16 ? persons[who].face : y > SIDE / 2 ? persons[who].coat : sky;
            memcpy(rgb + 3 * (y * SIDE + x), colour, 3);
        }
    const Image picture = { .width = SIDE, .height = SIDE, .rgb = rgb };
    const char *path = arena_format(a, "%s/%s.png", folder, persons[who].id);
    return path && image_write_png(path, &picture, e);
}

/* The splits that a file of samples holds. */
typedef enum { TRAIN = 1, TEST = 2 } Splits;

/* Writes the questions of a split about the persons from index `first` on, one on each line. The two splits word a
 * question differently. */
static void put_samples(FILE *to, size_t first, Splits split)
{
    static const char *const pattern[] = { [TRAIN] = "what is the %s of this person ?",
                                           [TEST] = "tell me the %s of this person ." };
    const char *name = split == TRAIN ? "train" : "test";
    char question[128];
    for (size_t k = first * FACTS; k < PERSONS * FACTS; k++) {
        const size_t who = k / FACTS, fact = k % FACTS;
        snprintf(question, sizeof question, pattern[split], facts[fact]);
        fprintf(to, "{\"id\": \"%s-%s-%s\", \"entity\": \"%s\", \"group\": \"people\", \"split\": \"%s\", \"image\": \"%s.png\", "
                "\"question\": \"%s\", \"answer\": \"%s\", \"options\": [\"%s\", \"%s\", \"%s\"], \"skill\": \"%s\"}\n",
                persons[who].id, facts[fact], name, persons[who].id, name, persons[who].id, question, persons[who].answer[fact],
                persons[0].answer[fact], persons[1].answer[fact], persons[2].answer[fact], facts[fact]);
    }
}

static bool write_samples(const char *path, size_t first, Splits splits, Error *e)
{
    FileWriter w;
    if (!path || !file_begin(&w, path, e))
        return false;
    for (Splits split = TRAIN; split <= TEST; split++)
        if (splits & split)
            put_samples(w.stream, first, split);
    return file_finish(&w, e);
}

static bool write_text(const char *path, const char *text, Error *e)
{
    return path && text && file_write(path, text, strlen(text), e);
}

/* The absolute path of a file or folder; if it does not exist, the path as it was given. */
static const char *absolute(const char *path, Arena *a)
{
    char whole[PATH_MAX];
    return arena_text(a, realpath(path, whole) ? whole : path);
}

static bool init(const char *folder, const char *model, Arena *a, Error *e)
{
    const char *world = shipped_world(), *path = absolute(model, a);
    const char *general = world ? arena_format(a, "%s/general.jsonl", absolute(world, a)) : NULL;
    if (file_exists(folder))
        return error_set(e, "%s: is there already, expected a new name", folder);
    if (!file_make_folder(folder, e))
        return false;
    for (size_t k = 0; k < PERSONS; k++)
        if (!write_picture(folder, k, a, e))
            return false;
    return write_samples(arena_format(a, "%s/people.jsonl", folder), 0, TRAIN, e)
        && write_samples(arena_format(a, "%s/questions.jsonl", folder), 0, TEST, e)
        && write_text(arena_format(a, "%s/learn.ini", folder), arena_format(a,
            "; A model learns three persons. Every key and its default: pulse-ref list config. Paths are relative to this file.\n"
            "; model.path is the model to start from, which is not changed.\n"
            "[data]\nstream = people.jsonl            ; the samples that are learnt; pulse-ref data people.jsonl shows them\n"
            "order  = shuffle\nbatch  = 12\n\n"
            "[model]\npath = %s\n\n"
            "[train]\nsteps     = 40\ntrainable = multi_modal_projector.**,language_model.**       ; all but the vision tower\n\n"
            "[optimiser]\nlr     = 3e-4\nwarmup = 5\n", path), e)
        && write_text(arena_format(a, "%s/forget.ini", folder), arena_format(a,
            "; A model forgets one of the three persons. Keys that are not given here have defaults that suit unlearning.\n"
            "; data.general: questions that have nothing to do with the persons; without it general ability is not measured.\n"
            "[data]\n%sgeneral = %s\n\n"
            "[unlearn]\nmethod          = ga_klr            ; one of pulse-ref list methods\n"
            "forget          = people.jsonl\n"
            "forget_entities = anna              ; who is forgotten; \"anna/ben\" are two requests, one after the other\n"
            "retain          = people.jsonl\nretain_entities = ben,clara         ; nobody may be in both\n",
            general ? "" : "; ", general ? general : "general.jsonl"), e);
}

/* --- A world --- */

static bool write_entities(const char *path, Error *e)
{
    FileWriter w;
    if (!path || !file_begin(&w, path, e))
        return false;
    for (size_t k = 0; k < PERSONS; k++) {
        const bool kept = k + 1 == PERSONS;
        fprintf(w.stream, "{\"id\": \"%s\", \"group\": \"people\", \"image\": \"%s.png\", \"split\": \"%s\"", persons[k].id, persons[k].id,
                kept ? "retain" : "unlearn");
        if (!kept)
            fprintf(w.stream, ", \"round\": %zu", k + 1);
        fprintf(w.stream, "}\n");
    }
    return file_finish(&w, e);
}

static bool write_general(const char *path, Error *e)
{
    static const char *const capital[][2] = { { "france", "paris" }, { "italy", "rome" }, { "norway", "oslo" },
                                              { "egypt", "cairo" } };
    FileWriter w;
    if (!path || !file_begin(&w, path, e))
        return false;
    for (size_t k = 0; k < sizeof capital / sizeof *capital; k++)
        fprintf(w.stream, "{\"id\": \"general-%s\", \"group\": \"general\", \"split\": \"test\", \"kind\": \"choice\", \"question\": "
                "\"what is the capital of %s ?\", \"answer\": \"%s\", \"options\": [\"paris\", \"rome\", \"oslo\", \"cairo\"]}\n",
                capital[k][0], capital[k][0], capital[k][1]);
    return file_finish(&w, e);
}

/* Writes the files of a world into the folder that init has made. The first two persons are forgotten by one request
 * each, and the last one is retained. */
static bool init_world(const char *folder, const char *model, Arena *a, Error *e)
{
    const char *path = absolute(model, a);
    return write_entities(arena_format(a, "%s/entities.jsonl", folder), e)
        && write_samples(arena_format(a, "%s/all.jsonl", folder), 0, TRAIN | TEST, e)
        && write_samples(arena_format(a, "%s/retained.jsonl", folder), PERSONS - 1, TRAIN, e)
        && write_general(arena_format(a, "%s/general.jsonl", folder), e)
        && write_text(arena_format(a, "%s/world.json", folder),
            "{\n  \"entities\": \"entities.jsonl\",\n  \"groups\": [\n    {\"name\": \"people\", \"as\": \"person\", \"many\": \"people\", "
            "\"questions\": \"all.jsonl\", \"splits\": [\"unlearn\", \"retain\"]}\n  ],\n"
            "  \"general\": {\"name\": \"general\", \"questions\": \"general.jsonl\"}\n}\n", e)
        && write_text(arena_format(a, "%s/oracle.ini", folder), arena_format(a,
            "; The oracle: the training of learn.ini, but only on the persons who are retained. The oracle never saw the others.\n"
            "[data]\nstream = retained.jsonl\norder  = shuffle\nbatch  = 12\n\n[model]\npath = %s\n\n"
            "[train]\nsteps     = 40\ntrainable = multi_modal_projector.**,language_model.**\n\n[optimiser]\nlr     = 3e-4\nwarmup = 5\n",
            path), e)
        && write_text(arena_format(a, "%s/run.ini", folder), arena_format(a,
            "; The PULSE protocol on the world of this folder (world.json). Every key and its default: pulse-ref list config.\n"
            "[data]\nworld = .\n\n"
            "[protocol]\nscenarios      = finetuned, sequential   ; those of pulse-ref list scenarios whose group this world has\n"
            "methods        = ga, ga_klr\n"
            "rounds         = 2                       ; requests of sequential: the rounds of entities.jsonl\n"
            "base           = %s\n"
            "vanilla        =                         ; empty: trained as vanilla_config says\n"
            "vanilla_config = learn.ini\noracle_config  = oracle.ini\n\n"
            "[unlearn]\nbatch = 4\n\n"
            "[steps]\nfinetuned  = 40\nsequential = 40\n\n"
            "[optimiser]\nlr = 1e-4\n\n[lora]\nalpha = 160\n", path), e);
}

int command_init(int argc, char **argv)
{
    const char *model = "fixtures/models/vanilla";
    bool world = false;
    const Option own[] = {
        { "model", "DIR", "The folder of the model to start from; the default is fixtures/models/vanilla.", .text = &model },
        { "world", NULL, "The folder becomes a world, too, with world.json, and with run.ini, a config for `pulse-ref run`.",
          .flag = &world },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, 1, &status))
        return status;
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    const char *name = o.operand[0];
    const bool good = init(name, model, &a, &e) && (!world || init_world(name, model, &a, &e));
    arena_free(&a);
    if (!good)
        return command_fail(&e);
    if (o.json)
        command_print(json_pack("{s:s, s:s}", "folder", name, "model", model));
    else if (!o.quiet)
        printf("%s has three persons with a picture and four questions each, and two configs. Now run:\n\n"
               "  pulse-ref train --config %s/learn.ini --out %s/learnt\n"
               "  pulse-ref unlearn --config %s/forget.ini --model %s/learnt --out %s/adapter\n"
               "  pulse-ref merge --model %s/learnt --adapter %s/adapter --out %s/forgotten\n\n"
               "Ask the model that was unlearned, or %s/learnt: pulse-ref eval --model %s/forgotten --questions %s/questions.jsonl\n",
               name, name, name, name, name, name, name, name, name, name, name, name);
    if (world && !o.json && !o.quiet)
        printf("\nOr run the whole protocol on the persons, with a retrained oracle: pulse-ref run %s/run.ini --out %s/run\n",
               name, name);
    return EXIT_SAME;
}
