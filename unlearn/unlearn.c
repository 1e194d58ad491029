/* SPDX-License-Identifier: MIT */
#include "unlearn/unlearn.h"

#include <string.h>
#include "tensor/ops.h"
#include "tensor/random.h"

/* A list in a fresh order every epoch: entry k of the endless sequence is order[k % n] of epoch k / n. */
typedef struct {
    uint32_t *places, *order;           // places: of the samples in the role's list
    size_t    n;
    int64_t   epoch;                    // whose order stands in `order`; -1: none
    const char *purpose;
} Draw;

struct Unlearn {
    UnlearnRequest request;
    Model  *model;
    Arena  *arena;
    const void *state;
    Draw    draws[2][2];                // [forget, retain][text, picture]
    Tensor *reference[ROLE_COUNT];      // kept logits of each sample; data NULL: not yet
    uint32_t *chosen[ROLE_COUNT];       // places of the step's samples, in order
    size_t  chosen_count[ROLE_COUNT];
    int64_t step;
};

static bool phased_retain(const Unlearn *u, int64_t step)
{
    const UnlearnRequest *r = &u->request;
    int64_t forget = unlearn_epoch(r), retain = (int64_t)((r->role[ROLE_RETAIN].count + r->batch - 1) / r->batch);
    return (step - 1) % (forget + retain) >= forget;
}

static bool role_active(const Unlearn *u, Role role, int64_t step)
{
    const UnlearnRequest *r = &u->request;
    if (!(r->method->needs >> role & 1))
        return false;
    if (r->v.schedule == STEPS_JOINT || !(r->method->needs & NEEDS_RETAIN))
        return true;
    return phased_retain(u, step) == (role == ROLE_RETAIN);
}

/* How many steps before this one drew from the role. */
static int64_t role_turn(const Unlearn *u, Role role, int64_t step)
{
    const UnlearnRequest *r = &u->request;
    if (r->v.schedule == STEPS_JOINT || !(r->method->needs & NEEDS_RETAIN))
        return step - 1;
    int64_t forget = unlearn_epoch(r), retain = (int64_t)((r->role[ROLE_RETAIN].count + r->batch - 1) / r->batch);
    int64_t cycle = (step - 1) / (forget + retain), within = (step - 1) % (forget + retain);
    return role == ROLE_RETAIN ? cycle * retain + (within - forget) : cycle * forget + within;
}

int64_t unlearn_epoch(const UnlearnRequest *r)
{
    return (int64_t)((r->role[ROLE_FORGET].count + r->batch - 1) / r->batch);
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

/* Half pictures, half text; everything from one list when the other is empty. */
static void choose(Unlearn *u, Role role, int64_t step)
{
    Draw *text = &u->draws[role][0], *picture = &u->draws[role][1];
    size_t batch = u->request.batch, pictures = picture->n == 0 ? 0 : text->n == 0 ? batch : batch / 2;
    int64_t turn = role_turn(u, role, step);
    for (size_t k = 0; k < pictures; k++)
        u->chosen[role][k] = draw_at(picture, u->request.v.seed, turn * (int64_t)pictures + (int64_t)k);
    for (size_t k = pictures; k < batch; k++)
        u->chosen[role][k] = draw_at(text, u->request.v.seed, turn * (int64_t)(batch - pictures) + (int64_t)(k - pictures));
    u->chosen_count[role] = batch;
}

static bool step_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    Unlearn *u = context;
    (void)e;
    u->step = step;
    *count = 0;
    *samples = arena_array(a, ROLE_COUNT * u->request.batch, sizeof **samples);
    for (Role role = 0; role < ROLE_COUNT; role++) {
        u->chosen_count[role] = 0;
        if (!role_active(u, role, step) || !*samples)
            continue;
        if (role <= ROLE_RETAIN)
            choose(u, role, step);
        else {
            memcpy(u->chosen[role], u->chosen[ROLE_FORGET], u->request.batch * sizeof *u->chosen[role]);
            u->chosen_count[role] = u->request.batch;
        }
        for (size_t k = 0; k < u->chosen_count[role]; k++)
            (*samples)[(*count)++] = u->request.role[role].list[u->chosen[role][k]];
    }
    return *samples != NULL;
}

