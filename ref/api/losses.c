/* SPDX-License-Identifier: MIT */
/* Computes the losses of the methods on logits of the caller, and makes the records of the methods. */
#include <string.h>
#include "ref/config/hyper.h"
#include "ref/api/api.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

typedef struct {
    pulse_context *context;
    const Method *method;
    Hyperparameters hyper;
    unsigned needs;
    Tape tape;
    MethodStep step;
    const pulse_part *given[ROLE_COUNT];       // NULL: the role is not in the step
    Node *z[ROLE_COUNT];                       // all logits that the caller gave for the role
} LossCall;

/* --- what the caller gave --- */

static bool hyper_read(LossCall *x, const pulse_setting *given, size_t n)
{
    pulse_context *c = x->context;
    const char *preset = NULL;
    if (!api_given_array(c, given, n, "hyperparameters"))
        return false;
    for (size_t k = 0; k < n; k++) {
        if (!api_given(c, given[k].key, "key of a hyperparameter") || !api_given(c, given[k].value, given[k].key))
            return false;
        if (strcmp(given[k].key, "preset") == 0)
            preset = given[k].value;
    }
    if (!hyperparameters_make(&x->hyper, x->method, preset, &c->error))
        return false;
    for (size_t k = 0; k < n; k++)
        if (strcmp(given[k].key, "preset") != 0 && !hyperparameters_set(&x->hyper, given[k].key, given[k].value, &c->error))
            return false;
    return true;
}

static bool method_read(LossCall *x, const char *name)
{
    pulse_context *c = x->context;
    x->method = api_given(c, name, "method") ? method_find(name) : NULL;
    if (!x->method)
        return error_set(&c->error, "there is no method \"%.80s\", expected one of `pulse-ref list methods`", name);
    if (!x->method->loss || x->method->needs & NEEDS_HIDDEN)
        return error_set(&c->error, "%s has no loss on logits: it works on %s, expected another method, or pulse_trainer_step", name,
                         x->method->loss ? "hidden states" : "weights");
    return true;
}

/* Checks the labels, and counts in out->tokens those that are supervised. */
static bool labels_read(LossCall *x, const pulse_part *p, Part *out)
{
    Error *e = &x->context->error;
    const Role r = (Role)p->role;
    for (int64_t i = 0; i < p->rows; i++) {
        if (p->labels[i] < -1 || p->labels[i] >= p->vocabulary)
            return error_set(e, "%s: label %lld is %d, expected -1 to %lld", role_name(r), (long long)i, (int)p->labels[i],
                             (long long)p->vocabulary - 1);
        out->tokens += p->labels[i] >= 0;
    }
    return true;
}

static bool offsets_fit(LossCall *x, const pulse_part *p)
{
    Error *e = &x->context->error;
    const char *role = role_name((Role)p->role);
    if (p->offsets[0] != 0 || p->offsets[p->samples] != p->rows)
        return error_set(e, "%s: the offsets go from %d to %d, expected 0 to %lld", role, (int)p->offsets[0],
                         (int)p->offsets[p->samples], (long long)p->rows);
    for (int64_t s = 0; s < p->samples; s++) {
        bool supervised = false;
        if (p->offsets[s] < 0 || p->offsets[s + 1] < p->offsets[s] || p->offsets[s + 1] > p->rows)
            return error_set(e, "%s: the offsets %d and %d of sample %lld do not rise from 0 to %lld", role, (int)p->offsets[s],
                             (int)p->offsets[s + 1], (long long)s, (long long)p->rows);
        for (int32_t i = p->offsets[s]; i < p->offsets[s + 1]; i++)
            supervised |= p->labels[i] >= 0;
        if (!supervised)
            return error_set(e, "%s: sample %lld has no supervised row, expected at least one label that is not -1",
                             role, (long long)s);
    }
    return true;
}

