/* SPDX-License-Identifier: MIT */
/* The subspace of an adapter, and unlearning that is kept inside or outside it. Some tests use known singular vectors;
 * others use subspaces of single rows and columns, for which a projection keeps an entry or makes it zero. */
#include <math.h>
#include <string.h>
#include "tests/support/tiny_world.h"

enum { K = 3 };                          // the rank of the adapters of the tiny world

static int setup(void **state)
{
    *state = tiny_world_make(check_seed());
    tiny_world_adapt(*state, TRAIN_LLM);
    return 0;
}

static int teardown(void **state)
{
    tiny_world_close(*state);
    return 0;
}

/* An adapter of one matrix, from its factors. */
static Lora one_adapter(LoraPair *pair, Weight factor[2], float *a, float *b, size_t rank, size_t in, size_t out)
{
    factor[0] = (Weight){ .name = "a", .tensor = { .shape = shape_of(2, rank, in), .f32 = a } };
    factor[1] = (Weight){ .name = "b", .tensor = { .shape = shape_of(2, out, rank), .f32 = b } };
    *pair = (LoraPair){ .module = "m", .a = &factor[0], .b = &factor[1], .alpha = 1, .scale = 1 };
    return (Lora){ .pairs = pair, .count = 1 };
}

/* The matrix is 10 u1 v1^T + 5 u2 v2^T with
 *     u1 = (3, 4, 0) / 5, u2 = (4, -3, 0) / 5, v1 = (1, 1, 1, 1) / 2, v2 = (1, -1, 1, -1) / 2.
 * The adapter's factors are not orthogonal: A has the rows v1 + v2 and v2, B the columns 10 u1 and 5 u2 - 10 u1. */
static void singular_vectors_are_the_known_ones(void **state)
{
    TinyWorld *w = *state;
    float a[] = { 1, 0, 1, 0, 0.5f, -0.5f, 0.5f, -0.5f }, b[] = { 6, -2, 8, -11, 0, 0 };
    const float u[2][3] = { { 0.6f, 0.8f, 0 }, { 0.8f, -0.6f, 0 } }, v[2][4] = { { 0.5f, 0.5f, 0.5f, 0.5f }, { 0.5f, -0.5f, 0.5f, -0.5f } };
    LoraPair pair;
    Weight factor[2];
    const Lora learned = one_adapter(&pair, factor, a, b, 2, 4, 3);
    Subspace s;
    assert_true(subspace_make(&s, &learned, (SubspaceChoice){ 0, SUBSPACE_ONTO }, 1, &w->arena, &w->error));
    assert_int_equal(s.part[0].rank, 2);
    for (size_t i = 0; i < 2; i++) {
        const float *left = s.part[0].left.f32 + 3 * i, *right = s.part[0].right.f32 + 4 * i, sign = left[0] < 0 ? -1 : 1;
        expect_float((float)s.part[0].value[i], i ? 5 : 10, "singular value %zu", i);
        for (size_t c = 0; c < 3; c++)
            expect_float(sign * left[c] + 0, u[i][c], "entry %zu of left vector %zu", c, i);
        for (size_t c = 0; c < 4; c++)
            expect_float(sign * right[c] + 0, v[i][c], "entry %zu of right vector %zu", c, i);
    }
}

/* Unit vectors that are rounded to fp32 have errors of at most 2^-25 in each entry. So the dot product of two vectors,
 * of at most 40 entries, is off by less than 2^-21. */
