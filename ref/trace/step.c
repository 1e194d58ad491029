/* SPDX-License-Identifier: MIT */
#include "ref/trace/step.h"

#include <string.h>
#include "eval/formats/samples.h"

static bool role_of(const char *group, Role *out)
{
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (strcmp(group, role_name(r)) == 0) {
            *out = r;
            return true;
        }
    return false;
}

/* Gives every line of the file a role (step.h says how). */
static bool give_roles(const Dataset *x, unsigned needs, Role *role, Error *e)
{
    size_t named = 0;
    for (size_t k = 0; k < x->count; k++)
        named += role_of(x->sample[k].group, &role[k]);
    for (size_t k = 0; named && k < x->count; k++)
        if (!role_of(x->sample[k].group, &role[k]))
            return error_set(e, "%s:%zu: group is \"%s\", expected a role as in other lines: forget, retain, refusal, alternate, "
                                "forget_text or random",
                             x->path, x->sample[k].line, x->sample[k].group);
    size_t retained = !(needs & NEEDS_RETAIN) ? 0 : method_forgets(needs) ? x->count / 2 : x->count;
    for (size_t k = 0; !named && k < x->count; k++)
        role[k] = k < x->count - retained ? ROLE_FORGET : ROLE_RETAIN;
    return true;
}

static bool use_sample(Step *s, const Sample *x, const char *answer, Role role, Arena *a, Error *e)
{
    SampleList *list = &s->request.role[role];
    s->used[s->used_count++] = (StepSample){ x, answer ? answer : x->answer, role };
    return reader_sample(&s->session.reader, &s->samples, x, answer, 0, NO_AUGMENT,
                         (BatchSample *)&list->list[list->count++], a, e);
}

/* Makes the refusals or alternates that the method needs but the file does not have. */
static bool fill_answers(Step *s, const Role *role, Role wanted, Arena *a, Error *e)
{
    const Dataset *x = &s->samples;
    const char *first = NULL, **next = arena_array(a, x->count, sizeof *next);
    if (!next)
        return false;
    for (size_t k = x->count; k-- > 0;)
        if (role[k] == ROLE_FORGET) {
            next[k] = first;
            first = x->sample[k].answer;
        }
    for (size_t k = 0; k < x->count; k++)
        if (role[k] == ROLE_FORGET
            && !use_sample(s, &x->sample[k], wanted == ROLE_REFUSAL ? REFUSAL : next[k] ? next[k] : first, wanted, a, e))
            return false;
    return true;
}

static bool read_samples(Step *s, Arena *a, Error *e)
{
    const Dataset *x = &s->samples;
    unsigned needs = method_needs(s->m.method, &s->m.v);
    needs |= method_forgets(needs) ? NEEDS_FORGET : 0;
    Role *roles = arena_array(a, x->count, sizeof *roles);
    s->used = arena_array(a, ROLE_COUNT * x->count, sizeof *s->used);
    if (!roles || !s->used || !give_roles(x, needs, roles, e))
        return false;
    for (Role r = 0; r < ROLE_COUNT; r++) {
        SampleList *list = &s->request.role[r];
        list->list = arena_array(a, x->count, sizeof *list->list);
        if (!list->list)
            return false;
        if (!(needs >> r & 1))
            continue;
        for (size_t k = 0; k < x->count; k++)
            if (roles[k] == r && !use_sample(s, &x->sample[k], NULL, r, a, e))
                return false;
        if ((r == ROLE_REFUSAL || r == ROLE_ALTERNATE) && list->count == 0 && !fill_answers(s, roles, r, a, e))
            return false;
    }
    return true;
}

static bool reference_make(Step *s, Arena *a, Error *e)
{
    const unsigned needs = method_needs(s->m.method, &s->m.v);
    if (!(needs & NEEDS_REFERENCE))
        return true;
    s->request.reference = s->reference ? &s->other.model : model_freeze(&s->session.model, false, a, e);
    return s->reference ? session_reference(&s->other, s->reference, &s->session, needs & NEEDS_HIDDEN, a, e)
                        : s->request.reference != NULL;
}

/* Drops from s->used the samples that the step does not read: with schedule = phased or interleaved a step reads the
 * retain list or the other lists, and refusals may take the place of the forget samples. */
static void drop_unread(Step *s, const Unlearn *u)
{
    size_t kept = 0;
    for (size_t k = 0; k < s->used_count; k++)
        if (unlearn_reads(u, s->used[k].role))
            s->used[kept++] = s->used[k];
    s->used_count = kept;
}

bool step_settings(Settings *s, const char *assignments, Arena *a, Error *e)
{
    char *rest = arena_text(a, assignments), *assignment;
    settings_defaults(s, a);
    while (rest && (assignment = strtok_r(rest, " ", &rest)))
        if (!settings_set(s, assignment, e))
            return false;
    return rest != NULL;
}

/* Checks, before any file is read, that the method and its settings make one whole step of one loss. */
static bool is_one_step(const MethodSettings *m, Error *e)
{
    if (!m->method->loss)
        return error_set(e, "trace: %s has no optimiser step, expected a gradient method", m->method->name);
    if (m->settings.train_accumulate != 1)
        return error_set(e, "trace: train.accumulate is %lld, expected 1: a trace is of one whole step",
                         (long long)m->settings.train_accumulate);
    if (m->settings.train_checkpointing)
        return error_set(e, "trace: train.checkpointing is layer, expected none: a trace holds values that this setting discards");
    return true;
}

bool step_prepare(Step *s, const char *method, Arena *a, Error *e)
{
    Session *x = &s->session;
    if (!settings_method(&s->settings, method, &s->m, e) || !is_one_step(&s->m, e))
        return false;
    TrainConfig c = train_config(&s->m.settings);
    c.features = 0;                      // a trace holds the vision tower too
    if (!session_bare(x, &s->m.settings, s->folder, a, e) || !session_begin(x, &s->m, e) || !reference_make(s, a, e)
        || !trainer_make(&s->trainer, &x->model, &c, a, e))
        return false;
    s->request.method = s->m.method;
    s->request.v = s->m.v;
    s->request.whole = true;
    return true;
}

bool step_compute(Step *s, Arena *a, Error *e)
{
    s->request.memory = s->trainer.memory;
    s->request.goes_on = s->trainer.optimiser.step > 0;
    Unlearn *u = unlearn_split(&s->request, a) ? unlearn_make(&s->request, &s->session.model, a, e) : NULL;
    Objective o = u ? unlearn_objective(u) : (Objective){ .context = NULL };
    if (!u || !train_compute(&s->trainer, &o, e))
        return false;
    drop_unread(s, u);
    s->unlearn = u;
    return true;
}

void step_commit(Step *s)
{
    optimiser_commit(&s->trainer.optimiser);
    unlearn_commit(s->unlearn);
}

bool step_make(Step *s, const char *method, Arena *a, Error *e)
{
    return step_prepare(s, method, a, e) && session_reader(&s->session, &s->m.settings, (PromptMask)s->m.settings.data_mask, e)
        && samples_open(&s->samples, s->batch, a, e) && read_samples(s, a, e) && step_compute(s, a, e);
}

void step_close(Step *s)
{
    if (s->trainer.model)
        trainer_close(&s->trainer);
    if (s->samples.pictures)
        dataset_close(&s->samples);
    session_close(&s->other);
    session_close(&s->session);
}
