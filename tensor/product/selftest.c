/* SPDX-License-Identifier: MIT */
/* The start-up test of an engine. The shapes lie around the sizes at which kernels change their path, and some are
 * whole tiles; all transposes are tested. The data is uniform. An operand of 5 to 79 lines also has one infinity, one
 * NaN, one subnormal and one negative zero, each in a line of its own (not for the shapes of a model). Every thread
 * takes part, because a library keeps buffers for each thread. */
#include <pthread.h>
#include <stdatomic.h>
#include "tensor/base/team.h"
#include "tensor/exact/exact.h"
#include "tensor/product/engine.h"

enum { LARGEST = 256 * 260 };           // the most numbers of an operand or a result

typedef struct {
    size_t m, n, length, step;          // every step-th element is compared
    bool finite;                        // no infinities and NaN, so that freivalds.h can check all sums
} Case;

static const Case cases[] = {
    { 1, 1, 1, 1, false }, { 3, 5, 2, 1, false }, { 7, 4, 0, 1, false }, { 8, 16, 255, 1, false }, { 17, 33, 257, 3, false },
    { 9, 7, 600, 1, false }, { 64, 48, 64, 7, false },
    { 31, 65, 16, 3, false },
    { 104, 256, 32, 131, false }, { 80, 96, 96, 97, false }, { 416, 80, 96, 997, false },
};

/* Fills x with numbers of 24 bits around 0, from a multiplicative congruential generator (Lehmer). */
static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t k = 0; k < n; k++) {
        seed = seed * 48271 % 2147483647;
        x[k] = ((float)(seed >> 7) - 0x1p23f) * 0x1p-22f;
    }
}

static void put_specials(float *x, const Lines *l)
{
    static const float specials[] = { INFINITY, -0.0f, 0x1.8p-140f, NAN };
    for (size_t s = 0; s < 4 && l->lines > 4 && l->length; s++)
        x[s * l->line_stride + (s % l->length) * l->k_stride] = specials[s];
}

static Lines lines_in(float *x, size_t lines, size_t length, bool columns, bool finite)
{
    Lines l = columns ? (Lines){ x, F32, lines, length, 1, lines } : (Lines){ x, F32, lines, length, length, 1 };
    fill(x, lines * length, lines * 1000 + length + columns);
    if (lines < 80 && !finite)          // operands of 80 lines or more stay finite
        put_specials(x, &l);
    return l;
}

static float exact_dot(const Lines *a, size_t i, const Lines *b, size_t j)
{
    Exact s = exact_zero();
    const float *x = (const float *)a->data + i * a->line_stride, *y = (const float *)b->data + j * b->line_stride;
    for (size_t k = 0; k < a->length; k++)
        exact_add_product(&s, x[k * a->k_stride], y[k * b->k_stride]);
    return exact_round(&s);
}

/* `scratch` has three parts of `largest` floats, for the two operands and the result. */
static bool check(const Engine *engine, Case c, bool a_columns, bool b_columns, float *scratch, size_t largest, Arena *arena, Error *e)
{
    Lines a = lines_in(scratch, c.m, c.length, a_columns, c.finite),
          b = lines_in(scratch + largest, c.n, c.length, b_columns, c.finite);
    float *out = scratch + 2 * largest;
    if (!product_by(engine, a, b, (Epilogue){ .s = 1 }, out, c.n, arena, e))
        return error_prefix(e, "start-up test");
    for (size_t k = 0; k < c.m * c.n; k += c.step) {
        float want = exact_dot(&a, k / c.n, &b, k % c.n);
        if (float_bits(out[k]) != float_bits(want))
            return error_set_kind(e, ERROR_ENVIRONMENT, "start-up test: the engine (%s) computes wrong products: [%zu, %zu]%s "
                                                        "by [%zu, %zu]%s, element "
                             "(%zu, %zu) is %a, expected %a; build with another (make BLAS=builtin)", engine->name(),
                             c.m, c.length, a_columns ? " transposed" : "", c.length, c.n, b_columns ? "" : " transposed",
                             k / c.n, k % c.n, (double)out[k], (double)want);
    }
    return true;
}

