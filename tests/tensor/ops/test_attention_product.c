/* SPDX-License-Identifier: MIT */
/* Attention's products at 0 ULP against plain loops of Exact: ragged segments, grouped heads, causal attention with
 * more keys than queries, and derivatives. RoPE and its derivative at 0 ULP against its formula with round_sum. */
#include "tests/support/stand.h"

#include "tensor/ops/attention.h"
#include "tensor/exact/exact.h"
#include "tensor/exact/round.h"

typedef struct { const char *name; Attention a; size_t q_rows, k_rows, scores; } Case;

/* A segment: its first query, the number of its queries, its first key, the number of its keys. */
static const int32_t one[] = { 0, 64, 0, 64 };
static const int32_t ragged[] = { 0, 5, 0, 5, 5, 33, 5, 33, 38, 0, 38, 0, 38, 1, 38, 1, 41, 17, 39, 17 };
static const int32_t cached[] = { 0, 1, 0, 40, 1, 3, 40, 70, 4, 40, 110, 41 };
static const int32_t blind[] = { 0, 9, 0, 4, 9, 3, 4, 0 };

static const Case cases[] = {
    { "one head", { one, 1, 1, 1, 16, false }, 64, 64, 64 * 64 },
    { "four heads, causal", { one, 1, 4, 4, 16, true }, 64, 64, 4 * 64 * 64 },
    { "ragged", { ragged, 5, 3, 3, 7, false }, 60, 58, 3 * (25 + 33 * 33 + 1 + 289) },
    { "ragged, grouped, causal", { ragged, 5, 6, 2, 20, true }, 58, 56, 6 * (25 + 33 * 33 + 1 + 289) },
    { "a cache of keys", { cached, 3, 4, 2, 24, true }, 44, 151, 4 * (40 + 210 + 1640) },
    { "a cache of keys, one head a group", { cached, 3, 2, 2, 24, true }, 44, 151, 2 * (40 + 210 + 1640) },
    { "queries that see nothing", { blind, 2, 2, 1, 5, true }, 12, 4, 2 * 36 },
};
enum { CASES = sizeof cases / sizeof *cases };

static bool sees(const Attention *a, const int32_t *s, int i, int j) { return !a->causal || j <= i + s[3] - s[1]; }

/* query_at and key_at: the indices of the first number of a query's head, and of the key's head that belongs to it */
typedef void Visit(void *to, size_t score, size_t query_at, size_t key_at);

/* Calls f for every pair of query and key that is not masked, for every head, in the order of the scores. */
static void visit(const Attention *a, Visit *f, void *to)
{
    size_t at = 0, group = a->heads / a->kv_heads;
    for (size_t k = 0; k < a->count; k++) {
        const int32_t *s = a->segments + 4 * k;
        for (size_t h = 0; h < a->heads; h++)
            for (int i = 0; i < s[1]; i++)
                for (int j = 0; j < s[3]; j++, at++)
                    if (sees(a, s, i, j))
                        f(to, at, ((size_t)(s[0] + i) * a->heads + h) * a->head_dim,
                          ((size_t)(s[2] + j) * a->kv_heads + h / group) * a->head_dim);
    }
}

typedef struct { const Attention *a; const float *p, *x; Exact *sums; } Sums;

static void add_scores(void *to, size_t score, size_t q, size_t k)
{
    Sums *s = to;
    for (size_t c = 0; c < s->a->head_dim; c++)
        exact_add_product(&s->sums[score], s->p[q + c], s->x[k + c]);
}

static void add_mix(void *to, size_t score, size_t q, size_t k)
{
    Sums *s = to;
    for (size_t c = 0; c < s->a->head_dim; c++)
        exact_add_product(&s->sums[q + c], s->p[score], s->x[k + c]);
}

static void add_mix_t(void *to, size_t score, size_t q, size_t k)
{
    Sums *s = to;
    for (size_t c = 0; c < s->a->head_dim; c++)
        exact_add_product(&s->sums[k + c], s->p[score], s->x[q + c]);
}

/* The product whose terms `add` adds, of p (queries or scores) and x (keys, values or queries); each sum is rounded
 * once. */
