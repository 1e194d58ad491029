/* SPDX-License-Identifier: MIT */
#include "eval/manifest.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

static const char *const kinds[] = { "train", "unlearn", "answer", "probe" };

static json_t *files_object(const char *folder, const char *const *files, size_t count, Error *e)
{
    json_t *list = json_object();
    char path[4096];
    for (size_t k = 0; k < count; k++) {
        Digest d;
        snprintf(path, sizeof path, "%s/%s", folder, files[k]);
        if (!digest_file(path, &d, e)) {
            json_decref(list);
            return NULL;
        }
        json_put(list, files[k], json_string(d.hex));
    }
    return list;
}

/* The object that stage.json holds. It takes ownership of `outputs`. */
static json_t *stage_json(const Plan *p, size_t stage, json_t *outputs)
{
    const Stage *s = &p->stage[stage];
    json_t *inputs = json_array();
    for (size_t k = 0; k < s->inputs; k++)
        json_add(inputs, json_string(p->stage[s->input[k]].digest.hex));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "kind", kinds[s->kind], "digest", s->digest.hex, "recipe", s->recipe, "inputs",
                     inputs, "outputs", outputs);
}

bool stage_finish(const Plan *p, size_t stage, const char *folder, const char *const *files, size_t count, Error *e)
{
    char path[4096];
    json_t *outputs = files_object(folder, files, count, e), *o = outputs ? stage_json(p, stage, outputs) : NULL;
    snprintf(path, sizeof path, "%s/stage.json", folder);
    bool good = outputs && json_save(path, o, e);
    json_decref(o);
    return good;
}

bool stage_finished(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/stage.json", folder);
    return file_exists(path);
}

/* Appends an entry. Its link covers *chain (the link of the entry before) and its own text, and becomes the new
 * *chain. */
static bool link_add(json_t *list, json_t *entry, Digest *chain)
{
    char *text = json_compact(entry, NULL);
    Hash h = hash_begin();
    hash_text(&h, chain->hex);
    hash_text(&h, text ? text : "");
    *chain = hash_end(&h);
    const bool whole = text != NULL;
    free(text);
    return json_put(entry, "link", json_string(chain->hex)) && json_add(list, entry) && whole;
}

static bool outputs_check(const char *folder, json_t *stage, Error *e)
{
    const char *name;
    json_t *digest;
    json_object_foreach(json_object_get(stage, "outputs"), name, digest) {
        char path[4096];
        Digest d;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (!digest_file(path, &d, e))
            return false;
        if (strcmp(d.hex, json_string_value(digest) ? json_string_value(digest) : "") != 0)
            return error_set(e, "%s: it is not the file that its stage made, expected SHA-256 %.64s; remove the folder to make "
                                "it again", path,
                             json_string_value(digest) ? json_string_value(digest) : "of stage.json");
    }
    return true;
}

/* Reads the stage.json of a finished stage, and checks everything that it says; NULL on failure. */
static json_t *stage_read(const Plan *p, size_t stage, const char *folder, Error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/stage.json", folder);
    json_t *found = json_file(path, LIMIT_STAGE, e);
    json_t *expected = found ? stage_json(p, stage, json_incref(json_object_get(found, "outputs"))) : NULL;
    bool good = found && json_equal(found, expected);
    if (found && !good)
        error_set(e, "%s:1: this is not what the stage writes; remove the folder to make it again", path);
    good = good && outputs_check(folder, found, e);
    json_decref(expected);
    if (good)
        return found;
    json_decref(found);
    return NULL;
}

bool stage_check(const Plan *p, size_t stage, const char *folder, Error *e)
{
    json_t *found = stage_read(p, stage, folder, e);
    json_decref(found);
    return found != NULL;
}

static bool stages_add(const Plan *p, const char *folder, json_t *list, Digest *chain, Arena *a, Error *e)
{
    for (size_t k = 0; k < p->stage_count; k++) {
        const char *at = arena_format(a, "%s/stages/%s", folder, p->stage[k].digest.hex);
        json_t *stage = at ? stage_read(p, k, at, e) : NULL;
        if (!stage)
            return false;
        json_put(stage, "name", json_string(p->stage[k].name));
        if (!link_add(list, stage, chain))
            return error_no_memory(e, "no memory for the manifest");
    }
    return true;
}

