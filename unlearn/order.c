/* SPDX-License-Identifier: MIT */
#include "unlearn/order.h"

#include <string.h>
#include "tensor/base/random.h"

/* --- phases and epochs --- */

/* The number of steps in one epoch of a role's list. Together they read every sample once. */
static int64_t steps_of_list(const UnlearnRequest *r, Role role)
{
    if (r->whole)
        return 1;
    return (int64_t)((r->role[role].count + r->batch - 1) / r->batch);
}

/* The schedule of the request; joint for a method whose steps do not read both a forget list and the retain list. */
static int schedule_of(const UnlearnRequest *r, unsigned needs)
{
    return method_forgets(needs) && method_reads(needs, ROLE_RETAIN) ? r->v.schedule : STEPS_JOINT;
}

/* schedule = interleaved: how many retain steps follow a forget step. */
static int64_t retain_steps(const UnlearnRequest *r)
{
    const int64_t ratio = steps_of_list(r, ROLE_RETAIN) / steps_of_list(r, ROLE_FORGET);
    return r->v.retain_steps ? r->v.retain_steps : ratio ? ratio : 1;
}

/* The number of steps in the first n epochs of the request (unlearn_steps in unlearn.h). */
static int64_t steps_of_request(const UnlearnRequest *r, unsigned needs, int64_t n)
{
    const int schedule = schedule_of(r, needs);
    if (schedule == STEPS_JOINT)
        return n * steps_of_list(r, method_forgets(needs) ? ROLE_FORGET : ROLE_RETAIN);
    const int64_t forget = steps_of_list(r, ROLE_FORGET), retain = steps_of_list(r, ROLE_RETAIN), k = retain_steps(r);
    if (schedule == STEPS_INTERLEAVED)
        return n * (retain + (retain + k - 1) / k);
    return n * retain + (r->v.forget_epochs && r->v.forget_epochs < n ? r->v.forget_epochs : n) * forget;
}

int64_t unlearn_steps(const UnlearnRequest *r, int64_t epochs)
{
    return steps_of_request(r, method_needs(r->method, &r->v), epochs);
}

/* Writes the phase of a step (from 0) to *phase. Returns how many earlier steps had the same phase. */
static int64_t phase_of(const Order *o, int64_t step, StepPhase *phase)
{
    const UnlearnRequest *r = o->request;
    const int schedule = schedule_of(r, o->needs);
    *phase = STEP_JOINT;
    if (schedule == STEPS_JOINT)
        return step;
    int64_t forget = steps_of_list(r, ROLE_FORGET), retain = steps_of_list(r, ROLE_RETAIN), done = 0;
    if (schedule == STEPS_INTERLEAVED)
        forget = 1, retain = retain_steps(r);
    else if (r->v.forget_epochs && step >= (done = r->v.forget_epochs * (forget + retain))) {
        *phase = STEP_RETAIN;
        return r->v.forget_epochs * retain + (step - done);
    }
    const int64_t cycle = step / (forget + retain), within = step % (forget + retain);
    *phase = within < forget ? STEP_FORGET : STEP_RETAIN;
    return *phase == STEP_FORGET ? cycle * forget + within : cycle * retain + (within - forget);
}

static int64_t epoch_of(const Order *o, int64_t step)
{
    int64_t n = step / steps_of_request(o->request, o->needs, 1);
    while (steps_of_request(o->request, o->needs, n + 1) <= step)       // after the last epoch that forgets, epochs are shorter
        n++;
    return n;
}

/* --- samples --- */

static uint32_t draw_at(EpochOrder *d, uint64_t seed, int64_t k)
{
    int64_t epoch = k / (int64_t)d->n;
    if (epoch != d->epoch) {
        Random r = random_for(seed + (uint64_t)epoch, d->purpose);
        random_shuffle(r, d->order, d->n);
        d->epoch = epoch;
    }
    return d->indices[d->order[k % (int64_t)d->n]];
}

static size_t choose_whole(const SampleList *list, uint32_t *chosen)
{
    for (size_t k = 0; k < list->count; k++)
        chosen[k] = (uint32_t)k;
    return list->count;
}

/* Chooses the samples of one batch of a list, the one with the number `turn` (from 0). It has the next `batch`
 * positions of the epoch, or those that are left. Samples with a picture are spread evenly over the n positions of an
 * epoch: if the list has m of them, floor(k m / n) come before position k. Returns how many samples the batch has. */
static size_t choose_batch(Order *o, Role list, int64_t turn, uint32_t *chosen)
{
    EpochOrder *text = &o->draws[list][0], *picture = &o->draws[list][1];
    const uint64_t seed = (uint64_t)o->request->v.seed;
    const size_t n = text->n + picture->n, batch = o->request->batch;
    const int64_t steps = steps_of_list(o->request, list), epoch = turn / steps;
    const size_t begin = (size_t)(turn % steps) * batch, end = begin + batch < n ? begin + batch : n;
    const size_t seen = begin * picture->n / n, pictures = end * picture->n / n - seen;
    for (size_t k = 0; k < pictures; k++)
        chosen[k] = draw_at(picture, seed, epoch * (int64_t)picture->n + (int64_t)(seen + k));
    for (size_t k = pictures; k < end - begin; k++)
        chosen[k] = draw_at(text, seed, epoch * (int64_t)text->n + (int64_t)(begin - seen + k - pictures));
    return end - begin;
}

