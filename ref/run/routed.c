/* SPDX-License-Identifier: MIT */
/* Adapters that stay apart, one for each request, and a router that is never wrong. */
#include "ref/run/run.h"

/* The request, of those up to `last`, that forgot an entity; last + 1: none did. */
static size_t request_of(const Splits *s, size_t last, const char *entity)
{
    size_t k = 0;
    while (k <= last && !entity_list_has(&s->request[k], entity))
        k++;
    return k;
}

/* Asks the questions about the entities of request k, whose places in the list are place[0 … n - 1]. */
static bool ask_one(const Run *r, const Case *c, const RequestEnd *ends, size_t k, bool adapted, const Questions *mine, const size_t *place,
                    Depth depth, Result *out, Arena *a, Error *e)
{
    Session who = { .folder = NULL };
    const char *start = run_model(r, case_start(c), a);
    const bool opened = start && (adapted ? run_snapshot(r, c, ends, k, ends[k].last, &who, a, e)
                                          : session_open(&who, &r->settings, start, MASK_ANSWER, a, e));
    const Result *x = opened && session_model(&who, e) ? evaluate(&who.model, &who.reader, mine, depth, a, e) : NULL;
    for (size_t i = 0; x && i < mine->count; i++)
        out[place[i]] = x[i];
    session_close(&who);
    return x != NULL;
}

Result *run_ask_routed(const Run *r, const Case *c, const Splits *s, const RequestEnd *ends, size_t last, const Questions *q, Depth depth,
                       Arena *a, Error *e)
{
    Result *all = arena_array(a, q->count, sizeof *all);
    size_t *place = arena_array(a, q->count, sizeof *place);
    Questions mine = { .question = arena_array(a, q->count, sizeof *mine.question), .arena = a };
    bool good = all && place && mine.question;
    for (size_t k = 0; good && k <= last + 1; k++) {
        mine.count = 0;
        for (size_t i = 0; i < q->count; i++)
            if (request_of(s, last, q->question[i].sample->entity) == k) {
                place[mine.count] = i;
                mine.question[mine.count++] = q->question[i];
            }
        good = mine.count == 0 || ask_one(r, c, ends, k, k <= last, &mine, place, depth, all, a, e);
    }
    return good ? all : NULL;
}
