/* SPDX-License-Identifier: MIT */
/* The list of methods, made from methods.def, and questions about a method's record. */
#include <string.h>
#include "unlearn/method.h"

#define METHOD(name) extern const Method method_##name;
#include "unlearn/methods.def"
#undef METHOD

#define METHOD(name) &method_##name,
const Method *const methods[] = {
#include "unlearn/methods.def"
};
#undef METHOD

const size_t methods_count = sizeof methods / sizeof *methods;

const Method *method_find(const char *name)
{
    for (size_t k = 0; k < methods_count; k++)
        if (strcmp(methods[k]->name, name) == 0)
            return methods[k];
    return NULL;
}

SampleList samples_by_picture(SampleList list, SampleList questions, bool picture, Arena *a)
{
    BatchSample *chosen = arena_array(a, list.count, sizeof *chosen);
    SampleList out = { chosen, 0 };
    for (size_t k = 0; chosen && k < list.count; k++)
        if ((questions.list[k].pixels != NULL) == picture)
            chosen[out.count++] = list.list[k];
    return out;
}

static const struct { const char *method, *keys; } reads[] = {
#define KEYS(method, keys) { #method, keys },
#include "unlearn/method_keys.def"
#undef KEYS
};

bool method_reads_key(const Method *m, const char *key)
{
    const size_t n = strlen(key);
    for (size_t k = 0; k < sizeof reads / sizeof *reads; k++)
        for (const char *at = strcmp(reads[k].method, m->name) == 0 ? reads[k].keys : ""; *at; at += strspn(at, " ")) {
            if (strcspn(at, " ") == n && strncmp(at, key, n) == 0)
                return true;
            at += strcspn(at, " ");
        }
    return false;
}

unsigned method_needs(const Method *m, const Hyperparameters *hyper)
{
    unsigned needs = m->needs;
    if (needs & RETAIN_IF_ALPHA && hyper->alpha == 0)
        needs &= ~(unsigned)NEEDS_RETAIN;
    if (needs & RANDOM_OR_REFUSAL && hyper->answers == ANSWERS_REFUSAL)
        needs = (needs & ~(unsigned)NEEDS_RANDOM) | NEEDS_REFUSAL;
    return needs & ~(unsigned)(RETAIN_IF_ALPHA | RANDOM_OR_REFUSAL);
}

bool method_reads(unsigned needs, Role r)
{
    return needs >> r & 1 && !(r == ROLE_FORGET_TEXT && needs & TEXT_ASIDE) && !(r == ROLE_RETAIN && needs & RETAIN_ASIDE);
}

bool method_forgets(unsigned needs)
{
    return (needs & (NEEDS_FORGET | NEEDS_REFUSAL | NEEDS_ALTERNATE | NEEDS_RANDOM)) != 0;
}

bool method_reads_all_rows(unsigned needs, const Hyperparameters *hyper, Role r)
{
    const bool compared = (r == ROLE_RETAIN || (r == ROLE_FORGET && needs & KL_ON_FORGET)) && needs & (unsigned)REFERENCE_FORGET << r;
    if (r == ROLE_FORGET && needs & FORGET_BY_ROWS)
        return hyper->forget_rows != ROWS_SHIFTED;
    return compared && !(needs & NEEDS_HIDDEN) && hyper->kl_norm != KL_SUPERVISED;
}

const char *method_needs_text(const Method *m, Arena *a)
{
    const char *text = "", *retain = "retain";
    Hyperparameters v;
    if (m->needs & RETAIN_IF_ALPHA)
        retain = hyperparameters_make(&v, m, "", NULL) && v.alpha == 0 ? "retain if alpha > 0 (the default is 0: none)"
                                                                       : "retain if alpha > 0";
    const struct { unsigned bit; const char *word; } words[] = {
        { NEEDS_FORGET, "forget" }, { NEEDS_RETAIN, retain },
        { NEEDS_REFUSAL, "refusals" }, { NEEDS_ALTERNATE, "alternates" }, { NEEDS_FORGET_TEXT, "forget without pictures" },
        { NEEDS_RANDOM, "random answers" }, { NEEDS_REFERENCE, "reference" },
        { NEEDS_VECTOR, "random direction" }, { NEEDS_BASE, "base model" },
        { NEEDS_EARLIER, "adapters of earlier rounds" },
    };
    for (size_t k = 0; text && k < sizeof words / sizeof *words; k++)
        if (m->needs & words[k].bit)
            text = arena_format(a, "%s%s%s", text, *text ? ", " : "", words[k].word);
    return text;
}

const char *method_formula(const Method *m, Arena *a)
{
    const MethodFormula *f = &m->formula;
    const struct { const char *before, *part; } parts[] = {
        { "", f->loss }, { ";  ", f->gradient }, { ". ", f->variants }, { ". ", f->notes },
    };
    const char *text = "";
    for (size_t k = 0; text && k < sizeof parts / sizeof *parts; k++)
        if (parts[k].part)
            text = arena_format(a, "%s%s%s", text, *text ? parts[k].before : "", parts[k].part);
    return text;
}

const char *role_name(Role r)
{
    return (const char *const[]){ "forget", "retain", "refusal", "alternate", "forget_text", "random" }[r];
}
