/* SPDX-License-Identifier: MIT */
/* Four steps of every method give the recorded bits, on 1, 2 and 3 threads. The model is a tiny one that has learnt its
 * samples.
 *
 * fixtures/method_steps.txt has a line for each form of a method. The line has two digests of all weights, adapters,
 * moments and the loss: after the first step, and after the fourth step and the end of the request. A method without
 * steps edits the weights when the request begins: its digests are taken after the edit and after the end. If a change
 * of bits is intended, PULSE_RECORD=1 build/test_method_steps writes new digests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/team.h"
#include "tests/support/tiny_world.h"

enum { STEPS = 4, LESSONS = 30, LINES = 200, DIGITS = 16 };
static const char path[] = "fixtures/method_steps.txt";

typedef struct { char method[32], changes[96], trainable[16], first[DIGITS + 1], last[DIGITS + 1]; } Line;
static Line lines[LINES];
static size_t count;
static char head[2048];              // the comment that the file begins with

static TinyWorld *taught;               // all lines start from its weights

/* Trains a model that knows the answers. On an untrained one, the effects of some methods would be lost in rounding. */
static void teach(void)
{
    Rounds r;
    taught = tiny_world_make(1);
    tiny_world_adapt(taught, TRAIN_FULL);
    RoundsPlan p = tiny_world_plan(taught, "retain_ft", "", LESSONS);
    p.train.optimiser.schedule.lr = 1e-2f;
    p.retain = (SampleList){ taught->sample, SAMPLES };
    p.batch = SAMPLES;
    p.forget = NULL;
    tiny_world_run(taught, &r, &p);
    rounds_close(&r);
}

static int read_lines(void **state)
{
    (void)state;
    teach();
    char text[512];
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    while (fgets(text, sizeof text, f)) {
        Line *x = &lines[count];
        if (*text == '#')
            strncat(head, text, sizeof head - strlen(head) - 1);
        else if (count == LINES || sscanf(text, "%31s %95s %15s %16s %16s", x->method, x->changes, x->trainable, x->first, x->last) < 3)
            return -1;
        else
            count++;
    }
    return fclose(f);
}

static void digest_of(const TinyWorld *w, const Rounds *r, char out[DIGITS + 1])
{
    Hash h = hash_begin();
    hash_text(&h, tiny_world_digest(w).hex);
    for (size_t k = 0; r->trainer.model && k < r->trainer.optimiser.count; k++) {
        const OptimiserSlot *s = &r->trainer.optimiser.slots[k];
        hash_tensor(&h, s->name, s->m);
        hash_tensor(&h, s->name, s->v);
    }
    float loss = r->trainer.model ? r->trainer.stats.loss : 0;
    hash_tensor(&h, "loss", tensor_view(&loss, shape_of(1, (size_t)1)));
    snprintf(out, DIGITS + 1, "%.16s", hash_end(&h).hex);
}

/* Runs the form of a line from the start, and returns its two digests. */
static void steps(const Line *x, char first[DIGITS + 1], char last[DIGITS + 1])
{
    TinyWorld *w = tiny_world_make(1), *other = tiny_world_make(2);
    Rounds r;
    Trainable t;
    char changes[96];
    assert_true(trainable_parse(x->trainable, &t));
    for (size_t k = 0; k < w->weights.count; k++)
        memcpy(w->weights.list[k].tensor.f32, taught->weights.list[k].tensor.f32, tensor_bytes(w->weights.list[k].tensor));
    tiny_world_adapt(w, t);
    tiny_world_adapt(other, TRAIN_FULL);
    snprintf(changes, sizeof changes, "%s", strcmp(x->changes, "-") == 0 ? "" : x->changes);
    for (char *c = changes; (c = strchr(c, ','));)
        *c = ' ';
    RoundsPlan p = tiny_world_plan(w, x->method, changes, STEPS);
    p.retain_only = p.v.reference == REFERENCE_RETAIN_ONLY ? &other->model : NULL;
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
    if (p.method->loss)
        assert_true(round_step(&r, &w->error));
    digest_of(w, &r, first);
    while (round_step(&r, &w->error))
        ;
    expect_fine(&w->error);
    assert_true(!r.diverged && round_end(&r, &w->error));
    digest_of(w, &r, last);
    rounds_close(&r);
    tiny_world_close(other);
    tiny_world_close(w);
}