bool manifest_write(const Plan *p, const char *folder, const char *config, const char *const *results, size_t count, Arena *a,
                    Error *e)
{
    json_t *list = json_array();
    json_t *about = json_pack("{s:s, s:s, s:s, s:s}", "version", PULSE_VERSION, "spec", PULSE_SPEC, "sources", p->config.code,
                              "config", config);
    Digest chain = { "" };
    const char *path = arena_format(a, "%s/manifest.json", folder);
    bool good = path && (link_add(list, about, &chain) || error_no_memory(e, "no memory for the manifest"))
        && stages_add(p, folder, list, &chain, a, e);
    json_t *files = good ? files_object(folder, results, count, e) : NULL;
    good = files
        && (link_add(list, json_pack("{s:o}", "results", files), &chain) || error_no_memory(e, "no memory for the manifest"));
    json_t *all = json_pack("{s:o, s:s}", "entries", list, "chain", chain.hex);
    good = good && json_save(path, all, e);
    json_decref(all);
    return good;
}

bool manifest_add(const char *folder, const char *name, const char *file, Error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    json_t *all = json_file(path, LIMIT_RESULTS, e), *list = json_object_get(all, "entries");
    const char *before = json_string_value(json_object_get(all, "chain"));
    json_t *files = before && list ? files_object(folder, &file, 1, e) : NULL;
    Digest chain = { "" };
    bool good = files != NULL;
    if (good)
        snprintf(chain.hex, sizeof chain.hex, "%s", before);
    good = good && link_add(list, json_pack("{s:o}", name, files), &chain);
    if (good)
        json_put(all, "chain", json_string(chain.hex));
    good = good && json_save(path, all, e);
    json_decref(all);
    return good || e->failed ? good : error_set(e, "%s:1: this is not a manifest, expected \"entries\" and \"chain\"", path);
}

/* --- the audit --- */

static json_t *manifest_open(const char *folder, json_t **entries, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/manifest.json", folder);
    json_t *all = path ? json_file(path, LIMIT_RESULTS, e) : NULL;
    *entries = json_object_get(all, "entries");
    if (all && (!json_is_array(*entries) || !json_is_string(json_object_get(all, "chain")))) {
        error_set(e, "%s:1: this is not a manifest, expected \"entries\" and \"chain\"", path);
        json_decref(all);
        return NULL;
    }
    return all;
}

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text ? text : "";
}

/* Checks the digests of the files of an entry. Files of a stage are in its folder, all others beside the manifest. */
static bool files_check(const char *folder, json_t *entry, Arena *a, Error *e)
{
    static const char *const lists[] = { "results", "report" };
    if (json_object_get(entry, "outputs"))
        return outputs_check(arena_format(a, "%s/stages/%s", folder, text_of(entry, "digest")), entry, e);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        json_t *files = json_object_get(entry, lists[k]), *as = files ? json_pack("{s:O}", "outputs", files) : NULL;
        bool good = !as || outputs_check(folder, as, e);
        json_decref(as);
        if (!good)
            return false;
    }
    return true;
}

bool manifest_check(const char *folder, Arena *a, Error *e)
{
    json_t *entries, *all = manifest_open(folder, &entries, a, e), *entry;
    Digest chain = { "" };
    size_t k;
    bool good = all != NULL;
    json_array_foreach(entries, k, entry) {
        const char *link = arena_text(a, text_of(entry, "link"));
        json_object_del(entry, "link");
        char *text = json_compact(entry, e);
        Hash h = hash_begin();
        hash_text(&h, chain.hex);
        hash_text(&h, text ? text : "");
        free(text);
        chain = hash_end(&h);
        if (!link || strcmp(chain.hex, link) != 0)
            good = error_set(e, "%s/manifest.json:1: entry %zu was changed: its \"link\" does not follow from its text", folder, k + 1);
        good = good && files_check(folder, entry, a, e);
        if (!good)
            break;
    }
    if (good && strcmp(chain.hex, text_of(all, "chain")) != 0)
        good = error_set(e, "%s/manifest.json:1: \"chain\" is not the last entry's link", folder);
    json_decref(all);
    return good;
}

/* What an entry is about, in words. */
static const char *entry_name(const json_t *entry, Arena *a)
{
    if (json_object_get(entry, "outputs"))
        return arena_format(a, "the stage %s", text_of(entry, "name"));
    return json_object_get(entry, "results") ? "the results"
         : json_object_get(entry, "report")  ? "the report"
                                             : "the program and the config";
}

/* What differs between the first entries of two manifests. */
static const char *setting_that_differs(const json_t *x, const json_t *y)
{
    static const char *const keys[] = { "version", "spec", "sources" },
                            *const words[] = { "the version of the program", "the specification", "the sources" };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        if (strcmp(text_of(x, keys[k]), text_of(y, keys[k])) != 0)
            return words[k];
    return "the config";
}

