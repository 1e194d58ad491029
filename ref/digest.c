/* SPDX-License-Identifier: MIT */
/* pulse-ref digest prints the hash of each family of computations (digest.def), then two hashes of families: total2 of
 * all, total of the first 16. Machines that print the same hash for a family compute the same bits in it. If families
 * are named, only their lines are printed. */
#include "ref/digest/digest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/digest/pinned.h"
#include "tensor/base/float.h"
#include "tensor/base/random.h"

#define FAMILY(name) { #name, digest_##name, false },
#define LATER(name) { #name, digest_##name, true },
// later: the family joined after version 0.1.0, and `total` leaves it out
static const struct { const char *name; void (*probe)(Probe *p); bool later; } families[] = {
#include "ref/digest/digest.def"
};
#undef FAMILY
#undef LATER
enum { FAMILIES = sizeof families / sizeof *families };

static float probe_value(ProbeKind kind, Random r, uint64_t at)
{
    uint32_t b = random_bits(r, at);
    switch (kind) {
    case PROBE_WIDE: return float_from((b & 0x807fffffu) | (uint32_t)(127 - 40 + random_below(r, ~at, 81)) << 23);
    case PROBE_TIES: return (float)((int32_t)random_below(r, at, 33) - 16) * 0.5f;
    case PROBE_TINY: return float_from(b & 0x80ffffffu);
    case PROBE_BITS: return float_from(b);
    default:         return random_normal(r, at);
    }
}

static Tensor fresh(Probe *p, ProbeKind kind, Shape s)
{
    Random r = random_for(1, "digest");
    Tensor t = tensor_f32(p->arena, s);
    for (size_t i = 0; t.f32 && i < shape_size(s); i++)
        t.f32[i] = probe_value(kind, r, p->at + i);
    p->at += shape_size(s);
    return t;
}

Node *probe_input(Probe *p, ProbeKind kind, Shape s) { return tape_input(p->tape, "x", fresh(p, kind, s)); }
Node *probe_param(Probe *p, ProbeKind kind, Shape s) { return tape_param(p->tape, "w", fresh(p, kind, s), true); }

void probe_seed(Probe *p, Node *y)
{
    if (y)
        tape_seed(p->tape, y, probe_input(p, PROBE_NORMAL, y->out.shape));
}

void probe_seed_forward(Probe *p, Node *y)
{
    tape_stop(y);
    probe_seed(p, y);
}

void probe_walk(Probe *p)
{
    for (size_t k = 0; k < p->tape->count; k++)
        p->tape->nodes[k]->n_passed = 0;
    tape_backward(p->tape);
}

/* What is to be printed: the families that are named (none: all of them, and the totals), and whether each operator has
 * a line of its own. */
typedef struct {
    char **family;
    int count;
    bool nodes;
    json_t *list;            // takes the nodes' lines as objects; NULL: they are printed
} Wanted;

static bool wants(const Wanted *w, const char *family)
{
    for (int k = 0; k < w->count; k++)
        if (strcmp(w->family[k], family) == 0)
            return true;
    return w->count == 0;
}

/* The families of `total` may run only pinned operators (pinned.def): a new operator in one of them would change
 * `total`. */
static bool belongs(size_t family, const Op *op, Error *e)
{
    if (families[family].later || operator_is_pinned(op->name))
        return true;
    return error_set(e, "digest: the family %s runs the operator %s, expected one of ref/digest/pinned.def",
                     families[family].name, op->name);
}

static void node_print(const Wanted *w, const char *family, const Node *n)
{
    const Digest d = digest_tensor(n->op->name, n->out);
    if (!w->nodes)
        return;
    if (w->list)
        json_add(w->list, json_pack("{s:s, s:I, s:s, s:s}", "family", family, "node", (json_int_t)n->id, "op",
                                                 n->op->name, "digest", d.hex));
    else
        printf("%s %zu %s %s\n", family, n->id, n->op->name, d.hex);
}

/* Hashes each operator's name with its result, and of each leaf the name alone. seen[i] becomes true where operator i
 * of ops.def ran. */
static void hash_nodes(Probe *p, bool *seen, size_t family, const Wanted *w)
{
    for (size_t k = 0; k < p->tape->count; k++) {
        const Node *n = p->tape->nodes[k];
        if (!n->op) {
            // the names of leaves are hashed too, because the order of nodes is part of a trace
            hash_text(&p->hash, n->name);
            continue;
        }
        if (!belongs(family, n->op, p->error))
            return;
        hash_tensor(&p->hash, n->op->name, n->out);
        node_print(w, families[family].name, n);
        for (size_t i = 0; i < ops_count; i++)
            seen[i] |= ops[i] == n->op;
    }
}

