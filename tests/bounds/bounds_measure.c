/* SPDX-License-Identifier: MIT */
/* Measures the errors of estimates as a fraction of their bounds, and finds the operands with the largest errors.
 *
 *     bounds_measure                    prints the table of docs/bounds.md
 *     bounds_measure --record FILE      does so, and writes hard cases for each bound and each rule for ties to FILE
 *     bounds_measure --check FILE       checks that every case of FILE has the right result, and that it notices
 *                                       when its WORD (hard.h), a bound or a rule for ties, is made wrong
 *     bounds_measure --floats NAME=SCALE FUNCTION     counts, of all 2^32 floats, those for which a function is wrong
 *                                       if the bound NAME is multiplied by SCALE, and prints the first of them
 *
 * The measure of a bound is the least scale that still covers all observed errors (measured.h). At half of this scale,
 * a case must give a wrong float, or an error beyond the bound. Of the environment, ROUNDS=N (default 60) says how
 * often each pattern of operands is drawn (inputs_draws), and ONLY="OPERATOR …" selects operators. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/base/team.h"
#include "tensor/exact/bound_records.h"
#include "tensor/exact/round.h"
#include "tensor/exact/scalar.h"
#include "tests/bounds/apart.h"
#include "tests/bounds/inputs.h"
#include "tests/bounds/measured.h"
#include "tests/bounds/probe.h"

enum { WORDS = 96, LINE_MOST = 12000 };

typedef struct {
    double least;                // the least scale that covers all errors seen
    char   op[32];
    int    pattern;
    size_t terms;                // elements of the largest operand, or the number of operands if there are more than 3
    char  *line;                 // the shortest case that half of `least` gets wrong
    char  *worst;                // the case with the largest least scale among those short enough to be recorded
} Found;

static Found bounds[WORDS];      // by index in bound_records
static Found ties[WORDS];        // by index in tie_records; only `line` is set, to a case that the reversed rule gets wrong

static Error error;
static Arena arena;

static bool belongs(const char *op, const char *operators)
{
    const size_t n = strlen(op);
    for (const char *at = operators; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strncmp(at, op, n) == 0 && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static size_t largest(const Hard *h)
{
    size_t most = 0;
    for (size_t k = 0; k < h->n_in; k++)
        if (shape_size(h->in[k].shape) > most)
            most = shape_size(h->in[k].shape);
    return h->n_in > 3 ? h->n_in : most;
}

static char *line_of(const char *catches, const Hard *h, Tensor right)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    hard_write(to, catches, h, right);
    fclose(to);
    return text;
}

static void measure(Hard *h, int pattern, size_t b, Errors *errors)
{
    double least = least_scale(h, b, errors, &arena);
    if (least <= bounds[b].least)
        return;
    char catches[64];
    bounds[b].least = least;
    bounds[b].pattern = pattern;
    bounds[b].terms = largest(h);
    snprintf(bounds[b].op, sizeof bounds[b].op, "%s", h->op->name);
    if (!inputs_are_short(pattern))
        return;
    snprintf(catches, sizeof catches, "%s=%.3g", bound_records[b].name, least / 2);
    h->exceeds = true;
    char *text = line_of(catches, h, hard_run(h, &arena));
    h->exceeds = false;
    const bool is_short = strlen(text) < LINE_MOST;         // a longer case is not recorded
    free(is_short ? bounds[b].worst : text);
    if (is_short)
        bounds[b].worst = text;
}

/* Remembers the case if right and wrong differ and it is the shortest so far. If they differ and `right` is not
 * the nearest float at the first difference, the program ends. */
static void remember(Found *f, const char *catches, const Hard *h, Tensor right, Tensor wrong)
{
    size_t n = shape_size(right.shape), k = 0;
    while (wrong.data && k < n && float_bits(right.f32[k]) == float_bits(wrong.f32[k]))
        k++;
    if (k == n)
        return;
    if (hard_nearest(h, k) != right.f32[k]) {
        fprintf(stderr, "%s: %a is not the nearest float, %a is\n", h->op->name, (double)right.f32[k], (double)hard_nearest(h, k));
        exit(1);
    }
    char *text = line_of(catches, h, right);
    if (!f->line || strlen(text) < strlen(f->line)) {
        free(f->line);
        f->line = text;
    } else
        free(text);
}

static void find_case_of_bound(Hard *h, size_t b)
{
    char catches[64];
    const double scale = bounds[b].least > 0 ? bounds[b].least / 2 : 0;
    snprintf(catches, sizeof catches, "%s=%.3g", bound_records[b].name, scale);
    h->tier = tier_force = tier_of(b) - 1;
    Tensor right = hard_run(h, &arena);
    probe_scale(b, strtod(strchr(catches, '=') + 1, NULL));
    Tensor wrong = hard_run(h, &arena);
    probe_scale(b, 1);
    tier_force = 0;
    if (right.data)
        remember(&bounds[b], catches, h, right, wrong);
}