/* The first file of x that y does not have with the same digest. If y has them all: "what it was made from". */
static const char *file_that_differs(json_t *x, json_t *y)
{
    static const char *const lists[] = { "outputs", "results", "report" };
    const char *name;
    json_t *digest;
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        json_object_foreach(json_object_get(x, lists[k]), name, digest)
            if (!json_equal(digest, json_object_get(json_object_get(y, lists[k]), name)))
                return name;
    return "what it was made from";
}

bool manifest_same(const char *one, const char *two, char different[512], Arena *a, Error *e)
{
    json_t *x, *y, *all = manifest_open(one, &x, a, e), *other = all ? manifest_open(two, &y, a, e) : NULL, *entry;
    size_t k;
    different[0] = 0;
    if (other && json_array_size(x) != json_array_size(y))
        snprintf(different, 512, "%zu entries against %zu", json_array_size(x), json_array_size(y));
    json_array_foreach(other ? x : NULL, k, entry) {
        json_t *twin = json_array_get(y, k);
        if (*different || !twin || strcmp(text_of(entry, "link"), text_of(twin, "link")) == 0)
            continue;
        const char *name = entry_name(entry, a);
        snprintf(different, 512, "%s: %s", name ? name : "",
                 k == 0 ? setting_that_differs(entry, twin) : file_that_differs(entry, twin));
    }
    json_decref(all);
    json_decref(other);
    return other && !*different;
}

/* --- an audit that computes stages again --- */

const char *manifest_chain(const char *folder, Arena *a, Error *e)
{
    json_t *entries, *all = manifest_open(folder, &entries, a, e);
    const char *chain = all ? arena_text(a, text_of(all, "chain")) : NULL;
    json_decref(all);
    return chain;
}

json_t *manifest_outputs(const char *folder, Arena *a, Error *e)
{
    json_t *entries, *all = manifest_open(folder, &entries, a, e), *list = json_array(), *entry;
    size_t k;
    bool good = all != NULL;
    json_array_foreach(entries, k, entry)
        if (json_object_get(entry, "outputs"))
            good = json_add(list, json_incref(json_object_get(entry, "outputs"))) && good;
    json_decref(all);
    if (good)
        return list;
    json_decref(list);
    return e->failed ? NULL : (error_no_memory(e, "no memory for the stages of the manifest"), NULL);
}

/* The key of the first line that differs between two configs, such as "protocol.seeds". */
static const char *line_that_differs(const char *x, const char *y, Arena *a)
{
    size_t line = 0;
    for (size_t k = 0; x[k] && x[k] == y[k]; k++)
        line = x[k] == '\n' ? k + 1 : line;
    return arena_format(a, "%.*s", (int)strcspn(x + line, " =\n"), x + line);
}

bool manifest_of_plan(const Plan *p, const char *folder, const char *config, Arena *a, Error *e)
{
    json_t *entries, *all = manifest_open(folder, &entries, a, e);
    const json_t *about = json_array_get(entries, 0);
    if (!all || !config) {
        json_decref(all);
        return false;
    }
    if (strcmp(text_of(about, "version"), PULSE_VERSION) != 0 || strcmp(text_of(about, "sources"), p->config.code) != 0)
        error_set(e, "%s/manifest.json:1: the run was made by version %.32s of sources %.16s, expected this program's: %s, %.16s", folder,
                  text_of(about, "version"), text_of(about, "sources"), PULSE_VERSION, p->config.code);
    else if (strcmp(text_of(about, "config"), config) != 0)
        error_set(e, "%s/manifest.json:1: the run had another config, in which %s is the first key that differs; expected "
                     "the config of the run, with its --set", folder, line_that_differs(config, text_of(about, "config"), a));
    for (size_t k = 0; !e->failed && k < p->stage_count; k++)
        if (strcmp(text_of(json_array_get(entries, k + 1), "digest"), p->stage[k].digest.hex) != 0)
            error_set(e, "%s/manifest.json:1: the stage %s has another digest, expected a run from the same models and the same "
                         "world", folder, p->stage[k].name);
    json_decref(all);
    return !e->failed;
}

bool manifest_stage_same(const char *folder, size_t stage, const char *again, char different[512], Arena *a, Error *e)
{
    json_t *entries, *all = manifest_open(folder, &entries, a, e);
    const char *path = arena_format(a, "%s/stage.json", again);
    json_t *made = all && path ? json_file(path, LIMIT_STAGE, e) : NULL, *recorded = json_array_get(entries, stage + 1);
    const bool same = made && json_equal(json_object_get(made, "outputs"), json_object_get(recorded, "outputs"));
    if (made && !same)
        snprintf(different, 512, "%s", file_that_differs(made, recorded));
    json_decref(made);
    json_decref(all);
    return same;
}
