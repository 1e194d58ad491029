/* SPDX-License-Identifier: MIT */
#include "ref/config/request.h"

#include <string.h>
#include "model/names.h"
#include "tensor/base/file.h"
#include "tensor/base/random.h"

enum { REFUSAL_BYTES = 1 << 20, REFUSALS_MAX = 4096 };

/* The samples of a file that were chosen, in the order of the file. */
typedef struct {
    const Sample **sample;
    size_t count;
} Chosen;

static bool choose(const Dataset *from, const char *entities, Chosen *out, Arena *a, Error *e)
{
    *out = (Chosen){ .sample = arena_array(a, from->count, sizeof *out->sample) };
    if (!out->sample)
        return false;
    for (size_t k = 0; k < from->count; k++)
        if (from->sample[k].split == SPLIT_TRAIN && (!*entities || name_matches(entities, from->sample[k].entity)))
            out->sample[out->count++] = &from->sample[k];
    return out->count || error_set(e, "%s: no training sample is of the entities \"%s\", expected at least one", from->path, entities);
}

/* answers NULL: each sample's own. */
static bool read_list(const Reader *r, const Dataset *from, const Chosen *chosen, const char *const *answers, SampleList *out, Arena *a, Error *e)
{
    BatchSample *list = arena_array(a, chosen->count, sizeof *list);
    *out = (SampleList){ list, chosen->count };
    for (size_t k = 0; list && k < chosen->count; k++)
        if (!reader_sample(r, from, chosen->sample[k], answers ? answers[k] : NULL, 0, NO_AUGMENT, &list[k], a, e))
            return false;
    return list != NULL;
}

static bool open_file(const Settings *s, Dataset *out, const char *path, const char *key, const char *method, Arena *a, Error *e)
{
    if (!*path)
        return error_set(e, "%s: unlearn.%s is not given, %s needs it", s->file, key, method);
    char name[32];
    snprintf(name, sizeof name, "unlearn.%s", key);
    return (path = settings_input(s, name, path, e)) && dataset_read(out, path, a, e);
}

static bool disjoint(const Dataset *x, const Chosen *one, const Dataset *y, const Chosen *other, const char *what, Error *e)
{
    for (size_t i = 0; i < one->count; i++)
        for (size_t k = 0; k < other->count; k++)
            if (strcmp(one->sample[i]->id, other->sample[k]->id) == 0)
                return error_set(e, "%s:%zu: sample %s is to be forgotten and stands in %s too (%s:%zu), expected lists without a common sample",
                                 x->path, one->sample[i]->line, one->sample[i]->id, what, y->path, other->sample[k]->line);
    return true;
}

/* Refusal of a forget sample: the line drawn from the seed for its id, so it does not depend on the other samples. */
static bool refusals(const Settings *s, const Hyperparameters *v, const Chosen *chosen, const char **answers, Arena *a, Error *e)
{
    size_t size, count = 0;
    const char **line = arena_array(a, REFUSALS_MAX, sizeof *line);
    if (!*s->unlearn_refusals)
        return error_set(e, "%s: unlearn.refusals is not given, idk and dpo need it", s->file);
    const char *path = settings_input(s, "unlearn.refusals", s->unlearn_refusals, e);
    char *text = path ? file_read(path, REFUSAL_BYTES, &size, a, e) : NULL;
    if (!text || !line)
        return false;
    for (char *at = text; *at && count < REFUSALS_MAX; ) {
        size_t n = strcspn(at, "\n");
        bool last = at[n] == 0;
        at[n] = 0;
        if (*at)
            line[count++] = at;
        at += n + !last;
    }
    if (count == 0)
        return error_set(e, "%s: no line, expected a refusal a line", path);
    for (size_t k = 0; k < chosen->count; k++) {
        char *purpose = arena_format(a, "unlearn.refusal.%s", chosen->sample[k]->id);
        if (!purpose)
            return false;
        answers[k] = line[random_below(random_for((uint64_t)v->seed, purpose), 0, (uint32_t)count)];
    }
    return true;
}

