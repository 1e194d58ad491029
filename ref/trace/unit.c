/* SPDX-License-Identifier: MIT */
#include "ref/trace/unit.h"

#include <string.h>
#include "model/names.h"
#include "tensor/bounds/bound.h"

#define TOWER "vision_tower.vision_model"
#define LAYER "language_model.model.layers.*"

/* The module paths of the units. parts: as in Unit; exact: nodes of the modules below this
 * path do not belong to the unit. */
static const struct { const char *pattern; bool parts, exact; } forms[] = {
    { TOWER ".embeddings", false, false }, { TOWER ".pre_layrnorm", false, false },
    { TOWER ".encoder.layers.*.layer_norm?", false, false },
    { TOWER ".encoder.layers.*.self_attn.*_proj", false, false }, { TOWER ".encoder.layers.*.self_attn", true, false },
    { TOWER ".encoder.layers.*.mlp.fc?", false, false }, { TOWER ".encoder.layers.*.mlp", true, false },
    { TOWER ".encoder.layers.*", true, false },
    { TOWER, false, true }, { "multi_modal_projector.linear_?", false, false }, { "multi_modal_projector", true, false },
    { "language_model", false, true }, { LAYER ".input_layernorm", false, false },
    { LAYER ".self_attn.?_proj", false, false }, { LAYER ".self_attn", true, false }, { LAYER ".post_attention_layernorm", false, false },
    { LAYER ".mlp.*_proj", false, false }, { LAYER ".mlp", true, false }, { LAYER, true, false },
    { "language_model.model", false, true }, { "language_model.model.norm", false, false }, { "language_model.lm_head", false, false },
    { "loss", false, false },
};

/* Whether the node belongs to gradient clipping. */
static bool clips(const Node *n)
{
    return n->op
        && (strcmp(n->op->name, "square_norm") == 0 || strcmp(n->op->name, "clip_factor") == 0
            || strcmp(n->op->name, "scale_by") == 0);
}

/* A node outside any module belongs to the loss, such as the one that takes the rows of a role out of the logits. */
static const char *path_of(const Node *n) { return *n->module ? n->module : "loss"; }

/* Whether the path is that of the module, or of a module inside it. */
static bool below(const char *module, const char *path)
{
    size_t n = strlen(module);
    return strncmp(module, path, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

bool unit_spans(const char *module, const Node *n)
{
    if (!n->op)
        return false;
    if (n->phase == PHASE_OPTIMISER)
        return strcmp(module, clips(n) ? "clip" : "optimiser") == 0;
    bool exact = false;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        exact |= forms[k].exact && strcmp(forms[k].pattern, module) == 0;
    return exact ? strcmp(module, n->module) == 0 : below(module, path_of(n));
}

bool unit_has(const Unit *u, const Node *n)
{
    return n->phase != PHASE_BACKWARD && unit_spans(u->module, n);
}

/* --- finding --- */

typedef struct { Unit *list; size_t count, capacity; Arena *arena; } Units;

static void add(Units *to, const char *module, bool parts)
{
    for (size_t k = 0; k < to->count; k++)
        if (strcmp(to->list[k].module, module) == 0)
            return;
    if (to->count < to->capacity)
        to->list[to->count++] = (Unit){ .module = module, .parts = parts };
}

/* Adds every unit that a node's module belongs to: each prefix of its path that a form names. */
static void add_forms(Units *to, const char *module)
{
    for (size_t end = 1; end <= strlen(module); end++)
        if (module[end] == '.' || module[end] == '\0')
            for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
                char *path = arena_format(to->arena, "%.*s", (int)end, module);
                if (path && name_matches(forms[k].pattern, path) && (!forms[k].exact || module[end] == '\0'))
                    add(to, path, forms[k].parts);
            }
}

/* Finds the input, the output and the last node of a module; false if it has several inputs or several outputs. */
static bool ends(Unit *u, const Tape *t)
{
    bool single = true;
    for (size_t k = 0; k < t->count; k++) {
        Node *n = t->nodes[k];
        bool inside = unit_has(u, n);
        u->last = inside ? k : u->last;
        for (size_t i = 0; i < n->n_in && n->phase == PHASE_FORWARD; i++) {
            Node *x = n->in[i];
            bool x_inside = unit_has(u, x);
            if (inside && !x_inside && x->op) {
                single &= !u->in || u->in == x;
                u->in = x;
            } else if (!inside && x_inside) {
                single &= !u->out || u->out == x;
                u->out = x;
            }
        }
    }
    return single;
}

bool units_find(const Tape *t, Unit **list, size_t *count, Arena *a)
{
    Units all = { .capacity = 16 * t->count + 1, .arena = a };
    *list = all.list = arena_array(a, all.capacity, sizeof *all.list);
    *count = 0;
    if (!all.list)
        return false;
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (n->op && n->phase == PHASE_FORWARD)
            add_forms(&all, path_of(n));
        else if (n->phase == PHASE_OPTIMISER && n->op)
            add(&all, clips(n) ? "clip" : "optimiser", false);
    }
    for (size_t k = 0; k < all.count; k++) {
        Unit u = all.list[k];
        bool loss = strcmp(u.module, "loss") == 0, single = ends(&u, t);
        if (strcmp(u.module, "clip") == 0 || strcmp(u.module, "optimiser") == 0)
            u.in = u.out = NULL;
        else if (!single || (!u.out && !loss))
            continue;
        size_t index = (*count)++;
        for (; index > 0
               && (all.list[index - 1].last > u.last || (all.list[index - 1].last == u.last && all.list[index - 1].parts));
             index--)
            all.list[index] = all.list[index - 1];
        all.list[index] = u;
    }
    return true;
}

