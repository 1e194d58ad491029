/* SPDX-License-Identifier: MIT */
/* Chooses the questions that a probe asks, and opens the two other models. */
#include <string.h>
#include "eval/formats/samples.h"
#include "eval/knowledge/depth.h"
#include "model/names.h"
#include "ref/probing/probing.h"

static bool open_file(const Probing *p, Dataset *out, const char *key, const char *path, Error *e)
{
    return !*path || ((path = settings_input(p->settings, key, path, e)) && samples_open(out, path, p->arena, e));
}

/* The entities of a file that the patterns name, or all of them where there are no patterns. The '/' between two
 * requests counts as a comma. */
static bool entities_of(EntityList *out, const Dataset *from, const char *patterns, const char *key, Arena *a, Error *e)
{
    char *list = arena_text(a, patterns);
    out->entity = arena_array(a, from->count, sizeof *out->entity);
    for (char *at = list; at && *at; at++)
        *at = *at == '/' ? ',' : *at;
    for (size_t k = 0; list && out->entity && k < from->count; k++) {
        const char *id = from->sample[k].entity;
        if ((*list && !name_matches(list, id)) || entity_list_has(out, id))
            continue;
        Entity *entity = arena_zalloc(a, sizeof *entity);
        if (!entity)
            return false;
        entity->id = id;
        out->entity[out->count++] = entity;
    }
    if (!list || !out->entity)
        return false;
    return out->count || error_set(e, "%s: no sample is about the entities \"%s\" (%s), expected at least one", from->path, list, key);
}

/* Adds the chosen questions, if there are any. Then q keeps its questions with a picture (`modality` is 0), those
 * without a picture (1), or both (2). */
static bool add_some(Questions *q, const Dataset *from, Choice c, int modality, Error *e)
{
    bool any = false;
    for (size_t k = 0; k < from->count; k++) {
        const Sample *x = &from->sample[k];
        any |= x->kind == c.kind && (x->split == SPLIT_TRAIN) == c.trained && (!c.entities || entity_list_has(c.entities, x->entity));
    }
    if (!any)
        return true;
    if (!questions_add(q, from, c, e))
        return false;
    size_t kept = 0;
    for (size_t k = 0; k < q->count; k++)
        if (modality == 2 || (q->question[k].sample->modality == MODALITY_IMAGE) == (modality == 0))
            q->question[kept++] = q->question[k];
    q->count = kept;
    return true;
}

/* Adds the reverse questions. In a file of their own (data.reverse) they may also have the kind "open". */
static bool choose_reverse(Probing *p, Error *e)
{
    const bool own = p->reverse_file.sample != NULL;
    const Dataset *from = own ? &p->reverse_file : &p->file[ASK_FORGET];
    const Choice c = { KIND_REVERSE, &p->forget, 0, false }, open = { KIND_OPEN, &p->forget, 0, false };
    return add_some(&p->reverse, from, c, 2, e) && (!own || add_some(&p->reverse, from, open, 2, e));
}

static bool choose(Probing *p, Error *e)
{
    const int64_t frames = p->settings->protocol_frames;
    const Dataset *forget = &p->file[ASK_FORGET], *general = &p->file[ASK_GENERAL];
    Questions *const all[] = { &p->asked[0], &p->asked[1], &p->asked[2], &p->pictured, &p->reverse, &p->members, &p->trained_pictured,
                               &p->open_general };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        questions_begin(all[k], p->arena);
    const Choice test = { KIND_OPEN, &p->forget, frames, false }, trained = { KIND_OPEN, &p->forget, 0, true };
    if (!questions_add(&p->asked[ASK_FORGET], forget, test, e) || !add_some(&p->pictured, forget, test, 0, e)
        || !choose_reverse(p, e)
        || !add_some(&p->members, forget, (Choice){ KIND_OPEN, &p->forget, 1, true }, 2, e)
        || !add_some(&p->trained_pictured, forget, trained, 0, e))
        return false;
    if (p->file[ASK_RETAIN].sample
        && !questions_add(&p->asked[ASK_RETAIN], &p->file[ASK_RETAIN], (Choice){ KIND_OPEN, &p->retain, frames, false }, e))
        return false;
    return !general->sample || (add_some(&p->asked[ASK_GENERAL], general, (Choice){ KIND_CHOICE, NULL, 0, false }, 2, e)
                                && add_some(&p->open_general, general, (Choice){ KIND_OPEN, NULL, 0, false }, 2, e)
                                && add_some(&p->open_general, general, (Choice){ KIND_OPEN, NULL, 0, true }, 2, e));
}

/* --- The two other models --- */

/* Sets *out: whether `before` is right on at least the share KNOWN (0.9) of the questions, with their pictures changed
 * by `change` (NULL: not changed). Without questions, *out is false. */