static bool part_fits(LossCall *x, const pulse_part *p)
{
    Error *e = &x->context->error;
    const char *role = role_name((Role)p->role);
    if (p->rows < 1 || p->rows > INT32_MAX || p->samples < 1 || p->samples > p->rows || p->vocabulary < 1
        || p->vocabulary > 1 << 24)
        return error_set(e, "%s: %lld rows, %lld samples, vocabulary %lld; expected 1 <= samples <= rows < 2^31, and 1 to 2^24 "
                            "tokens", role, (long long)p->rows,
                         (long long)p->samples, (long long)p->vocabulary);
    if (!p->logits || !p->labels || !p->offsets)
        return error_set(e, "%s: logits, labels or offsets are NULL", role);
    if (x->needs & (unsigned)REFERENCE_FORGET << p->role && !p->reference)
        return error_set(e, "%s: the logits of the reference are NULL, but %s compares with them", role,
                         x->method->name);
    const size_t bytes = (size_t)p->rows * (size_t)p->vocabulary * sizeof(float);
    if ((uintptr_t)p->logits % 4 || (uintptr_t)p->reference % 4 || (uintptr_t)p->gradient % 4 || (uintptr_t)p->labels % 4
        || (uintptr_t)p->offsets % 4)
        return error_set(e, "%s: a buffer is not aligned: its address is not a multiple of 4", role);
    return !p->gradient
        || (api_apart(p->gradient, bytes, p->logits, bytes)
            && (!p->reference || api_apart(p->gradient, bytes, p->reference, bytes)))
        || error_set(e, "%s: the gradient overlaps the logits, expected memory of its own", role);
}

/* Keeps the supervised rows of a part. An operator gathers them, so the backward pass gives all rows of the caller's
 * logits a gradient. */
static void keep_supervised(LossCall *x, const pulse_part *p, Part *part)
{
    Arena *a = &x->context->scratch;
    int32_t *ids = arena_array(a, part->tokens, sizeof *ids), *labels = arena_array(a, part->tokens, sizeof *labels);
    int32_t *offsets = arena_array(a, part->samples + 1, sizeof *offsets), at = 0;
    if (!ids || !labels || !offsets)
        return;
    for (size_t s = 0; s < part->samples; s++) {
        offsets[s] = at;
        for (int32_t i = p->offsets[s]; i < p->offsets[s + 1]; i++)
            if (p->labels[i] >= 0) {
                ids[at] = i;
                labels[at++] = p->labels[i];
            }
    }
    offsets[part->samples] = at;
    part->z = op_gather_rows(&x->tape, part->z, ids, part->tokens);
    part->z_ref = part->z_ref ? op_gather_rows(&x->tape, part->z_ref, ids, part->tokens) : NULL;
    part->labels = labels;
    part->offsets = offsets;
    part->rows = part->tokens;
}

static bool part_make(LossCall *x, const pulse_part *p)
{
    const Role r = (Role)p->role;
    Part *part = &x->step.part[r];
    const Shape shape = shape_of(2, (size_t)p->rows, (size_t)p->vocabulary);
    *part = (Part){ .labels = p->labels, .offsets = p->offsets, .rows = (size_t)p->rows,
                    .samples = (size_t)p->samples };
    if (!part_fits(x, p) || !labels_read(x, p, part) || !offsets_fit(x, p))
        return false;
    x->z[r] = part->z = tape_param(&x->tape, "z", tensor_view((float *)(uintptr_t)p->logits, shape), true);
    if (x->needs & (unsigned)REFERENCE_FORGET << r)
        part->z_ref = tape_input(&x->tape, "z_ref", tensor_view((float *)(uintptr_t)p->reference, shape));
    if (!method_reads_all_rows(x->needs, &x->hyper, r) && part->tokens < part->rows)
        keep_supervised(x, p, part);
    return !x->context->error.failed;
}

/* Reads the parts, one for each role that the method needs. Where the schedule is not joint, one step does not need all
 * of these roles, so parts may be missing, but not all of them. */