enum { COUNT = sizeof cases / sizeof *cases };

/* The threads share the cases. Then each thread computes the last case once more, so that no thread is left out. */
static void check_shared(const Engine *engine, _Atomic size_t *next, Error *e)
{
    Arena arena = arena_make(e);
    float *scratch = arena_array(&arena, 3 * LARGEST, sizeof *scratch);
    for (size_t k; (k = atomic_fetch_add(next, 1)) < 4 * COUNT && scratch && !e->failed;)
        check(engine, cases[k / 4], k & 1, k >> 1 & 1, scratch, LARGEST, &arena, e);
    if (scratch && !e->failed)
        check(engine, cases[COUNT - 1], false, false, scratch, LARGEST, &arena, e);
    arena_free(&arena);
}

/* A test that each thread of the team makes, of the shared cases or of a linear map [n, k]. If several threads fail,
 * one failure is reported. */
typedef struct { const Engine *engine; size_t n, k; _Atomic size_t *next; pthread_mutex_t *writing; Error *error; } Test;

static void report(const Test *t, const Error *mine)
{
    pthread_mutex_lock(t->writing);
    if (mine->failed)
        error_set_kind(t->error, mine->kind, "%s", mine->text);
    pthread_mutex_unlock(t->writing);
}

static bool test(Test t, TeamBody *body, Error *e)
{
    pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
    _Atomic size_t next = 0;
    t.next = &next;
    t.writing = &writing;
    t.error = e;
    team_each(body, &t, e);
    return !e->failed;
}

static void selftest_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Test *t = data;
    Error mine = { 0 };
    (void)begin, (void)end, (void)worker;
    check_shared(t->engine, t->next, &mine);
    report(t, &mine);
}

bool engine_selftest(const Engine *engine, Error *e) { return test((Test){ .engine = engine }, selftest_part, e); }

/* --- The shapes of a model --- */

// ROWS: PRODUCT_ROWS, the most lines of a tile; TILE: the columns of a tile; WHOLE: a side up to it is tested as it is
enum { ROWS = 104, WHOLE = 1024, TILE = 256 };

/* The driver cuts a long side into tiles, so a shorter side with the same remainder tests the same code. */
static size_t shorter(size_t side) { return side > WHOLE ? WHOLE - TILE + side % TILE : side; }

/* Every thread computes all three products, because a library keeps buffers for each thread. */
static void check_map(const Engine *engine, size_t n, size_t k, Error *e)
{
    const size_t largest = (n > ROWS ? n : ROWS) * (k > ROWS ? k : ROWS);
    const struct { Case c; bool a_columns, b_columns; } products[] = {
        { { ROWS, n, k, 0, true }, false, false },              // y = x w^T
        { { ROWS, k, n, 0, true }, false, true },               // dx = dy w
        { { n, k, ROWS, 0, true }, true, true },                // dw = dy^T x
    };
    Arena arena = arena_make(e);
    float *scratch = arena_array(&arena, 3 * largest, sizeof *scratch);
    for (size_t p = 0; scratch && p < sizeof products / sizeof *products && !e->failed; p++) {
        Case c = products[p].c;
        c.step = c.m * c.n / 97 + 1;                        // at most 97 elements are compared
        check(engine, c, products[p].a_columns, products[p].b_columns, scratch, largest, &arena, e);
    }
    arena_free(&arena);
}

static void map_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Test *t = data;
    Error mine = { 0 };
    (void)begin, (void)end, (void)worker;
    check_map(t->engine, shorter(t->n), shorter(t->k), &mine);
    report(t, &mine);
}

bool engine_selftest_map(const Engine *engine, size_t n, size_t k, Error *e)
{
    return test((Test){ .engine = engine, .n = n, .k = k }, map_part, e);
}

bool product_selftest(Error *e) { return engine_selftest(&engine_builtin, e); }
