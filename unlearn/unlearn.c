/* SPDX-License-Identifier: MIT */
#include "unlearn/unlearn.h"

#include <string.h>
#include "tensor/ops.h"
#include "tensor/base/random.h"
#include "unlearn/reference.h"

/* A list in a fresh order every epoch: entry k of the endless sequence is order[k % n] of epoch k / n. */
typedef struct {
    uint32_t *places, *order;           // places: of the samples in the role's list
    size_t    n;
    int64_t   epoch;                    // whose order stands in `order`; -1: none
    const char *purpose;
} Draw;

struct Unlearn {
    UnlearnRequest request;
    unsigned needs;                     // under the hyperparameters of the request
    Model  *model;
    Arena  *arena;
    const void *state;
    Draw    draws[2][2];                // [forget, retain][text, picture]
    Reference reference;
    uint32_t *chosen[ROLE_COUNT];       // places of the step's samples, in order
    size_t  chosen_count[ROLE_COUNT];   // 0: the role is not in the step
    int64_t step;
};

static bool needs_role(unsigned needs, Role role)
{
    return needs >> role & 1;
}

/* Steps of an epoch of a role's list: they show every sample once. Refusals and alternates are drawn with the forget list. */
static int64_t pass(const UnlearnRequest *r, Role role)
{
    if (r->whole)
        return 1;
    return (int64_t)((r->role[role].count + r->batch - 1) / r->batch);
}

static bool forgets(unsigned needs)
{
    return (needs & (NEEDS_FORGET | NEEDS_REFUSAL | NEEDS_ALTERNATE)) != 0;
}

static bool phased(const UnlearnRequest *r, unsigned needs)
{
    return r->v.schedule == STEPS_PHASED && forgets(needs) && needs_role(needs, ROLE_RETAIN);
}

int64_t unlearn_epoch(const UnlearnRequest *r)
{
    unsigned needs = method_needs(r->method, &r->v);
    if (phased(r, needs))
        return pass(r, ROLE_FORGET) + pass(r, ROLE_RETAIN);
    return pass(r, forgets(needs) ? ROLE_FORGET : ROLE_RETAIN);
}

/* Whether a step (from 0) draws from the retain list, and how many steps before it drew from the same list. */
static bool turn_of(const Unlearn *u, Role role, int64_t step, int64_t *turn)
{
    const UnlearnRequest *r = &u->request;
    *turn = step;
    if (!phased(r, u->needs))
        return true;
    int64_t forget = pass(r, ROLE_FORGET), retain = pass(r, ROLE_RETAIN), cycle = step / (forget + retain),
            within = step % (forget + retain);
    *turn = role == ROLE_RETAIN ? cycle * retain + (within - forget) : cycle * forget + within;
    return (within >= forget) == (role == ROLE_RETAIN);
}

static uint32_t draw_at(Draw *d, uint64_t seed, int64_t k)
{
    int64_t epoch = k / (int64_t)d->n;
    if (epoch != d->epoch) {
        Random r = random_for(seed + (uint64_t)epoch, d->purpose);
        random_shuffle(r, d->order, d->n);
        d->epoch = epoch;
    }
    return d->places[d->order[k % (int64_t)d->n]];
}

/* The most samples that a step takes of a list. */
static size_t step_size(const UnlearnRequest *r, Role role)
{
    return r->whole || r->batch > r->role[role].count ? r->role[role].count : r->batch;
}

static size_t choose_whole(const SampleList *list, uint32_t *chosen)
{
    for (size_t k = 0; k < list->count; k++)
        chosen[k] = (uint32_t)k;
    return list->count;
}

/* The batch that comes after `turn` others from the same list: the next `batch` places of the epoch, or what is left of it. The
 * pictures are spread evenly over the epoch: k pictures / n of them stand before place k. Returns how many samples it has. */
static size_t choose_batch(Unlearn *u, Role list, int64_t turn, uint32_t *chosen)
{
    Draw *text = &u->draws[list][0], *picture = &u->draws[list][1];
    const uint64_t seed = (uint64_t)u->request.v.seed;
    const size_t n = text->n + picture->n, batch = u->request.batch;
    const int64_t steps = pass(&u->request, list), epoch = turn / steps;
    const size_t begin = (size_t)(turn % steps) * batch, end = begin + batch < n ? begin + batch : n;
    const size_t seen = begin * picture->n / n, pictures = end * picture->n / n - seen;
    for (size_t k = 0; k < pictures; k++)
        chosen[k] = draw_at(picture, seed, epoch * (int64_t)picture->n + (int64_t)(seen + k));
    for (size_t k = pictures; k < end - begin; k++)
        chosen[k] = draw_at(text, seed, epoch * (int64_t)text->n + (int64_t)(begin - seen + k - pictures));
    return end - begin;
}