static bool alternates(const Dataset *from, const Dataset *forget, const Chosen *chosen, const char **answers, Error *e)
{
    for (size_t k = 0; k < chosen->count; k++) {
        const Sample *other = dataset_find(from, chosen->sample[k]->id);
        if (!other)
            return error_set(e, "%s: there is no alternate for %s (%s:%zu)", from->path, chosen->sample[k]->id, forget->path, chosen->sample[k]->line);
        answers[k] = other->answer;
    }
    return true;
}

static size_t count_rounds(const char *lists)
{
    size_t n = 1;
    for (; *lists; lists++)
        n += *lists == '/';
    return n;
}

static bool read_round(Request *q, size_t round, const Chosen *chosen, const Settings *s, const Hyperparameters *v, unsigned needs, const Reader *r, Arena *a, Error *e)
{
    const char **answers = arena_array(a, chosen->count, sizeof *answers);
    if (!answers || !read_list(r, &q->forget_file, chosen, NULL, &q->forget[round], a, e))
        return false;
    if (needs & NEEDS_REFUSAL
        && (!refusals(s, v, chosen, answers, a, e) || !read_list(r, &q->forget_file, chosen, answers, &q->refusal[round], a, e)))
        return false;
    return !(needs & NEEDS_ALTERNATE)
        || (alternates(&q->alternate_file, &q->forget_file, chosen, answers, e) && read_list(r, &q->forget_file, chosen, answers, &q->alternate[round], a, e));
}

static bool read_forget(Request *q, const Settings *s, const Method *m, const Hyperparameters *v, const Chosen *retain, const Reader *r, Arena *a, Error *e)
{
    unsigned needs = method_needs(m, v);
    q->rounds = count_rounds(s->unlearn_forget_entities);
    Chosen *chosen = arena_array(a, q->rounds, sizeof *chosen);
    q->forget = arena_zalloc(a, q->rounds * sizeof *q->forget);
    q->refusal = needs & NEEDS_REFUSAL ? arena_zalloc(a, q->rounds * sizeof *q->refusal) : NULL;
    q->alternate = needs & NEEDS_ALTERNATE ? arena_zalloc(a, q->rounds * sizeof *q->alternate) : NULL;
    char *entities = arena_text(a, s->unlearn_forget_entities);
    if (!chosen || !q->forget || !entities || !open_file(s, &q->forget_file, s->unlearn_forget, "forget", m->name, a, e)
        || (q->alternate && !open_file(s, &q->alternate_file, s->unlearn_alternates, "alternates", m->name, a, e)))
        return false;
    for (size_t k = 0; k < q->rounds; k++) {
        size_t n = strcspn(entities, "/");
        bool last = entities[n] == 0;
        entities[n] = 0;
        if (!choose(&q->forget_file, entities, &chosen[k], a, e) || !disjoint(&q->forget_file, &chosen[k], &q->retain_file, retain, "the retain set", e))
            return false;
        for (size_t j = 0; j < k; j++)
            if (!disjoint(&q->forget_file, &chosen[k], &q->forget_file, &chosen[j], "an earlier round", e))
                return false;
        if (!read_round(q, k, &chosen[k], s, v, needs, r, a, e))
            return false;
        entities += n + !last;
    }
    return true;
}

bool request_read(Request *q, const Settings *s, const Method *m, const Hyperparameters *v, const Reader *r, Arena *a, Error *e)
{
    unsigned needs = method_needs(m, v);
    Chosen retain = { .count = 0 };
    *q = (Request){ .rounds = 1 };
    if (needs & NEEDS_RETAIN
        && (!open_file(s, &q->retain_file, s->unlearn_retain, "retain", m->name, a, e) || !choose(&q->retain_file, s->unlearn_retain_entities, &retain, a, e)
            || !read_list(r, &q->retain_file, &retain, NULL, &q->retain, a, e)))
        return false;
    return !(needs & (NEEDS_FORGET | NEEDS_REFUSAL | NEEDS_ALTERNATE)) || read_forget(q, s, m, v, &retain, r, a, e);
}

void request_close(Request *q)
{
    Dataset *files[] = { &q->forget_file, &q->retain_file, &q->alternate_file };
    for (int k = 0; k < 3; k++)
        if (files[k]->pictures)
            dataset_close(files[k]);
}
