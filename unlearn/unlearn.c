/* SPDX-License-Identifier: MIT */
#include "unlearn/unlearn.h"

#include <stddef.h>
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/fisher.h"
#include "unlearn/order.h"
#include "unlearn/reference.h"

struct Unlearn {
    UnlearnRequest request;
    MethodRun run;
    unsigned needs;                     // under the hyperparameters of the request
    Model  *model;
    Arena  *arena;
    void   *state;
    Order   order;
    Reference reference;
    MethodStep now;                     // the step that was computed last, or that is being computed
};

/* --- the samples of a step --- */

static bool step_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    Unlearn *u = context;
    const UnlearnRequest *r = &u->request;
    const Order *o = &u->order;
    u->now.step = step;
    u->now.turn = step - 1 - r->before;
    order_choose(&u->order, u->now.turn);
    size_t total = 0;
    for (Role role = 0; role < ROLE_COUNT; role++)
        total += o->count[role];
    *count = 0;
    *samples = arena_array(a, total, sizeof **samples);
    if (!*samples)
        return error_no_memory(e, "unlearn: out of memory");
    for (Role role = 0; role < ROLE_RANDOM; role++)
        for (size_t k = 0; k < o->count[role]; k++)
            (*samples)[(*count)++] = r->role[role].list[o->chosen[role][k]];
    *count += o->count[ROLE_RANDOM];
    return order_random(o, step, *samples + *count - o->count[ROLE_RANDOM], a, e);
}

bool unlearn_reads(const Unlearn *u, Role role) { return u->order.count[role] > 0; }

/* --- the parts of a step --- */

static bool all_rows(const Unlearn *u, Role role) { return method_reads_all_rows(u->needs, &u->request.v, role); }

/* Packs the samples of the roles from `from` up to `to` - 1 into the step's batch, with the rows that each role
 * needs. */
static bool roles_pack(Unlearn *u, const BatchSample *samples, size_t count, Role from, Role to)
{
    const Order *o = &u->order;
    const Tape *t = u->now.tape;
    BatchRows rows = ROWS_SUPERVISED;
    for (Role r = from; r < to; r++)
        if (o->count[r] && all_rows(u, r))
            rows = ROWS_ALL;
    if (t->error->failed || !batch_pack(&u->now.batch, samples, count, rows, &u->model->config, t->arena, t->error))
        return false;
    size_t first = 0;
    for (Role r = from; r < to && rows == ROWS_ALL; first += o->count[r++])
        if (!all_rows(u, r))
            batch_leave_supervised(&u->now.batch, first, o->count[r]);
    return true;
}

/* Makes a part of the n samples of a batch from sample `first` on: labels, offsets and counts, but no outputs yet. */
static bool part_rows(const Batch *b, size_t first, size_t n, Part *p, Arena *a)
{
    const int32_t *from = b->row_offsets + first;
    int32_t *offsets = arena_array(a, n + 1, sizeof *offsets);
    if (!offsets)
        return false;
    *p = (Part){ .labels = b->labels + from[0], .offsets = offsets, .samples = n, .rows = (size_t)(from[n] - from[0]) };
    for (size_t k = 0; k <= n; k++)
        offsets[k] = from[k] - from[0];
    for (size_t r = 0; r < p->rows; r++)
        p->tokens += p->labels[r] >= 0;
    return true;
}

/* Makes the part of a role, whose samples begin at sample `first` of a batch. `all` has the outputs (logits or hidden
 * states) of the whole batch. */
static void part_make(Unlearn *u, const Batch *b, Node *all, Role role, size_t first)
{
    MethodStep *s = &u->now;
    Tape *t = s->tape;
    Part *p = &s->part[role];
    const uint32_t *chosen = u->order.chosen[role];
    const size_t count = u->order.count[role];
    if (!all || !part_rows(b, first, count, p, t->arena))
        return;
    p->places = role == ROLE_RANDOM ? NULL : chosen;
    if (p->tokens == 0) {
        error_set(t->error, "unlearn: step %lld has no supervised token in its %s samples, expected at least one",
                  (long long)s->step, role_name(role));
        return;
    }
    Node *z = p->rows == b->row_count ? all : op_slice_rows(t, all, (size_t)b->row_offsets[first], p->rows);
    Node *ref = NULL;
    if (u->needs & (unsigned)REFERENCE_FORGET << role && z)
        ref = reference_rows(&u->reference, t, role, u->request.role[role].list, chosen, count,
                             all_rows(u, role) ? ROWS_ALL : ROWS_SUPERVISED);
    if (u->needs & NEEDS_HIDDEN)
        p->h = z, p->h_ref = ref;
    else
        p->z = z, p->z_ref = ref;
}

