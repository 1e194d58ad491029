/* SPDX-License-Identifier: MIT */
#include "model/training/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/store.h"

static char *checkpoint_path(const char *folder, Arena *a)
{
    return arena_format(a, "%s/checkpoint.safetensors", folder);
}

bool checkpoint_exists(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/checkpoint.safetensors", folder);
    return file_exists(path);
}

static Tensor typed(Dtype dtype, void *data, size_t n)
{
    return (Tensor){ .shape = shape_of(1, n), .dtype = dtype, .data = data };
}

bool checkpoint_save(const Trainer *r, const char *folder, const char *identity, Error *e)
{
    Arena a = arena_make(e);
    const Optimiser *o = &r->optimiser;
    int64_t step = o->step;
    double powers[2] = { o->power1, o->power2 };
    Entry *list = arena_array(&a, 3 * o->count + 3, sizeof *list);
    char *path = checkpoint_path(folder, &a), *text = arena_text(&a, identity);
    size_t n = 0;
    bool done = list && path && text && file_make_folder(folder, e);
    for (size_t k = 0; done && k < o->count; k++) {
        const OptimiserSlot *s = &o->slots[k];
        list[n++] = (Entry){ s->name, *s->value };
        list[n++] = (Entry){ arena_format(&a, "adam.m.%s", s->name), s->m };
        list[n++] = (Entry){ arena_format(&a, "adam.v.%s", s->name), s->v };
    }
    if (done) {
        list[n++] = (Entry){ "train.step", typed(I64, &step, 1) };
        list[n++] = (Entry){ "train.powers", typed(F64, powers, 2) };
        list[n++] = (Entry){ "train.identity", typed(U8, text, strlen(text)) };
        done = !e->failed && store_write(path, list, n, e);
    }
    arena_free(&a);
    return done;
}

static const Tensor *want(const Store *s, const char *prefix, const char *name, Dtype dtype, Shape shape, Error *e)
{
    char full[512], have[64], expected[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const Tensor *t = store_find(s, full);
    if (!t)
        return error_set(e, "%s: tensor \"%s\" is missing, expected a checkpoint of this training", s->path, full), NULL;
    if (t->dtype != dtype || (shape.rank >= 0 && !shape_equal(t->shape, shape)))
        return error_set(e, "%s: tensor \"%s\" is %s %s, expected %s %s", s->path, full, dtype_name(t->dtype), shape_text(t->shape, have),
                         dtype_name(dtype), shape_text(shape, expected)), NULL;
    return t;
}

static bool same_identity(const Store *s, const char *identity, Error *e)
{
    const Tensor *t = want(s, "", "train.identity", U8, shape_of(1, strlen(identity)), e);
    return t && (memcmp(t->u8, identity, strlen(identity)) == 0
        || error_set(e, "%s: the checkpoint belongs to another training, expected identity %s", s->path, identity));
}

/* Checks everything before it changes anything. */
static bool restore(Trainer *r, const Store *s, const char *identity, Error *e)
{
    Optimiser *o = &r->optimiser;
    static const char *const kinds[] = { "", "adam.m.", "adam.v." };
    const Tensor *step = want(s, "", "train.step", I64, shape_of(1, (size_t)1), e);
    const Tensor *powers = want(s, "", "train.powers", F64, shape_of(1, (size_t)2), e);
    if (!step || !powers || !same_identity(s, identity, e))
        return false;
    if (step->i64[0] < 0 || step->i64[0] > r->config.steps)
        return error_set(e, "%s: train.step is %lld, expected 0 to %lld", s->path, (long long)step->i64[0], (long long)r->config.steps);
    for (size_t k = 0; k < o->count; k++)
        for (size_t kind = 0; kind < 3; kind++)
            if (!want(s, kinds[kind], o->slots[k].name, F32, o->slots[k].value->shape, e))
                return false;
    for (size_t k = 0; k < o->count; k++)
        for (size_t kind = 0; kind < 3; kind++) {
            OptimiserSlot *slot = &o->slots[k];
            const Tensor *from = want(s, kinds[kind], slot->name, F32, slot->value->shape, e);
            float *to = kind == 0 ? slot->value->f32 : kind == 1 ? slot->m.f32 : slot->v.f32;
            memcpy(to, from->f32, tensor_bytes(*from));
        }
    o->step = step->i64[0];
    o->power1 = powers->f64[0];
    o->power2 = powers->f64[1];
    return true;
}

bool checkpoint_load(Trainer *r, const char *folder, const char *identity, Error *e)
{
    Arena a = arena_make(e);
    Store s;
    char *path = checkpoint_path(folder, &a);
    bool opened = path && store_open(&s, path, &a, e), done = opened && restore(r, &s, identity, e);
    if (opened)
        store_close(&s);
    arena_free(&a);
    return done;
}
