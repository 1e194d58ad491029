/* SPDX-License-Identifier: MIT */
/* Judges the answers of one optimiser step: modules that were fed, modules that were hooked, and the results of the
 * whole step. */
#include "ref/verify/check.h"

#include <string.h>
#include "model/names.h"
#include "ref/trace/trace_read.h"
#include "ref/verify/formula.h"
#include "tensor/tape.h"

#define HOOKED "hooked."

/* The answers of a step's modules that are judged in one way, fed or hooked: how many there are, how many were judged,
 * how many are outside, and for each phase the first answer, in order of execution, that is outside (NULL: none). */
enum { PHASES = 3 };
typedef struct { size_t all, judged, outside; const char *first[PHASES]; } Modules;

static Phase phase_of(const char *module, const char *answer)
{
    if (strcmp(module, "clip") == 0 || strcmp(module, "optimiser") == 0)
        return PHASE_OPTIMISER;
    return strncmp(answer, "grad.", 5) == 0 ? PHASE_BACKWARD : PHASE_FORWARD;
}

/* Modules come in the order of the forward pass, so in the backward pass the last one
 * that is outside went wrong first. */
static void note_outside(Modules *m, Phase p, const char *answer)
{
    m->outside++;
    if (p == PHASE_BACKWARD || !m->first[p])
        m->first[p] = answer;
}

/* The noise that a tensor of the trace has in the whole step, not that of its module alone. */
static const Tensor *noise_of(const Check *c, const TracedStep *s, const char *in_trace)
{
    long node = trace_node(s->root, in_trace);
    return check_noise(c, s->id, node >= 0 ? arena_format(c->arena, "t%ld", node) : in_trace);
}

/* Judges one answer of a module that was fed; trace.json calls it `in_trace`. */
static bool check_fed(Check *c, const TracedStep *s, Modules *m, const char *module, const char *answer,
                      const char *in_trace, Error *e)
{
    const char *full = arena_format(c->arena, "%s@%s", module, answer);
    const Tensor *right = in_trace ? store_find(s->values, in_trace) : NULL, *bound = store_find(s->bounds,
            arena_format(c->arena, "bound.%s", full));
    const Tensor *got = got_find(&c->got, s->own, s->id, full);
    if (!right || !bound)
        return error_set(e, "%s/%s: %s has no value or no bound, expected whole reference answers", c->folder, s->id,
                         full);
    m->all++;
    m->judged += got != NULL;
    if (got && judge(&c->context, s->id, full, (Answer){ .right = right, .got = got, .bound = bound, .noise = check_noise(c, s->id, full),
            .way = "fed" }))
        note_outside(m, phase_of(module, answer), full);
    return true;
}

/* Judges one answer of a module that was hooked, or the module's input `in`, or the gradient `grad.out` of its
 * output. */
static void check_hooked(Check *c, const TracedStep *s, Modules *m, const char *module, const char *answer,
                         const char *in_trace)
{
    const char *full = arena_format(c->arena, HOOKED "%s@%s", module, answer);
    const Tensor *right = in_trace ? store_find(s->values, in_trace) : NULL, *got = right ? got_find(&c->got, s->own, s->id, full) : NULL;
    m->all += right != NULL;
    m->judged += got != NULL;
    if (got && judge(&c->context, s->id, full, (Answer){ .right = right, .got = got, .noise = noise_of(c, s, in_trace),
            .way = "hooked" }))
        note_outside(m, phase_of(module, answer), full);
}

/* Adds the line that sums up the modules: the first module that differs, and the known mistakes
 * that explain the answers outside. */
static void sum_up(Check *c, const TracedStep *s, const Modules *m, const char *way, const char *known, size_t explained)
{
    static const char *const phase[PHASES] = { "forward", "backward", "update" };
    const Phase p = m->first[PHASE_FORWARD] ? PHASE_FORWARD : m->first[PHASE_BACKWARD] ? PHASE_BACKWARD : PHASE_OPTIMISER;
    const char *first = m->first[p] ? arena_format(c->arena, "; the first module that differs, %s, is %s", phase[p], m->first[p]) : "";
    const char *mistake = known ? arena_format(c->arena, "; %zu of %zu outside have the value of the known mistake %s", explained,
            m->outside, known) : "";
    json_t *line = finding(c->context.f, *s->id ? s->id : "step", "MODULES", "%zu of %zu answers of modules were judged, %s%s%s", m->judged,
            m->all, way, first, mistake);
    if (!m->first[p])
        return;
    json_put(line, "first", json_string(m->first[p]));
    json_put(line, "formula", formula_of_answer(s->root, m->first[p], c->arena));
}