static Digest run_family(size_t k, bool *seen, const Wanted *w, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Probe p = { .tape = &t, .arena = &a, .error = e, .hash = hash_begin(), .at = (uint64_t)k << 32 };
    if (families[k].later)
        hash_text(&p.hash, families[k].name);      // so that two families without a node differ
    families[k].probe(&p);
    probe_walk(&p);
    hash_nodes(&p, seen, k, w);
    arena_free(&a);
    error_prefix(e, "digest of %s", families[k].name);
    return hash_end(&p.hash);
}

/* Fails where an operator ran in no family: equal digests would say nothing about it. */
static bool all_seen(const bool *seen, Error *e)
{
    for (size_t i = 0; i < ops_count; i++)
        if (!seen[i])
            return error_set(e, "digest: no family runs the operator %s, expected all of `pulse-ref list ops`",
                             ops[i]->name);
    return true;
}

/* The hash of the first 16 families (`total`), or, with `later`, of all families (`total2`). */
static Digest total(const Digest *family, bool later)
{
    Hash h = hash_begin();
    hash_text(&h, "spec " PULSE_SPEC);
    for (size_t k = 0; k < FAMILIES; k++) {
        if (families[k].later && !later)
            continue;
        hash_text(&h, families[k].name);
        hash_text(&h, family[k].hex);
    }
    return hash_end(&h);
}

static void print_json(const Wanted *w, const Digest *family)
{
    json_t *named = json_object(), *all = json_pack("{s:s, s:o}", "spec", PULSE_SPEC, "families", named);
    for (size_t k = 0; k < FAMILIES; k++)
        if (wants(w, families[k].name))
            json_put(named, families[k].name, json_string(family[k].hex));
    if (w->count == 0) {
        json_put(all, "total2", json_string(total(family, true).hex));
        json_put(all, "total", json_string(total(family, false).hex));
    }
    if (w->nodes)
        json_put(all, "nodes", json_incref(w->list));
    command_print(all);
}

/* total is the last line: scripts read it there. */
static void print_text(const Wanted *w, const Digest *family)
{
    if (w->count == 0)
        printf("spec %s\n", PULSE_SPEC);
    for (size_t k = 0; k < FAMILIES; k++)
        if (wants(w, families[k].name))
            printf("%s %s\n", families[k].name, family[k].hex);
    if (w->count == 0)
        printf("total2 %s\ntotal %s\n", total(family, true).hex, total(family, false).hex);
}

static bool known(const Wanted *w, Error *e)
{
    for (int k = 0; k < w->count; k++) {
        size_t f = 0;
        while (f < FAMILIES && strcmp(families[f].name, w->family[k]) != 0)
            f++;
        if (f == FAMILIES)
            return error_set(e, "digest: there is no family %s, expected one of those that pulse-ref digest prints",
                             w->family[k]);
    }
    return true;
}

/* Runs the wanted families, and puts the hash of each into `family`. When no family is named, so that all run, every
 * operator must have run in one of them. */
static bool probe(const Wanted *w, Digest *family, Error *e)
{
    bool *seen = calloc(ops_count + 1, sizeof *seen);
    if (!seen)
        return error_no_memory(e, "digest: out of memory");
    for (size_t k = 0; k < FAMILIES && !e->failed; k++)
        if (wants(w, families[k].name))
            family[k] = run_family(k, seen, w, e);
    bool complete = !e->failed && (w->count > 0 || all_seen(seen, e));
    free(seen);
    return complete;
}

int command_digest(int argc, char **argv)
{
    Wanted w = { .count = 0 };
    const Option mine[] = { { "nodes", NULL, "One more line is printed for every operator that ran: its family, its node, its "
                                             "name and the SHA-256 of its result.", .flag = &w.nodes } };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, mine, 1, 0, FAMILIES, &status))
        return status;
    w.family = o.operand;
    w.count = o.operands;
    w.list = o.json ? json_array() : NULL;
    Error e = { .failed = false };
    Digest family[FAMILIES];
    bool good = known(&w, &e) && probe(&w, family, &e);
    if (good)
        (o.json ? print_json : print_text)(&w, family);
    json_decref(w.list);
    return good ? EXIT_SAME : command_fail(&e);
}