static bool knows(const Probing *p, const Questions *q, const PictureChange *change, bool *out, Error *e)
{
    Arena a = arena_make(e);
    Reader reader = p->before.reader;
    reader.change = change;
    size_t right = 0;
    const Result *r = q->count ? evaluate(&p->before.model, &reader, q, DEPTH_EXACT, &a, e) : NULL;
    for (size_t k = 0; r && k < q->count; k++)
        right += r[k].exact;
    *out = q->count && (double)right / (double)q->count >= KNOWN;
    arena_free(&a);
    return !e->failed;
}

static BatchSample *samples_of(const Reader *r, const Questions *q, Arena *a, Error *e)
{
    BatchSample *sample = arena_array(a, q->count, sizeof *sample);
    for (size_t k = 0; sample && k < q->count; k++)
        if (!reader_sample(r, q->question[k].from, q->question[k].sample, NULL, 0, NO_AUGMENT, &sample[k], a, e))
            return NULL;
    return sample;
}

/* The d1 of each question of asked[which] and each layer (depth.h), in the arena `to`; NULL on failure. */
static double *patched(const Probing *p, Ask which, Arena *to, Error *e)
{
    Arena a = arena_make(e);
    const Questions *q = &p->asked[which];
    double *d = arena_array(to, q->count * depth_layers(&p->before.model), sizeof *d);
    const BatchSample *sample = d ? samples_of(&p->before.reader, q, &a, e) : NULL;
    const bool good = sample && depth_patch(&p->before.model, &p->oracle.model, sample, q->count, d, e);
    arena_free(&a);
    return good ? d : NULL;
}

static bool floor_of(Probing *p, Error *e)
{
    Arena a = arena_make(e);
    const double *d = p->asked[ASK_RETAIN].count ? patched(p, ASK_RETAIN, &a, e) : NULL;
    p->floor = d ? depth_floor(d, p->asked[ASK_RETAIN].count, depth_layers(&p->before.model)) : 0;
    arena_free(&a);
    return !e->failed;
}

static bool open_others(Probing *p, const char *before, const char *oracle, const Session *probed, Error *e)
{
    if (before && (!session_open(&p->before, p->settings, before, MASK_ANSWER, p->arena, e) || !session_model(&p->before, e)))
        return false;
    if (before && (p->before.config.text.vocab_size != probed->config.text.vocab_size
                   || p->before.config.text.hidden_size != probed->config.text.hidden_size
                   || p->before.config.text.num_hidden_layers != probed->config.text.num_hidden_layers))
        return error_set(e, "%s: the model before unlearning is of another architecture than %s, expected the same", before,
                         probed->folder);
    if (oracle && !session_reference(&p->oracle, oracle, probed, true, p->arena, e))
        return false;
    for (int k = 0; before && k < OTHER_PICTURES; k++)
        if (!knows(p, &p->pictured, &other_pictures[k].change, &p->knows[k], e))
            return false;
    if (before && !knows(p, &p->reverse, NULL, &p->knows_reverse, e))
        return false;
    return !before || !oracle || ((p->from_oracle = patched(p, ASK_FORGET, p->arena, e)) && floor_of(p, e));
}

bool probing_open(Probing *p, const Settings *s, const char *before, const char *oracle, const Session *probed, Arena *a, Error *e)
{
    *p = (Probing){ .settings = s, .arena = a };
    if (!*s->unlearn_forget)
        return error_set(e, "%s: unlearn.forget is not given, expected the file of what is forgotten", s->file ? s->file : "--set");
    if (!open_file(p, &p->file[ASK_FORGET], "unlearn.forget", s->unlearn_forget, e)
        || !open_file(p, &p->file[ASK_RETAIN], "unlearn.retain", s->unlearn_retain, e)
        || !open_file(p, &p->file[ASK_GENERAL], "data.general", s->data_general, e)
        || !open_file(p, &p->reverse_file, "data.reverse", s->data_reverse, e))
        return false;
    return entities_of(&p->forget, &p->file[ASK_FORGET], s->unlearn_forget_entities, "unlearn.forget_entities", a, e)
        && (!p->file[ASK_RETAIN].sample
            || entities_of(&p->retain, &p->file[ASK_RETAIN], s->unlearn_retain_entities, "unlearn.retain_entities", a, e))
        && choose(p, e) && open_others(p, before, oracle, probed, e);
}

bool probing_open_lists(Probing *p, const Settings *s, const Dataset *group, const EntityList *forget, const EntityList *retain,
                        const Dataset *general, const char *before, const char *oracle, const Session *probed, Arena *a, Error *e)
{
    *p = (Probing){ .settings = s, .file = { *group, *group, *general }, .forget = *forget, .retain = *retain, .arena = a };
    return open_file(p, &p->reverse_file, "data.reverse", s->data_reverse, e) && choose(p, e)
        && open_others(p, before, oracle, probed, e);
}

void probing_close(Probing *p, bool files)
{
    for (int k = 0; files && k < ASKS; k++)
        if (p->file[k].pictures)
            dataset_close(&p->file[k]);
    if (p->reverse_file.pictures)
        dataset_close(&p->reverse_file);
    session_close(&p->before);
    session_close(&p->oracle);
}