static BatchRows rows_wanted(const Variants *v)
{
    return v->kl_norm == KL_SUPERVISED ? ROWS_SUPERVISED : ROWS_ALL;
}

/* The reference's logits of those samples of the step that have none yet, in one forward pass without gradients. */
static bool reference_fill(Unlearn *u, Role role, Error *e)
{
    const SampleList *list = &u->request.role[role];
    size_t missing = 0, batch = u->chosen_count[role];
    BatchSample samples[batch];
    Tensor *slots[batch];
    for (size_t k = 0; k < batch; k++) {
        Tensor *slot = &u->reference[role][u->chosen[role][k]];
        bool listed = slot->f32 != NULL;
        for (size_t j = 0; j < missing && !listed; j++)
            listed = slots[j] == slot;
        if (!listed) {
            slots[missing] = slot;
            samples[missing++] = list->list[u->chosen[role][k]];
        }
    }
    if (missing == 0)
        return true;
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    t.no_grad = true;
    Batch b;
    Params p = params_make(&t, u->request.reference);
    bool done = batch_pack(&b, samples, missing, rows_wanted(&u->request.v), &u->model->config, &scratch, e);
    Node *z = done ? llava_forward(&t, &p, &b).logits : NULL;
    for (size_t j = 0; j < missing && z; j++) {
        size_t begin = (size_t)b.row_offsets[j], rows = (size_t)b.row_offsets[j + 1] - begin, v = z->out.shape.dim[1];
        *slots[j] = tensor_f32(u->arena, shape_of(2, rows, v));
        if (!slots[j]->f32)
            break;
        memcpy(slots[j]->f32, z->out.f32 + begin * v, rows * v * sizeof(float));
    }
    done = !e->failed;
    arena_free(&scratch);
    return done;
}

static Node *reference_rows(Unlearn *u, Role role, Tape *t, size_t rows, size_t vocabulary)
{
    Tensor all = tensor_f32(t->arena, shape_of(2, rows, vocabulary));
    const char *name = arena_format(t->arena, "reference.%s", role_name(role));
    float *to = all.f32;
    for (size_t k = 0; k < u->chosen_count[role] && to; k++) {
        const Tensor *kept = &u->reference[role][u->chosen[role][k]];
        memcpy(to, kept->f32, tensor_bytes(*kept));
        to += shape_size(kept->shape);
    }
    return name ? tape_input(t, name, all) : NULL;
}

/* The rows of one role: a slice of the batch's logits, and its own offsets, which start at 0. */
static void part_make(Unlearn *u, MethodStep *s, Role role, size_t first)
{
    Tape *t = s->tape;
    size_t n = u->chosen_count[role], begin = (size_t)s->batch.row_offsets[first];
    int32_t *offsets = arena_array(t->arena, n + 1, sizeof *offsets);
    if (!offsets || !s->forward.logits)
        return;
    for (size_t k = 0; k <= n; k++)
        offsets[k] = s->batch.row_offsets[first + k] - (int32_t)begin;
    Part *p = &s->part[role];
    *p = (Part){ .labels = s->batch.labels + begin, .offsets = offsets, .rows = (size_t)offsets[n], .samples = n };
    for (size_t r = 0; r < p->rows; r++)
        p->tokens += p->labels[r] >= 0;
    p->z = p->rows == s->batch.row_count ? s->forward.logits : op_slice_rows(t, s->forward.logits, begin, p->rows);
    if (u->request.method->needs & NEEDS_REFERENCE && p->z && reference_fill(u, role, t->error))
        p->z_ref = reference_rows(u, role, t, p->rows, p->z->out.shape.dim[1]);
}

