/* SPDX-License-Identifier: MIT */
/* Puts questions to the model of a case whose requests have one adapter each. The adapter for a question is chosen as
 * by a router that is never wrong. */
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

/* Asks the questions of part k: those about the entities of request k, and for k = last + 1 all other questions. */
static Result *ask_part(void *context, size_t k, const Questions *questions, Arena *a, Error *e)
{
    const Routed *x = context;
    const Run *r = x->run;
    Session session = { .folder = NULL };
    const char *start = run_model(r, case_start(x->c), a);
    const bool opened = start && (k <= x->last ? run_snapshot(r, x->c, x->ends, k, x->ends[k].last, &session, a, e)
                                               : session_open(&session, &r->settings, start, MASK_ANSWER, a, e));
    Result *answers = opened && session_model(&session, e) ? evaluate(&session.model, &session.reader, questions, x->depth, a, e) : NULL;
    session_close(&session);
    return answers;
}

Result *run_ask_routed(const Run *r, const Case *c, const Splits *s, const RequestEnd *ends, size_t last, const Questions *q, Depth depth,
                       Arena *a, Error *e)
{
    Routed x = { r, c, ends, last, depth };
    size_t *part = arena_array(a, q->count, sizeof *part);
    for (size_t k = 0; part && k < q->count; k++)
        part[k] = request_of(s, last, q->question[k].sample->entity);
    return part ? evaluate_parts(q, part, last + 2, ask_part, &x, a, e) : NULL;
}
