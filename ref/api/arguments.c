/* SPDX-License-Identifier: MIT */
/* Turns the arguments of a caller into the types of the library, or fails with a sentence about what does not fit. */
#include <stdio.h>
#include <string.h>
#include "ref/api/api.h"
#include "unlearn/method.h"

_Static_assert((int)PULSE_F32 == F32 && (int)PULSE_F16 == F16 && (int)PULSE_BF16 == BF16 && (int)PULSE_F64 == F64 && (int)PULSE_I64 == I64
               && (int)PULSE_I32 == I32 && (int)PULSE_U8 == U8 && (int)PULSE_RANK_MAX == RANK_MAX, "one list of dtypes");
_Static_assert((int)PULSE_FORGET == ROLE_FORGET && (int)PULSE_RETAIN == ROLE_RETAIN && (int)PULSE_REFUSAL == ROLE_REFUSAL
               && (int)PULSE_ALTERNATE == ROLE_ALTERNATE && (int)PULSE_FORGET_TEXT == ROLE_FORGET_TEXT
               && (int)PULSE_RANDOM == ROLE_RANDOM && (int)PULSE_ROLES == ROLE_COUNT, "one list of roles");

static bool shape_read(const pulse_tensor *given, const char *what, size_t k, Shape *out, Error *e)
{
    size_t n;
    if (given->rank < 0 || given->rank > RANK_MAX)
        return error_set(e, "%s %zu has rank %d, expected 0 to %d", what, k, (int)given->rank, RANK_MAX);
    *out = (Shape){ .rank = given->rank };
    for (int i = 0; i < given->rank; i++) {
        if (given->dims[i] < 0)
            return error_set(e, "%s %zu: dimension %d is %lld, expected 0 or more", what, k, i,
                             (long long)given->dims[i]);
        out->dim[i] = (size_t)given->dims[i];
    }
    // an element has at most 8 bytes, so a size in bytes does not overflow, nor does twice that size
    return (shape_size_checked(*out, &n) && n <= SIZE_MAX / 16)
        || error_set(e, "%s %zu has more elements than fit memory", what, k);
}

bool api_tensor(const pulse_tensor *given, const char *what, size_t k, Tensor *out, Error *e)
{
    Tensor t;
    if (given->dtype < 0 || given->dtype >= DTYPE_COUNT)
        return error_set(e, "%s %zu has dtype %d, expected PULSE_F32 (0) to PULSE_U8 (%d)", what, k,
                         (int)given->dtype, DTYPE_COUNT - 1);
    t = (Tensor){ .dtype = (Dtype)given->dtype, .data = given->data };
    if (!shape_read(given, what, k, &t.shape, e))
        return false;
    if (!t.data && shape_size(t.shape) > 0)
        return error_set(e, "%s %zu has no data: its pointer is NULL", what, k);
    if ((uintptr_t)t.data % dtype_size(t.dtype) != 0)
        return error_set(e, "%s %zu is not aligned: its address is not a multiple of %zu", what, k, dtype_size(t.dtype));
    *out = t;
    return true;
}

pulse_tensor api_view(Tensor t)
{
    pulse_tensor out = { .dtype = (int32_t)t.dtype, .rank = t.shape.rank, .data = t.data };
    for (int i = 0; i < t.shape.rank; i++)
        out.dims[i] = (int64_t)t.shape.dim[i];
    return out;
}

bool api_apart(const void *x, size_t n, const void *y, size_t m)
{
    const uintptr_t a = (uintptr_t)x, b = (uintptr_t)y;
    return n == 0 || m == 0 || a + n <= b || b + m <= a;
}

/* --- settings --- */

static bool setting_give(pulse_context *c, const pulse_setting *s, const char *section, Settings *out)
{
    if (!api_given(c, s->key, "key of a setting") || !api_given(c, s->value, s->key))
        return false;
    const char *home = strcmp(s->key, "steps") == 0 ? "train" : section;
    const char *name = strchr(s->key, '.') ? s->key : arena_format(&c->scratch, "%s.%s", home, s->key);
    return name && settings_give(out, name, s->value, &c->error);
}

bool api_settings(pulse_context *c, const pulse_setting *given, size_t n, const char *section, Settings *out, Arena *a)
{
    settings_defaults(out, a);
    if (!api_given_array(c, given, n, "settings"))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!setting_give(c, &given[k], section, out))
            return false;
    if (!out->given[SETTING_train_steps] && out->optimiser_schedule == SCHEDULE_CONSTANT)
        out->train_steps = INT32_MAX;
    return !c->error.failed;
}

/* --- samples --- */

bool api_role(pulse_context *c, int32_t role, const char *what, size_t k)
{
    return (role >= 0 && role < ROLE_COUNT)
        || error_set(&c->error, "%s %zu has role %d, expected PULSE_FORGET (0) to PULSE_RANDOM (%d)", what, k, (int)role,
                     ROLE_COUNT - 1);
}

static bool targets_fit(pulse_context *c, const ModelConfig *m, const pulse_sample *s, size_t k)
{
    for (int64_t i = 0; s->targets && i < s->count; i++)
        if (s->targets[i] < -1 || s->targets[i] >= m->text.vocab_size)
            return error_set(&c->error, "sample %zu: target %lld is %d, expected -1 to %lld", k, (long long)i, (int)s->targets[i],
                             (long long)m->text.vocab_size - 1);
    return true;
}

static bool sample_fits(pulse_context *c, const ModelConfig *m, const pulse_sample *s, size_t k)
{
    const size_t pixels = shape_size(config_pixels(m)), most = config_positions(m);
    if (s->count < 1 || (size_t)s->count > most)
        return error_set(&c->error, "sample %zu has %lld tokens, expected 1 to %zu", k, (long long)s->count, most);
    if (!s->ids)
        return error_set(&c->error, "sample %zu has no ids: the pointer is NULL", k);
    if (s->pixels && (s->n_pixels < 0 || (uint64_t)s->n_pixels != pixels))
        return error_set(&c->error, "sample %zu has %lld pixels, expected %zu (channels * height * width)", k,
                         (long long)s->n_pixels, pixels);
    return targets_fit(c, m, s, k);
}

BatchSample *api_samples(pulse_context *c, const ModelConfig *m, const pulse_sample *given, size_t n, Arena *a)
{
    if (n == 0)
        return error_set(&c->error, "there is no sample, expected at least one"), NULL;
    if (!api_given(c, given, "samples"))
        return NULL;
    BatchSample *list = arena_array(a, n, sizeof *list);
    for (size_t k = 0; list && k < n; k++) {
        if (!sample_fits(c, m, &given[k], k))
            return NULL;
        list[k] = (BatchSample){ given[k].ids, given[k].targets, (size_t)given[k].count, given[k].pixels, 0 };
    }
    return list;
}
