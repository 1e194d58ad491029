/* SPDX-License-Identifier: MIT */
#include "model/folder/folder.h"

#include <string.h>
#include "model/image/processor.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

static const char *const carried[] = {
#define FOLDER_FILE(name, what) name,
#include "model/folder/folder_files.def"
};

bool folder_copy(const char *from, const char *to, const char *name, Error *e)
{
    Arena a = arena_make(e);
    size_t size;
    char *source = arena_format(&a, "%s/%s", from, name), *target = arena_format(&a, "%s/%s", to, name);
    char *bytes = source && target ? file_read(source, LIMIT_COPIED, &size, &a, e) : NULL;
    bool good = bytes && file_write(target, bytes, size, e);
    arena_free(&a);
    return good;
}

static bool carry_over(const char *from, const char *to, Arena *a, Error *e)
{
    for (size_t k = 0; strcmp(from, to) && k < sizeof carried / sizeof *carried; k++) {
        const char *path = arena_format(a, "%s/%s", from, carried[k]);
        if (!path || (file_exists(path) && !folder_copy(from, to, carried[k], e)))
            return false;
    }
    return true;
}

bool folder_write(const char *folder, const char *source, const Weights *w, const ModelConfig *c, Error *e)
{
    Arena a = arena_make(e);
    const char *from = arena_format(&a, "%s/processor_config.json", source), *to = arena_format(&a, "%s/processor_config.json", folder);
    const char *strategy = c->vision_feature_select_strategy == FEATURES_FULL ? "full" : "default";
    bool good = from && to && file_make_folder(folder, e) && carry_over(source, folder, &a, e)
             && processor_config_write(to, from, (size_t)c->vision.patch_size, strategy, e) && weights_save(w, c, folder, e);
    arena_free(&a);
    return good;
}
