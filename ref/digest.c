/* SPDX-License-Identifier: MIT */
/* pulse-ref digest: a line a family, a line for the whole. Equal lines: equal bits. */
#include "ref/digest/digest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "tensor/base/float.h"
#include "tensor/base/random.h"

#define FAMILY(name) { #name, digest_##name },
static const struct { const char *name; void (*probe)(Probe *p); } families[] = {
#include "ref/digest/digest.def"
};
#undef FAMILY
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

/* What is asked for: which families (none named: all, and a total), and whether each operator gets a line of its own. */
typedef struct { char **family; int count; bool nodes; } Wanted;

static bool wants(const Wanted *w, const char *family)
{
    for (int k = 0; k < w->count; k++)
        if (strcmp(w->family[k], family) == 0)
            return true;
    return w->count == 0;
}

/* Every operator that ran, with its name; `seen` marks it in the order of ops.def. */
static void hash_nodes(Probe *p, bool *seen, const char *family, bool print)
{
    for (size_t k = 0; k < p->tape->count; k++) {
        const Node *n = p->tape->nodes[k];
        if (!n->op) {
            hash_text(&p->hash, n->name);          // leaves too: the order of nodes is part of a trace
            continue;
        }
        hash_tensor(&p->hash, n->op->name, n->out);
        if (print)
            printf("%s %zu %s %s\n", family, n->id, n->op->name, digest_tensor(n->op->name, n->out).hex);
        for (size_t i = 0; i < ops_count; i++)
            seen[i] |= ops[i] == n->op;
    }
}

static Digest run_family(size_t k, bool *seen, bool nodes, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Probe p = { .tape = &t, .arena = &a, .error = e, .hash = hash_begin(), .at = (uint64_t)k << 32 };
    families[k].probe(&p);
    tape_backward(&t);
    hash_nodes(&p, seen, families[k].name, nodes);
    arena_free(&a);
    error_prefix(e, "digest of %s", families[k].name);
    return hash_end(&p.hash);
}

/* A digest that leaves an operator out would promise too much. */
static bool all_seen(const bool *seen, Error *e)
{
    for (size_t i = 0; i < ops_count; i++)
        if (!seen[i])
            return error_set(e, "digest: no family runs the operator %s, expected all of `pulse-ref list ops`", ops[i]->name);
    return true;
}

static Digest total(const Digest *family)
{
    Hash h = hash_begin();
    hash_text(&h, "spec " PULSE_SPEC);
    for (size_t k = 0; k < FAMILIES; k++) {
        hash_text(&h, families[k].name);
        hash_text(&h, family[k].hex);
    }
    return hash_end(&h);
}

static void print(const Digest *family, Digest all, bool json)
{
    if (json)
        printf("{\"spec\": \"%s\", \"families\": {", PULSE_SPEC);
    else
        printf("spec %s\n", PULSE_SPEC);
    for (size_t k = 0; k < FAMILIES; k++)
        printf(json ? "%s\"%s\": \"%s\"" : "%s%s %s\n", json && k ? ", " : "", families[k].name, family[k].hex);
    printf(json ? "}, \"total\": \"%s\"}\n" : "total %s\n", all.hex);
}

static bool known(const Wanted *w, Error *e)
{
    for (int k = 0; k < w->count; k++) {
        size_t f = 0;
        while (f < FAMILIES && strcmp(families[f].name, w->family[k]) != 0)
            f++;
        if (f == FAMILIES)
            return error_set(e, "digest: there is no family %s, expected one of those that pulse-ref digest prints", w->family[k]);
    }
    return true;
}

/* The families that are wanted, into `family`; all of them must have met every operator. */
static bool probe(const Wanted *w, Digest *family, Error *e)
{
    bool *seen = calloc(ops_count + 1, sizeof *seen);
    if (!seen)
        return error_set(e, "digest: out of memory");
    for (size_t k = 0; k < FAMILIES && !e->failed; k++)
        if (wants(w, families[k].name))
            family[k] = run_family(k, seen, w->nodes, e);
    bool complete = !e->failed && (w->count > 0 || all_seen(seen, e));
    free(seen);
    return complete;
}

int command_digest(int argc, char **argv)
{
    Wanted w = { 0 };
    const Option mine[] = { { "nodes", NULL, "a line for every operator that ran, too", .flag = &w.nodes } };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, mine, 1, 0, FAMILIES, &status))
        return status;
    w.family = o.operand;
    w.count = o.operands;
    Error e = { 0 };
    Digest family[FAMILIES];
    if (!known(&w, &e) || !probe(&w, family, &e))
        return command_fail(&e);
    if (w.count == 0)
        print(family, total(family), o.json);
    for (size_t k = 0; w.count > 0 && k < FAMILIES; k++)
        if (wants(&w, families[k].name))
            printf("%s %s\n", families[k].name, family[k].hex);
    return EXIT_SAME;
}
