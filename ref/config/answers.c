/* SPDX-License-Identifier: MIT */
#include "ref/config/answers.h"

#include <string.h>
#include "eval/formats/samples.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"
#include "tensor/base/random.h"

/* --- refusals --- */

static size_t count_lines(const char *text)
{
    size_t n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static bool refusals_read(OtherAnswers *o, const Settings *s, Arena *a, Error *e)
{
    size_t size;
    const char *path = settings_input(s, "unlearn.refusals", s->unlearn_refusals, e);
    char *rest = path ? file_text(path, LIMIT_REFUSALS, &size, a, e) : NULL, *line;
    o->refusal = rest ? arena_array(a, count_lines(rest), sizeof *o->refusal) : NULL;
    while (o->refusal && (line = strtok_r(rest, "\r\n", &rest)))
        o->refusal[o->refusals++] = line;
    return o->refusal && (o->refusals > 0 || error_set(e, "%s: the file has no line, expected one refusal on each line", path));
}

static const char *refusal_of(const OtherAnswers *o, const Sample *x, Arena *a)
{
    if (!o->refusal)
        return REFUSAL;
    char *purpose = arena_format(a, "unlearn.refusal.%s", x->id);
    return purpose ? o->refusal[random_below(random_for(o->seed, purpose), 0, (uint32_t)o->refusals)] : NULL;
}

/* --- alternates --- */

static const char *alternate_of(const OtherAnswers *o, const Dataset *from, const Sample *x, Arena *a, Error *e)
{
    if (!o->alternate.path)
        return alternate_make(&o->maker, from, x, a, e);
    const Sample *other = dataset_find(&o->alternate, x->id);
    if (!other)
        error_set(e, "%s: there is no alternate for the sample %s (%s:%zu), expected a line with this id", o->alternate.path, x->id,
                  from->path, x->line);
    return other ? other->answer : NULL;
}

/* --- refusals and alternates --- */

bool other_answers_open(OtherAnswers *o, const MethodSettings *m, bool without_files, Arena *a, Error *e)
{
    const Settings *s = &m->settings;
    const unsigned needs = method_needs(m->method, &m->v);
    const bool refuses = needs & NEEDS_REFUSAL && !(without_files && !*s->unlearn_refusals);
    const bool alternates = needs & NEEDS_ALTERNATE && !(without_files && !*s->unlearn_alternates);
    *o = (OtherAnswers){ .seed = (uint64_t)m->v.seed, .maker = alternate_maker(m) };
    if (refuses && !*s->unlearn_refusals)
        return error_set(e, "%s: unlearn.refusals is not given, %s needs it", s->file, m->method->name);
    if (alternates && !*s->unlearn_alternates)
        return error_set(e, "%s: unlearn.alternates is not given, %s needs it", s->file, m->method->name);
    if (refuses && !refusals_read(o, s, a, e))
        return false;
    const char *path = alternates ? settings_input(s, "unlearn.alternates", s->unlearn_alternates, e) : NULL;
    return !alternates || (path && samples_open(&o->alternate, path, a, e));
}

void other_answers_close(OtherAnswers *o)
{
    if (o->alternate.pictures)
        dataset_close(&o->alternate);
}

/* Sets *answer to the answer that a role asks for, or to NULL where that is the sample's own. False: the role
 * asks for an answer that is missing. */
static bool answer_of(const OtherAnswers *o, Role role, const Dataset *from, const Sample *x, const char **answer,
                      Arena *a, Error *e)
{
    *answer = role == ROLE_REFUSAL ? refusal_of(o, x, a) : role == ROLE_ALTERNATE ? alternate_of(o, from, x, a, e) : NULL;
    return *answer || role < ROLE_REFUSAL;
}

bool role_samples(SampleList *out, const Reader *r, const Dataset *from, const Chosen *chosen, Role role, const OtherAnswers *o,
                  Arena *a, Error *e)
{
    BatchSample *list = arena_array(a, chosen->count, sizeof *list);
    *out = (SampleList){ list, chosen->count };
    for (size_t k = 0; list && k < chosen->count; k++) {
        const char *answer;
        if (!answer_of(o, role, from, chosen->sample[k], &answer, a, e)
            || !reader_sample(r, from, chosen->sample[k], answer, 0, NO_AUGMENT, &list[k], a, e))
            return false;
    }
    return list != NULL;
}

bool round_samples_make(RoundSamples *q, size_t rounds, const MethodSettings *m, Arena *a)
{
    const unsigned needs = method_needs(m->method, &m->v);
    const bool forget = method_forgets(needs) || (m->settings.unlearn_retain_shrinks && rounds > 1);
    *q = (RoundSamples){ .rounds = rounds };
    q->forget = forget ? arena_zalloc(a, rounds * sizeof *q->forget) : NULL;
    q->refusal = needs & NEEDS_REFUSAL ? arena_zalloc(a, rounds * sizeof *q->refusal) : NULL;
    q->alternate = needs & NEEDS_ALTERNATE ? arena_zalloc(a, rounds * sizeof *q->alternate) : NULL;
    return (q->forget || !forget) && (q->refusal || !(needs & NEEDS_REFUSAL))
        && (q->alternate || !(needs & NEEDS_ALTERNATE));
}

bool round_samples_fill(RoundSamples *q, size_t round, const Reader *r, const Dataset *from, const Chosen *forget,
                        const OtherAnswers *o, Arena *a, Error *e)
{
    SampleList *const lists[ROLE_COUNT] = { [ROLE_FORGET] = q->forget, [ROLE_REFUSAL] = q->refusal,
                                            [ROLE_ALTERNATE] = q->alternate };
    for (Role role = 0; role < ROLE_COUNT; role++)
        if (lists[role] && !role_samples(&lists[role][round], r, from, forget, role, o, a, e))
            return false;
    return true;
}
