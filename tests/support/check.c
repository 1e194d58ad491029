/* SPDX-License-Identifier: MIT */
#include "tests/support/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ref/cli/environment.h"
#include "tensor/base/float.h"
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

/* Runs before main, so that the switches in the environment of the tests hold in every test program. */
__attribute__((constructor)) static void environment_obey(void) { environment_switches(); }

enum { SHOWN = 8 };      // how many differences are printed; the others are only counted

uint64_t check_seed(void)
{
    const char *text = getenv("PULSE_SEED");
    return text && *text ? strtoull(text, NULL, 0) : 1;
}

bool check_can_flush(void)
{
#ifdef __SSE2__
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8000);
    volatile float least = 0x1p-126f;
    least *= .5f;
    _mm_setcsr(before);
    return least == 0;
#else
    return false;
#endif
}

uint64_t check_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t check_below(uint64_t *state, size_t n)
{
    return (size_t)(check_random(state) % n);       // the small bias does not matter in a test
}

/* A float of the given exponent, with a random sign and a random fraction. */
static float with_exponent(uint64_t *s, int exponent)
{
    uint64_t r = check_random(s);
    return float_from((uint32_t)(r & 0x807fffffu) | (uint32_t)(exponent + 127) << 23);
}

/* A sum of twelve uniform numbers, which is exact in double and is rounded once. */
static float gaussian(uint64_t *s)
{
    double sum = -6;
    for (int k = 0; k < 12; k++)
        sum += (double)(check_random(s) >> 40) * 0x1p-24;
    return (float)sum;
}

static float special(uint64_t *s)
{
    static const uint32_t values[] = {
        0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0, 0x80000000, 1, 0x80000001, 0x7f7fffff,
        0xff7fffff,
    };
    size_t k = check_below(s, 4 * sizeof values / sizeof *values);
    return k < sizeof values / sizeof *values ? float_from(values[k]) : gaussian(s);
}

/* Number i of triples x, -x, and x or a float at most two steps farther from 0. `before` is the place of number i, so
 * before[-1] is number i - 1. */
static float cancel(uint64_t *s, const float *before, size_t i)
{
    if (i % 3 == 0)
        return with_exponent(s, (int)check_below(s, 20) - 10);
    if (i % 3 == 1)
        return -before[-1];
    return float_from(float_bits(before[-2]) + (uint32_t)check_below(s, 3));
}

static float draw(DataKind kind, uint64_t *s, const float *before, size_t i)
{
    switch (kind) {
    case DATA_WIDE:      return with_exponent(s, (int)check_below(s, 121) - 60);
    case DATA_SUBNORMAL: return float_from((uint32_t)(check_random(s) & 0x80ffffffu));
    case DATA_TIES:      return (float)((int)check_below(s, 33) - 16) * 0.5f;
    case DATA_CANCEL:    return cancel(s, before, i);
    case DATA_BF16:      return float_from(float_bits(gaussian(s)) & 0xffff0000u);
    case DATA_HUGE:      return with_exponent(s, 127 - (int)check_below(s, 3));
    case DATA_ZERO:      return check_below(s, 8) ? (check_below(s, 2) ? 0.0f : -0.0f) : 1.0f;
    case DATA_SPECIAL:   return special(s);
    case DATA_BITS:      return float_from((uint32_t)check_random(s));
    default:             return gaussian(s);
    }
}

const char *data_name(DataKind kind)
{
    static const char *const names[DATA_KINDS] = {
        "gaussian", "wide", "subnormal", "ties", "cancel", "bf16", "huge", "zero", "special", "bits",
    };
    return names[kind];
}

void data_fill(DataKind kind, uint64_t seed, float *out, size_t n)
{
    uint64_t s = seed * 0x100000001b3u + (uint64_t)kind;
    for (size_t i = 0; i < n; i++)
        out[i] = draw(kind, &s, out + i, i);
}

uint64_t data_squares(float *x, size_t first, size_t n, uint64_t left)
{
    for (size_t k = first; k < n && left; k++) {
        uint64_t root = (uint64_t)sqrt((double)left);
        while (root * root > left)
            root--;
        if (root >> 24)
            root &= ~(uint64_t)1;
        x[k] = (float)root;
        left -= root * root;
    }
    return left;
}

Tensor data_tensor(Arena *a, Shape shape, DataKind kind, uint64_t seed)
{
    Tensor t = tensor_f32(a, shape);
    assert_non_null(t.f32);
    data_fill(kind, seed, t.f32, shape_size(shape));
    return t;
}

void check_print_command(void)
{
    char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    const char *name = strrchr(path, '/');
    print_error("repeat: PULSE_SEED=%" PRIu64 " build/%s\n", check_seed(), name ? name + 1 : path);
}

static void print_difference(size_t i, float got, float want)
{
    print_error("  [%zu] got %08" PRIx32 " (%a), want %08" PRIx32 " (%a), ", i, float_bits(got), (double)got,
                float_bits(want), (double)want);
    if (got == got && want == want)
        print_error("%" PRId64 " ulp\n", float_key(got) - float_key(want));
    else
        print_error("not a number\n");
}

static void check_bits_v(const float *got, const float *want, size_t n, const char *file, int line, const char *what,
                         va_list args)
{
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        if (float_bits(got[i]) == float_bits(want[i]))
            continue;
        if (wrong == 0) {
            char text[512];
            vsnprintf(text, sizeof text, what, args);
            print_error("%s\n", text);
        }
        if (wrong++ < SHOWN)
            print_difference(i, got[i], want[i]);
    }
    if (wrong) {
        print_error("  %zu of %zu differ\n", wrong, n);
        check_print_command();
        _fail(file, line);
    }
}

void check_bits(const float *got, const float *want, size_t n, const char *file, int line, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    check_bits_v(got, want, n, file, line, what, args);
    va_end(args);
}

void check_tensor(Tensor got, Tensor want, const char *file, int line, const char *what, ...)
{
    if (got.dtype != F32 || want.dtype != F32 || !got.data || !want.data || !shape_equal(got.shape, want.shape)) {
        char a[64], b[64];
        print_error("%s: got %s %s, want %s %s\n", what, dtype_name(got.dtype), shape_text(got.shape, a),
                    dtype_name(want.dtype), shape_text(want.shape, b));
        _fail(file, line);
    }
    va_list args;
    va_start(args, what);
    check_bits_v(got.f32, want.f32, shape_size(want.shape), file, line, what, args);
    va_end(args);
}

void check_sentence(Error *e, const char *file, int line, ...)
{
    if (!e->failed) {
        print_error("no failure was reported\n");
        _fail(file, line);
    }
    va_list parts;
    va_start(parts, line);
    for (const char *part = va_arg(parts, const char *); part; part = va_arg(parts, const char *)) {
        if (!strstr(e->text, part)) {
            print_error("the sentence \"%s\" does not say \"%s\"\n", e->text, part);
            _fail(file, line);
        }
    }
    va_end(parts);
    *e = (Error){ 0 };
}

void check_fine(const Error *e, const char *file, int line)
{
    if (e->failed) {
        print_error("%s\n", e->text);
        _fail(file, line);
    }
}
