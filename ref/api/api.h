/* SPDX-License-Identifier: MIT */
/* Api: what all public functions of pulse.h share. Each of them enters its context with api_enter, calls the library
 * inside, and returns the status that api_leave gives.
 *
 *     pulse_status pulse_engine(pulse_context *c, const char **text)
 *     {
 *         ApiCall call = api_enter(c);
 *         if (call.open && api_given(c, text, "text"))
 *             *text = product_engine();
 *         return api_leave(call);
 *     }
 *
 * api_enter discards the failure, the texts and the scratch memory of the previous call, sets the number of threads to
 * that of the context, and checks the floating-point environment. If the context is NULL, or if pulse_open refused it,
 * api_enter does nothing, and the call is not open. api_leave restores the caller's number of threads.
 * A handle (pulse_model, pulse_result, …) lives in an arena of its own, which is its first member. Once it is open, its
 * arena reports to no Error, because the handle may outlive the context. (The arena of a trainer reports during each
 * step to the context of that step: trainers.c.) */
#ifndef PULSE_REF_API_API_H
#define PULSE_REF_API_API_H

#include "ref/config/session.h"
#include "ref/api/pulse.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

struct pulse_context {
    Arena  own;              // holds this struct
    Arena  scratch;          // of the last call, texts for the caller included
    Error  error;            // of the last call
    size_t threads;
    size_t limit;            // pulse_options.memory_limit
    bool   refused;          // pulse_open failed, so every call fails with its sentence
};

struct pulse_model {
    Arena   own;
    Session session;         // without a reader
};

struct pulse_result {
    Arena  own;
    Entry *list;             // [count]
    size_t count;
    const char *json;
};

// open: the call may compute; entered: the number of threads was set, and api_leave restores `threads`
typedef struct { pulse_context *context; bool open, entered; size_t threads; } ApiCall;

ApiCall api_enter(pulse_context *c);
pulse_status api_leave(ApiCall call);

/* True where p is not NULL. Otherwise the call fails, and the error sentence names the argument. */
bool api_given(pulse_context *c, const void *p, const char *name);
/* The same for an array, which may be NULL where n is 0. */
bool api_given_array(pulse_context *c, const void *p, size_t n, const char *name);
/* The JSON value as text of the context; NULL after a failure. The call releases `value`. */
const char *api_text(pulse_context *c, json_t *value);
/* The same, but the text lives in `a`, and errors go to `e`. */
const char *api_json(json_t *value, Arena *a, Error *e);

/* A new handle of `size` zeroed bytes, whose first member is its arena; NULL: no memory. */
void *api_handle(pulse_context *c, size_t size);
/* Makes the handle's arena report to no Error from now on. Returns the handle. */
void *api_opened(void *handle);
/* Frees the handle, with all that is in its arena; NULL is allowed. */
void api_free(void *handle);

/* --- Arguments (arguments.c) --- */

/* Reads a tensor of the caller. Error sentences name it by `what` and k, for instance "input 2". */
bool api_tensor(const pulse_tensor *given, const char *what, size_t k, Tensor *out, Error *e);
pulse_tensor api_view(Tensor t);
/* Whether n bytes at x and m bytes at y have no byte in common. */
bool api_apart(const void *x, size_t n, const void *y, size_t m);
/* Sets *out to the default settings, changed by those that were given. A key without a section belongs to `section`,
 * but "steps" is train.steps. Without "steps", a training with a constant learning rate has INT32_MAX steps: it has no
 * end. The texts of `out` live in `a`. */
bool api_settings(pulse_context *c, const pulse_setting *given, size_t n, const char *section, Settings *out,
                   Arena *a);
/* The caller's samples as the model reads them. They are checked, except for what batch_pack checks. NULL after a
 * failure. */
BatchSample *api_samples(pulse_context *c, const ModelConfig *m, const pulse_sample *given, size_t n, Arena *a);
/* Whether the number `role` is a role. Error sentences say whose it is by `what` and k, for instance "sample 2". */
bool api_role(pulse_context *c, int32_t role, const char *what, size_t k);

#endif
