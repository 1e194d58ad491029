/* SPDX-License-Identifier: MIT */
/* Runs the forward pass on samples of the caller, and gives the output of every module under its name. */
#include <string.h>
#include "ref/api/api.h"
#include "ref/trace/trace_file.h"

/* Adds the output of every module, under the module's path: the output of the last node that is in the module or in a
 * module inside it. The modules are in the order of their first nodes. */
static void add_modules(pulse_result *r, const Tape *t)
{
    const size_t first = r->count;
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        for (size_t end = 1, length = n->op ? strlen(n->module) : 0; end <= length; end++) {
            if (n->module[end] != '.' && n->module[end] != '\0')
                continue;
            size_t at = first;
            while (at < r->count && (strncmp(r->list[at].name, n->module, end) != 0 || r->list[at].name[end] != '\0'))
                at++;
            const char *path = at < r->count ? r->list[at].name : arena_format(&r->own, "%.*s", (int)end, n->module);
            if (!path)
                return;
            r->list[at] = (Entry){ path, n->out };
            r->count += at == r->count;
        }
    }
}

static void add(pulse_result *r, const char *name, const Node *n)
{
    if (name && n)
        r->list[r->count++] = (Entry){ name, n->out };
}

/* The most entries that result_fill adds to those of the tape: one for every module in the path of every node, the
 * logits, the image features and `layers` + 1 hidden states. */
static size_t added_at_most(const Tape *t, size_t layers)
{
    size_t dots = 0;
    for (size_t k = 0; k < t->count; k++)
        for (const char *at = t->nodes[k]->op && *t->nodes[k]->module ? t->nodes[k]->module : ""; *at; at++)
            dots += *at == '.' || at[1] == '\0';
    return dots + layers + 3;
}

static bool result_fill(pulse_result *r, const Tape *t, const Forward *f, const ModelConfig *m, Error *e)
{
    const size_t layers = (size_t)m->text.num_hidden_layers;
    json_t *head = json_object();
    if (!trace_tape(t, added_at_most(t, layers), &r->list, &r->count, &r->own, e))
        return json_decref(head), false;
    add_modules(r, t);
    add(r, "logits", f->logits);
    add(r, "image_features", f->features);
    for (size_t k = 0; f->hidden && k <= layers; k++)
        add(r, arena_format(&r->own, "hidden_states.%zu", k), f->hidden[k]);
    json_put(head, "nodes", trace_nodes(t, &r->own, e));
    r->json = api_json(head, &r->own, e);
    return !e->failed;
}

static bool forward_run(pulse_context *c, const pulse_model *m, const pulse_sample *samples, size_t n, pulse_result *r)
{
    Error *e = &c->error;
    BatchSample *list = api_samples(c, &m->session.config, samples, n, &c->scratch);
    Batch b;
    if (!list || !batch_pack(&b, list, n, ROWS_ALL, &m->session.config, &r->own, e))
        return false;
    Tape t = tape_make(&r->own, e);
    Params p = params_make(&t, &m->session.model);
    Forward f = model_forward(&t, &p, &b);
    return !e->failed && result_fill(r, &t, &f, &m->session.config, e);
}

pulse_status pulse_forward(pulse_context *c, const pulse_model *m, const pulse_sample *samples, size_t n_samples,
                           pulse_result **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        pulse_result *r = api_given(c, m, "model") ? api_handle(c, sizeof *r) : NULL;
        if (r && forward_run(c, m, samples, n_samples, r))
            *out = api_opened(r);
        else
            pulse_result_close(r);
    }
    return api_leave(call);
}