static void find_case_of_tie(Hard *h, size_t t)
{
    char catches[64];
    snprintf(catches, sizeof catches, "~%s", tie_records[t].name);
    for (h->tier = 0; h->tier < 2; h->tier++) {
        tier_force = h->tier;
        Tensor right = hard_run(h, &arena);
        probe_reverse(t, true);
        Tensor wrong = hard_run(h, &arena);
        probe_reverse(t, false);
        tier_force = 0;
        if (right.data)
            remember(&ties[t], catches, h, right, wrong);
    }
}

/* Draws the operands of one call. The first pass measures the bounds with them. The second pass makes one thing wrong
 * at a time, a bound of the operator or a rule for ties without a case so far. It remembers the call if its result
 * changes. */
static void draw(const char *op, int pattern, uint64_t seed, bool second)
{
    Hard h;
    Errors errors = errors_none(seed >> 20);
    arena_reset(&arena);
    uint64_t state = seed;
    if (!inputs_make(&h, op, pattern, &state, &arena))
        return;
    for (size_t b = 0; b < bound_records_count; b++)
        if (belongs(op, bound_records[b].operators) && !apart_knows(b)) {
            if (second)
                find_case_of_bound(&h, b);
            else
                measure(&h, pattern, b, &errors);
        }
    for (size_t t = 0; t < tie_records_count && second; t++)
        if (!ties[t].line)
            find_case_of_tie(&h, t);
}

static void search(const char *only)
{
    const char *text = getenv("ROUNDS");
    const long rounds = text ? atol(text) : 60;
    for (int second = 0; second < 2; second++)
        for (size_t k = 0; k < ops_count; k++)
            for (int pattern = 0; pattern < INPUT_PATTERNS && hard_knows(ops[k]->name) && (!only || belongs(ops[k]->name, only)); pattern++)
                for (long r = 0; r < inputs_draws(ops[k]->name, pattern, rounds) && (!second || inputs_are_short(pattern)); r++)
                    draw(ops[k]->name, pattern, 1 + (uint64_t)r * 0x9e3779b97f4a7c15u + (uint64_t)pattern + 100 * k, second);
}

static void measure_apart(void)
{
    for (size_t b = 0; b < bound_records_count; b++)
        if (apart_knows(b)) {
            bounds[b].least = apart_least_scale(b);
            bounds[b].pattern = -1;
            snprintf(bounds[b].op, sizeof bounds[b].op, "%s", apart_name(b));
        }
}

static void print_table(void)
{
    printf("| bound | value | measured, of the bound | largest for | what half of it gives |\n|---|---|---|---|---|\n");
    for (size_t b = 0; b < bound_records_count; b++) {
        const BoundRecord *r = &bound_records[b];
        const Found *f = &bounds[b];
        printf(r->unit == BOUND_ONE ? "| `%s` | %g%.0s | " : "| `%s` | %g %s | ", r->name, r->value, bound_unit_name(r->unit));
        if (f->least > 0 && f->pattern < 0)
            printf("%.2g | %s | an error beyond it |\n", f->least, f->op);
        else if (f->least > 0)
            printf("%.*g | `%s`: %s, %zu element%s | %s |\n", f->least < 0.99 ? 2 : 4, f->least, f->op,
                   inputs_pattern_name(f->pattern), f->terms, f->terms > 1 ? "s" : "", f->line ? "another float" : "an error beyond it");
        else
            printf("0 | | %s |\n", f->line ? "another float" : "");
    }
    for (size_t t = 0; t < tie_records_count; t++)
        printf("| `~%s` | | | | %s |\n", tie_records[t].name, ties[t].line ? "another float" : "");
}

static int record(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return 2;
    fprintf(f, "# Hard cases, made by `make bounds` (tests/bounds/bounds_measure.c): operands and results that a bound at half of its\n"
               "# measured error, or a rule for ties turned round, gets wrong. tests/bounds/hard.h describes the lines.\n");
    for (size_t b = 0; b < bound_records_count; b++) {
        if (bounds[b].worst)
            fputs(bounds[b].worst, f);
        if (bounds[b].line)
            fputs(bounds[b].line, f);
        if (bounds[b].least > 0 && apart_knows(b))
            fprintf(f, "apart %s=%.3g\n", bound_records[b].name, bounds[b].least / 2);
    }
    for (size_t t = 0; t < tie_records_count; t++)
        if (ties[t].line)
            fputs(ties[t].line, f);
    return fclose(f) == 0 ? 0 : 2;
}