/* --- the results of the whole step --- */

/* Judges every tensor of the trace that GOT has under the same name. The leaves of the trace and the index data are
 * inputs, so they must be equal bit for bit, except for the outputs of a reference model. The first answer outside gets
 * its formula; an answer of the forward pass comes before those of the backward pass and of the update. */
static void check_ends(Check *c, const TracedStep *s)
{
    json_t *first = NULL;
    Phase phase = PHASE_OPTIMISER;
    for (size_t k = 0; k < s->values->count; k++) {
        const char *name = s->values->entries[k].name;
        const Tensor *got = got_find(&c->got, s->own, s->id, name), *noise = got ? noise_of(c, s, name) : NULL;
        if (!got)
            continue;
        bool after = strncmp(name, "after.", 6) == 0;
        Answer x = { .right = &s->values->entries[k].tensor, .got = got, .noise = noise, .way = "ends",
                     .exact = !noise && trace_node(s->root, name) < 0 };
        x.before = after ? store_find(s->values, arena_format(c->arena, "param.%s", name + 6)) : NULL;
        Phase own = after || strncmp(name, "adam.", 5) == 0 || strncmp(name, "sgd.", 4) == 0 ? PHASE_OPTIMISER
                  : strncmp(name, "grad.", 5) == 0 ? PHASE_BACKWARD : PHASE_FORWARD;
        if (judge(&c->context, s->id, name, x) && (!first || own < phase)) {
            first = json_array_get(c->context.f->lines, json_array_size(c->context.f->lines) - 1);
            phase = own;
        }
    }
    const char *where = json_string_value(json_object_get(first, "where"));
    if (where)
        json_put(first, "formula", formula_of_answer(s->root, where + (*s->id ? strlen(s->id) + 1 : 0), c->arena));
}

const char *check_answer(const TracedStep *s, const char *path, size_t length, const char *answer)
{
    const json_t *modules = json_object_get(s->root, "modules");
    for (size_t k = 0; k < json_array_size(modules); k++) {
        const json_t *entry = json_array_get(modules, k);
        const char *module = json_string_value(json_object_get(entry, "module"));
        const json_t *in_trace = json_object_get(json_object_get(entry, "answers"), answer);
        if (module && strlen(module) == length && strncmp(module, path, length) == 0)
            return json_string_value(in_trace ? in_trace : json_object_get(entry, answer));
    }
    return NULL;
}

/* "logits" is another name for the output of the head. */
static void check_logits(Check *c, const TracedStep *s)
{
    const Tensor *got = got_find(&c->got, s->own, s->id, "logits");
    const char *in_trace = got ? check_answer(s, "language_model.lm_head", strlen("language_model.lm_head"), "out") : NULL;
    const Tensor *right = in_trace ? store_find(s->values, in_trace) : NULL;
    if (right)
        judge(&c->context, s->id, "logits", (Answer){ .right = right, .got = got, .noise = noise_of(c, s, in_trace), .way = "ends" });
}

/* If GOT has one tensor of a family, such as grad.*, reports the tensors of this family that it does not
 * have. So a wrong tensor cannot just be left out. */
static void find_missing(Check *c, const TracedStep *s)
{
    static const char *const families[] = { "grad.", "after.", "adam.m.", "adam.v.", "sgd.momentum." };
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        size_t length = strlen(families[f]), there = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < s->values->count && (pass == 0 || there); k++) {
                const char *name = s->values->entries[k].name;
                // grad.t<k> is the gradient of a node, not of a parameter
                if (strncmp(name, families[f], length) != 0 || strncmp(name, "grad.t", 6) == 0)
                    continue;
                bool got = got_find(&c->got, s->own, s->id, name) != NULL;
                there += pass == 0 && got;
                if (pass == 1 && !got)
                    finding(c->context.f, *s->id ? arena_format(c->arena, "%s/%s", s->id, name) : name, "MISSING",
                            "GOT has other answers %s*, expected all of them", families[f]);
            }
    }
}

