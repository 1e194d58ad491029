/* SPDX-License-Identifier: MIT */
#include "eval/manifest.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/file.h"

enum { STAGE_MAX = 16 << 20 };

static const char *const kinds[] = { "train", "unlearn", "answer" };

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
        json_object_set_new(list, files[k], json_string(d.hex));
    }
    return list;
}

bool stage_finish(const Plan *p, size_t stage, const char *folder, const char *const *files, size_t count, Error *e)
{
    const Stage *s = &p->stage[stage];
    char path[4096];
    json_t *outputs = files_object(folder, files, count, e), *inputs = json_array();
    for (size_t k = 0; k < s->inputs; k++)
        json_array_append_new(inputs, json_string(p->stage[s->input[k]].digest.hex));
    snprintf(path, sizeof path, "%s/stage.json", folder);
    if (!outputs) {
        json_decref(inputs);
        return false;
    }
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o}", "kind", kinds[s->kind], "digest", s->digest.hex, "recipe", s->recipe, "inputs", inputs,
                          "outputs", outputs);
    bool good = o && json_save(path, o, e);
    json_decref(o);
    return good;
}

bool stage_finished(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/stage.json", folder);
    return file_exists(path);
}

/* Appends an entry whose link covers the one before. */
static bool link_add(json_t *list, json_t *entry, Digest *chain)
{
    char *text = json_dumps(entry, JSON_COMPACT);
    Hash h = hash_begin();
    hash_text(&h, chain->hex);
    hash_text(&h, text ? text : "");
    *chain = hash_end(&h);
    free(text);
    json_object_set_new(entry, "link", json_string(chain->hex));
    return json_array_append_new(list, entry) == 0 && text;
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
            return error_set(e, "%s: it is not the file that its stage made, expected SHA-256 %.64s; remove the folder to make it again", path,
                             json_string_value(digest) ? json_string_value(digest) : "of stage.json");
    }
    return true;
}

static bool stages_add(const Plan *p, const char *folder, json_t *list, Digest *chain, Arena *a, Error *e)
{
    for (size_t k = 0; k < p->stage_count; k++) {
        const char *at = arena_format(a, "%s/stages/%s", folder, p->stage[k].digest.hex), *path = arena_format(a, "%s/stage.json", at);
        json_t *stage = path ? json_file(path, STAGE_MAX, e) : NULL;
        if (!stage || !outputs_check(at, stage, e)) {
            json_decref(stage);
            return false;
        }
        json_object_set_new(stage, "name", json_string(p->stage[k].name));
        if (!link_add(list, stage, chain))
            return error_set(e, "no memory for the manifest");
    }
    return true;
}

bool manifest_write(const Plan *p, const char *folder, const char *config, const char *const *results, size_t count, Arena *a, Error *e)
{
    json_t *list = json_array();
    json_t *about = json_pack("{s:s, s:s, s:s}", "version", PULSE_VERSION, "spec", PULSE_SPEC, "config", config);
    Digest chain = { "" };
    const char *path = arena_format(a, "%s/manifest.json", folder);
    bool good = path && link_add(list, about, &chain) && stages_add(p, folder, list, &chain, a, e);
    json_t *files = good ? files_object(folder, results, count, e) : NULL;
    good = files && link_add(list, json_pack("{s:o}", "results", files), &chain);
    json_t *all = json_pack("{s:o, s:s}", "entries", list, "chain", chain.hex);
    good = good && json_save(path, all, e);
    json_decref(all);
    return good;
}
