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

/* The kinds of tensors that each slot of the optimiser has, as beginnings of their names: weights and moments. */
static const char *const kinds[] = { "", "adam.m.", "adam.v." };
enum { KINDS = sizeof kinds / sizeof *kinds, OTHERS = 6 };        // the tensors of no slot, without train.digest

/* The digest of the tensors in the order of the list: the three kinds of each slot, then the others. */
static Digest content_digest(const Entry *list, size_t n)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < n; k++)
        hash_tensor(&h, list[k].name, list[k].tensor);
    return hash_end(&h);
}

bool checkpoint_save(const Trainer *r, const char *folder, const char *identity, LogMark log, Error *e)
{
    Arena a = arena_make(e);
    const Optimiser *o = &r->optimiser;
    int64_t step = o->step;
    double powers[2] = { o->beta1_power, o->beta2_power };
    Entry *list = arena_array(&a, KINDS * o->count + OTHERS + 1, sizeof *list);
    char *path = checkpoint_path(folder, &a), *text = arena_text(&a, identity);
    size_t n = 0;
    bool done = list && path && text && file_make_folder(folder, e);
    for (size_t k = 0; done && k < o->count; k++) {
        const OptimiserSlot *s = &o->slots[k];
        const Tensor values[KINDS] = { *s->value, s->m, s->v };
        for (size_t kind = 0; kind < KINDS; kind++)
            list[n++] = (Entry){ arena_format(&a, "%s%s", kinds[kind], s->name), values[kind] };
    }
    if (log.bytes == 0)
        log.digest = digest_bytes("", 0);
    if (done) {
        list[n++] = (Entry){ "train.step", typed(I64, &step, 1) };
        list[n++] = (Entry){ "train.powers", typed(F64, powers, 2) };
        list[n++] = (Entry){ "train.identity", typed(U8, text, strlen(text)) };
        list[n++] = (Entry){ "train.log.bytes", typed(I64, &log.bytes, 1) };
        list[n++] = (Entry){ "train.log", typed(U8, log.digest.hex, 64) };
        list[n++] = (Entry){ "train.memory", typed(F32, (float *)(uintptr_t)r->memory, TRAINER_MEMORY) };
    }
    if (done && !e->failed) {
        Digest d = content_digest(list, n);
        list[n++] = (Entry){ "train.digest", typed(U8, d.hex, strlen(d.hex)) };
        done = store_write(path, list, n, e);
    }
    done = done && !e->failed;
    arena_free(&a);
    return done;
}

static const Tensor *want(const Store *s, const char *prefix, const char *name, Dtype dtype, Shape shape, Error *e)
{
    char full[512], have[64], expected[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const Tensor *t = store_find(s, full);
    if (!t)
        return error_set(e, "%s: tensor \"%s\" is missing, expected a checkpoint of this training", s->path,
                         full), NULL;
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

/* The file's tensors, in the order that `content_digest` needs, with their shapes checked; NULL on failure. */
static Entry *gather(const Optimiser *o, const Store *s, const char *identity, Arena *a, Error *e)
{
    const struct { const char *name; Dtype dtype; size_t n; } others[OTHERS] = {
        { "train.step", I64, 1 }, { "train.powers", F64, 2 }, { "train.identity", U8, strlen(identity) },
        { "train.log.bytes", I64, 1 }, { "train.log", U8, 64 }, { "train.memory", F32, TRAINER_MEMORY },
    };
    Entry *list = arena_array(a, KINDS * o->count + OTHERS, sizeof *list);
    for (size_t k = 0; list && k < KINDS * o->count + OTHERS; k++) {
        const OptimiserSlot *slot = k < KINDS * o->count ? &o->slots[k / KINDS] : NULL;
        const size_t other = slot ? 0 : k - KINDS * o->count;
        const Tensor *t = slot ? want(s, kinds[k % KINDS], slot->name, F32, slot->value->shape, e)
                               : want(s, "", others[other].name, others[other].dtype, shape_of(1, others[other].n), e);
        if (!t)
            return NULL;
        list[k] = (Entry){ slot ? arena_format(a, "%s%s", kinds[k % KINDS], slot->name) : others[other].name, *t };
    }
    return e->failed ? NULL : list;
}

/* Checks everything before it changes anything. */
static bool restore(Trainer *r, const Store *s, const char *identity, LogMark *log, Arena *a, Error *e)
{
    Optimiser *o = &r->optimiser;
    const size_t slots = KINDS * o->count;
    if (!same_identity(s, identity, e))
        return false;
    const Entry *list = gather(o, s, identity, a, e);
    const Tensor *digest = list ? want(s, "", "train.digest", U8, shape_of(1, (size_t)64), e) : NULL;
    if (!digest)
        return false;
    if (memcmp(content_digest(list, slots + OTHERS).hex, digest->u8, 64) != 0)
        return error_set(e, "%s: the checkpoint was changed since it was written, because its SHA-256 is not that of train.digest; "
                            "remove it to begin anew", s->path);
    // list[slots + k] is others[k] of gather
    const int64_t step = list[slots].tensor.i64[0], bytes = list[slots + 3].tensor.i64[0];
    if (step < 0 || step > r->config.steps)
        return error_set(e, "%s: train.step is %lld, expected 0 to %lld", s->path, (long long)step,
                         (long long)r->config.steps);
    if (bytes < 0)
        return error_set(e, "%s: train.log.bytes is %lld, expected 0 or more", s->path, (long long)bytes);
    for (size_t k = 0; k < slots; k++) {
        OptimiserSlot *slot = &o->slots[k / KINDS];
        float *to[KINDS] = { slot->value->f32, slot->m.f32, slot->v.f32 };
        memcpy(to[k % KINDS], list[k].tensor.f32, tensor_bytes(list[k].tensor));
    }
    o->step = step;
    o->beta1_power = list[slots + 1].tensor.f64[0];
    o->beta2_power = list[slots + 1].tensor.f64[1];
    *log = (LogMark){ .bytes = bytes };
    memcpy(log->digest.hex, list[slots + 4].tensor.u8, 64);
    memcpy(r->memory, list[slots + 5].tensor.f32, sizeof r->memory);
    return true;
}

bool checkpoint_load(Trainer *r, const char *folder, const char *identity, LogMark *log, Error *e)
{
    Arena a = arena_make(e);
    Store s;
    char *path = checkpoint_path(folder, &a);
    bool opened = path && store_open(&s, path, &a, e), done = opened && restore(r, &s, identity, log, &a, e);
    if (opened)
        store_close(&s);
    arena_free(&a);
    return done;
}
