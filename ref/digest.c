/* SPDX-License-Identifier: MIT */
/* pulse-ref digest: a line a family, a line for the whole. Equal lines: equal bits. */
#include "ref/digest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/command.h"
#include "ref/options.h"
#include "tensor/float.h"
#include "tensor/random.h"

#define FAMILY(name) { #name, digest_##name },
static const struct { const char *name; void (*probe)(Probe *p); } families[] = {
#include "ref/digest.def"
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

void probe_backward(Probe *p, Node *y)
{
    if (y)
        tape_seed(p->tape, y, probe_input(p, PROBE_NORMAL, y->out.shape));
    tape_backward(p->tape);
}

/* Every operator that ran, with its name; `seen` marks it in the order of ops.def. */
static void hash_nodes(Probe *p, bool *seen)
{
    for (size_t k = 0; k < p->tape->count; k++) {
        const Node *n = p->tape->nodes[k];
        if (!n->op)
            continue;
        hash_tensor(&p->hash, n->op->name, n->out);
        for (size_t i = 0; i < ops_count; i++)
            seen[i] |= ops[i] == n->op;
    }
}

static Digest run_family(size_t k, bool *seen, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Probe p = { .tape = &t, .arena = &a, .error = e, .hash = hash_begin(), .at = (uint64_t)k << 32 };
    families[k].probe(&p);
    hash_nodes(&p, seen);
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

int command_digest(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 0, 0, &status))
        return status;
    Error e = { 0 };
    Digest family[FAMILIES];
    bool *seen = calloc(ops_count + 1, sizeof *seen);
    for (size_t k = 0; seen && k < FAMILIES && !e.failed; k++)
        family[k] = run_family(k, seen, &e);
    bool complete = !e.failed && (seen ? all_seen(seen, &e) : error_set(&e, "digest: out of memory"));
    free(seen);
    if (!complete)
        return command_fail(&e);
    print(family, total(family), o.json);
    return EXIT_SAME;
}
