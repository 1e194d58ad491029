/* SPDX-License-Identifier: MIT */
/* Splits: who is forgotten in each request, and who is retained. */
#include <string.h>
#include "eval/protocol.h"
#include "eval/words.h"
#include "tensor/base/decimal.h"
#include "tensor/base/random.h"

/* Draws n entities of a list: those at the indices order[0 … n-1] of a shuffle. The others go to `rest`. Both new lists
 * keep the order of the old one. */
static bool draw(EntityList from, size_t n, uint64_t seed, EntityList *drawn, EntityList *rest, Arena *a)
{
    uint32_t *order = arena_array(a, from.count + 1, sizeof *order);
    bool *taken = arena_zalloc(a, from.count + 1);
    *drawn = (EntityList){ arena_array(a, from.count + 1, sizeof *drawn->entity), 0 };
    *rest = (EntityList){ arena_array(a, from.count + 1, sizeof *rest->entity), 0 };
    if (!order || !taken || !drawn->entity || !rest->entity)
        return false;
    random_shuffle(random_for(seed, "protocol.forget"), order, from.count);
    for (size_t k = 0; k < n; k++)
        taken[order[k]] = true;
    for (size_t k = 0; k < from.count; k++) {
        EntityList *to = taken[k] ? drawn : rest;
        to->entity[to->count++] = from.entity[k];
    }
    return true;
}

/* The n entities with the largest numbers of exact answers; ties are ordered by id. The lists are short, so this is an
 * insertion sort. */
static bool best_known(const EntityList *all, size_t n, const Result *r, size_t count, EntityList *out, Arena *a)
{
    size_t *right = arena_zalloc(a, (all->count + 1) * sizeof *right);
    *out = (EntityList){ arena_array(a, all->count + 1, sizeof *out->entity), 0 };
    if (!right || !out->entity)
        return false;
    for (size_t k = 0; k < all->count; k++) {
        const Entity *x = all->entity[k];
        size_t score = 0, at = k;
        for (size_t i = 0; i < count; i++)
            score += r[i].exact && strcmp(r[i].entity, x->id) == 0;
        for (; at > 0 && (right[at - 1] < score || (right[at - 1] == score && strcmp(out->entity[at - 1]->id, x->id) > 0));
             at--) {
            right[at] = right[at - 1];
            out->entity[at] = out->entity[at - 1];
        }
        right[at] = score;
        out->entity[at] = x;
    }
    out->count = n;
    return true;
}

/* The entities that have a round, ordered by round and then as in the file. */
static bool by_round(EntityList *out, const Entities *all, const char *group, Arena *a)
{
    int64_t last = 0;
    *out = (EntityList){ arena_array(a, all->count + 1, sizeof *out->entity), 0 };
    for (size_t k = 0; k < all->count; k++)
        if (strcmp(all->entity[k].group, group) == 0 && all->entity[k].round > last)
            last = all->entity[k].round;
    for (int64_t round = 1; out->entity && round <= last; round++)
        for (size_t k = 0; k < all->count; k++)
            if (strcmp(all->entity[k].group, group) == 0 && all->entity[k].round == round)
                out->entity[out->count++] = &all->entity[k];
    return out->entity != NULL;
}

/* Keeps only the entities whose exposure is one of `exposures`. */
static bool of_exposures(EntityList *list, const char *exposures, const char *path, const char *group, Error *e)
{
    char word[80];
    EntityList kept = { list->entity, 0 };
    for (size_t k = 0; k < list->count; k++)
        for (Words w = words_of(exposures); word_next(&w, word, sizeof word);) {
            int64_t exposure;
            if (!decimal_to_int(word, &exposure) || exposure < 0)
                return error_set(e, "protocol.exposures: \"%s\" is not a number from 0 on, expected for instance \"64, 256\"", word);
            if (list->entity[k]->exposure == exposure) {
                kept.entity[kept.count++] = list->entity[k];
                break;
            }
        }
    *list = kept;
    return kept.count || error_set(e, "%s:1: no entity with a round of the group \"%s\" has one of the exposures %s, which "
                                      "protocol.exposures asks for", path, group, exposures);
}