Node *unit_gradient(const Unit *u, const Node *x)
{
    Node *last = NULL;
    size_t count = 0;
    for (size_t k = 0; x && k < x->n_contributions; k++)
        if (below(u->module, path_of(x->contributions[k]))) {
            last = x->contributions[k];
            count++;
        }
    return count == 0 ? NULL : count == x->n_contributions ? x->grad : count == 1 ? last : NULL;
}

bool unit_leaves(const Tape *t, const Unit *u, Node ***list, size_t *count, Arena *a)
{
    Node **all = *list = arena_array(a, t->count, sizeof *all);
    *count = 0;
    for (size_t k = 0; all && k < t->count; k++)
        for (size_t i = 0; i < t->nodes[k]->n_in && unit_has(u, t->nodes[k]); i++) {
            Node *x = t->nodes[k]->in[i];
            size_t j = 0;
            while (j < *count && all[j] != x)
                j++;
            if (!x->op && j == *count)
                all[(*count)++] = x;
        }
    return all != NULL;
}

static bool same_index(const Node *x, const Node *y)
{
    return x->attrs.index_count == y->attrs.index_count
        && memcmp(x->attrs.index, y->attrs.index, x->attrs.index_count * sizeof *x->attrs.index) == 0;
}

bool unit_indices(const Tape *t, const Unit *u, UnitIndex **list, size_t *count, Arena *a)
{
    UnitIndex *all = *list = arena_array(a, t->count, sizeof *all);
    *count = 0;
    for (size_t k = 0; all && k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (!unit_has(u, n) || !n->attrs.index || !n->op->index)
            continue;
        size_t length = strcspn(n->op->index, " "), named = 0;
        bool known = false;
        for (size_t i = 0; i < *count; i++)
            if (strncmp(all[i].name, n->op->index, length) == 0 && strchr(".", all[i].name[length])) {
                named++;
                known |= same_index(all[i].node, n);
            }
        const char *name = named ? arena_format(a, "%.*s.%zu", (int)length, n->op->index, named)
                                 : arena_format(a, "%.*s", (int)length, n->op->index);
        if (!known)
            all[(*count)++] = (UnitIndex){ name, n };
    }
    return all != NULL;
}

const char *unit_weight(const Unit *u, const Node *leaf)
{
    size_t n = strlen(u->module);
    return strncmp(leaf->name, "param.", 6) == 0 && below(u->module, leaf->name + 6) ? leaf->name + 6 + n + 1 : NULL;
}

bool unit_tells(const float *value, const float *bound, size_t n)
{
    float most = 0, loosest = 0;
    for (size_t i = 0; i < n; i++) {
        float size = value[i] < 0 ? -value[i] : value[i];
        most = size > most ? size : most;
        loosest = bound[i] > loosest ? bound[i] : loosest;
    }
    return loosest <= most / 8;
}

/* --- running --- */

static Tensor widened(Tensor t, Arena *a)
{
    if (t.dtype == F32)
        return t;
    Tensor wide = tensor_f32(a, t.shape);
    if (wide.f32)
        tensor_widen(&t, 0, shape_size(t.shape), wide.f32);
    return wide;
}

/* Puts on the unit's tape what one of its nodes reads from outside. The unit's input becomes a parameter, so that it
 * gets a gradient. A leaf of the step stays a leaf, and the result of any other node becomes an input. */
static Node *given(UnitRun *r, const Unit *u, const Node *x)
{
    Tensor value = widened(x->out, r->tape.arena);
    if (x == u->in)
        return r->in = tape_param(&r->tape, "in", value, x->wants_grad);
    return !x->op && strncmp(x->name, "param.", 6) == 0 ? tape_param(&r->tape, x->name + 6, value, x->wants_grad)
         : tape_input(&r->tape, x->op ? "given" : x->name + 6, value);
}

/* Computes a node of the step again on the unit's tape. */
static void again(UnitRun *r, const Unit *u, const Node *n)
{
    Node **in = arena_array(r->tape.arena, n->n_in, sizeof *in);
    for (size_t i = 0; in && i < n->n_in; i++) {
        Node **made = &r->node[n->in[i]->id];
        if (!*made)
            *made = given(r, u, n->in[i]);
        in[i] = *made;
    }
    const char *before = tape_enter(&r->tape, "%s", n->module);
    r->node[n->id] = in ? tape_push(&r->tape, n->op, n->n_in, in, &n->attrs) : NULL;
    tape_leave(&r->tape, before);
}

bool unit_run(UnitRun *r, const Tape *t, const Unit *u, Arena *a, Error *e)
{
    *r = (UnitRun){ .tape = tape_make(a, e), .node = arena_zalloc(a, t->count * sizeof *r->node) };
    if (!r->node)
        return false;
    for (size_t k = 0; k < t->count; k++)
        if (unit_has(u, t->nodes[k]))
            again(r, u, t->nodes[k]);
    r->out = u->out ? r->node[u->out->id] : NULL;
    /* A loss may compute its own gradient in the forward phase; such a contribution is a node like any other. */
    for (size_t k = 0; k < t->count; k++)
        for (size_t i = 0; i < t->nodes[k]->n_contributions; i++) {
            const Node *c = t->nodes[k]->contributions[i];
            if (c->phase == PHASE_FORWARD && r->node[c->id])
                tape_seed(&r->tape, r->node[k], r->node[c->id]);
        }
    if (u->out && u->out->grad)
        tape_seed(&r->tape, r->out, tape_input(&r->tape, "grad.out", u->out->grad->out));
    tape_backward(&r->tape);
    return !e->failed && bound_tape(&r->tape, &r->bounds, a, e);
}
