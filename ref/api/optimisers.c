/* SPDX-License-Identifier: MIT */
/* Takes optimiser steps on weights, gradients and moments of the caller. */
#include <string.h>
#include "ref/config/setup.h"
#include "ref/api/api.h"
#include "tensor/optimiser.h"

typedef struct {
    Optimiser optimiser;
    Tensor *value;                   // [count]
    Node  **param, **gradient;       // [count]; param[k] is NULL, so optimiser_step makes a leaf of value[k]
    Tape    tape;
} StepCall;

static bool state_fits(pulse_context *c, const pulse_optimiser_state *s)
{
    if (!api_given(c, s, "state"))
        return false;
    return (s->step >= 0 && s->power1 >= 0 && s->power1 <= 1 && s->power2 >= 0 && s->power2 <= 1)
        || error_set(&c->error, "the state is step %lld with powers %g and %g, expected { 0, 1, 1 } or what a step left",
                     (long long)s->step, s->power1, s->power2);
}

static bool moments_fit(pulse_context *c, const pulse_slot *s, size_t k, const OptimiserConfig *o)
{
    const bool first = o->kind != OPTIMISER_SGD || o->momentum != 0, second = o->kind != OPTIMISER_SGD;
    if ((first && !s->m) || (second && !s->v))
        return error_set(&c->error, "slot %zu: m or v is NULL, but the optimiser keeps a moment there", k);
    return ((uintptr_t)s->m % 4 == 0 && (uintptr_t)s->v % 4 == 0 && (uintptr_t)s->gradient % 4 == 0)
        || error_set(&c->error, "slot %zu: a buffer is not aligned: its address is not a multiple of 4", k);
}

static bool slot_read(pulse_context *c, const pulse_slot *s, size_t k, StepCall *x)
{
    Tensor *value = &x->value[k];
    OptimiserSlot *slot = &x->optimiser.slots[k];
    const char *name = arena_format(&c->scratch, "slot.%zu", k);
    if (!s->value)
        return error_set(&c->error, "slot %zu: value is NULL", k);
    if (!name || !api_tensor(s->value, "slot", k, value, &c->error))
        return false;
    if (value->dtype != F32)
        return error_set(&c->error, "slot %zu: the weights are %s, expected F32", k, dtype_name(value->dtype));
    if (!moments_fit(c, s, k, &x->optimiser.config))
        return false;
    *slot = (OptimiserSlot){ .name = name, .value = value, .m = tensor_view(s->m, value->shape),
                             .v = tensor_view(s->v, value->shape) };
    x->param[k] = NULL;
    x->gradient[k] = s->gradient ? tape_input(&x->tape, "gradient", tensor_view((float *)(uintptr_t)s->gradient, value->shape)) : NULL;
    return !c->error.failed;
}

static bool call_read(pulse_context *c, const pulse_slot *slots, size_t n, const pulse_optimiser_state *state,
                      const OptimiserConfig *o, StepCall *x)
{
    *x = (StepCall){ .tape = tape_make(&c->scratch, &c->error) };
    x->optimiser = (Optimiser){ .config = *o, .count = n, .step = state->step, .beta1_power = state->power1,
                                .beta2_power = state->power2 };
    x->optimiser.slots = arena_array(&c->scratch, n, sizeof *x->optimiser.slots);
    x->value = arena_array(&c->scratch, n, sizeof *x->value);
    x->param = arena_array(&c->scratch, n, sizeof *x->param);
    x->gradient = arena_array(&c->scratch, n, sizeof *x->gradient);
    if (c->error.failed || !api_given_array(c, slots, n, "slots"))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!slot_read(c, &slots[k], k, x))
            return false;
    return true;
}

static void step_run(pulse_context *c, StepCall *x, pulse_optimiser_state *state, float *norm, float *lr)
{
    Optimiser *o = &x->optimiser;
    if (!optimiser_step(o, &x->tape, x->param, x->gradient) || c->error.failed)
        return;
    optimiser_commit(o);
    *state = (pulse_optimiser_state){ o->step, o->beta1_power, o->beta2_power };
    if (norm)
        *norm = o->norm;
    if (lr)
        *lr = o->lr;
}

pulse_status pulse_optimiser_step(pulse_context *c, const pulse_setting *settings, size_t n_settings, const pulse_slot *slots,
                                  size_t n_slots, pulse_optimiser_state *state, float *norm, float *lr)
{
    ApiCall call = api_enter(c);
    Settings s;
    StepCall x;
    if (call.open && api_settings(c, settings, n_settings, "optimiser", &s, &c->scratch) && state_fits(c, state)) {
        const TrainConfig config = train_config(&s);
        if (call_read(c, slots, n_slots, state, &config.optimiser, &x))
            step_run(c, &x, state, norm, lr);
    }
    return api_leave(call);
}

pulse_status pulse_schedule(pulse_context *c, const pulse_setting *settings, size_t n_settings, int64_t t, float *lr)
{
    ApiCall call = api_enter(c);
    Settings s;
    if (call.open && api_given(c, lr, "lr") && api_settings(c, settings, n_settings, "optimiser", &s, &c->scratch)) {
        const Schedule schedule = train_config(&s).optimiser.schedule;
        schedule_lr(&schedule, t, lr, &c->error);
    }
    return api_leave(call);
}
