/* SPDX-License-Identifier: MIT */
#include "ref/config/request.h"

#include <string.h>
#include "eval/formats/samples.h"
#include "model/names.h"
#include "model/training/name_map.h"

static bool choose(const Dataset *from, const char *entities, Chosen *out, Arena *a, Error *e)
{
    *out = (Chosen){ .sample = arena_array(a, from->count, sizeof *out->sample) };
    if (!out->sample)
        return false;
    for (size_t k = 0; k < from->count; k++)
        if (from->sample[k].split == SPLIT_TRAIN && from->sample[k].kind != KIND_REVERSE
            && (!*entities || name_matches(entities, from->sample[k].entity)))
            out->sample[out->count++] = &from->sample[k];
    return out->count
        || (*entities ? error_set(e, "%s: no training sample is about the entities \"%s\", expected at least one", from->path, entities)
                      : error_set(e, "%s: there is no training sample of a kind other than \"reverse\", expected at least one",
                                  from->path));
}

static bool open_file(const MethodSettings *m, Dataset *out, const char *path, const char *key, Arena *a, Error *e)
{
    if (!*path)
        return error_set(e, "%s: unlearn.%s is not given, %s needs it", m->settings.file, key, m->method->name);
    const char *name = arena_format(a, "unlearn.%s", key);
    return name && (path = settings_input(&m->settings, name, path, e)) && samples_open(out, path, a, e);
}

/* The path of a sample's picture, its question and its answer as one text. Two samples with equal texts have the same
 * content. */
static const char *content(const Dataset *d, const Sample *x, Arena *a)
{
    const char *slash = strrchr(d->path, '/');
    return arena_format(a, "%.*s%s\n%s\n%s", x->image && slash ? (int)(slash + 1 - d->path) : 0, d->path, x->image ? x->image : "",
                        x->question, x->answer);
}

/* Finds the samples of a list by id and by content. Of samples with equal content the first is found. */
typedef struct { NameMap ids, contents; const Sample **by_content; } Lookup;

static bool lookup_make(Lookup *l, const Dataset *d, const Chosen *list, Arena *a)
{
    l->by_content = arena_array(a, list->count + 1, sizeof *l->by_content);
    if (!l->by_content || !name_map_make(&l->ids, list->count + 1, a)
        || !name_map_make(&l->contents, list->count + 1, a))
        return false;
    for (size_t k = 0; k < list->count; k++) {
        const char *text = content(d, list->sample[k], a);
        name_map_add(&l->ids, list->sample[k]->id);          // no two samples of a file have the same id
        if (!text)
            return false;
        if (name_map_find(&l->contents, text) < 0)
            l->by_content[name_map_add(&l->contents, text)] = list->sample[k];
    }
    return true;
}

/* Checks that no sample of list `one` (of file x) is in list `other` (of file y), by its id or by its content. `what`
 * is the name of `other` in the sentence. */
static bool disjoint(const Dataset *x, const Chosen *one, const Dataset *y, const Chosen *other, const char *what,
                     Error *e)
{
    Arena a = arena_make(e);
    Lookup l;
    bool good = other->count == 0 || lookup_make(&l, y, other, &a);
    for (size_t i = 0; good && other->count && i < one->count; i++) {
        const Sample *s = one->sample[i];
        const char *text = content(x, s, &a);
        const int32_t same = name_map_find(&l.ids, s->id), repeated = text ? name_map_find(&l.contents, text) : -1;
        if (same >= 0)
            good = error_set(e, "%s:%zu: sample %s is to be forgotten and is in %s too (%s:%zu), expected lists without a "
                                "common sample", x->path, s->line, s->id, what, y->path, other->sample[same]->line);
        else if (repeated >= 0)
            good = error_set(e, "%s:%zu: the question \"%.80s\" is to be forgotten and is in %s too (%s:%zu), expected lists without a "
                                "common question", x->path, s->line, s->question, what, y->path, l.by_content[repeated]->line);
    }
    arena_free(&a);
    return good && !e->failed;
}

static size_t count_rounds(const char *lists)
{
    size_t n = 1;
    for (; *lists; lists++)
        n += *lists == '/';
    return n;
}

/* Takes the next list from *rest, up to a '/'. */
static const char *next_list(char **rest)
{
    char *list = *rest;
    size_t n = strcspn(list, "/");
    *rest = list + n + (list[n] != 0);
    list[n] = 0;
    return list;
}

static bool read_round(Request *q, size_t k, Chosen *chosen, const char *entities, const Chosen *retain, const Reader *r,
                       Arena *a, Error *e)
{
    const Dataset *file = &q->forget_file;
    if (!choose(file, entities, &chosen[k], a, e)
        || !disjoint(file, &chosen[k], &q->retain_file, retain, "the retain set", e))
        return false;
    for (size_t j = 0; j < k; j++)
        if (!disjoint(file, &chosen[k], file, &chosen[j], "an earlier round", e))
            return false;
    return round_samples_fill(&q->samples, k, r, file, &chosen[k], &q->others, a, e);
}

static bool read_forget(Request *q, const MethodSettings *m, const Chosen *retain, const Reader *r, Arena *a, Error *e)
{
    Chosen *chosen = q->forget = arena_array(a, q->samples.rounds, sizeof *chosen);
    char *rest = arena_text(a, m->settings.unlearn_forget_entities);
    bool good = chosen && rest && open_file(m, &q->forget_file, m->settings.unlearn_forget, "forget", a, e)
        && other_answers_open(&q->others, m, false, a, e);
    for (size_t k = 0; good && k < q->samples.rounds; k++)
        good = read_round(q, k, chosen, next_list(&rest), retain, r, a, e);
    return good;
}

static bool read_retain(Request *q, const MethodSettings *m, Chosen *retain, const Reader *r, Arena *a, Error *e)
{
    const Settings *s = &m->settings;
    return open_file(m, &q->retain_file, s->unlearn_retain, "retain", a, e)
        && choose(&q->retain_file, s->unlearn_retain_entities, retain, a, e)
        && role_samples(&q->samples.retain, r, &q->retain_file, retain, ROLE_RETAIN, NULL, a, e);
}

bool request_read(Request *q, const MethodSettings *m, const Reader *r, Arena *a, Error *e)
{
    Chosen retain = { .count = 0 };
    *q = (Request){ .samples.rounds = 0 };
    if (!round_samples_make(&q->samples, count_rounds(m->settings.unlearn_forget_entities), m, a))
        return false;
    if (method_needs(m->method, &m->v) & NEEDS_RETAIN && !read_retain(q, m, &retain, r, a, e))
        return false;
    return !q->samples.forget || read_forget(q, m, &retain, r, a, e);
}

void request_close(Request *q)
{
    Dataset *files[] = { &q->forget_file, &q->retain_file };
    for (int k = 0; k < 2; k++)
        if (files[k]->pictures)
            dataset_close(files[k]);
    other_answers_close(&q->others);
}
