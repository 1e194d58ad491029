/* SPDX-License-Identifier: MIT */
#include "model/lora/adapters.h"

#include <string.h>
#include "model/weights_plan.h"

/* Fails if adapter k and an earlier one both replace the same weight of the model (modules_to_save). */
static bool whole_once(const Lora *list, const char *const *name, size_t k, Error *e)
{
    for (size_t j = 0; j < k; j++)
        for (size_t x = 0; x < list[j].whole_count; x++)
            for (size_t y = 0; y < list[k].whole_count; y++)
                if (list[j].whole[x] == list[k].whole[y])
                    return error_set(e, "%s and %s: both adapters replace %s as a whole (modules_to_save), expected at most one adapter "
                                        "that does", name[j], name[k], list[j].whole[x]->name);
    return true;
}

/* Adds a pair after the other pairs of its module. The factors of a second or later pair have its number in their
 * names. */
static bool join_pair(Lora *l, const LoraPair *p, Arena *a)
{
    size_t nth = 1;
    LoraPair *to = &l->pairs[l->count], *before = NULL;
    for (size_t k = 0; k < l->count; k++)
        if (strcmp(l->pairs[k].module, p->module) == 0)
            before = &l->pairs[k], nth++;
    Weight *factor = &l->factors.list[2 * l->count];
    *to = *p;
    to->next = NULL;
    to->a = &factor[0];
    to->b = &factor[1];
    factor[0] = *p->a;
    factor[1] = *p->b;
    if (before) {
        before->next = to;
        factor[0].name = arena_format(a, "%s.lora_A.%zu.weight", p->module, nth);
        factor[1].name = arena_format(a, "%s.lora_B.%zu.weight", p->module, nth);
    }
    l->count++;
    l->factors.count += 2;
    return factor[0].name && factor[1].name;
}

bool lora_join(Lora *l, const Lora *list, const char *const *name, size_t n, Arena *a, Error *e)
{
    size_t count = 0;
    for (size_t k = 0; k < n; k++)
        count += list[k].count;
    *l = (Lora){ .config = list[0].config, .scale = list[0].scale, .factors = { .arena = a },
                 .pairs = arena_array(a, count + 1, sizeof *l->pairs) };
    l->factors.list = arena_array(a, 2 * count + 1, sizeof *l->factors.list);
    bool good = l->pairs && l->factors.list;
    for (size_t k = 0; good && k < n; k++) {
        if (!whole_once(list, name, k, e))
            return false;
        for (size_t i = 0; good && i < list[k].count; i++)
            good = join_pair(l, &list[k].pairs[i], a);
    }
    l->frozen = good ? count - list[n - 1].count : 0;
    return (good || error_no_memory(e, "lora: no memory for the adapters")) && weights_index(&l->factors, e);
}

static void freeze(const Lora *l)
{
    for (size_t k = 0; k < l->factors.count; k++)
        l->factors.list[k].trainable = false;
}

/* Puts an adapter into the list at index `at`, freezes all adapters but the last one, and joins them. */
static bool add(Adapters *s, size_t at, const Lora *l, const char *name, Arena *a, Error *e)
{
    const size_t n = s->count + 1;
    Lora *list = arena_array(a, n, sizeof *list);
    const char **names = arena_array(a, n, sizeof *names);
    if (!list || !names)
        return error_no_memory(e, "lora: no memory for %zu adapters", n);
    for (size_t k = 0; k < n; k++) {
        list[k] = k == at ? *l : s->list[k - (k > at)];
        names[k] = k == at ? name : s->name[k - (k > at)];
    }
    for (size_t k = 0; k + 1 < n; k++)
        freeze(&list[k]);
    s->list = list;
    s->name = names;
    s->count = n;
    s->live = list[0];
    return n == 1 || lora_join(&s->live, list, names, n, a, e);
}

bool adapters_add(Adapters *s, const Lora *l, const char *name, Arena *a, Error *e)
{
    return add(s, s->count, l, name, a, e);
}

bool adapters_add_frozen(Adapters *s, const Lora *l, const char *name, Arena *a, Error *e)
{
    return add(s, s->count - 1, l, name, a, e);
}

const Lora *adapters_live(const Adapters *s) { return s && s->count ? &s->live : NULL; }

Lora *adapters_last(const Adapters *s) { return s && s->count ? &s->list[s->count - 1] : NULL; }
