/* SPDX-License-Identifier: MIT */
/* Opens model folders, and gives their config, their parameters, scores and generated answers. */
#include "model/arch.h"
#include "model/training/generate.h"
#include "model/training/score.h"
#include "ref/api/api.h"

static bool model_read(pulse_context *c, pulse_model *m, const char *folder, const char *const *adapters, size_t n)
{
    Error *e = &c->error;
    const char *kept = arena_text(&m->own, folder);
    return kept && session_bare(&m->session, NULL, kept, &m->own, e)
        && (n == 0 || session_adapters(&m->session, adapters, n, false, e))
        && session_model(&m->session, e);
}

static bool adapters_given(pulse_context *c, const char *const *adapters, size_t n)
{
    if (!api_given_array(c, adapters, n, "adapters"))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!api_given(c, adapters[k], "adapter"))
            return false;
    return true;
}

pulse_status pulse_model_open_adapters(pulse_context *c, const char *folder, const char *const *adapters, size_t n_adapters,
                                       pulse_model **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        bool given = api_given(c, folder, "folder") && adapters_given(c, adapters, n_adapters);
        pulse_model *m = given ? api_handle(c, sizeof *m) : NULL;
        if (m && model_read(c, m, folder, adapters, n_adapters))
            *out = api_opened(m);
        else
            pulse_model_close(m);
    }
    return api_leave(call);
}

pulse_status pulse_model_open(pulse_context *c, const char *folder, const char *adapter, pulse_model **out)
{
    return pulse_model_open_adapters(c, folder, &adapter, adapter != NULL, out);
}

void pulse_model_close(pulse_model *m)
{
    if (m)
        session_close(&m->session);
    api_free(m);
}

pulse_status pulse_model_config(pulse_context *c, const pulse_model *m, const char **json)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, m, "model") && api_given(c, json, "json")) {
        const size_t *pixels = config_pixels(&m->session.config).dim;
        json_t *all = config_json(&m->session.config);
        json_put(all, "image_tokens", json_integer((json_int_t)config_image_tokens(&m->session.config)));
        json_put(all, "pixels", json_pack("[I, I, I]", (json_int_t)pixels[0], (json_int_t)pixels[1],
                                          (json_int_t)pixels[2]));
        json_put(all, "positions", json_integer((json_int_t)config_positions(&m->session.config)));
        *json = api_text(c, all);
    }
    return api_leave(call);
}

static size_t factor_count(const pulse_model *m) { return m->session.adapters.count ? m->session.adapters.live.factors.count : 0; }

size_t pulse_model_parameters(const pulse_model *m) { return m ? m->session.weights.count + factor_count(m) : 0; }

pulse_status pulse_model_parameter(pulse_context *c, const pulse_model *m, size_t k, const char **name,
                                   pulse_tensor *value)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, m, "model") && api_given(c, name, "name") && api_given(c, value, "value")) {
        const size_t weights = m->session.weights.count;
        if (k >= weights + factor_count(m))
            error_set(&c->error, "there is no parameter %zu, expected 0 to %zu", k, weights + factor_count(m) - 1);
        else {
            const Weight *w = k < weights ? &m->session.weights.list[k] : &m->session.adapters.live.factors.list[k - weights];
            *name = w->name;
            *value = api_view(w->tensor);
        }
    }
    return api_leave(call);
}

pulse_status pulse_score(pulse_context *c, const pulse_model *m, const pulse_sample *samples, size_t n_samples,
                         pulse_score_value *scores)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, m, "model") && api_given(c, scores, "scores")) {
        BatchSample *list = api_samples(c, &m->session.config, samples, n_samples, &c->scratch);
        SampleScore *s = list ? arena_array(&c->scratch, n_samples, sizeof *s) : NULL;
        if (s && score_samples(&m->session.model, list, n_samples, 0, s, &c->scratch, &c->error))
            for (size_t k = 0; k < n_samples; k++)
                scores[k] = (pulse_score_value){ s[k].nll, s[k].ce, (int64_t)s[k].tokens, (int64_t)s[k].right };
    }
    return api_leave(call);
}

static bool tokens_fit(pulse_context *c, const pulse_model *m, const pulse_sample *prompt, const int32_t *tokens,
                      size_t room)
{
    const size_t most = config_positions(&m->session.config);
    if (!api_given_array(c, tokens, room, "tokens"))
        return false;
    return room <= most - (size_t)prompt->count
        || error_set(&c->error, "the prompt has %lld tokens and there is room for %zu, expected at most %zu together",
                     (long long)prompt->count, room, most);
}

pulse_status pulse_generate(pulse_context *c, const pulse_model *m, const pulse_sample *prompt, int32_t end, int32_t *tokens,
                            size_t room, size_t *count)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, m, "model") && api_given(c, prompt, "prompt") && api_given(c, count, "count")) {
        BatchSample *list = api_samples(c, &m->session.config, prompt, 1, &c->scratch);
        if (list && tokens_fit(c, m, prompt, tokens, room))
            generate_greedy(&m->session.model, list, end < 0 ? (int32_t)m->session.config.text.eos_token_id : end, tokens, room,
                            count, &c->error);
    }
    return api_leave(call);
}