static bool step_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    Unlearn *u = context;
    const UnlearnRequest *r = &u->request;
    int64_t turn;
    u->step = step;
    *count = 0;
    size_t room = 0;
    for (Role role = 0; role < ROLE_COUNT; role++)
        room += step_size(r, role);
    *samples = arena_array(a, room, sizeof **samples);
    if (!*samples)
        return error_no_memory(e, "unlearn: out of memory");
    for (Role role = 0; role < ROLE_COUNT; role++) {
        u->chosen_count[role] = 0;
        if (!needs_role(u->needs, role) || !turn_of(u, role, step - 1 - r->before, &turn))
            continue;
        const Role list = role == ROLE_RETAIN ? ROLE_RETAIN : ROLE_FORGET;
        u->chosen_count[role] = r->whole ? choose_whole(&r->role[list], u->chosen[role])
                                         : choose_batch(u, list, turn, u->chosen[role]);
        for (size_t k = 0; k < u->chosen_count[role]; k++)
            (*samples)[(*count)++] = r->role[role].list[u->chosen[role][k]];
    }
    return true;
}

bool unlearn_reads(const Unlearn *u, Role role) { return u->chosen_count[role] > 0; }

/* KL over all positions looks at all rows of the retain samples; everything else at the supervised ones. */
static bool all_rows(const Unlearn *u, Role role)
{
    return role == ROLE_RETAIN && u->needs & REFERENCE_RETAIN && !(u->needs & NEEDS_HIDDEN)
        && u->request.v.kl_norm != KL_SUPERVISED;
}

static BatchRows rows_of_step(const Unlearn *u)
{
    return all_rows(u, ROLE_RETAIN) ? ROWS_ALL : ROWS_SUPERVISED;
}

/* The rows of one role: their places in the batch's rows, and the role's own labels and offsets, which start at 0. */
static int32_t *part_rows(const Unlearn *u, const Batch *b, Role role, size_t first, Part *p, Arena *a)
{
    size_t n = u->chosen_count[role], most = (size_t)(b->row_offsets[first + n] - b->row_offsets[first]);
    int32_t *rows = arena_array(a, most, sizeof *rows), *labels = arena_array(a, most, sizeof *labels),
            *offsets = arena_array(a, n + 1, sizeof *offsets);
    if (!rows || !labels || !offsets)
        return NULL;
    *p = (Part){ .labels = labels, .offsets = offsets, .samples = n };
    for (size_t k = 0; k < n; k++) {
        offsets[k] = (int32_t)p->rows;
        for (int32_t r = b->row_offsets[first + k]; r < b->row_offsets[first + k + 1]; r++) {
            if (b->labels[r] < 0 && !all_rows(u, role))
                continue;
            p->tokens += b->labels[r] >= 0;
            labels[p->rows] = b->labels[r];
            rows[p->rows++] = r;
        }
    }
    offsets[n] = (int32_t)p->rows;
    return rows;
}

static void part_make(Unlearn *u, MethodStep *s, Node *all, Role role, size_t first)
{
    Tape *t = s->tape;
    Part *p = &s->part[role];
    int32_t *rows = all ? part_rows(u, &s->batch, role, first, p, t->arena) : NULL;
    if (!rows)
        return;
    if (p->tokens == 0) {
        error_set(t->error, "unlearn: step %lld has no supervised token in its %s samples, expected at least one",
                  (long long)u->step, role_name(role));
        return;
    }
    Node *z = all;
    if (p->rows != s->batch.row_count)
        z = (size_t)(rows[p->rows - 1] - rows[0]) + 1 == p->rows
              ? op_slice_rows(t, all, (size_t)rows[0], p->rows)
              : op_gather_rows(t, all, rows, p->rows);
    Node *ref = NULL;
    if (u->needs & (unsigned)REFERENCE_FORGET << role && z)
        ref = reference_rows(&u->reference, t, role, u->request.role[role].list, u->chosen[role], u->chosen_count[role],
                             all_rows(u, role) ? ROWS_ALL : ROWS_SUPERVISED);
    if (u->needs & NEEDS_HIDDEN)
        p->h = z, p->h_ref = ref;
    else
        p->z = z, p->z_ref = ref;
}

static Node *step_loss(void *context, Tape *t, Params *p, const BatchSample *group, size_t count, size_t first,
                       const BatchSample *all, size_t all_count)
{
    Unlearn *u = context;
    (void)first, (void)all;
    if (count != all_count)
        error_set(t->error, "unlearn: train.accumulate cuts the step into groups, expected accumulate = 1 (a loss here is of the "
                            "whole step)");
    if (t->error->failed)
        return NULL;
    MethodStep s = { .tape = t, .hyper = &u->request.v, .step = u->step, .state = u->state };
    if (!batch_pack(&s.batch, group, count, rows_of_step(u), &u->model->config, t->arena, t->error))
        return NULL;
    s.forward = model_forward(t, p, &s.batch);
    Node *looked = reference_looks_at(&u->reference, t, &s.forward, &s.batch);
    size_t begin = 0;
    for (Role role = 0; role < ROLE_COUNT; role++) {
        if (u->chosen_count[role])
            part_make(u, &s, looked, role, begin);
        begin += u->chosen_count[role];
    }
    if (t->error->failed)
        return NULL;
    const char *module = t->module;
    t->module = "loss";
    Node *loss = u->request.method->loss(&s);
    t->module = module;
    return loss;
}