static bool roles_read(LossCall *x, const pulse_part *parts, size_t n)
{
    pulse_context *c = x->context;
    if (!api_given_array(c, parts, n, "parts"))
        return false;
    for (size_t k = 0; k < n; k++) {
        if (!api_role(c, parts[k].role, "part", k))
            return false;
        const Role r = (Role)parts[k].role;
        if (x->given[r])
            return error_set(&c->error, "two parts have the role %s, expected one", role_name(r));
        if (!method_reads(x->needs, r))
            return error_set(&c->error, "%s reads no %s samples under these hyperparameters%s, expected no such part", x->method->name,
                             role_name(r), x->method->needs >> r & 1 && x->hyper.alpha == 0 ? " (alpha is 0)" : "");
        x->given[r] = &parts[k];
    }
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (method_reads(x->needs, r) && !x->given[r] && (n == 0 || x->hyper.schedule == STEPS_JOINT))
            return error_set(&c->error, "%s needs %s samples, expected a part of that role", x->method->name,
                             role_name(r));
    for (Role r = ROLE_REFUSAL; r <= ROLE_ALTERNATE; r++)
        if (x->given[r] && x->given[ROLE_FORGET] && x->given[r]->samples != x->given[ROLE_FORGET]->samples)
            return error_set(&c->error, "%lld %s samples for %lld forget samples, expected one for each",
                             (long long)x->given[r]->samples, role_name(r), (long long)x->given[ROLE_FORGET]->samples);
    return true;
}

/* --- the loss --- */

static void gradients_write(const LossCall *x)
{
    for (Role r = 0; r < ROLE_COUNT; r++) {
        float *to = x->given[r] ? x->given[r]->gradient : NULL;
        const size_t bytes = to ? tensor_bytes(x->z[r]->out) : 0;
        if (to && x->z[r]->grad)
            memcpy(to, x->z[r]->grad->out.f32, bytes);
        else if (to)
            memset(to, 0, bytes);
    }
}

static bool loss_run(LossCall *x, float *loss)
{
    pulse_context *c = x->context;
    x->tape = tape_make(&c->scratch, &c->error);
    x->step = (MethodStep){ .tape = &x->tape, .hyper = &x->hyper, .step = 1 };
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (x->given[r] && !part_make(x, x->given[r]))
            return false;
    Node *value = x->method->loss(&x->step);
    tape_backward(&x->tape);
    if (c->error.failed || !value)
        return false;
    *loss = value->out.f32[0];
    gradients_write(x);
    return true;
}

pulse_status pulse_loss(pulse_context *c, const char *method, const pulse_part *parts, size_t n_parts, const pulse_setting *hyperparameters,
                        size_t n_hyperparameters, float *loss)
{
    ApiCall call = api_enter(c);
    LossCall x = { .context = c };
    if (call.open && api_given(c, loss, "loss") && method_read(&x, method)
        && hyper_read(&x, hyperparameters, n_hyperparameters)) {
        x.needs = method_needs(x.method, &x.hyper);
        if (roles_read(&x, parts, n_parts))
            loss_run(&x, loss);
    }
    return api_leave(call);
}

/* --- records --- */

size_t pulse_method_count(void) { return methods_count; }

static json_t *roles_json(unsigned bits)
{
    json_t *all = json_array();
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (bits >> r & 1)
            json_add(all, json_string(role_name(r)));
    return all;
}

static json_t *method_json(const Method *m, Error *e)
{
    Hyperparameters hyper;
    if (!hyperparameters_make(&hyper, m, NULL, e))
        return NULL;
    const char *on = !m->loss ? "weights" : m->needs & NEEDS_HIDDEN ? "hidden states" : "logits";
    const MethodFormula *f = &m->formula;
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:o}", "name", m->name, "label", m->label, "needs",
                     roles_json(m->needs), "reference", roles_json(m->needs >> ROLE_COUNT), "on", on, "loss", f->loss, "gradient",
                     f->gradient, "variants", f->variants, "notes", f->notes, "source", m->source, "hyperparameters",
                     hyper_parameters(&hyper));
}

pulse_status pulse_method_record(pulse_context *c, size_t k, const char **json)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, json, "json")) {
        if (k >= methods_count)
            error_set(&c->error, "there is no method %zu, expected 0 to %zu", k, methods_count - 1);
        else
            *json = api_text(c, method_json(methods[k], &c->error));
    }
    return api_leave(call);
}