/* The list whose order a role follows: refusals, alternates and random samples are drawn with the forget list. */
static Role list_of(Role role)
{
    return role == ROLE_RETAIN || role == ROLE_FORGET_TEXT ? role : ROLE_FORGET;
}

/* Repeats each of the n chosen samples, so that it stands `times` times in a row. Returns their new number. */
static size_t repeat(uint32_t *chosen, size_t n, size_t times)
{
    for (size_t k = n * times; k-- > 0;)
        chosen[k] = chosen[k / times];
    return n * times;
}

void order_choose(Order *o, int64_t step)
{
    const UnlearnRequest *r = o->request;
    const int64_t turn = phase_of(o, step, &o->phase);
    o->epoch = epoch_of(o, step);
    for (Role role = 0; role < ROLE_COUNT; role++) {
        const Role list = list_of(role);
        o->count[role] = 0;
        if (!method_reads(o->needs, role) || o->phase == (role == ROLE_RETAIN ? STEP_FORGET : STEP_RETAIN))
            continue;
        o->count[role] = r->whole ? choose_whole(&r->role[list], o->chosen[role])
                                  : choose_batch(o, list, turn, o->chosen[role]);
        if (role == ROLE_RANDOM)
            o->count[role] = repeat(o->chosen[role], o->count[role], (size_t)r->v.random_answers);
    }
}

/* --- random answers --- */

/* The first supervised position of a sample, which predicts the first token of the answer; n: there is none. */
static size_t first_supervised(const BatchSample *s)
{
    size_t i = 0;
    while (i < s->n && (!s->targets || s->targets[i] < 0))
        i++;
    return i;
}

/* Joins the question of one sample and the answer of another: the ids of `question` up to its first supervised
 * position, which is the last one of the prompt, then the supervised targets of `answer`. */
static bool answer_with(const BatchSample *question, const BatchSample *answer, BatchSample *out, Arena *a)
{
    const size_t prompt = first_supervised(question) + 1;
    size_t n = prompt, length = prompt + answer->n;
    int32_t *ids = arena_array(a, length, sizeof *ids), *targets = arena_array(a, length, sizeof *targets);
    if (!ids || !targets)
        return false;
    memcpy(ids, question->ids, prompt * sizeof *ids);
    for (size_t i = 0; i < prompt; i++)
        targets[i] = -1;
    for (size_t i = first_supervised(answer); i < answer->n; i++)
        if (answer->targets[i] >= 0) {
            targets[n - 1] = ids[n] = answer->targets[i];
            targets[n++] = -1;
        }
    *out = (BatchSample){ ids, targets, n, question->pixels, 0 };
    return true;
}

bool order_random(const Order *o, int64_t t, BatchSample *to, Arena *a, Error *e)
{
    const SampleList *forget = &o->request->role[ROLE_FORGET], *retain = &o->request->role[ROLE_RETAIN];
    const Random r = random_for((uint64_t)(o->request->v.seed + t), "unlearn.random");
    for (size_t k = 0; k < o->count[ROLE_RANDOM]; k++) {
        const BatchSample *question = &forget->list[o->chosen[ROLE_RANDOM][k]];
        if (first_supervised(question) == 0 || first_supervised(question) == question->n)
            return error_set(e, "unlearn: forget sample %u has no question before its answer, which %s needs, "
                                "expected data.mask = answer",
                             (unsigned)o->chosen[ROLE_RANDOM][k], o->request->method->name);
        if (!answer_with(question, &retain->list[random_below(r, k, (uint32_t)retain->count)], &to[k], a))
            return error_no_memory(e, "unlearn: no memory for random answers");
    }
    return true;
}

/* --- making --- */

static bool draws_make(Order *o, Role role, Arena *a)
{
    static const char *const purposes[ROLE_COUNT][2] = {
        [ROLE_FORGET] = { "unlearn.forget.text", "unlearn.forget.image" },
        [ROLE_RETAIN] = { "unlearn.retain.text", "unlearn.retain.image" },
        [ROLE_FORGET_TEXT] = { "unlearn.forget_text.text", "unlearn.forget_text.image" },
    };
    const SampleList *list = &o->request->role[role];
    for (int picture = 0; picture < 2; picture++) {
        EpochOrder *d = &o->draws[role][picture];
        *d = (EpochOrder){ .epoch = -1, .purpose = purposes[role][picture] };
        d->indices = arena_array(a, list->count, sizeof *d->indices);
        d->order = arena_array(a, list->count, sizeof *d->order);
        if (!d->indices || !d->order)
            return false;
        for (size_t k = 0; k < list->count; k++)
            if ((list->list[k].pixels != NULL) == picture)
                d->indices[d->n++] = (uint32_t)k;
    }
    return true;
}

/* The largest number of samples of a role that a step can have. */
static size_t most_chosen(const UnlearnRequest *r, Role role)
{
    const size_t count = r->role[list_of(role)].count, most = r->whole || r->batch > count ? count : r->batch;
    return role == ROLE_RANDOM ? most * (size_t)r->v.random_answers : most;
}

bool order_make(Order *o, const UnlearnRequest *r, unsigned needs, Arena *a)
{
    *o = (Order){ .request = r, .needs = needs };
    for (Role role = 0; role < ROLE_COUNT; role++) {
        o->chosen[role] = arena_array(a, most_chosen(r, role), sizeof *o->chosen[role]);
        if (!o->chosen[role] || (list_of(role) == role && !draws_make(o, role, a)))
            return false;
    }
    return true;
}