static Tensor plain(const Attention *a, Visit *add, Tensor p, Tensor x, Shape out)
{
    size_t n = shape_size(out);
    Sums s = { a, p.f32, x.f32, arena_array(&arena, n, sizeof(Exact)) };
    for (size_t k = 0; k < n; k++)
        s.sums[k] = exact_zero();
    visit(a, add, &s);
    Tensor y = tensor_f32(&arena, out);
    for (size_t k = 0; k < n; k++)
        y.f32[k] = exact_round(&s.sums[k]);
    return y;
}

typedef struct { Shape q, k, s; } Shapes;

static Shapes shapes_of(const Case *c)
{
    return (Shapes){ shape_of(2, c->q_rows, c->a.heads * c->a.head_dim), shape_of(2, c->k_rows, c->a.kv_heads * c->a.head_dim),
                     shape_of(1, c->scores) };
}

static void check_products(const Case *c, DataKind kind)
{
    tape_reset(&tape);
    Shapes z = shapes_of(c);
    const Attention *a = &c->a;
    Tensor q = data_tensor(&arena, z.q, kind, 1), k = data_tensor(&arena, z.k, kind, 2), p = data_tensor(&arena, z.s, kind, 3);
    Node *qn = tape_input(&tape, "q", q), *kn = tape_input(&tape, "k", k), *pn = tape_input(&tape, "p", p);
    Node *s = op_attention_scores(&tape, qn, kn, *a);
    Node *o = op_attention_mix(&tape, pn, kn, *a), *y = op_attention_mix_t(&tape, pn, qn, *a);
    expect_fine(&error);
    expect_tensor(s->out, plain(a, add_scores, q, k, z.s), "scores: %s, %s", c->name, data_name(kind));
    expect_tensor(o->out, plain(a, add_mix, p, k, o->out.shape), "mix: %s, %s", c->name, data_name(kind));
    expect_tensor(y->out, plain(a, add_mix_t, p, q, y->out.shape), "mix_t: %s, %s", c->name, data_name(kind));
}

static void products_of_every_kind_are_exact(void **state)
{
    (void)state;
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t k = 0; k < CASES; k++)
            if (kind == DATA_GAUSSIAN || k != 1)             // case 1 is the slowest
                check_products(&cases[k], kind);
}

static void exact_decides_alone(void **state)
{
    (void)state;
    tier_force = 1;
    for (size_t k = 2; k < CASES; k++)
        check_products(&cases[k], DATA_GAUSSIAN);
    tier_force = 0;
}

static void the_number_of_threads_does_not_matter(void **state)
{
    (void)state;
    size_t before = team_size();
    for (int threads = 1; threads < 8; threads += 2) {
        team_set_size(threads);
        check_products(&cases[3], DATA_GAUSSIAN);
    }
    team_set_size(before);
}

static void derivatives_are_the_products_of_each_other(void **state)
{
    (void)state;
    for (size_t n = 2; n < CASES; n++) {
        tape_reset(&tape);
        const Case *c = &cases[n];
        Shapes z = shapes_of(c);
        Tensor q = data_tensor(&arena, z.q, DATA_GAUSSIAN, 1), k = data_tensor(&arena, z.k, DATA_GAUSSIAN, 2);
        Tensor p = data_tensor(&arena, z.s, DATA_GAUSSIAN, 3), ds = data_tensor(&arena, z.s, DATA_WIDE, 4);
        Tensor dq = data_tensor(&arena, z.q, DATA_WIDE, 5), dk = data_tensor(&arena, z.k, DATA_WIDE, 6);
        Node *qn = tape_param(&tape, "q", q, true), *kn = tape_param(&tape, "k", k, true);
        Node *v = tape_param(&tape, "v", k, true), *x = tape_param(&tape, "x", q, true);
        Node *pn = tape_param(&tape, "p", p, true), *pt = tape_param(&tape, "pt", p, true);
        Attrs attrs = attention_attrs(&tape, c->a);
        tape_seed(&tape, op_attention_scores(&tape, qn, kn, c->a), tape_input(&tape, "ds", ds));
        attrs.n[ATTENTION_ROWS] = (int64_t)c->q_rows;
        tape_seed(&tape, tape_push(&tape, op_find("attention_mix"), 2, (Node *[]){ pn, v }, &attrs), tape_input(&tape, "do", dq));
        attrs.n[ATTENTION_ROWS] = (int64_t)c->k_rows;
        tape_seed(&tape, tape_push(&tape, op_find("attention_mix_t"), 2, (Node *[]){ pt, x }, &attrs), tape_input(&tape, "dy", dk));
        tape_backward(&tape);
        expect_fine(&error);
        expect_tensor(qn->grad->out, plain(&c->a, add_mix, ds, k, z.q), "scores dq: %s", c->name);
        expect_tensor(kn->grad->out, plain(&c->a, add_mix_t, ds, q, z.k), "scores dk: %s", c->name);
        expect_tensor(pn->grad->out, plain(&c->a, add_scores, dq, k, z.s), "mix dp: %s", c->name);
        expect_tensor(v->grad->out, plain(&c->a, add_mix_t, p, dq, z.k), "mix dv: %s", c->name);
        expect_tensor(pt->grad->out, plain(&c->a, add_scores, q, dk, z.s), "mix_t dp: %s", c->name);
        expect_tensor(x->grad->out, plain(&c->a, add_mix, p, dk, z.q), "mix_t dx: %s", c->name);
    }
}

