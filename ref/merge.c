/* SPDX-License-Identifier: MIT */
/* pulse-ref merge adds an adapter to the weights, W' = RN(W + s sum B A), and writes the whole model as one folder. B
 * and A are the factors of the adapter, the sum is over its rank, s is its scale, and RN rounds to the nearest fp32
 * number. */
#include <string.h>
#include <sys/stat.h>
#include "model/folder/folder.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/config/session.h"

/* Refuses to write into a folder that is read. */
static bool apart(const char *out, const char *from, const char *option, Error *e)
{
    struct stat x, y;
    return stat(out, &x) != 0 || stat(from, &y) != 0 || x.st_dev != y.st_dev || x.st_ino != y.st_ino
        || error_set(e, "merge: --out %s is the folder of --%s, expected another folder", out, option);
}

static bool merge(const char *model, const OptionList *adapters, const char *out, size_t *merged, Arena *a, Error *e)
{
    Session s = { .folder = NULL };
    Settings settings;
    settings_defaults(&settings, a);
    settings.given[SETTING_data_template] = true;                // no prompt is made, so the chat template is not needed
    bool good = apart(out, model, "model", e);
    for (size_t k = 0; good && k < adapters->count; k++)
        good = apart(out, adapters->item[k], "adapter", e);
    good = good && session_open(&s, &settings, model, MASK_ANSWER, a, e)
        && session_adapters(&s, adapters->item, adapters->count, false, e) && output_folder(out, e)
        && folder_write_merged(out, s.folder, &s.weights, &s.adapters.live, &s.config, e);
    const Lora *live = &s.adapters.live;
    for (size_t k = 0; k < live->count; k++)                     // a linear map with several adapters counts once
        *merged += lora_find(live, live->pairs[k].module) == &live->pairs[k];
    session_close(&s);
    return good;
}

int command_merge(int argc, char **argv)
{
    const char *model = NULL, *out = NULL;
    OptionList adapters = { .count = 0 };
    const Option own[] = {
        { "model", "DIR", "The folder of the model.", .text = &model },
        { "adapter", "DIR", "The folder of the adapter, in the PEFT layout. The option may be repeated: the adapters are merged "
                            "one after another.", .list = &adapters },
        { "out", "DIR", "The merged model is written into this folder, with its tokenizer and picture processor.", .text = &out },
    };
    Options o;
    int status;
    size_t merged = 0;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!model || !adapters.count || !out)
        return command_fail_text("merge: --model, --adapter and --out are needed (pulse-ref merge --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool good = merge(model, &adapters, out, &merged, &a, &e);
    arena_free(&a);
    const char *rounded = adapters.count > 1 ? "once for each of the adapters" : "once";
    if (good && o.json)
        command_print(json_pack("{s:I, s:s}", "merged", (json_int_t)merged, "out", out));
    else if (good && !o.quiet)
        printf("merge: the adapters of %zu linear maps are merged, each weight rounded %s; the whole model is in %s\n", merged,
               rounded, out);
    return good ? EXIT_SAME : command_fail(&e);
}
