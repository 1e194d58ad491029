/* SPDX-License-Identifier: MIT */
/* linear, matmul and lora_merge on a tape: values and derivatives against plain loops of Exact. */
#include "tests/support/stand.h"

#include <string.h>
#include "tensor/exact/exact.h"
#include "tensor/product/product.h"
#include "tensor/ops.h"

static float at(Tensor x, size_t r, size_t c)
{
    size_t k = r * x.shape.dim[1] + c;
    return x.dtype == F32 ? x.f32[k] : half_widen(x.half[k], x.dtype);
}

/* Element [i, j] is the float nearest to sum_k A[i,k] B[k,j] + bias[j], without the last term if bias is NULL. A is a
 * or, with ta, its transpose; B is b or, with tb, its transpose. */
static Tensor plain(Tensor a, bool ta, Tensor b, bool tb, const float *bias)
{
    size_t m = a.shape.dim[ta], n = b.shape.dim[!tb], length = a.shape.dim[!ta];
    Tensor y = tensor_f32(&arena, shape_of(2, m, n));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            Exact s = exact_zero();
            for (size_t k = 0; k < length; k++)
                exact_add_product(&s, ta ? at(a, k, i) : at(a, i, k), tb ? at(b, j, k) : at(b, k, j));
            if (bias)
                exact_add(&s, bias[j]);
            y.f32[i * n + j] = exact_round(&s);
        }
    return y;
}

static void linear_and_its_derivatives_are_exact(void **state)
{
    (void)state;
    static const size_t sizes[][3] = { { 1, 1, 1 }, { 5, 7, 9 }, { 40, 33, 20 }, { 3, 0, 4 }, { 0, 3, 4 },
                                       { 70, 96, 64 }, { 300, 5, 3 } };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++)
        for (size_t k = 0; k < 7; k++) {
            tape_reset(&tape);
            size_t n = sizes[k][0], inner = sizes[k][1], m = sizes[k][2];
            Tensor xs = data_tensor(&arena, shape_of(2, n, inner), kind, 1),
                ws = data_tensor(&arena, shape_of(2, m, inner), kind, 2);
            Tensor bs = data_tensor(&arena, shape_of(1, m), kind, 3),
                gs = data_tensor(&arena, shape_of(2, n, m), kind, 4);
            Node *x = tape_param(&tape, "x", xs, true), *w = tape_param(&tape, "w", ws, true);
            Node *b = tape_param(&tape, "b", bs, true), *y = op_linear(&tape, x, w, b);
            tape_seed(&tape, y, tape_input(&tape, "dy", gs));
            tape_backward(&tape);
            expect_fine(&error);
            expect_tensor(y->out, plain(xs, false, ws, true, bs.f32), "y, %s", data_name(kind));
            expect_tensor(x->grad->out, plain(gs, false, ws, false, NULL), "dx, %s", data_name(kind));
            expect_tensor(w->grad->out, plain(gs, true, xs, false, NULL), "dw, %s", data_name(kind));
            Tensor ones = tensor_f32(&arena, shape_of(2, n, (size_t)1)),
            db = { .shape = shape_of(2, m, (size_t)1), .f32 = b->grad->out.f32 };
            for (size_t r = 0; r < n; r++)
                ones.f32[r] = 1;
            expect_tensor(db, plain(gs, true, ones, false, NULL), "db, %s", data_name(kind));
        }
}

static void matmul_takes_all_transposes_and_differentiates_them(void **state)
{
    (void)state;
    for (int flags = 0; flags < 4; flags++) {
        tape_reset(&tape);
        bool ta = flags & 1, tb = flags >> 1;
        Tensor as = data_tensor(&arena, ta ? shape_of(2, 21, 13) : shape_of(2, 13, 21), DATA_GAUSSIAN, 1);
        Tensor bs = data_tensor(&arena, tb ? shape_of(2, 34, 21) : shape_of(2, 21, 34), DATA_WIDE, 2);
        Tensor gs = data_tensor(&arena, shape_of(2, 13, 34), DATA_GAUSSIAN, 3);
        Node *a = tape_param(&tape, "a", as, true), *b = tape_param(&tape, "b", bs, true);
        Node *y = op_matmul(&tape, a, ta, b, tb);
        tape_seed(&tape, y, tape_input(&tape, "dy", gs));
        tape_backward(&tape);
        expect_fine(&error);
        expect_tensor(y->out, plain(as, ta, bs, tb, NULL), "y, transposes %d %d", ta, tb);
        expect_tensor(a->grad->out, ta ? plain(bs, tb, gs, true, NULL) : plain(gs, false, bs, !tb, NULL), "da, %d %d", ta, tb);
        expect_tensor(b->grad->out, tb ? plain(gs, true, as, ta, NULL) : plain(as, !ta, gs, false, NULL), "db, %d %d", ta, tb);
    }
}

static void lora_merge_rounds_once(void **state)
{
    (void)state;
    enum { M = 23, K = 37, R = 16 };
    for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
        tape_reset(&tape);
        Tensor w = data_tensor(&arena, shape_of(2, M, K), kind, 1), b = data_tensor(&arena, shape_of(2, M, R), kind, 2);
        Tensor a = data_tensor(&arena, shape_of(2, R, K), kind, 3), want = tensor_f32(&arena, shape_of(2, M, K));
        Node *y = op_lora_merge(&tape, tape_input(&tape, "w", w), tape_input(&tape, "b", b),
                                tape_input(&tape, "a", a), 0.7f);
        expect_fine(&error);
        for (size_t k = 0; k < M * K; k++) {
            Exact s = exact_zero();
            exact_add(&s, w.f32[k]);
            for (size_t r = 0; r < R; r++)
                exact_add_product3(&s, b.f32[k / K * R + r], a.f32[r * K + k % K], 0.7f);
            want.f32[k] = exact_round(&s);
        }
        expect_tensor(y->out, want, "%s", data_name(kind));
    }
}