/* Runs the model on the samples of the roles from `from` up to `to` - 1, and makes their parts. */
static void roles_run(Unlearn *u, Params *p, const BatchSample *samples, Role from, Role to)
{
    MethodStep *s = &u->now;
    size_t count = 0, first = 0;
    for (Role r = from; r < to; r++)
        count += u->order.count[r];
    if (count == 0 || !roles_pack(u, samples, count, from, to))
        return;
    s->forward = model_forward(s->tape, p, &s->batch);
    Node *outputs = forward_outputs(&u->reference, s->tape, &s->forward, &s->batch);
    for (Role r = from; r < to; r++) {
        if (!u->order.count[r])
            continue;
        s->params[r] = p;
        part_make(u, &s->batch, outputs, r, first);
        first += u->order.count[r];
    }
}

/* Runs the model on each role alone. The first role uses the trainer's parameter nodes, each further role new ones, so
 * that the gradients of the roles stay apart. */
static void roles_run_apart(Unlearn *u, Params *p, const BatchSample *samples)
{
    Tape *t = u->now.tape;
    for (Role r = 0; r < ROLE_COUNT && p && !t->error->failed; r++) {
        if (!u->order.count[r])
            continue;
        roles_run(u, p, samples, r, r + 1);
        samples += u->order.count[r];
        p = arena_alloc(t->arena, sizeof *p);
        if (p)
            *p = params_make(t, u->model);
    }
}

static Node *step_loss(void *context, Tape *t, Params *p, const BatchSample *group, size_t count, size_t first,
                       const BatchSample *all, size_t all_count)
{
    Unlearn *u = context;
    (void)first, (void)all;
    if (count != all_count)
        error_set(t->error, "unlearn: train.accumulate cuts the step into groups, but a method's loss is of the whole step, expected "
                            "train.accumulate = 1");
    if (t->error->failed)
        return NULL;
    MethodStep *s = &u->now;
    *s = (MethodStep){ .tape = t, .hyper = &u->request.v, .run = &u->run, .state = u->state, .step = s->step, .turn = s->turn,
                       .epoch = u->order.epoch, .phase = u->order.phase };
    if (u->request.memory)
        memcpy(s->memory, u->request.memory, sizeof s->memory);
    if (u->needs & GRADIENTS_APART)
        roles_run_apart(u, p, group);
    else
        roles_run(u, p, group, 0, ROLE_COUNT);
    if (t->error->failed)
        return NULL;
    const char *module = t->module;
    t->module = "loss";
    Node *loss = u->request.method->loss(s);
    t->module = module;
    return loss;
}

void unlearn_commit(const Unlearn *u)
{
    if (u->request.memory)
        memcpy(u->request.memory, u->now.memory, sizeof u->now.memory);
}

const char *unlearn_stop(const Unlearn *u)
{
    const Method *m = u->request.method;
    return m->stop && u->request.memory ? m->stop(&u->request.v, u->request.memory, u->arena) : NULL;
}

/* --- the gradients of a step --- */

static const Weight *weight_of(const OptimiserSlot *slot)
{
    return (const Weight *)((const char *)slot->value - offsetof(Weight, tensor));
}

static bool gradients_by_role(Unlearn *u, Gradients *g)
{
    MethodStep *s = &u->now;
    for (Role r = 0; r < ROLE_COUNT; r++) {
        if (!s->params[r])
            continue;
        if (!(g->of[r] = arena_array(s->tape->arena, g->count, sizeof *g->of[r])))
            return false;
        for (size_t k = 0; k < g->count; k++)
            g->of[r][k] = trainable_gradient(s->params[r], weight_of(&g->slots[k]));
    }
    return true;
}

/* Adds the gradients of all roles, for a method without a `gradients` hook. The sum is rounded once. */
static bool gradients_add(Tape *t, const Gradients *g)
{
    for (size_t k = 0; k < g->count; k++) {
        Node *list[ROLE_COUNT];
        size_t n = 0;
        for (Role r = 0; r < ROLE_COUNT; r++)
            if (g->of[r] && g->of[r][k])
                list[n++] = g->of[r][k];
        g->sum[k] = n > 1 ? op_sum_n(t, n, list) : n ? list[0] : NULL;
    }
    return !t->error->failed;
}

static bool step_gradients(void *context, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count)
{
    Unlearn *u = context;
    const Method *m = u->request.method;
    Gradients g = { .count = count, .slots = slots, .sum = gradients };
    if (u->needs & GRADIENTS_APART && !gradients_by_role(u, &g))
        return false;
    return (m->gradients ? m->gradients(&u->now, &g) : gradients_add(t, &g)) && !t->error->failed;
}

static Node *step_clipped(void *context, Tape *t, size_t slot, Node *g)
{
    Unlearn *u = context;
    (void)t;
    return u->request.method->clipped(&u->now, slot, g);
}

Objective unlearn_objective(Unlearn *u)
{
    const Method *m = u->request.method;
    return (Objective){ u, step_samples, step_loss, m->gradients || u->needs & GRADIENTS_APART ? step_gradients : NULL,
                        m->clipped ? step_clipped : NULL };
}

