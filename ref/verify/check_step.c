/* SPDX-License-Identifier: MIT */
/* The answers of one optimiser step: its modules, and the step as a whole. */
#include "ref/verify/check.h"

#include <string.h>
#include "tensor/tape.h"

/* Whether the name is "<module>@<answer>" of one of the modules. */
static bool is_answer(const json_t *modules, const char *name)
{
    const char *at = strrchr(name, '@');
    for (size_t k = 0; at && k < json_array_size(modules); k++) {
        const json_t *one = json_array_get(modules, k);
        const char *path = json_string_value(json_object_get(one, "module"));
        if (path && strlen(path) == (size_t)(at - name) && strncmp(path, name, strlen(path)) == 0
            && json_object_get(json_object_get(one, "answers"), at + 1))
            return true;
    }
    return false;
}

void check_extra(Check *c, const char *id, const Store *want, const json_t *modules, const Store *own)
{
    const Store *all = own ? own : &c->got.file;
    size_t skip = own ? 0 : strlen(id) + 1;
    for (size_t k = 0; k < all->count; k++) {
        const char *name = all->entries[k].name;
        if (skip && (strncmp(name, id, skip - 1) != 0 || name[skip - 1] != '/'))
            continue;
        if (modules ? !store_find(want, name + skip) && !is_answer(modules, name + skip)
                    : !store_find(want, name + skip) || strncmp(name + skip, "bound.", 6) == 0)
            finding(c->context.f, arena_format(c->arena, "%s/%s", id, name + skip), "EXTRA", "no such answer in the case");
    }
}

void check_present(Check *c, const char *id, const Store *want, const Store *own)
{
    for (size_t k = 0; k < want->count; k++) {
        const Tensor *got = got_find(&c->got, own, id, want->entries[k].name);
        if (got)
            judge(&c->context, id, want->entries[k].name, &want->entries[k].tensor, got, NULL, JUDGE_END_TO_END);
    }
}

/* What is known of the modules of a step: how many answers there are, how many were judged, and for each phase the module in which the
 * step first goes wrong (NULL: none). */
enum { PHASES = 3 };
typedef struct { size_t all, judged; const char *first[PHASES]; } Modules;

static Phase phase_of(const char *module, const char *answer)
{
    if (strcmp(module, "clip") == 0 || strcmp(module, "optimiser") == 0)
        return PHASE_OPTIMISER;
    return strcmp(answer, "out") == 0 ? PHASE_FORWARD : PHASE_BACKWARD;
}

/* Modules come in the order of the forward pass, so that backward the last one is the first to go wrong. */
static void note_outside(Modules *m, Phase p, const char *answer)
{
    if (p == PHASE_BACKWARD || !m->first[p])
        m->first[p] = answer;
}

/* Judges one answer of a module, which trace.json calls `in_trace`. */
static bool check_answer(Check *c, Modules *m, const char *id, const char *module, const char *answer, const char *in_trace,
                         const Store *want, const Store *bounds, const Store *own, Error *e)
{
    const char *full = arena_format(c->arena, "%s@%s", module, answer);
    const Tensor *right = in_trace ? store_find(want, in_trace) : NULL,
                 *bound = store_find(bounds, arena_format(c->arena, "bound.%s", full));
    const Tensor *got = got_find(&c->got, own, id, full);
    if (!right || !bound)
        return error_set(e, "%s/%s: %s has no value or no bound, expected whole reference answers", c->folder, id, full);
    m->all++;
    m->judged += got != NULL;
    if (got && judge(&c->context, id, full, right, got, bound, JUDGE_BOUND))
        note_outside(m, phase_of(module, answer), full);
    return true;
}

/* One line that sums up the modules: the first one that differs, and the known mistakes whose values the answers outside have. */
static void sum_up(Check *c, const Modules *m, const char *id, size_t outside)
{
    static const char *const phase[PHASES] = { "forward", "backward", "update" };
    const Phase p = m->first[PHASE_FORWARD] ? PHASE_FORWARD : m->first[PHASE_BACKWARD] ? PHASE_BACKWARD : PHASE_OPTIMISER;
    const char *first = m->first[p] ? arena_format(c->arena, ", the first module that differs, %s, is %s", phase[p], m->first[p]) : "";
    const char *known = c->context.recognised
                          ? arena_format(c->arena, "; %zu of %zu outside have the value of the known mistake %s",
                                         c->context.named, outside, c->context.recognised)
                          : "";
    finding(c->context.f, id, "MODULES", "%zu of %zu answers of modules%s%s", m->judged, m->all, first ? first : "", known ? known : "");
}

static bool check_modules(Check *c, const char *id, const json_t *modules, const Store *want, const Store *bounds,
                          const Store *own, Error *e)
{
    Modules m = { .all = 0 };
    const size_t outside = c->context.f->outside;
    const char *answer;
    json_t *module, *in_trace;
    size_t k;
    c->context.recognised = NULL;
    c->context.named = 0;
    json_array_foreach((json_t *)(uintptr_t)modules, k, module) {
        const char *path = json_string_value(json_object_get(module, "module"));
        json_object_foreach(json_object_get(module, "answers"), answer, in_trace)
            if (!path || !check_answer(c, &m, id, path, answer, json_string_value(in_trace), want, bounds, own, e))
                return false;
    }
    if (m.judged)
        sum_up(c, &m, id, c->context.f->outside - outside);
    return true;
}

bool check_step(Check *c, const char *id, const Store *want, const Store *own, Error *e)
{
    Store bounds;
    char *json = arena_format(c->arena, "%s/trace.json", id), *numbers = arena_format(c->arena, "%s/bound.safetensors", id);
    if (json && !manifest_sha(c->manifest, json)) {                    // reference answers without modules: end to end alone
        check_present(c, id, want, own);
        check_extra(c, id, want, NULL, own);
        return true;
    }
    if (!json || !numbers || !manifest_holds(c->folder, json, manifest_sha(c->manifest, json), c->arena, e)
        || !manifest_holds(c->folder, numbers, manifest_sha(c->manifest, numbers), c->arena, e)
        || !store_open(&bounds, arena_format(c->arena, "%s/%s", c->folder, numbers), c->arena, e))
        return false;
    json_t *trace = json_file(arena_format(c->arena, "%s/%s", c->folder, json), MANIFEST_BYTES, e),
           *modules = json_object_get(trace, "modules");
    bool good = trace && check_modules(c, id, modules, want, &bounds, own, e);
    if (good)
        check_present(c, id, want, own);
    if (good)
        check_extra(c, id, want, modules, own);
    json_decref(trace);
    store_close(&bounds);
    return good;
}
