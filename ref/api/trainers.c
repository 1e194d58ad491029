/* SPDX-License-Identifier: MIT */
/* Takes training and unlearning steps on samples of the caller, and returns every number of a step. */
#include <string.h>
#include "ref/api/api.h"
#include "ref/trace/step.h"
#include "ref/trace/trace_file.h"

struct pulse_trainer {
    Arena own;
    Step  step;
    Arena samples;           // holds the samples of the step that was computed last
    bool  computed;          // a step was computed and is not final yet; the next step makes it final
};

/* Opens the model, the reference and the optimiser of a trainer. A key without a section is one of the section unlearn:
 * "beta" means "unlearn.beta". But "steps" means "train.steps" (api_settings). */
static bool trainer_read(pulse_context *c, pulse_trainer *t, const char *folder, const char *method,
                         const pulse_setting *settings, size_t n, const char *reference)
{
    Settings given;
    if (!api_settings(c, settings, n, "unlearn", &given, &t->own))
        return false;
    t->samples = arena_make(&c->error);
    t->samples.limit = c->limit;
    t->step = (Step){ .settings = given, .folder = arena_text(&t->own, folder),
                      .reference = reference ? arena_text(&t->own, reference) : NULL };
    if (!t->step.folder || (reference && !t->step.reference) || !step_prepare(&t->step, method, &t->own, &c->error))
        return false;
    t->step.trainer.step_arena.limit = c->limit;
    return true;
}

/* Lets the trainer report failures to `e`. Each step does this at its beginning, because steps may come from different
 * contexts, and ends with e = NULL. */
static void report_to(pulse_trainer *t, Error *e)
{
    Trainer *r = &t->step.trainer;
    t->own.error = t->samples.error = e;
    if (r->model)
        r->step_arena.error = r->tape.error = e;
}

pulse_status pulse_trainer_open(pulse_context *c, const char *folder, const char *method, const pulse_setting *settings, size_t n_settings,
                                const char *reference, pulse_trainer **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        bool given = api_given(c, folder, "folder") && api_given(c, method, "method");
        pulse_trainer *t = given ? api_handle(c, sizeof *t) : NULL;
        if (t && trainer_read(c, t, folder, method, settings, n_settings, reference)) {
            report_to(t, NULL);
            *out = t;
        } else
            pulse_trainer_close(t);
    }
    return api_leave(call);
}

void pulse_trainer_close(pulse_trainer *t)
{
    if (t) {
        step_close(&t->step);
        arena_free(&t->samples);
    }
    api_free(t);
}

/* --- a step --- */

/* Sorts the samples by role; within a role they keep their order. */
static bool lists_fill(pulse_context *c, pulse_trainer *t, const pulse_sample *samples, size_t n)
{
    SampleList *lists = t->step.request.role;
    BatchSample *all = api_samples(c, &t->step.session.config, samples, n, &t->samples);
    BatchSample *sorted = arena_array(&t->samples, n + 1, sizeof *sorted);
    size_t at = 0;
    for (size_t k = 0; all && k < n; k++)
        if (!api_role(c, samples[k].role, "sample", k))
            return false;
    for (Role r = 0; all && sorted && r < ROLE_COUNT; r++) {
        lists[r] = (SampleList){ sorted + at, 0 };
        for (size_t k = 0; k < n; k++)
            if (samples[k].role == (int32_t)r)
                sorted[at++] = all[k], lists[r].count++;
    }
    return all && sorted;
}

static bool result_fill(pulse_context *c, const pulse_trainer *t, pulse_result *r)
{
    const Step *s = &t->step;
    if (!trace_entries(&s->trainer, &r->list, &r->count, &r->own, &c->error))
        return false;
    json_t *head = json_pack("{s:s, s:s, s:s, s:s}", "spec", PULSE_SPEC, "method", s->m.method->name, "formula",
                             method_formula(s->m.method, &r->own), "reference",
                             s->reference ? "given" : "the model before the step");
    json_put(head, "nodes", trace_nodes(&s->trainer.tape, &r->own, &c->error));
    r->json = api_json(head, &r->own, &c->error);
    return !c->error.failed;
}

static bool step_run(pulse_context *c, pulse_trainer *t, const pulse_sample *samples, size_t n, pulse_result *r)
{
    if (t->computed)
        step_commit(&t->step);
    t->computed = false;
    arena_reset(&t->samples);
    t->computed = lists_fill(c, t, samples, n) && step_compute(&t->step, &t->samples, &c->error);
    return t->computed && result_fill(c, t, r);
}

pulse_status pulse_trainer_step(pulse_context *c, pulse_trainer *t, const pulse_sample *samples, size_t n_samples,
                                pulse_result **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        pulse_result *r = api_given(c, t, "trainer") ? api_handle(c, sizeof *r) : NULL;
        if (r) {
            report_to(t, &c->error);
            bool good = step_run(c, t, samples, n_samples, r);
            report_to(t, NULL);
            *out = good ? api_opened(r) : NULL;
            if (!good)
                pulse_result_close(r);
        }
    }
    return api_leave(call);
}