static Node *step_loss(void *context, Tape *t, Params *p, const BatchSample *group, size_t count, size_t first,
                       const BatchSample *all, size_t all_count)
{
    Unlearn *u = context;
    (void)first, (void)all, (void)all_count;
    MethodStep s = { .tape = t, .v = &u->request.v, .step = u->step, .state = u->state };
    if (!batch_pack(&s.batch, group, count, rows_wanted(s.v), &u->model->config, t->arena, t->error))
        return NULL;
    s.forward = llava_forward(t, p, &s.batch);
    size_t begin = 0;
    for (Role role = 0; role < ROLE_COUNT; role++) {
        if (u->chosen_count[role])
            part_make(u, &s, role, begin);
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

static bool request_check(const UnlearnRequest *r, Error *e)
{
    const char *name = r->method->name;
    if (!r->method->loss)
        return error_set(e, "unlearn: %s is not a gradient method, it has no steps", name);
    for (Role role = 0; role < ROLE_COUNT; role++)
        if (r->method->needs >> role & 1 && r->role[role].count == 0)
            return error_set(e, "unlearn: the %s set is empty, %s needs at least one sample", role_name(role), name);
    for (Role role = ROLE_REFUSAL; role < ROLE_COUNT; role++)
        if (r->method->needs >> role & 1 && r->role[role].count != r->role[ROLE_FORGET].count)
            return error_set(e, "unlearn: %zu %s samples for %zu forget samples, expected one for each", r->role[role].count,
                             role_name(role), r->role[ROLE_FORGET].count);
    if (r->method->needs & NEEDS_REFERENCE && !r->reference)
        return error_set(e, "unlearn: %s needs a reference model", name);
    if (r->batch == 0 || !(r->v.beta > 0))
        return error_set(e, "unlearn: batch is %zu and beta is %g, expected a batch of at least 1 and beta > 0", r->batch, (double)r->v.beta);
    return true;
}

static bool draws_make(Unlearn *u, Role role)
{
    static const char *const purposes[2][2] = { { "unlearn.forget.text", "unlearn.forget.image" }, { "unlearn.retain.text", "unlearn.retain.image" } };
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
    if (!request_check(r, e))
        return NULL;
    Unlearn *u = arena_zalloc(a, sizeof *u);
    if (!u)
        return NULL;
    u->request = *r;
    u->model = m;
    u->arena = a;
    for (Role role = 0; role < ROLE_COUNT; role++) {
        u->chosen[role] = arena_array(a, r->batch, sizeof *u->chosen[role]);
        u->reference[role] = arena_zalloc(a, r->role[role].count * sizeof *u->reference[role]);
        if (!u->chosen[role] || !u->reference[role] || (role <= ROLE_RETAIN && !draws_make(u, role)))
            return NULL;
    }
    if (r->method->begin && !r->method->begin(&r->v, m, a, &u->state, e))
        return NULL;
    return u;
}

static bool freeze(Weights *copy, const Weights *from, Arena *a)
{
    *copy = *from;
    copy->list = arena_array(a, from->count, sizeof *copy->list);
    if (!copy->list)
        return false;
    for (size_t k = 0; k < from->count; k++) {
        Weight *w = &copy->list[k];
        *w = from->list[k];
        w->trainable = false;
        if (!from->list[k].trainable)
            continue;
        w->tensor = tensor_f32(a, w->tensor.shape);
        if (!w->tensor.f32)
            return false;
        memcpy(w->tensor.f32, from->list[k].tensor.f32, tensor_bytes(w->tensor));
    }
    return true;
}

Model *model_freeze(const Model *m, Arena *a, Error *e)
{
    Model *copy = arena_alloc(a, sizeof *copy);
    Weights *weights = arena_alloc(a, sizeof *weights);
    Lora *lora = m->lora ? arena_alloc(a, sizeof *lora) : NULL;
    LoraPair *pairs = m->lora ? arena_array(a, m->lora->count, sizeof *pairs) : NULL;
    if (!copy || !weights || !freeze(weights, m->weights, a) || (m->lora && (!lora || !pairs)))
        return error_set(e, "unlearn: no memory for the reference model"), NULL;
    *copy = *m;
    copy->weights = weights;
    if (m->lora) {
        *lora = *m->lora;
        if (!freeze(&lora->factors, &m->lora->factors, a))
            return NULL;
        for (size_t k = 0; k < lora->count; k++) {
            pairs[k] = m->lora->pairs[k];
            pairs[k].a = &lora->factors.list[m->lora->pairs[k].a - m->lora->factors.list];
            pairs[k].b = &lora->factors.list[m->lora->pairs[k].b - m->lora->factors.list];
        }
        lora->pairs = pairs;
        copy->lora = lora;
    }
    return copy;
}