/* Random numbers of magnitudes below 1 (F16) or below 2 (BF16): the masks clear two bits of F16's exponent, and one of
 * BF16's. */
static Tensor halves(Dtype dtype, Shape s, uint64_t seed)
{
    uint16_t *bits = arena_array(&arena, shape_size(s), sizeof *bits);
    for (size_t k = 0; k < shape_size(s); k++)
        bits[k] = (uint16_t)(check_random(&seed) & (dtype == F16 ? 0xbbff : 0xbfff));
    return (Tensor){ .shape = s, .dtype = dtype, .half = bits };
}

static void stored_halves_are_weights_and_biases(void **state)
{
    (void)state;
    for (Dtype dtype = F16; dtype <= BF16; dtype++) {
        tape_reset(&tape);
        Tensor xs = data_tensor(&arena, shape_of(2, 19, 70), DATA_GAUSSIAN, 1),
            ws = halves(dtype, shape_of(2, 24, 70), 2);
        Tensor bs = halves(dtype, shape_of(1, 24), 3);
        float bias[24];
        tensor_widen(&bs, 0, 24, bias);
        Node *y = op_linear(&tape, tape_input(&tape, "x", xs), tape_input(&tape, "w", ws), tape_input(&tape, "b", bs));
        expect_fine(&error);
        expect_tensor(y->out, plain(xs, false, ws, true, bias), "linear over %s", dtype_name(dtype));
    }
}

/* The right operand is larger, as doubles, than the memory for its strips (STRIPS_BYTES of product.c, 32 MiB). So the
 * built-in kernel and the library both multiply it in two parts. */
static void a_right_operand_in_two_parts_gives_the_same_bits(void **state)
{
    (void)state;
    for (int flags = 0; flags < 4; flags++) {
        tape_reset(&tape);
        bool ta = flags & 1, tb = flags >> 1;
        enum { M = 1, N = 530, K = 9000 };                     // b takes 36 MiB as doubles
        Tensor as = data_tensor(&arena, ta ? shape_of(2, (size_t)K, (size_t)M) : shape_of(2, (size_t)M, (size_t)K), DATA_GAUSSIAN, 1);
        Tensor bs = data_tensor(&arena, tb ? shape_of(2, (size_t)N, (size_t)K) : shape_of(2, (size_t)K, (size_t)N), DATA_GAUSSIAN, 2);
        Node *a = tape_input(&tape, "a", as), *b = tape_input(&tape, "b", bs);
        Node *by_kernel = op_matmul(&tape, a, ta, b, tb);
        product_set_kernel_limit(0);
        Node *by_library = op_matmul(&tape, a, ta, b, tb);
        product_set_kernel_limit(-1);
        expect_fine(&error);
        expect_tensor(by_kernel->out, by_library->out, "built-in kernel and library, transposes %d %d", ta, tb);
        if (ta && tb)
            expect_tensor(by_library->out, plain(as, ta, bs, tb, NULL), "transposes %d %d", ta, tb);
    }
}

/* After a product, only its result stays in the arena. */
static void a_product_gives_its_scratch_memory_back(void **state)
{
    (void)state;
    for (int library = 0; library < 2; library++) {
        tape_reset(&tape);
        product_set_kernel_limit(library ? 0 : -1);
        Node *x = tape_input(&tape, "x", data_tensor(&arena, shape_of(2, 50, 60), DATA_GAUSSIAN, 1));
        Node *w = tape_input(&tape, "w", data_tensor(&arena, shape_of(2, 40, 60), DATA_GAUSSIAN, 2));
        op_linear(&tape, x, w, NULL);
        size_t used = arena.used;
        Node *y = op_linear(&tape, x, w, NULL);
        assert_true(arena.used - used < tensor_bytes(y->out) + 4096);
    }
    product_set_kernel_limit(-1);
    expect_fine(&error);
}

static Node *input(int rows, int cols)
{
    return tape_input(&tape, "x", tensor_zeros(&arena, shape_of(2, (size_t)rows, (size_t)cols)));
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    tape_reset(&tape);
    assert_null(op_linear(&tape, input(3, 4), input(5, 6), NULL));
    expect_sentence(&error, "linear", "[3, 4]", "[5, 6]");
    tape_reset(&tape);
    assert_null(op_linear(&tape, input(3, 4), input(5, 4), input(5, 1)));
    expect_sentence(&error, "linear", "[5, 1]", "bias [M]");
    tape_reset(&tape);
    assert_null(op_matmul(&tape, input(3, 4), false, input(5, 4), false));
    expect_sentence(&error, "matmul", "[3, 4]", "[5, 4]");
    tape_reset(&tape);
    assert_null(op_lora_merge(&tape, input(3, 4), input(3, 2), input(3, 4), 1));
    expect_sentence(&error, "lora_merge", "[3, 2]");
    tape_reset(&tape);
    Tensor integers = { .shape = shape_of(2, 2, 2), .dtype = I32, .i32 = arena_zalloc(&arena, 16) };
    assert_null(op_linear(&tape, input(2, 2), tape_input(&tape, "w", integers), NULL));
    expect_sentence(&error, "linear", "F32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(linear_and_its_derivatives_are_exact),
        stand_test(matmul_takes_all_transposes_and_differentiates_them),
        stand_test(lora_merge_rounds_once),
        stand_test(stored_halves_are_weights_and_biases),
        stand_test(a_right_operand_in_two_parts_gives_the_same_bits),
        stand_test(a_product_gives_its_scratch_memory_back),
        stand_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
