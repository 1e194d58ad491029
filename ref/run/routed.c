/* SPDX-License-Identifier: MIT */
/* Asks a case whose requests have one adapter each, with a router that is never wrong. */
#include "ref/run/run.h"

/* Which of the requests 0 … last forgot the entity; last + 1: none did. */
static size_t request_of(const Splits *s, size_t last, const char *entity)
{
    size_t k = 0;
    while (k <= last && !entity_list_has(&s->request[k], entity))
        k++;
    return k;
}

typedef struct {
    const Run *run;
    const Case *c;
    const RequestEnd *ends;
    size_t last;
    Depth depth;
} Routed;

/* Asks the questions about the entities of request k; k = last + 1: about the entities that no request forgot. */
static Result *ask_part(void *context, size_t k, const Questions *mine, Arena *a, Error *e)
{
    const Routed *x = context;
    const Run *r = x->run;
    Session who = { .folder = NULL };
    const char *start = run_model(r, case_start(x->c), a);
    const bool opened = start && (k <= x->last ? run_snapshot(r, x->c, x->ends, k, x->ends[k].last, &who, a, e)
                                               : session_open(&who, &r->settings, start, MASK_ANSWER, a, e));
    Result *answers = opened && session_model(&who, e) ? evaluate(&who.model, &who.reader, mine, x->depth, a, e) : NULL;
    session_close(&who);
    return answers;
}

Result *run_ask_routed(const Run *r, const Case *c, const Splits *s, const RequestEnd *ends, size_t last, const Questions *q, Depth depth,
                       Arena *a, Error *e)
{
    Routed x = { r, c, ends, last, depth };
    size_t *of = arena_array(a, q->count, sizeof *of);
    for (size_t k = 0; of && k < q->count; k++)
        of[k] = request_of(s, last, q->question[k].sample->entity);
    return of ? evaluate_parts(q, of, last + 2, ask_part, &x, a, e) : NULL;
}