static bool step_gradients(void *context, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count)
{
    Unlearn *u = context;
    return u->request.method->gradients(u->state, t, gradients, slots, count);
}

Objective unlearn_objective(Unlearn *u)
{
    return (Objective){ u, step_samples, step_loss, u->request.method->gradients ? step_gradients : NULL };
}

/* --- making --- */

static bool overlap_check(const UnlearnRequest *r, Error *e)
{
    const SampleList *forget = &r->role[ROLE_FORGET], *retain = &r->role[ROLE_RETAIN];
    for (size_t i = 0; i < forget->count; i++)
        for (size_t k = 0; k < retain->count; k++)
            if (forget->list[i].ids == retain->list[k].ids)
                return error_set(e, "unlearn: forget sample %zu is retain sample %zu too, expected two lists without a common "
                                    "sample", i, k);
    return true;
}

bool unlearn_check(const UnlearnRequest *r, const Model *m, Error *e)
{
    const char *name = r->method->name;
    unsigned needs = method_needs(r->method, &r->v);
    for (Role role = 0; role < ROLE_COUNT; role++)
        if ((needs_role(needs, role) || (role == ROLE_FORGET && forgets(needs))) && r->role[role].count == 0)
            return error_set(e, "unlearn: the %s set is empty, %s needs at least one sample", role_name(role), name);
    for (Role role = ROLE_REFUSAL; role < ROLE_COUNT; role++)
        if (needs_role(needs, role) && r->role[role].count != r->role[ROLE_FORGET].count)
            return error_set(e, "unlearn: %zu %s samples for %zu forget samples, expected one for each", r->role[role].count,
                             role_name(role), r->role[ROLE_FORGET].count);
    if ((r->batch == 0 && !r->whole) || !(r->v.beta > 0))
        return error_set(e, "unlearn: batch is %zu and beta is %g, expected a batch of at least 1 and beta > 0", r->batch,
                         (double)r->v.beta);
    if (needs & NEEDS_HIDDEN && (r->v.layer < 0 || r->v.layer > m->config.text.num_hidden_layers))
        return error_set(e, "unlearn.layer is %lld, expected 0 to %lld, the language layers of the model", (long long)r->v.layer,
                         (long long)m->config.text.num_hidden_layers);
    return overlap_check(r, e);
}

static bool draws_make(Unlearn *u, Role role)
{
    static const char *const purposes[2][2] = { { "unlearn.forget.text", "unlearn.forget.image" },
                                                { "unlearn.retain.text", "unlearn.retain.image" } };
    const SampleList *list = &u->request.role[role];
    for (int picture = 0; picture < 2; picture++) {
        Draw *d = &u->draws[role][picture];
        *d = (Draw){ .epoch = -1, .purpose = purposes[role][picture] };
        d->places = arena_array(u->arena, list->count, sizeof *d->places);
        d->order = arena_array(u->arena, list->count, sizeof *d->order);
        if (!d->places || !d->order)
            return false;
        for (size_t k = 0; k < list->count; k++)
            if ((list->list[k].pixels != NULL) == picture)
                d->places[d->n++] = (uint32_t)k;
    }
    return true;
}

Unlearn *unlearn_make(const UnlearnRequest *r, Model *m, Arena *a, Error *e)
{
    if (!unlearn_check(r, m, e))
        return NULL;
    if (!r->method->loss)
        return error_set(e, "unlearn: %s is not a gradient method, it has no steps", r->method->name), NULL;
    if (method_needs(r->method, &r->v) & NEEDS_REFERENCE && !r->reference)
        return error_set(e, "unlearn: %s needs a reference model", r->method->name), NULL;
    Unlearn *u = arena_zalloc(a, sizeof *u);
    if (!u)
        return NULL;
    u->request = *r;
    u->needs = method_needs(r->method, &r->v);
    u->model = m;
    u->arena = a;
    u->reference = (Reference){ .model = r->reference, .hidden = u->needs & NEEDS_HIDDEN, .layer = (size_t)r->v.layer, .arena = a };
    for (Role role = 0; role < ROLE_COUNT; role++) {
        u->chosen[role] = arena_array(a, step_size(r, role), sizeof *u->chosen[role]);
        u->reference.said[role] = arena_zalloc(a, r->role[role].count * sizeof *u->reference.said[role]);
        if (!u->chosen[role] || !u->reference.said[role] || (role <= ROLE_RETAIN && !draws_make(u, role)))
            return NULL;
    }
    if (r->method->begin && !r->method->begin(&r->v, m, a, &u->state, e))
        return NULL;
    return u;
}

bool unlearn_finish(Unlearn *u, Error *e)
{
    const Method *m = u->request.method;
    return !m->finish || m->finish(u->state, &u->request.v, u->model, e);
}

bool unlearn_edit(const UnlearnRequest *r, Model *m, Error *e)
{
    if (!r->method->edit)
        return error_set(e, "unlearn: %s has steps, it is not an edit", r->method->name);
    MethodEdit x = { .model = m, .hyper = &r->v };
    for (Role role = 0; role < ROLE_COUNT; role++)
        x.role[role] = r->role[role];
    return unlearn_check(r, m, e) && r->method->edit(&x, e);
}