static void singular_vectors_are_orthonormal_and_give_the_adapter_back(void **state)
{
    TinyWorld *w = *state;
    enum { RANK = 5, IN = 40, OUT = 31 };
    float a[RANK * IN], b[OUT * RANK];
    data_fill(DATA_GAUSSIAN, check_seed(), a, RANK * IN);
    data_fill(DATA_GAUSSIAN, check_seed() + 1, b, OUT * RANK);
    for (size_t c = 0; c < OUT; c++)
        b[c * RANK + 4] = b[c * RANK];                  // two equal columns, so there is one direction less
    LoraPair pair;
    Weight factor[2];
    const Lora learned = one_adapter(&pair, factor, a, b, RANK, IN, OUT);
    Subspace s;
    assert_true(subspace_make(&s, &learned, (SubspaceChoice){ 0, SUBSPACE_ONTO }, 1, &w->arena, &w->error));
    const SubspacePart *p = &s.part[0];
    assert_int_equal(p->rank, RANK - 1);
    for (size_t i = 0; i < p->rank; i++)
        for (size_t j = 0; j <= i; j++) {
            double left = 0, right = 0;
            for (size_t c = 0; c < OUT; c++)
                left += (double)p->left.f32[i * OUT + c] * (double)p->left.f32[j * OUT + c];
            for (size_t c = 0; c < IN; c++)
                right += (double)p->right.f32[i * IN + c] * (double)p->right.f32[j * IN + c];
            assert_true(fabs(left - (i == j)) < 0x1p-21 && fabs(right - (i == j)) < 0x1p-21);
            assert_true(p->value[j] >= p->value[i]);
        }
    for (size_t r = 0; r < OUT; r++)
        for (size_t c = 0; c < IN; c++) {
            double want = 0, got = 0;
            for (size_t i = 0; i < RANK; i++)
                want += (double)b[r * RANK + i] * (double)a[i * IN + c];
            for (size_t i = 0; i < p->rank; i++)
                got += p->value[i] * (double)p->left.f32[i * OUT + r] * (double)p->right.f32[i * IN + c];
            assert_true(fabs(got - want) < p->value[0] * 0x1p-21);
        }
}

/* --- whole runs, with a subspace of single columns and rows --- */

static bool is_column(size_t c, size_t k) { return c % 2 == 1 && c / 2 < k; }       // 1, 3, 5 of the inputs
static bool is_row(size_t c, size_t k) { return c % 3 == 0 && c / 3 < k; }          // 0, 3, 6 of the outputs

/* An adapter that maps input 2 i + 1 to output 3 i with the factor K - i, for each i < K. */
static Lora learned_make(TinyWorld *w)
{
    Lora l;
    assert_true(lora_make(&l, &w->weights, w->lora.config, 5, &w->arena, &w->error));
    for (size_t k = 0; k < l.count; k++) {
        const Tensor a = l.pairs[k].a->tensor, b = l.pairs[k].b->tensor;
        for (size_t i = 0; i < K; i++) {
            for (size_t c = 0; c < a.shape.dim[1]; c++)
                a.f32[i * a.shape.dim[1] + c] = c == 2 * i + 1;
            for (size_t c = 0; c < b.shape.dim[0]; c++)
                b.f32[c * K + i] = c == 3 * i ? (float)(K - i) : 0;
        }
    }
    return l;
}

/* Zeroes the entries of the adapters that are inside the subspace of k directions, or those that are outside it. */
static void clear(TinyWorld *w, size_t k, bool inside)
{
    for (size_t n = 0; n < w->lora.count; n++) {
        const Tensor a = w->lora.pairs[n].a->tensor, b = w->lora.pairs[n].b->tensor;
        for (size_t i = 0; i < K; i++) {
            for (size_t c = 0; c < a.shape.dim[1]; c++)
                if (is_column(c, k) == inside)
                    a.f32[i * a.shape.dim[1] + c] = 0;
            for (size_t c = 0; c < b.shape.dim[0]; c++)
                if (is_row(c, k) == inside)
                    b.f32[c * K + i] = 0;
        }
    }
}

static Digest digest_of_factors(const TinyWorld *w)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < w->lora.factors.count; k++)
        hash_tensor(&h, "f", w->lora.factors.list[k].tensor);
    return hash_end(&h);
}

/* The digest of the factors after two steps. The subspace of the plan projects them; or, with by_hand, clear() does. */
static Digest two_steps(const char *method, SubspaceChoice c, bool by_hand)
{
    TinyWorld *w = tiny_world_make(check_seed());
    tiny_world_adapt(w, TRAIN_LLM);
    const Lora learned = learned_make(w);
    const size_t k = c.rank ? (size_t)c.rank : K;
    Subspace s;
    Rounds r;
    RoundsPlan p = tiny_world_plan(w, method, "", 2);
    assert_true(subspace_make(&s, &learned, c, 1, &w->arena, &w->error));
    p.subspace = by_hand ? NULL : &s;
    if (by_hand)
        clear(w, k, c.side == SUBSPACE_OFF);
    assert_true(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error) && round_begin(&r, &w->error));
    const Digest first = digest_of_factors(w);
    while (round_step(&r, &w->error))
        if (by_hand)
            clear(w, k, c.side == SUBSPACE_OFF);
    assert_true(round_end(&r, &w->error));
    expect_fine(&w->error);
    const Digest last = digest_of_factors(w);
    assert_string_not_equal(first.hex, last.hex);
    rounds_close(&r);
    tiny_world_close(w);
    return last;
}

