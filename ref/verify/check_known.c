/* SPDX-License-Identifier: MIT */
/* Known mistakes in the answers to a trace. For a case of the suite, wrong.safetensors has the values that mistakes
 * give. For any other step these values are computed, but only if an answer is outside: each mistake is made in the
 * graph of the trace, and the step is run again. */
#include "ref/verify/check.h"

#include <string.h>
#include "ref/trace/again.h"
#include "ref/trace/trace_read.h"
#include "ref/verify/known/known.h"

/* The step with one mistake. It is run as a whole, and each module of which GOT has fed answers is run alone. */
typedef struct {
    const TracedStep *s;
    const Tape *tape;
    const Unit *unit;
    size_t units;
    Node **made;                     // by id, of the whole step
    UnitRun *run;                    // by unit; node NULL: it was not run yet
    Arena *arena;                    // of this mistake
    Error *error;
} Mistaken;

static const Node *old_node(const Mistaken *m, const char *in_trace)
{
    long id = in_trace ? trace_node(m->s->root, in_trace) : -1;
    return id >= 0 && (size_t)id < m->tape->count ? m->tape->nodes[id] : NULL;
}

static const Node *node_of_step(const Mistaken *m, const char *in_trace)
{
    const Node *old = old_node(m, in_trace);
    return old ? m->made[old->id] : NULL;
}

/* The node of an answer of a module that is run alone: it makes the mistake, and gets the inputs of the right step. */
static const Node *node_of_module(Mistaken *m, const char *module, size_t length, const char *answer)
{
    size_t k = 0;
    while (k < m->units && (strlen(m->unit[k].module) != length || strncmp(m->unit[k].module, module, length) != 0))
        k++;
    if (k == m->units || (!m->run[k].node && !unit_run(&m->run[k], m->tape, &m->unit[k], m->arena, m->error)))
        return NULL;
    const UnitRun *r = &m->run[k];
    if (strcmp(answer, "grad.in") == 0)
        return r->in ? r->in->grad : NULL;
    for (size_t i = 0; i < m->tape->count && strncmp(answer, "grad.", 5) == 0; i++) {
        const Node *leaf = m->tape->nodes[i];
        const char *weight = leaf->op || !r->node[i] ? NULL : unit_weight(&m->unit[k], leaf);
        if (weight && strcmp(weight, answer + 5) == 0)
            return r->node[i]->grad;
    }
    const Node *old = old_node(m, check_answer(m->s, module, length, answer));
    return old ? r->node[old->id] : NULL;
}

static const Node *node_of(Mistaken *m, const char *name)
{
    bool hooked = strncmp(name, "hooked.", 7) == 0;
    const char *path = name + (hooked ? 7 : 0), *at = strrchr(path, '@');
    if (strcmp(name, "logits") == 0)
        return node_of_step(m, check_answer(m->s, "language_model.lm_head", strlen("language_model.lm_head"), "out"));
    if (!at)
        return node_of_step(m, name);
    return hooked ? node_of_step(m, check_answer(m->s, path, (size_t)(at - path), at + 1))
                  : node_of_module(m, path, (size_t)(at - path), at + 1);
}

/* Whether the answer belongs to the update. Such answers are compared only if the mistake changes nothing before the
 * update, because a step of Adam shows little more than the signs of the gradients. */
static bool belongs_to_update(const char *name)
{
    static const char *const begin[] = { "clip@", "optimiser@", "after.", "adam.", "sgd." };
    for (size_t k = 0; k < sizeof begin / sizeof *begin; k++)
        if (strncmp(name, begin[k], strlen(begin[k])) == 0)
            return true;
    return false;
}

/* Compares the judged answers with the values that the mistake gives them. */
static void compare_all(Check *c, Mistaken *m, const char *flag)
{
    Mistakes *all = &c->context.mistakes;
    bool changes_any = false;
    for (int update = 0; update < 2 && !changes_any; update++)
        for (size_t k = 0; k < all->judged_count && !m->error->failed; k++) {
            const Judged *j = &all->judged[k];
            bool in_this_pass = belongs_to_update(j->name) == (update == 1) && known_shows(flag, j->name);
            const Node *n = in_this_pass ? node_of(m, j->name) : NULL;
            if (!n)
                continue;
            Entry entry = { arena_format(m->arena, "@%s/%s", flag, j->name), n->out };
            all->wrong = (Store){ .entries = &entry, .count = 1 };
            changes_any |= mistakes_see_kept(all, j);
        }
    all->wrong = (Store){ .count = 0 };
}

/* Makes the mistake `flag` (NULL: none), and compares the answers with the result. A mistake is left out if the graph
 * has no place for it, or if an operator then refuses its inputs. `same`, if it is not NULL, becomes false if the graph
 * cannot be run again, or if one of the answers that were judged gets other bits than it has in the trace. False: there
 * is no memory. */
static bool try_mistake(Check *c, const TracedStep *s, Tape *t, const Unit *unit, size_t units, const char *flag,
                        bool *same)
{
    Error own = { .failed = false };
    Arena a = arena_make(&own);
    Mistaken m = { .s = s, .tape = t, .unit = unit, .units = units, .arena = &a, .error = &own };
    Node *kept = arena_array(&a, t->count + 1, sizeof *kept);
    m.run = arena_zalloc(&a, (units + 1) * sizeof *m.run);
    for (size_t k = 0; kept && k < t->count; k++)
        kept[k] = *t->nodes[k];
    if (kept && m.run && (!flag || known_make(t, NULL, flag, &a)) && (m.made = again_run(t, &a, &own))) {
        const Mistakes *all = &c->context.mistakes;
        if (flag)
            compare_all(c, &m, flag);
        for (size_t k = 0; same && k < all->judged_count; k++) {
            const Node *n = node_of(&m, all->judged[k].name);
            const Tensor *right = all->judged[k].x.right;
            *same &= !n || (shape_equal(n->out.shape, right->shape)
                            && memcmp(n->out.data, right->data, tensor_bytes(*right)) == 0);
        }
    } else if (same)
        *same = false;
    for (size_t k = 0; kept && k < t->count; k++)
        *t->nodes[k] = kept[k];
    bool good = kept && m.run;
    arena_free(&a);
    return good;
}

bool check_known(Check *c, const TracedStep *s, const char *path, Error *e)
{
    Tape t;
    Unit *unit;
    size_t units;
    bool same = true;
    const char *flag;
    if (!c->context.f->outside)
        return true;
    if (!trace_read(&t, s->root, s->values, path, c->arena, e))
        return false;
    again_gradients(&t, s->root, c->arena);
    if (!units_find(&t, &unit, &units, c->arena) || !try_mistake(c, s, &t, unit, units, NULL, &same))
        return error_no_memory(e, "%s: no memory to run the step again", path);
    for (size_t k = 0; same && (flag = known_flag(k)) != NULL; k++)
        if (!try_mistake(c, s, &t, unit, units, flag, NULL))
            return error_no_memory(e, "%s: no memory to run the step again", path);
    if (!same)
        finding(c->context.f, "step", "MODULES", "the step cannot be run again from its trace, so that no known mistake is named");
    return true;
}
