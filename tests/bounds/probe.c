/* SPDX-License-Identifier: MIT */
#include "tests/bounds/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/exact/bound_records.h"

enum { MOST = 96 };

/* tensor/exact/bounds.h declares these with PULSE_PROBE only; the files of tests/ are compiled without it. */
double bound_scale[MOST];
bool tie_reversed[MOST];
void probe_estimates(int tier, const double *v, const double *low, const double *bound, size_t n);

static struct { int tier; size_t count, capacity; Estimate *at; } kept;

void probe_keep(int tier)
{
    kept.tier = tier;
    kept.count = 0;
}

size_t probe_count(void) { return kept.count; }
Estimate probe_at(size_t k) { return kept.at[k]; }

void probe_estimates(int tier, const double *v, const double *low, const double *bound, size_t n)
{
    if (tier != kept.tier)
        return;
    if (kept.count + n > kept.capacity) {
        kept.capacity = 2 * (kept.count + n);
        kept.at = realloc(kept.at, kept.capacity * sizeof *kept.at);
        if (!kept.at)
            abort();
    }
    for (size_t k = 0; k < n; k++)
        kept.at[kept.count++] = (Estimate){ v[k], low ? low[k] : 0, bound[k] };
}

double probe_scale(size_t bound, double scale)
{
    double before = bound_scale[bound];
    bound_scale[bound] = scale;
    return before;
}

void probe_reverse(size_t tie, bool reversed) { tie_reversed[tie] = reversed; }

/* Applies one word of PULSE_MUTANT. False: it names no bound and no rule. */
static bool mutate(const char *word)
{
    const size_t length = strcspn(word, "=");
    for (size_t k = 0; k < bound_records_count; k++)
        if (strncmp(bound_records[k].name, word, length) == 0 && !bound_records[k].name[length] && word[length]) {
            probe_scale(k, strtod(word + length + 1, NULL));
            return true;
        }
    for (size_t k = 0; k < tie_records_count; k++)
        if (*word == '~' && strcmp(tie_records[k].name, word + 1) == 0) {
            probe_reverse(k, true);
            return true;
        }
    return false;
}

static __attribute__((constructor)) void begin(void)
{
    char text[4096];
    const char *mutant = getenv("PULSE_MUTANT");
    for (size_t k = 0; k < MOST; k++)
        bound_scale[k] = 1;
    if (bound_records_count > MOST || tie_records_count > MOST)
        abort();
    snprintf(text, sizeof text, "%s", mutant ? mutant : "");
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ","))
        if (!mutate(word)) {
            fprintf(stderr, "PULSE_MUTANT: \"%s\" names no bound and no rule for ties\n", word);
            exit(2);
        }
}
