/* SPDX-License-Identifier: MIT */
/* Losses through pulse.h have the bits that ref/vectors/case_loss.c computes for the loss cases of the test vectors.
 * Optimiser steps have the bits of the optimiser on the tape. */
#include "tests/support/stand.h"

#include <jansson.h>
#include <string.h>
#include "ref/vectors/case_loss.h"
#include "tensor/optimiser.h"
#include "tests/api/api_stand.h"

/* --- losses --- */

static const Tensor *case_tensor(const Entry *list, size_t n, const char *name, Role r)
{
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, role_name(r));
    for (size_t k = 0; k < n; k++)
        if (strcmp(list[k].name, full) == 0)
            return &list[k].tensor;
    return NULL;
}

static pulse_part part_of(const LossCase *c, Role r)
{
    const Tensor *z = case_tensor(c->in, c->in_count, "z", r), *ref = case_tensor(c->in, c->in_count, "z_ref", r);
    const Tensor *labels = case_tensor(c->in, c->in_count, "labels", r),
        *offsets = case_tensor(c->in, c->in_count, "offsets", r);
    return (pulse_part){ .role = (int32_t)r, .rows = (int64_t)z->shape.dim[0], .vocabulary = (int64_t)z->shape.dim[1],
                         .samples = (int64_t)offsets->shape.dim[0] - 1, .logits = z->f32, .reference = ref ? ref->f32 : NULL,
                         .labels = labels->i32, .offsets = offsets->i32, .gradient = tensor_f32(&arena, z->shape).f32 };
}

/* Splits assignments, such as "beta=0.4 npo_ratio=batch_mean", into settings, whose texts are in the arena. */
static size_t settings_of(const char *assignments, pulse_setting *out)
{
    size_t n = 0;
    char *rest = arena_text(&arena, assignments);
    for (char *one = strtok_r(rest, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(one, '=');
        *equals = '\0';
        out[n++] = (pulse_setting){ one, equals + 1 };
    }
    return n;
}

static void every_form_of_every_loss_has_the_bits_of_its_case(void **state)
{
    (void)state;
    for (size_t f = 0; f < loss_forms_count; f++) {
        LossCase c;
        pulse_part parts[ROLE_COUNT];
        pulse_setting hyper[8];
        size_t n = 0;
        float loss;
        assert_true(loss_case_make(&loss_forms[f], &c, &arena, &error));
        for (Role r = 0; r < ROLE_COUNT; r++)
            if (case_tensor(c.in, c.in_count, "z", r))
                parts[n++] = part_of(&c, r);
        expect_ok(pulse_loss(ctx, loss_forms[f].method, parts, n, hyper, settings_of(loss_forms[f].variants, hyper),
                             &loss));
        assert_memory_equal(&loss, c.out[0].tensor.f32, sizeof loss);
        for (size_t k = 0; k < n; k++) {
            const Tensor *want = case_tensor(c.out, c.out_count, "dz", (Role)parts[k].role);
            const Shape shape = shape_of(2, (size_t)parts[k].rows, (size_t)parts[k].vocabulary);
            const Tensor zero = tensor_zeros(&arena, shape);          // for a role of which only the labels are read
            expect_tensor(tensor_view(parts[k].gradient, shape), want ? *want : zero, "%s dz.%s", loss_forms[f].id,
                          role_name((Role)parts[k].role));
        }
    }
}

static void every_record_of_a_method_says_what_it_needs(void **state)
{
    (void)state;
    assert_int_equal(pulse_method_count(), methods_count);
    for (size_t k = 0; k < methods_count; k++) {
        const char *text;
        expect_ok(pulse_method_record(ctx, k, &text));
        json_t *record = json_loads(text, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(record, "name")), methods[k]->name);
        const unsigned samples = NEEDS_FORGET | NEEDS_RETAIN | NEEDS_REFUSAL | NEEDS_ALTERNATE;
        assert_int_equal(json_array_size(json_object_get(record, "needs")) > 0, (methods[k]->needs & samples) != 0);
        assert_true(json_is_real(json_object_get(json_object_get(record, "hyperparameters"), "beta")));
        json_decref(record);
    }
}

/* --- optimisers --- */

enum { SLOTS = 2, STEPS = 3, SIZE = 53 };

typedef struct { const char *word; OptimiserKind kind; float momentum; } Kind;

static const Kind kinds[] = { { "adamw", OPTIMISER_ADAMW, 0 }, { "adam", OPTIMISER_ADAM, 0 }, { "sgd", OPTIMISER_SGD, 0.9f },
                              { "sgd", OPTIMISER_SGD, 0 } };

static Tensor drawn(Shape s, uint64_t seed) { return data_tensor(&arena, s, DATA_GAUSSIAN, check_seed() + seed); }