/* What a mask hides may be any number, also an infinity or a NaN. */
static void hidden_infinities_stay_hidden(void **state)
{
    (void)state;
    tape_reset(&tape);
    static const int32_t segment[] = { 0, 20, 0, 20 };
    Attention a = { segment, 1, 1, 1, 8, true };
    Tensor p = data_tensor(&arena, shape_of(1, 400), DATA_GAUSSIAN, 1), v = data_tensor(&arena, shape_of(2, 20, 8), DATA_GAUSSIAN, 2);
    for (size_t c = 0; c < 8; c++)
        v.f32[19 * 8 + c] = c & 1 ? INFINITY : NAN;
    for (size_t i = 0; i < 20; i++)
        for (size_t j = i + 1; j < 20; j++)
            p.f32[i * 20 + j] = j & 1 ? 7 : NAN;
    Node *pn = tape_input(&tape, "p", p), *vn = tape_input(&tape, "v", v);
    Node *o = op_attention_mix(&tape, pn, vn, a), *y = op_attention_mix_t(&tape, pn, vn, a);
    expect_fine(&error);
    expect_tensor(o->out, plain(&a, add_mix, p, v, shape_of(2, 20, 8)), "mix");
    expect_tensor(y->out, plain(&a, add_mix_t, p, v, shape_of(2, 20, 8)), "mix_t");
    for (size_t k = 0; k < 19 * 8; k++)
        assert_true(o->out.f32[k] - o->out.f32[k] == 0);
}

static void layouts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const int32_t far[] = { 0, 4, 2, 4 }, twice[] = { 0, 3, 0, 3, 2, 1, 3, 1 };
    tape_reset(&tape);
    Node *q = tape_input(&tape, "q", tensor_zeros(&arena, shape_of(2, 4, 6))),
         *k = tape_input(&tape, "k", tensor_zeros(&arena, shape_of(2, 4, 3)));
    assert_null(op_attention_scores(&tape, q, k, (Attention){ one, 1, 2, 2, 3, false }));
    expect_sentence(&error, "attention_scores", "[4, 6]", "[4, 3]");
    tape_reset(&tape);
    q = tape_input(&tape, "q", tensor_zeros(&arena, shape_of(2, 4, 6))),
    k = tape_input(&tape, "k", tensor_zeros(&arena, shape_of(2, 4, 3)));
    assert_null(op_attention_scores(&tape, q, k, (Attention){ far, 1, 2, 1, 3, false }));
    expect_sentence(&error, "attention_scores", "segment 0", "4 keys from row 2");
    tape_reset(&tape);
    Node *p = tape_input(&tape, "p", tensor_zeros(&arena, shape_of(1, 20)));
    k = tape_input(&tape, "k", tensor_zeros(&arena, shape_of(2, 4, 3)));
    assert_null(op_attention_mix(&tape, p, k, (Attention){ twice, 2, 2, 1, 3, false }));
    expect_sentence(&error, "attention_mix", "segment 1", "after those of earlier segments");
    tape_reset(&tape);
    p = tape_input(&tape, "p", tensor_zeros(&arena, shape_of(1, 19)));
    k = tape_input(&tape, "k", tensor_zeros(&arena, shape_of(2, 4, 3)));
    assert_null(op_attention_mix(&tape, p, k, (Attention){ twice, 2, 2, 1, 3, false }));
    expect_sentence(&error, "attention_mix", "[19]");
}

/* --- RoPE --- */

enum { ROWS = 37, POSITIONS = 50 };

