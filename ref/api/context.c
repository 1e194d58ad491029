/* SPDX-License-Identifier: MIT */
/* Opens contexts, begins and ends every call, and makes the texts and handles that calls return. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/api/api.h"
#include "tensor/base/file.h"
#include "tensor/base/float.h"
#include "tensor/base/team.h"
#include "tensor/op.h"
#include "tensor/product/product.h"

enum { THREADS_MOST = 1024, SCRATCH_KEPT = 64 << 20 };

_Static_assert((int)PULSE_BAD_INPUT == ERROR_INPUT && (int)PULSE_NO_MEMORY == ERROR_MEMORY && (int)PULSE_IO == ERROR_IO
               && (int)PULSE_ENVIRONMENT == ERROR_ENVIRONMENT && (int)PULSE_UNDECIDED == ERROR_UNDECIDED, "one list of kinds");

const char *pulse_version(void) { return PULSE_VERSION " " PULSE_SONAME " spec " PULSE_SPEC; }

const char *pulse_status_name(pulse_status kind)
{
    return (unsigned)kind < ERROR_KINDS ? error_kind_name((ErrorKind)kind) : "unknown";
}

pulse_status pulse_error_kind(const pulse_context *c) { return c ? (pulse_status)c->error.kind : PULSE_BAD_INPUT; }
const char *pulse_error_text(const pulse_context *c)
{
    return c ? c->error.text : "the context is NULL, expected one that pulse_open gave";
}

/* --- opening --- */

static bool options_fit(pulse_context *c, const pulse_options *o)
{
    if (o && (o->threads < 0 || o->threads > THREADS_MOST))
        return error_set(&c->error, "options: threads is %d, expected 0 to %d", (int)o->threads, THREADS_MOST);
    c->threads = o && o->threads ? (size_t)o->threads : team_size();
    c->limit = o && o->memory_limit < SIZE_MAX ? (size_t)o->memory_limit : 0;
    c->scratch.limit = c->limit;
    return true;
}

static bool environment_sound(pulse_context *c)
{
    const size_t before = team_set_size(c->threads);
    bool good = team_start(&c->error) && float_env_check_threads(&c->error) && product_selftest(&c->error);
    team_set_size(before);
    return good;
}

pulse_status pulse_open(const pulse_options *options, pulse_context **out)
{
    if (!out)
        return PULSE_BAD_INPUT;
    Arena own = arena_make(NULL);
    pulse_context *c = *out = arena_zalloc(&own, sizeof *c);
    if (!c)
        return PULSE_NO_MEMORY;
    c->own = own;
    c->scratch = arena_make(&c->error);
    c->refused = !options_fit(c, options) || !environment_sound(c);
    return pulse_error_kind(c);
}

void pulse_close(pulse_context *c)
{
    if (c)
        arena_free(&c->scratch);
    api_free(c);
}

/* --- a call --- */

/* Discards the texts and the scratch memory of the previous call. If that memory exceeded SCRATCH_KEPT bytes, all of it
 * goes back to the system; otherwise it serves the next calls. */
static void scratch_reset(pulse_context *c)
{
    if (c->scratch.peak > SCRATCH_KEPT) {
        arena_free(&c->scratch);
        c->scratch = arena_make(&c->error);
        c->scratch.limit = c->limit;
    }
    arena_reset(&c->scratch);
}

ApiCall api_enter(pulse_context *c)
{
    ApiCall call = { .context = c };
    if (!c || c->refused)
        return call;
    c->error.failed = false;
    c->error.kind = ERROR_NONE;
    c->error.text[0] = '\0';
    scratch_reset(c);
    call.threads = team_set_size(c->threads);
    call.entered = true;
    call.open = float_env_check(&c->error);
    return call;
}

pulse_status api_leave(ApiCall call)
{
    if (call.entered)
        team_set_size(call.threads);
    return pulse_error_kind(call.context);
}

bool api_given(pulse_context *c, const void *p, const char *name)
{
    return p || error_set(&c->error, "the argument %s is NULL", name);
}

bool api_given_array(pulse_context *c, const void *p, size_t n, const char *name)
{
    return n == 0 || p || error_set(&c->error, "the argument %s is NULL, expected %zu of them", name, n);
}

const char *api_json(json_t *value, Arena *a, Error *e)
{
    char *text = NULL;
    TextWriter w = { .stream = NULL };
    if (value && text_begin(&w, e)) {
        const bool printed = json_print(w.stream, value, 0);
        if (text_finish(&w, e) && printed)
            text = arena_text(a, w.text);
    }
    free(w.text);
    json_decref(value);
    if (!text)
        error_no_memory(e, "no memory for a text of JSON");
    return text;
}

const char *api_text(pulse_context *c, json_t *value) { return api_json(value, &c->scratch, &c->error); }

/* --- handles --- */

void *api_handle(pulse_context *c, size_t size)
{
    Arena own = arena_make(&c->error);
    own.limit = c->limit;
    Arena *handle = arena_zalloc(&own, size);
    if (handle)
        *handle = own;
    return handle;
}

void *api_opened(void *handle)
{
    ((Arena *)handle)->error = NULL;
    return handle;
}

void api_free(void *handle)
{
    if (!handle)
        return;
    Arena own = *(Arena *)handle;
    arena_free(&own);
}

/* --- for experts --- */

pulse_status pulse_engine(pulse_context *c, const char **text)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, text, "text"))
        *text = product_engine();
    return api_leave(call);
}

pulse_status pulse_check(pulse_context *c)
{
    ApiCall call = api_enter(c);
    if (call.open)
        product_selftest(&c->error);
    return api_leave(call);
}
