/* SPDX-License-Identifier: MIT */
#include "ref/trace/noise_trace.h"

#include <stdlib.h>
#include <string.h>
#include "ref/trace/trace_read.h"
#include "ref/trace/unit.h"

Tensor noise_tensor(const Noise noise[PRECISIONS], Arena *a)
{
    Tensor t = tensor_f32(a, shape_of(2, (size_t)PRECISIONS, (size_t)2));
    for (Precision p = 0; t.f32 && p < PRECISIONS; p++) {
        t.f32[2 * p] = (float)noise[p].rms;
        t.f32[2 * p + 1] = (float)noise[p].most;
    }
    return t;
}

Noise noise_at(const Tensor *t, Precision p)
{
    return (Noise){ (double)t->f32[2 * p], (double)t->f32[2 * p + 1] };
}

typedef struct {
    const Tape *tape;
    const json_t *root;
    const bool *wanted;
    NoiseModel noiser;
    Noise *noise[PRECISIONS];        // [tape->count] each
    Entry *list;
    size_t count, capacity;
    Arena *arena;
    Error *error;
} Work;

static bool compute(Work *w, const bool *chosen)
{
    for (Precision p = 0; p < PRECISIONS; p++)
        if (w->wanted[p] && !noise_make(&w->noiser, p, chosen, w->noise[p], w->error))
            return false;
    return true;
}

static void put(Work *w, const char *name, size_t node)
{
    Noise all[PRECISIONS] = { { 0, 0 } };
    for (Precision p = 0; p < PRECISIONS; p++)
        all[p] = w->wanted[p] ? w->noise[p][node] : all[p];
    if (name && w->count < w->capacity)
        w->list[w->count++] = (Entry){ name, noise_tensor(all, w->arena) };
}

static void put_nodes(Work *w)
{
    for (size_t k = 0; k < w->tape->count; k++) {
        const Node *n = w->tape->nodes[k];
        if (n->op)
            put(w, arena_format(w->arena, "t%zu", k), k);
        else if (strncmp(n->name, "input.reference.", 16) == 0)
            put(w, n->name, n->id);
    }
}

/* Whether the node is a sum of gradients that are all chosen. The backward pass records such a sum under no module,
 * although it belongs to the module of these gradients. */
static bool sums_chosen(const Node *n, const bool *chosen)
{
    bool all = n->op && n->phase == PHASE_BACKWARD && strcmp(n->op->name, "sum_n") == 0;
    for (size_t k = 0; all && k < n->n_in; k++)
        all = chosen[n->in[k]->id];
    return all;
}

static bool put_module(Work *w, const json_t *module, bool *chosen)
{
    const char *path = json_string_value(json_object_get(module, "module")), *answer;
    json_t *name;
    for (size_t k = 0; k < w->tape->count; k++)
        chosen[k] = path && (unit_spans(path, w->tape->nodes[k]) || sums_chosen(w->tape->nodes[k], chosen));
    if (!path || !compute(w, chosen))
        return path != NULL && !w->error->failed;
    json_object_foreach(json_object_get(module, "answers"), answer, name) {
        long node = trace_node(w->root, json_string_value(name));
        if (node >= 0 && (size_t)node < w->tape->count)
            put(w, arena_format(w->arena, "%s@%s", path, answer), (size_t)node);
    }
    return true;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const Entry *)x)->name, ((const Entry *)y)->name);
}

static bool noise_allocate(Work *w)
{
    for (Precision p = 0; p < PRECISIONS; p++)
        if (!(w->noise[p] = arena_zalloc(w->arena, (w->tape->count + 1) * sizeof *w->noise[p])))
            return false;
    return true;
}

bool noise_of_tape(const Tape *t, Noise *noise[PRECISIONS], Arena *a, Error *e)
{
    static const bool all[PRECISIONS] = { true, true, true, true, true };
    Work w = { .tape = t, .wanted = all, .arena = a, .error = e };
    bool good = noise_allocate(&w) && noise_open(&w.noiser, t, a, e) && compute(&w, NULL);
    memcpy(noise, w.noise, sizeof w.noise);
    return good;
}

bool noise_of_trace(const json_t *root, const Store *values, const char *path, const bool wanted[PRECISIONS], Entry **out, size_t *count,
        Arena *a, Error *e)
{
    Tape t;
    Work w = { .tape = &t, .root = root, .wanted = wanted, .arena = a, .error = e };
    const json_t *modules = json_object_get(root, "modules");
    if (!json_object_get(root, "aliases"))
        return error_set(e, "%s: \"aliases\" is missing, expected a trace that this version of the program wrote",
                         path);
    if (!trace_read(&t, root, values, path, a, e) || !noise_allocate(&w) || !noise_open(&w.noiser, &t, a, e))
        return false;
    bool *chosen = arena_array(a, t.count + 1, sizeof *chosen);
    w.capacity = t.count;
    for (size_t k = 0; k < json_array_size(modules); k++)
        w.capacity += json_object_size(json_object_get(json_array_get(modules, k), "answers"));
    w.list = arena_array(a, w.capacity, sizeof *w.list);
    if (!chosen || !w.list || !compute(&w, NULL))
        return false;
    put_nodes(&w);
    for (size_t k = 0; k < json_array_size(modules); k++)
        if (!put_module(&w, json_array_get(modules, k), chosen))
            return error_set(e, "%s: a module has no path, expected the trace of a step", path);
    qsort(w.list, w.count, sizeof *w.list, by_name);
    *out = w.list;
    *count = w.count;
    return !e->failed;
}