/* --- making --- */

/* Fails if a sample of the role forget or forget_text is a retain sample too. */
static bool overlap_check(const UnlearnRequest *r, Error *e)
{
    const SampleList *retain = &r->role[ROLE_RETAIN];
    for (Role role = ROLE_FORGET; role < ROLE_COUNT; role += ROLE_FORGET_TEXT)
        for (size_t i = 0; i < r->role[role].count; i++)
            for (size_t k = 0; k < retain->count; k++)
                if (r->role[role].list[i].ids == retain->list[k].ids)
                    return error_set(e, "unlearn: %s sample %zu is retain sample %zu too, expected two lists without a common "
                                        "sample", role_name(role), i, k);
    return true;
}

bool unlearn_check(const UnlearnRequest *r, const Model *m, Error *e)
{
    const char *name = r->method->name;
    unsigned needs = method_needs(r->method, &r->v);
    for (Role role = 0; role < ROLE_RANDOM; role++) {
        bool read = method_reads(needs, role) || (role == ROLE_RETAIN && needs & NEEDS_RANDOM)
                 || (role == ROLE_FORGET && method_forgets(needs));
        if (read && r->role[role].count == 0)
            return error_set(e, "unlearn: the %s set %s, %s needs at least one sample", role_name(role),
                             role == ROLE_FORGET_TEXT ? "is empty: each forget sample has a picture"
                             : role == ROLE_FORGET && r->role[ROLE_FORGET_TEXT].count ? "is empty: no forget sample has a picture"
                             : "is empty", name);
    }
    for (Role role = ROLE_REFUSAL; role <= ROLE_ALTERNATE; role++)
        if (method_reads(needs, role) && r->role[role].count != r->role[ROLE_FORGET].count)
            return error_set(e, "unlearn: %zu %s samples for %zu forget samples, expected one for each", r->role[role].count,
                             role_name(role), r->role[ROLE_FORGET].count);
    if ((r->batch == 0 && !r->whole) || !(r->v.beta > 0))
        return error_set(e, "unlearn: batch is %zu and beta is %g, expected a batch of at least 1 and beta > 0", r->batch,
                         (double)r->v.beta);
    if (needs & NEEDS_HIDDEN && (r->v.layer < 0 || r->v.layer > m->config.text.num_hidden_layers))
        return error_set(e, "unlearn.layer is %lld, expected 0 to %lld, the language layers of the model", (long long)r->v.layer,
                         (long long)m->config.text.num_hidden_layers);
    const int64_t text = m->config.text.intermediate_size, vision = m->config.vision.intermediate_size;
    const int64_t widest = text > vision ? text : vision;        // of a narrower layer, all neurons are on the path
    if (r->v.path_neurons > widest)
        return error_set(e, "unlearn.path_neurons is %lld, expected at most %lld, the neurons of the widest layer",
                         (long long)r->v.path_neurons, (long long)widest);
    return overlap_check(r, e);
}

bool unlearn_split(UnlearnRequest *r, Arena *a)
{
    SampleList *text = &r->role[ROLE_FORGET_TEXT], *forget = &r->role[ROLE_FORGET];
    if (!(method_needs(r->method, &r->v) & NEEDS_FORGET_TEXT) || text->count)
        return true;
    *text = samples_by_picture(*forget, *forget, false, a);
    *forget = samples_by_picture(*forget, *forget, true, a);
    return text->list && forget->list;
}

static MethodRun run_of(const UnlearnRequest *r, Model *m, Arena *a, Error *e)
{
    MethodRun run = { .hyper = &r->v, .model = m, .reference = r->reference, .batch = r->batch, .round = r->round,
                      .train = r->train, .steps = r->steps, .goes_on = r->goes_on, .earlier = r->earlier, .arena = a, .error = e };
    memcpy(run.role, r->role, sizeof run.role);
    return run;
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
    for (Role role = 0; role < ROLE_COUNT; role++)
        if (!(u->reference.outputs[role] = arena_zalloc(a, r->role[role].count * sizeof *u->reference.outputs[role])))
            return NULL;
    u->run = run_of(&u->request, m, a, e);
    if (!order_make(&u->order, &u->request, u->needs, a) || (r->method->begin && !r->method->begin(&u->run, &u->state)))
        return NULL;
    return u;
}

bool unlearn_finish(Unlearn *u, Error *e)
{
    const Method *m = u->request.method;
    u->run.error = e;
    return !m->finish || m->finish(&u->run, u->state);
}

bool unlearn_edit(const UnlearnRequest *r, Model *m, Arena *a, Error *e)
{
    if (!r->method->edit)
        return error_set(e, "unlearn: %s has steps, it is not an edit", r->method->name);
    const MethodRun run = run_of(r, m, a, e);
    return unlearn_check(r, m, e) && r->method->edit(&run);
}
