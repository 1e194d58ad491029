/* SPDX-License-Identifier: MIT */
/* Gives the named tensors of a result, which a forward pass or a step has made. */
#include <string.h>
#include "ref/api/api.h"

void pulse_result_close(pulse_result *r) { api_free(r); }

size_t pulse_result_count(const pulse_result *r) { return r ? r->count : 0; }

pulse_status pulse_result_tensor(pulse_context *c, const pulse_result *r, size_t k, const char **name,
                                 pulse_tensor *value)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, r, "result") && api_given(c, name, "name") && api_given(c, value, "value")) {
        if (k >= r->count)
            error_set(&c->error, "the result has no tensor %zu, expected a number below %zu", k, r->count);
        else {
            *name = r->list[k].name;
            *value = api_view(r->list[k].tensor);
        }
    }
    return api_leave(call);
}

pulse_status pulse_result_find(pulse_context *c, const pulse_result *r, const char *name, pulse_tensor *value)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, r, "result") && api_given(c, name, "name") && api_given(c, value, "value")) {
        size_t k = 0;
        while (k < r->count && strcmp(r->list[k].name, name) != 0)
            k++;
        if (k == r->count)
            error_set(&c->error, "the result has no tensor \"%.160s\"", name);
        else
            *value = api_view(r->list[k].tensor);
    }
    return api_leave(call);
}

pulse_status pulse_result_json(pulse_context *c, const pulse_result *r, const char **json)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, r, "result") && api_given(c, json, "json"))
        *json = r->json;
    return api_leave(call);
}