/* Whether the name is that of an answer of a module, fed or hooked. */
static bool is_answer(const TracedStep *s, const char *name)
{
    const json_t *modules = json_object_get(s->root, "modules");
    bool hooked = strncmp(name, HOOKED, strlen(HOOKED)) == 0;
    name += hooked ? strlen(HOOKED) : 0;
    const char *at = strrchr(name, '@');
    for (size_t k = 0; at && k < json_array_size(modules); k++) {
        const json_t *entry = json_array_get(modules, k);
        const char *path = json_string_value(json_object_get(entry, "module"));
        if (path && strlen(path) == (size_t)(at - name) && strncmp(path, name, strlen(path)) == 0)
            return json_object_get(json_object_get(entry, "answers"), at + 1)
                    || (hooked && (strcmp(at, "@in") == 0 || strcmp(at, "@grad.out") == 0) && json_object_get(entry, at + 1));
    }
    return false;
}

/* The name in the trace for a name of another layout, "grad.model.layers.0…"; NULL: the name
 * is not of another layout. */
static const char *other_layout(const Check *c, const TracedStep *s, const char *name)
{
    static const char *const kinds[] = { "grad.", "after.", "adam.m.", "adam.v.", "sgd.momentum.", "param.", HOOKED,
                                         "" };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = strlen(kinds[k]);
        const char *hub = strncmp(name, kinds[k], n) == 0 ? name_hub(name + n, c->arena) : NULL;
        const char *whole = hub ? arena_format(c->arena, "%s%s", kinds[k], hub) : NULL;
        if (whole && strcmp(whole, name) != 0 && (store_find(s->values, whole) || is_answer(s, whole)))
            return whole;
    }
    return NULL;
}

static void find_unknown(Check *c, const TracedStep *s)
{
    const Store *all = s->own ? s->own : &c->got.file;
    size_t skip = s->own || !*s->id ? 0 : strlen(s->id) + 1;
    for (size_t k = 0; k < all->count; k++) {
        const char *name = all->entries[k].name;
        if (skip && (strncmp(name, s->id, skip - 1) != 0 || name[skip - 1] != '/'))
            continue;
        name += skip;
        if (store_find(s->values, name) || is_answer(s, name) || strcmp(name, "logits") == 0)
            continue;
        const char *ours = other_layout(c, s, name), *where = *s->id ? arena_format(c->arena, "%s/%s", s->id, name) : name;
        if (ours)
            finding(c->context.f, where, "EXTRA", "a name of another layout, expected %s", ours);
        else
            finding(c->context.f, where, "EXTRA", "no such answer in the case");
    }
}

static bool check_modules(Check *c, const TracedStep *s, Modules *fed, Modules *hooked, Error *e)
{
    const char *answer, *const sides[] = { "in", "grad.out" };
    json_t *module, *in_trace;
    size_t k;
    json_array_foreach(json_object_get(s->root, "modules"), k, module) {
        const char *path = json_string_value(json_object_get(module, "module"));
        if (!path)
            return error_set(e, "%s/%s/trace.json: a module has no path, expected whole reference answers", c->folder,
                             s->id);
        json_object_foreach(json_object_get(module, "answers"), answer, in_trace) {
            if (!check_fed(c, s, fed, path, answer, json_string_value(in_trace), e))
                return false;
            check_hooked(c, s, hooked, path, answer, json_string_value(in_trace));
        }
        for (size_t i = 0; i < 2; i++)
            check_hooked(c, s, hooked, path, sides[i], json_string_value(json_object_get(module, sides[i])));
    }
    return true;
}

bool check_step(Check *c, const TracedStep *s, Error *e)
{
    Modules fed = { .all = 0 }, hooked = { .all = 0 };
    size_t explained;
    mistakes_begin(&c->context.mistakes);
    if (!check_modules(c, s, &fed, &hooked, e))
        return false;
    check_ends(c, s);
    check_logits(c, s);
    if (c->context.mistakes.keeps && !check_known(c, s, arena_format(c->arena, "%s/trace.json", c->folder), e))
        return false;
    const char *known = check_settle(c, &explained);
    if (fed.judged)
        sum_up(c, s, &fed, "fed", known, explained);
    if (hooked.judged)
        sum_up(c, s, &hooked, "hooked", known, explained);
    find_missing(c, s);
    find_unknown(c, s);
    return true;
}