/* --- checking the recorded cases --- */

static bool same(Tensor a, Tensor b)
{
    return a.data && shape_equal(a.shape, b.shape) && memcmp(a.f32, b.f32, tensor_bytes(a)) == 0;
}

/* `catches` names a bound or a rule for ties (hard.h): makes it wrong, or right again. Returns the index of the bound,
 * SIZE_MAX for a rule for ties, and SIZE_MAX - 1 for neither. */
static size_t set_wrong(const char *catches, bool wrong)
{
    const size_t length = strcspn(catches, "=");
    for (size_t t = 0; t < tie_records_count; t++)
        if (*catches == '~' && strcmp(catches + 1, tie_records[t].name) == 0) {
            probe_reverse(t, wrong);
            return SIZE_MAX;
        }
    for (size_t b = 0; b < bound_records_count; b++)
        if (catches[length] && strncmp(bound_records[b].name, catches, length) == 0 && !bound_records[b].name[length]) {
            probe_scale(b, wrong ? strtod(catches + length + 1, NULL) : 1);
            return b;
        }
    return SIZE_MAX - 1;
}

/* Whether the case shows that something is wrong now: another result than `want`, or an error beyond the bound b. */
static bool is_seen(const Hard *h, size_t b, Tensor want)
{
    if (h->op == NULL)
        return apart_exceeds(b);
    if (h->exceeds)
        return exceeds(h, b, shape_size(want.shape), &arena);
    tier_force = h->tier;
    bool seen = !same(hard_run(h, &arena), want);
    tier_force = 0;
    return seen;
}

/* Checks one line. Returns 0 for a case that passes, 1 for one that fails, and 2 for a line that is no case. */
static int check_line(const char *line)
{
    Hard h = { .op = NULL };
    Tensor want = { .data = NULL };
    char catches[64];
    arena_reset(&arena);
    if (sscanf(line, "apart %63s", catches) != 1 && !hard_read(line, &h, catches, &want, &arena, &error))
        return fprintf(stderr, "%s\n", error.text), 2;
    const size_t b = set_wrong(catches, false);
    if (b == SIZE_MAX - 1)
        return fprintf(stderr, "%s is neither a bound nor a rule for ties\n", catches), 2;
    tier_force = h.tier;
    const bool right = !h.op || same(hard_run(&h, &arena), want), clean = !is_seen(&h, b, want);
    set_wrong(catches, true);
    const bool seen = is_seen(&h, b, want);
    set_wrong(catches, false);
    if (right && clean && seen)
        return 0;
    printf("%s of %s: %s\n", catches, h.op ? h.op->name : apart_name(b),
           !right ? "the result is wrong" : !clean ? "the error is beyond the bound" : "it is not seen");
    return 1;
}

static int check(const char *path)
{
    char *line = NULL;
    size_t capacity = 0, cases = 0, failed = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 2;
    while (getline(&line, &capacity, f) > 0) {
        if (*line == '#')
            continue;
        const int state = check_line(line);
        if (state == 2)
            return 2;
        cases++;
        failed += state == 1;
    }
    free(line);
    fclose(f);
    printf("%zu cases, %zu failed\n", cases, failed);
    return failed > 0 || cases == 0;
}

/* --- all floats --- */

static int print_floats(const char *wrong, const char *function)
{
    enum { BATCH = 4096 };
    static float x[BATCH], right[BATCH], y[BATCH];
    const ScalarFunction *f = scalar_find(function);
    size_t count = 0;
    if (!f || set_wrong(wrong, false) >= bound_records_count)
        return 2;
    for (uint64_t begin = 0; begin < (uint64_t)1 << 32; begin += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            x[k] = float_from((uint32_t)begin + k);
        f->map(x, right, BATCH, 1);
        set_wrong(wrong, true);
        f->map(x, y, BATCH, 1);
        set_wrong(wrong, false);
        for (size_t k = 0; k < BATCH; k++)
            if (float_bits(y[k]) != float_bits(right[k]) && count++ < 6)
                printf("%s: %s of 0x%08x, %a\n", wrong, function, (unsigned)float_bits(x[k]), (double)x[k]);
    }
    printf("%s: %zu of all floats are wrong in %s\n", wrong, count, function);
    return 0;
}

int main(int argc, char **argv)
{
    team_set_size(1);
    arena = arena_make(&error);
    if (argc > 2 && strcmp(argv[1], "--check") == 0)
        return check(argv[2]);
    if (argc > 3 && strcmp(argv[1], "--floats") == 0)
        return print_floats(argv[2], argv[3]);
    search(getenv("ONLY"));
    measure_apart();
    print_table();
    return argc > 2 && strcmp(argv[1], "--record") == 0 ? record(argv[2]) : 0;
}
