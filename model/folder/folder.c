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

bool folder_write_made(const char *folder, const char *source, const Weights *w, const ModelConfig *c,
                       StoreMaker maker, Error *e)
{
    Arena a = arena_make(e);
    const char *from = arena_format(&a, "%s/processor_config.json", source),
        *to = arena_format(&a, "%s/processor_config.json", folder);
    const char *strategy = c->vision_feature_select_strategy == FEATURES_FULL ? "full" : "default";
    bool good = from && to && file_make_folder(folder, e) && carry_over(source, folder, &a, e)
             && processor_config_write(to, from, (size_t)c->vision.patch_size, strategy, e) && weights_save_made(w, c, folder, maker, e);
    arena_free(&a);
    return good;
}

/* The weights of a model while adapters are merged into them. */
typedef struct {
    const Weights *w;
    const LoraPair **pair;       // [weights] the first adapter of each weight; NULL: it has none
    Tape *tape;
} Merging;

static const Tensor *merged_weight(void *context, const char *name, Error *e)
{
    const Merging *m = context;
    size_t k = 0;
    while (k < m->w->count && strcmp(m->w->list[k].name, name))
        k++;
    return k < m->w->count && m->pair[k] ? lora_merged(m->pair[k], &m->w->list[k], m->tape, e) : NULL;
}

/* Makes a copy of the list of weights in which the weights with an adapter are F32 and have no data yet. */
static bool merging_begin(Merging *m, Weights *copy, const Weights *w, const Lora *l, Tape *t, Arena *a, Error *e)
{
    *m = (Merging){ w, arena_zalloc(a, (w->count + 1) * sizeof *m->pair), t };
    *copy = *w;
    copy->list = arena_array(a, w->count + 1, sizeof *copy->list);
    if (!m->pair || !copy->list)
        return error_no_memory(e, "no memory for the names of the weights");
    memcpy(copy->list, w->list, w->count * sizeof *w->list);
    for (size_t i = 0; i < l->count; i++) {
        const Weight *base = lora_base(&l->pairs[i], w, e);
        if (!base)
            return false;
        m->pair[base - w->list] = lora_find(l, l->pairs[i].module);
        copy->list[base - w->list].tensor = (Tensor){ .shape = base->tensor.shape, .dtype = F32 };
    }
    return true;
}

bool folder_write_merged(const char *folder, const char *source, const Weights *w, const Lora *l,
                         const ModelConfig *c, Error *e)
{
    Arena a = arena_make(e), step = arena_make(e);
    Tape t = tape_make(&step, e);
    Merging m;
    Weights copy;
    t.no_grad = true;
    const bool good = !e->failed && merging_begin(&m, &copy, w, l, &t, &a, e)
        && folder_write_made(folder, source, &copy, c, (StoreMaker){ merged_weight, &m }, e);
    arena_free(&step);
    arena_free(&a);
    return good;
}

bool folder_write(const char *folder, const char *source, const Weights *w, const ModelConfig *c, Error *e)
{
    return folder_write_made(folder, source, w, c, (StoreMaker){ NULL, NULL }, e);
}