static bool choose(Splits *s, const Plan *p, const Case *c, const Result *ranking, size_t count, Arena *a, Error *e)
{
    const ProtocolConfig *config = &p->config;
    const char *group = p->world.group[c->group].name, *path = p->entities.path;
    EntityList all, rest;
    if (!entities_choose(&all, &p->entities, group, -1, a) || !entities_choose(&s->retain, &p->entities, group, 0, a)
        || !by_round(&s->forget, &p->entities, group, a))
        return false;
    if (c->scenario->who == WHO_ROUNDS)
        return !*config->exposures || strcmp(c->scenario->group, "exposed") != 0
            || of_exposures(&s->forget, config->exposures, path, group, e);
    EntityList from = c->scenario->who == WHO_DRAWN_OF_ROUNDS ? s->forget : all;
    size_t n = c->scenario->who == WHO_BEST ? (size_t)config->best : from.count;
    if (n > from.count)
        return error_set(e, "%s:1: protocol.best is %lld, but there are only %zu entities of the group \"%s\"", path,
                         (long long)config->best, from.count, group);
    const bool of_rounds = c->scenario->who == WHO_DRAWN_OF_ROUNDS;
    if ((size_t)config->forget > n || (!of_rounds && (size_t)config->forget == n))
        return error_set(e, "%s:1: protocol.forget is %lld, expected %s the %zu %s of the group \"%s\"", path, (long long)config->forget,
                         of_rounds ? "at most" : "fewer than", n, of_rounds ? "entities with a round"
                         : c->scenario->who == WHO_BEST ? "best known entities (protocol.best)" : "entities", group);
    if (c->scenario->who == WHO_BEST && !best_known(&all, n, ranking, count, &from, a))
        return false;
    from.count = n;
    // of the entities with a round, those that are not drawn are neither forgotten nor retained (`rest`)
    return draw(from, (size_t)config->forget, c->seed, &s->forget, c->scenario->who == WHO_DRAWN_OF_ROUNDS ? &rest : &s->retain, a);
}

/* Cuts the list of entities to be forgotten into requests of equal size. If the division has a remainder, the first
 * requests have one entity more. */
static bool cut(Splits *s, const Case *c, Arena *a)
{
    size_t n = (size_t)c->rounds, begin = 0;
    s->requests = n;
    s->request = arena_array(a, n, sizeof *s->request);
    for (size_t k = 0; s->request && k < n; k++) {
        size_t size = s->forget.count / n + (k < s->forget.count % n);
        s->request[k] = (EntityList){ s->forget.entity + begin, size };
        begin += size;
    }
    return s->request != NULL;
}

bool protocol_splits(Splits *s, const Plan *p, const Case *c, const Result *ranking, size_t count, Arena *a, Error *e)
{
    *s = (Splits){ .requests = 0 };
    if (!choose(s, p, c, ranking, count, a, e))
        return false;
    const char *path = p->entities.path;
    if (s->forget.count == 0 || s->retain.count == 0)
        return error_set(e, "%s:1: %s: %zu are to be forgotten and %zu retained of the group \"%s\", expected at least one each",
                         path, c->name, s->forget.count, s->retain.count, p->world.group[c->group].name);
    if ((size_t)c->rounds > s->forget.count)
        return error_set(e, "%s:1: %s: %lld requests of %zu entities, expected at least one for each request", path, c->name,
                         (long long)c->rounds, s->forget.count);
    for (size_t k = 0; k < s->forget.count; k++)
        if (entity_list_has(&s->retain, s->forget.entity[k]->id))
            return error_set(e, "%s:%zu: \"%s\" is both to be forgotten and to be retained", path, s->forget.entity[k]->line,
                             s->forget.entity[k]->id);
    return cut(s, c, a);
}
