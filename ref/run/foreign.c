/* SPDX-License-Identifier: MIT */
/* The files that a stage may find in its folder are its own, finished or left by an interrupted process. Any
 * other file was put there by somebody else and is an error: the stage could overwrite the file, or would
 * not list it in its stage.json. */
#include <fnmatch.h>
#include <string.h>
#include "ref/run/run.h"
#include "tensor/base/file.h"

/* Patterns of the names of files: `everywhere` for the folders of all stages, `own` for those of one kind of stage.
 * A pattern with a slash at its end means a folder, whose files match `inside`. "*.part-[0-9]*" is a file that was not
 * written to its end (tensor/base/file.h). Snakemake leaves its timestamp in every output folder. */
static const char *const everywhere[] = { "stage.json", "*.part-[0-9]*", ".snakemake_timestamp", NULL };
static const char *const inside[] = { "config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors",
                                      "checkpoint.safetensors", "*.part-[0-9]*", NULL };
static const char *const own[][6] = {
    [STAGE_TRAIN]   = { "*.json", "*.safetensors", "*.jinja", "log.jsonl", "step-*/", NULL },
    [STAGE_UNLEARN] = { "round-*-step-*/", "checkpoint-*/", "log.jsonl", "steps.json", NULL },
    [STAGE_ANSWER]  = { "answers.jsonl", "round-*-step-*.jsonl", NULL },
    [STAGE_PROBE]   = { "numbers.json", "relearned.jsonl", "quantised.jsonl", "cloze.jsonl", NULL },
};

static bool matches(const char *const *pattern, const char *name)
{
    for (; *pattern; pattern++)
        if (fnmatch(*pattern, name, FNM_PERIOD | FNM_PATHNAME) == 0)
            return true;
    return false;
}

/* Whether every file of the folder matches the first or the second list, and every folder in it the first one. A folder
 * that is not there holds nothing. */
static bool folder_check(const Stage *s, const char *path, const char *const *first, const char *const *second, Arena *a, Error *e)
{
    size_t count = 0;
    const char **name = file_exists(path) ? folder_names(path, &count, a, e) : NULL;
    for (size_t k = 0; name && !e->failed && k < count; k++) {
        const char *as_folder = arena_format(a, "%s/", name[k]), *at = arena_format(a, "%s/%s", path, name[k]);
        if (!as_folder || !at)
            break;
        if (matches(first, as_folder))
            folder_check(s, at, inside, inside, a, e);
        else if (!matches(first, name[k]) && !matches(second, name[k]))
            error_set(e, "%s: is not a file of the stage %s, expected its folder to hold nothing else; move the file away", at, s->name);
    }
    return !e->failed;
}

bool stage_nothing_foreign(const Run *r, size_t stage, Error *e)
{
    Arena a = arena_make(e);
    const Stage *s = &r->plan.stage[stage];
    const char *folder = stage_folder(r, stage, &a);
    const bool good = folder && folder_check(s, folder, own[s->kind], everywhere, &a, e);
    arena_free(&a);
    return good;
}
