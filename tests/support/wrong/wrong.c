/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "tests/support/wrong/wrong.h"

enum { MOST = 1024 };

Store wrong_open(Wrong *w, const char *id)
{
    Store s = { .count = 0 };
    store_open(&s, arena_format(w->arena, "%s/%s/in.safetensors", w->suite, id), w->arena, w->error);
    return s;
}

const float *wrong_floats(const Store *in, const char *name, size_t *n)
{
    const Tensor *t = store_find(in, name);
    if (n)
        *n = t ? shape_size(t->shape) : 0;
    return t ? t->f32 : NULL;
}

void wrong_tensor(Wrong *w, const char *id, const char *flag, const char *name, Tensor t)
{
    if (w->count == w->capacity || !t.data)
        error_set(w->error, "wrong: no room for %s@%s", id, flag);
    else
        w->list[w->count++] = (Entry){ arena_format(w->arena, "%s@%s/%s", id, flag, name), t };
}

float *wrong_answer(Wrong *w, const char *id, const char *flag, const char *name, Shape shape)
{
    Tensor t = tensor_f32(w->arena, shape);
    wrong_tensor(w, id, flag, name, t);
    return w->error->failed ? NULL : t.f32;
}

const char *wrong_flag(Wrong *w, const char **flags)
{
    size_t n = strcspn(*flags, " ");
    const char *flag = n ? arena_format(w->arena, "%.*s", (int)n, *flags) : NULL;
    *flags += n + strspn(*flags + n, " ");
    return flag;
}

bool wrong_make(const char *suite, Entry **list, size_t *count, Arena *a, Error *e)
{
    Wrong w = { .suite = suite, .capacity = MOST, .arena = a, .error = e };
    w.list = arena_array(a, MOST, sizeof *w.list);
    if (!w.list)
        return false;
    wrong_ops(&w);
    wrong_losses(&w);
    wrong_sums(&w);
    wrong_weights(&w);
    wrong_inputs(&w);
    wrong_blocks(&w);
    wrong_steps(&w);
    wrong_seqs(&w);
    *list = w.list;
    *count = w.count;
    return !e->failed;
}