static void steps_have_the_bits_of_the_optimiser_on_the_tape(void **state)
{
    (void)state;
    const Shape shape[SLOTS] = { shape_of(2, (size_t)7, (size_t)SIZE), shape_of(1, (size_t)SIZE) };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const pulse_setting settings[] = { { "kind", kinds[k].word }, { "lr", "1e-2" }, { "weight_decay", "0.1" },
                                           { "max_norm", "0.5" }, { "steps", "3" },
                                           { "schedule", "cosine" }, { "warmup", "1" },
                                           { "momentum", kinds[k].momentum > 0 ? "0.9" : "0" } };
        const OptimiserConfig config = {
            .kind = kinds[k].kind,
            .schedule = { SCHEDULE_COSINE, 1e-2f, 0, 1, 1, STEPS },
            .beta1 = 0.9f,
            .beta2 = 0.98f,
            .eps = 1e-8f,
            .weight_decay = 0.1f,
            .momentum = kinds[k].momentum,
            .max_norm = 0.5f,
            .decay_matrices_only = true
        };
        Tensor mine[SLOTS], theirs[SLOTS], *values[SLOTS] = { &theirs[0], &theirs[1] }, m[SLOTS], v[SLOTS];
        pulse_tensor views[SLOTS];
        pulse_slot slots[SLOTS];
        pulse_optimiser_state progress = { 0, 1, 1 };
        Optimiser o;
        for (size_t s = 0; s < SLOTS; s++) {
            mine[s] = drawn(shape[s], s);
            theirs[s] = drawn(shape[s], s);
            m[s] = tensor_zeros(&arena, shape[s]);
            v[s] = tensor_zeros(&arena, shape[s]);
            views[s] = (pulse_tensor){ PULSE_F32, shape[s].rank,
                                       { (int64_t)shape[s].dim[0], (int64_t)shape[s].dim[1] }, mine[s].f32 };
        }
        assert_true(optimiser_make(&o, &config, SLOTS, (const char *const[]){ "a", "b" }, values, &arena));
        for (uint64_t step = 0; step < STEPS; step++) {
            Arena own = arena_make(&error);
            Tape t = tape_make(&own, &error);
            Node *none[SLOTS] = { NULL }, *gradients[SLOTS];
            float norm, lr;
            for (size_t s = 0; s < SLOTS; s++) {
                Tensor g = drawn(shape[s], 100 + 10 * step + s);
                gradients[s] = s == 1 && step == 1 ? NULL : tape_input(&t, "g", g);
                slots[s] = (pulse_slot){ &views[s], gradients[s] ? g.f32 : NULL, m[s].f32, v[s].f32 };
            }
            assert_true(optimiser_step(&o, &t, none, gradients));
            optimiser_commit(&o);
            expect_ok(pulse_optimiser_step(ctx, settings, sizeof settings / sizeof *settings, slots, SLOTS, &progress,
                                           &norm, &lr));
            assert_memory_equal(&norm, &o.norm, sizeof norm);
            assert_memory_equal(&lr, &o.lr, sizeof lr);
            for (size_t s = 0; s < SLOTS; s++) {
                expect_tensor(mine[s], theirs[s], "%s: weights %zu after step %d", kinds[k].word, s, (int)step);
                if (kinds[k].kind != OPTIMISER_SGD || kinds[k].momentum > 0)
                    expect_tensor(m[s], o.slots[s].m, "%s: moment %zu", kinds[k].word, s);
                if (kinds[k].kind != OPTIMISER_SGD)
                    expect_tensor(v[s], o.slots[s].v, "%s: second moment %zu", kinds[k].word, s);
            }
            assert_true(progress.step == o.step && progress.power1 == o.beta1_power && progress.power2 == o.beta2_power);
            arena_free(&own);
        }
    }
}

static void the_schedule_is_that_of_the_optimiser(void **state)
{
    (void)state;
    const pulse_setting settings[] = { { "lr", "3e-4" }, { "schedule", "linear" }, { "warmup", "3" }, { "steps", "10" },
                                       { "floor", "0.1" } };
    const Schedule s = { SCHEDULE_LINEAR, 3e-4f, 0.1f, 3, 3, 10 };
    for (int64_t t = 1; t <= 10; t++) {
        float lr, want;
        expect_ok(pulse_schedule(ctx, settings, 5, t, &lr));
        assert_true(schedule_lr(&s, t, &want, &error));
        assert_memory_equal(&lr, &want, sizeof lr);
    }
    float lr;
    assert_int_equal(pulse_schedule(ctx, settings, 5, 11, &lr), PULSE_BAD_INPUT);
    expect_ok(pulse_schedule(ctx, settings, 1, 1000000, &lr));          // a constant rate has no end
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(every_form_of_every_loss_has_the_bits_of_its_case),
        stand_test(every_record_of_a_method_says_what_it_needs),
        stand_test(steps_have_the_bits_of_the_optimiser_on_the_tape),
        stand_test(the_schedule_is_that_of_the_optimiser),
    };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