/* Element [r, c] of rope (sign 1) or of rope_back (sign -1); at[r] is the position of row r. */
static float rope_plain(Tensor x, Tensor cos, Tensor sin, const int32_t *at, size_t r, size_t c, double sign)
{
    size_t half = cos.shape.dim[1], h = c / (2 * half), i = c % half, base = r * x.shape.dim[1] + h * 2 * half + i;
    size_t place = (size_t)at[r] * half + i;
    bool first = c % (2 * half) < half;
    double x1 = x.f32[base], x2 = x.f32[base + half];
    double a = (first ? x1 : x2) * cos.f32[place], b = (first ? -sign * x2 : sign * x1) * sin.f32[place];
    return round_sum(a, b);
}

static void turn_there_and_back(DataKind kind, size_t heads, size_t half)
{
    const size_t cols = 2 * heads * half;
    int32_t at[ROWS];
    tape_reset(&tape);
    for (int r = 0; r < ROWS; r++)
        at[r] = r * 13 % POSITIONS;
    Tensor x = data_tensor(&arena, shape_of(2, ROWS, cols), kind, 1), g = data_tensor(&arena, shape_of(2, ROWS, cols), kind, 4);
    Tensor cos = data_tensor(&arena, shape_of(2, POSITIONS, half), kind, 2),
           sin = data_tensor(&arena, shape_of(2, POSITIONS, half), kind, 3);
    Node *xn = tape_param(&tape, "x", x, true);
    Node *y = op_rope(&tape, xn, tape_input(&tape, "cos", cos), tape_input(&tape, "sin", sin), at, heads);
    tape_seed(&tape, y, tape_input(&tape, "dy", g));
    tape_backward(&tape);
    expect_fine(&error);
    Tensor want = tensor_f32(&arena, x.shape), back = tensor_f32(&arena, x.shape);
    for (size_t k = 0; k < ROWS * cols; k++) {
        want.f32[k] = rope_plain(x, cos, sin, at, k / cols, k % cols, 1);
        back.f32[k] = rope_plain(g, cos, sin, at, k / cols, k % cols, -1);
    }
    expect_tensor(y->out, want, "rope, %s, %zu heads of %zu", data_name(kind), heads, 2 * half);
    expect_tensor(xn->grad->out, back, "rope_back, %s, %zu heads of %zu", data_name(kind), heads, 2 * half);
}

/* The operator turns up to 512 numbers of a row at once (SPAN of op_rope.c). In the four cases, these are all heads of
 * a row; some of its heads; a part of a head of 600; and one head of 512. */
static void rope_turns_and_turns_back(void **state)
{
    (void)state;
    static const size_t heads[] = { 3, 31, 2, 1 }, half[] = { 9, 12, 300, 256 };
    for (int forced = 0; forced < 2; forced++)
        for (DataKind kind = 0; kind < DATA_KINDS; kind++)
            for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
                tier_force = forced;
                turn_there_and_back(kind, heads[k], half[k]);
                tier_force = 0;
            }
}

static void positions_outside_the_tables_are_refused(void **state)
{
    (void)state;
    tape_reset(&tape);
    Node *x = tape_input(&tape, "x", tensor_zeros(&arena, shape_of(2, 2, 4))),
         *table = tape_input(&tape, "cos", tensor_zeros(&arena, shape_of(2, 3, 2)));
    assert_null(op_rope(&tape, x, table, table, (int32_t[]){ 2, 3 }, 1));
    expect_sentence(&error, "rope", "row 1", "position 3");
    tape_reset(&tape);
    x = tape_input(&tape, "x", tensor_zeros(&arena, shape_of(2, 2, 4))),
    table = tape_input(&tape, "cos", tensor_zeros(&arena, shape_of(2, 3, 2)));
    assert_null(op_rope(&tape, x, table, table, (int32_t[]){ 2, 1 }, 2));
    expect_sentence(&error, "rope", "[2, 4]", "2 heads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(products_of_every_kind_are_exact),
        stand_test(exact_decides_alone),
        stand_test(the_number_of_threads_does_not_matter),
        stand_test(derivatives_are_the_products_of_each_other),
        stand_test(hidden_infinities_stay_hidden),
        stand_test(layouts_that_do_not_fit_are_refused),
        stand_test(rope_turns_and_turns_back),
        stand_test(positions_outside_the_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