static void steps_are_the_recorded_bits_on_one_two_and_three_threads(void **state)
{
    (void)state;
    size_t before = team_size();
    for (size_t k = 0; k < count; k++)
        for (int threads = 1; threads <= 3; threads++) {
            char first[DIGITS + 1], last[DIGITS + 1];
            team_set_size(threads);
            steps(&lines[k], first, last);
            if (strcmp(first, lines[k].first) != 0 || strcmp(last, lines[k].last) != 0)
                fail_msg("%s (%s, %s) on %d threads: %s %s, recorded %s %s", lines[k].method, lines[k].changes,
                         lines[k].trainable, threads, first, last, lines[k].first, lines[k].last);
        }
    team_set_size(before);
}

/* Whether a line of this method (NULL: of any) has this change; "-": whether it has a line without changes. */
static bool recorded(const char *method, const char *change)
{
    char all[100], one[64];
    snprintf(one, sizeof one, ",%s,", change);
    for (size_t k = 0; k < count; k++) {
        snprintf(all, sizeof all, ",%s,", lines[k].changes);
        if ((!method || strcmp(method, lines[k].method) == 0) && strstr(all, one))
            return true;
    }
    return false;
}

static void every_method_is_recorded(void **state)
{
    (void)state;
    for (size_t k = 0; k < methods_count; k++)
        if (!recorded(methods[k]->name, "-"))
            fail_msg("%s has no line in %s, expected one with no changes (-)", methods[k]->name, path);
    for (size_t k = 0; k < count; k++)
        assert_non_null(method_find(lines[k].method));
}

/* Every choice of a named switch, except the first, which is the default. */
static void every_named_switch_is_recorded(void **state)
{
    (void)state;
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { #key, TYPE_##TYPE, range },
    static const struct { const char *key; ValueType type; const char *range; } keys[] = {
#include "unlearn/hyperparameters.def"
    };
#undef HYPERPARAMETER
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        char range[128], change[64], *rest = range;
        snprintf(range, sizeof range, "%s", keys[k].type == TYPE_CHOICE ? keys[k].range : "");
        strsep(&rest, "|");
        for (char *one; (one = strsep(&rest, "|"));) {
            snprintf(change, sizeof change, "%s=%s", keys[k].key, one);
            if (!recorded(NULL, change))
                fail_msg("no line of %s has %s", path, change);
        }
    }
}

/* If two forms had the same bits, a switch would have no effect. The exceptions are the three kinds of pairs below. */
static void different_forms_have_different_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            // `original` acts from round 2 on; retrain and retain_ft differ only in the model that they start from,
            // here the same one; kl_min without alpha is ga_klr
            bool meant = strcmp(lines[i].changes, "reference=original") == 0
                      || (strcmp(lines[k].method, "retrain") == 0 && strcmp(lines[i].method, "retain_ft") == 0)
                      || (strcmp(lines[k].method, "ga_klr") == 0 && strcmp(lines[i].method, "kl_min") == 0
                          && strcmp(lines[i].changes, "alpha=0") == 0);
            if (strcmp(lines[i].last, lines[k].last) == 0 && !meant)
                fail_msg("%s (%s) and %s (%s) have the same bits", lines[k].method, lines[k].changes, lines[i].method, lines[i].changes);
        }
}

static void record(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(head, f);
    for (size_t k = 0; k < count; k++) {
        char first[DIGITS + 1], last[DIGITS + 1];
        steps(&lines[k], first, last);
        fprintf(f, "%-12s %-40s %-9s %s %s\n", lines[k].method, lines[k].changes, lines[k].trainable, first, last);
    }
    assert_int_equal(fclose(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_the_recorded_bits_on_one_two_and_three_threads),
        cmocka_unit_test(every_method_is_recorded),
        cmocka_unit_test(every_named_switch_is_recorded),
        cmocka_unit_test(different_forms_have_different_bits),
    };
    const struct CMUnitTest recording[] = { cmocka_unit_test(record) };
    return getenv("PULSE_RECORD") ? cmocka_run_group_tests(recording, read_lines, NULL) : cmocka_run_group_tests(tests, read_lines, NULL);
}