static void a_change_stays_in_the_subspace_or_outside_it(void **state)
{
    (void)state;
    static const char *const method[] = { "ga", "ga_klr", "npo" };
    for (size_t m = 0; m < 3; m++) {
        Digest seen[4];
        for (size_t k = 0; k < 4; k++) {
            const SubspaceChoice c = { k / 2 ? 2 : 0, k % 2 ? SUBSPACE_OFF : SUBSPACE_ONTO };
            seen[k] = two_steps(method[m], c, false);
            if (strcmp(seen[k].hex, two_steps(method[m], c, true).hex) != 0)
                fail_msg("%s, %s %zu directions: other factors than with the entries cleared by hand", method[m], k % 2 ? "off" : "onto",
                         k / 2 ? (size_t)2 : (size_t)K);
            for (size_t j = 0; j < k; j++)
                assert_string_not_equal(seen[j].hex, seen[k].hex);
        }
    }
}

static void a_random_subspace_depends_only_on_rank_and_seed(void **state)
{
    TinyWorld *w = *state;
    Lora learned = learned_make(w);
    Subspace s[4];
    const SubspaceChoice c = { 2, SUBSPACE_ONTO_RANDOM };
    for (size_t i = 0; i < 4; i++) {
        const SubspaceChoice one = i == 3 ? (SubspaceChoice){ 2, SUBSPACE_ONTO } : c;
        assert_true(subspace_make(&s[i], &learned, one, i == 1 ? 8 : 7, &w->arena, &w->error));
        assert_int_equal(s[i].part[0].rank, 2);
        if (i == 1)
            learned.pairs[0].b->tensor.f32[0] += 1;     // a change of the adapter must have no effect
    }
    const size_t n = 2 * s[0].part[0].right.shape.dim[1] * sizeof(float);
    assert_memory_equal(s[0].part[0].right.f32, s[2].part[0].right.f32, n);
    for (size_t i = 1; i < 4; i += 2)
        assert_memory_not_equal(s[0].part[0].right.f32, s[i].part[0].right.f32, n);
    assert_memory_not_equal(s[0].part[0].right.f32, s[0].part[1].right.f32, n);
}

static void refuses(TinyWorld *w, Trainable t, const char *method, bool short_of_one, const char *sentence)
{
    const Lora learned = learned_make(w);
    Subspace s;
    Rounds r;
    tiny_world_adapt(w, t);
    RoundsPlan p = tiny_world_plan(w, method, "", 1);
    assert_true(subspace_make(&s, &learned, (SubspaceChoice){ 0, SUBSPACE_OFF }, 1, &w->arena, &w->error));
    s.count -= short_of_one;
    p.subspace = &s;
    assert_false(rounds_make(&r, &p, &w->model, &w->adapters, &w->arena, &w->error));
    expect_sentence(&w->error, sentence);
    rounds_close(&r);
}

static void changes_that_a_subspace_cannot_bound_are_refused(void **state)
{
    TinyWorld *w = *state;
    Subspace s;
    refuses(w, TRAIN_PROJ_LLM, "ga", false, "is trained without an adapter, expected train.trainable = llm");
    refuses(w, TRAIN_FULL, "ga", false, "is trained without an adapter, expected train.trainable = llm");
    refuses(w, TRAIN_LLM, "manu", false, "unlearn.subspace: manu changes weights otherwise than by the steps of adapters");
    refuses(w, TRAIN_LLM, "smfa", false, "unlearn.subspace: smfa changes weights otherwise than by the steps of adapters");
    refuses(w, TRAIN_LLM, "ga", true, "unlearn.subspace: the adapter has no module");
    Lora learned = learned_make(w);
    assert_false(subspace_make(&s, &learned, (SubspaceChoice){ K + 1, SUBSPACE_ONTO }, 1, &w->arena, &w->error));
    expect_sentence(&w->error, "spans 3 directions, expected 4 or more");
    tiny_world_adapt(w, TRAIN_LLM);
    assert_false(subspace_make(&s, &w->lora, (SubspaceChoice){ 0, SUBSPACE_ONTO }, 1, &w->arena, &w->error));
    expect_sentence(&w->error, "spans 0 directions, expected 1 or more");       // because B is still zero
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(singular_vectors_are_the_known_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(singular_vectors_are_orthonormal_and_give_the_adapter_back, setup, teardown),
        cmocka_unit_test(a_change_stays_in_the_subspace_or_outside_it),
        cmocka_unit_test_setup_teardown(a_random_subspace_depends_only_on_rank_and_seed, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_that_a_subspace_cannot_bound_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
