/* SPDX-License-Identifier: MIT */
/* Adapters: which modules they adapt, how they start, and what merging them gives. */
#include "tests/support/stand_model.h"

#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <string.h>
#include "model/lora/lora.h"
#include "tensor/base/file.h"
#include "tensor/base/random.h"
#include "tests/support/scratch.h"

static void adapters_adapt_the_language_model_and_nothing_else(void **state)
{
    (void)state;
    static const char *const leaves[] = { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                          "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj" };
    Lora l;
    make(&l, 5, 10, false, NULL);
    assert_int_equal(l.count, 14);
    assert_int_equal(l.factors.count, 28);
    for (size_t i = 0; i < l.count; i++) {
        char module[200];
        snprintf(module, sizeof module, "language_model.model.layers.%zu.%s", i / 7, leaves[i % 7]);
        assert_string_equal(l.pairs[i].module, module);
        const Tensor *w = weights_get(&model, "%s.weight", module);
        assert_true(shape_equal(l.pairs[i].a->tensor.shape, shape_of(2, (size_t)5, w->shape.dim[1])));
        assert_true(shape_equal(l.pairs[i].b->tensor.shape, shape_of(2, w->shape.dim[0], (size_t)5)));
        assert_true(l.pairs[i].a->trainable && l.pairs[i].b->trainable);
        assert_ptr_equal(lora_find(&l, module), &l.pairs[i]);
    }
    assert_null(lora_find(&l, "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"));
    assert_null(lora_find(&l, "q_proj"));
    assert_null(lora_find(NULL, "language_model.model.layers.0.mlp.up_proj"));
    make(&l, 1, 1, false, "multi_modal_projector.*,language_model.lm_head");
    assert_int_equal(l.count, 3);
    make(&l, 1, 1, false, "**");
    assert_int_equal(l.count, 2 * 6 + 2 + 14 + 1);         // every linear map, but no embedding, convolution or norm
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    Lora l;
    static const struct { LoraConfig c; const char *part; } bad[] = {
        { { .rank = 0, .alpha = 1 }, "rank is 0" }, { { .rank = 65537, .alpha = 1 }, "rank is 65537" },
        { { .rank = -1, .alpha = 1 }, "rank is -1" },
        { { .rank = 1, .alpha = 0 }, "alpha is 0" }, { { .rank = 1, .alpha = -1 }, "alpha is -1" },
        { { .rank = 1, .alpha = INFINITY }, "alpha is inf" }, { { .rank = 1, .alpha = NAN }, "alpha" },
        { { .rank = 1, .alpha = 1, .targets = "q_proj" }, "no linear map has a name that matches \"q_proj\"" },
        { { .rank = 1, .alpha = 1, .targets = "language_model.model.embed_tokens" }, "no linear map" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(lora_make(&l, &model, bad[i].c, 1, &arena, &error));
        expect_sentence(&error, "lora: ", bad[i].part);
    }
}

static void a_new_factor_a_is_gaussian_and_b_is_zero(void **state)
{
    (void)state;
    Lora l;
    make(&l, 4, 8, false, NULL);
    const LoraPair *p = lora_find(&l, "language_model.model.layers.1.mlp.down_proj");     // in = 22
    const float std = (float)(1 / sqrt(22.));
    const Random r = random_for(9, "language_model.model.layers.1.mlp.down_proj.lora_A.weight");
    for (size_t k = 0; k < 4 * 22; k++)
        expect_float(p->a->tensor.f32[k], std * random_normal(r, k), "A[%zu]", k);
    for (size_t i = 0; i < l.count; i++)
        for (size_t k = 0; k < shape_size(l.pairs[i].b->tensor.shape); k++)
            expect_float(l.pairs[i].b->tensor.f32[k], 0, "B");
}

/* The scale s equals MPFR's, for all ranks up to 400, and for alphas that are integers and others that are not. */
static void the_scale_is_the_nearest_float(void **state)
{
    (void)state;
    mpfr_t s;
    mpfr_init2(s, 200);
    uint64_t seed = check_seed();
    for (int64_t rank = 1; rank <= 400; rank++)
        for (int k = 0; k < 6; k++) {
            const float alpha = k == 0 ? (float)rank
                              : k == 1 ? 2 * (float)rank
                              : k == 2 ? 16
                                       : (float)(1 + check_below(&seed, 1u << 24)) * 0x1p-12f;
            for (int rslora = 0; rslora < 2; rslora++) {
                Lora l;
                const ArenaMark mark = arena_mark(&arena);
                make(&l, rank, alpha, rslora, "language_model.lm_head");
                mpfr_set_si(s, rank, MPFR_RNDN);
                if (rslora)
                    mpfr_sqrt(s, s, MPFR_RNDN);
                mpfr_d_div(s, alpha, s, MPFR_RNDN);
                expect_float(l.scale, mpfr_get_flt(s, MPFR_RNDN), "alpha %a, rank %d, rslora %d", (double)alpha,
                             (int)rank, rslora);
                arena_release(&arena, mark);
            }
        }
    mpfr_clear(s);
}

/* The expected value is W + s B A with the scale s, computed in 400 bits and rounded once. */
static void merging_is_exact_and_rounded_once(void **state)
{
    (void)state;
    Lora l;
    Weights before;
    const ModelConfig c = tiny_config();
    assert_true(weights_make(&before, &c, 1, &arena, &error));
    make(&l, 5, 3, true, NULL);
    tiny_fill_b(&l);
    assert_true(lora_merge(&l, &model, &error));
    mpfr_t sum, term;
    mpfr_inits2(400, sum, term, (mpfr_ptr)0);
    for (size_t i = 0; i < model.count; i++) {
        const Weight *w = &model.list[i], *was = &before.list[i];
        char module[200];
        snprintf(module, sizeof module, "%.*s", (int)(strlen(w->name) - strlen(".weight")), w->name);
        const LoraPair *p = lora_find(&l, module);
        if (!p) {
            expect_tensor(w->tensor, was->tensor, "%s", w->name);
            continue;
        }
        const size_t M = w->tensor.shape.dim[0], K = w->tensor.shape.dim[1];
        for (size_t m = 0; m < M; m++)
            for (size_t k = 0; k < K; k++) {
                mpfr_set_zero(sum, 1);
                for (size_t r = 0; r < 5; r++) {
                    mpfr_set_flt(term, p->b->tensor.f32[m * 5 + r], MPFR_RNDN);
                    mpfr_mul_d(term, term, p->a->tensor.f32[r * K + k], MPFR_RNDN);
                    mpfr_add(sum, sum, term, MPFR_RNDN);
                }
                mpfr_mul_d(sum, sum, l.scale, MPFR_RNDN);
                mpfr_add_d(sum, sum, was->tensor.f32[m * K + k], MPFR_RNDN);
                expect_float(w->tensor.f32[m * K + k], mpfr_get_flt(sum, MPFR_RNDN), "%s[%zu,%zu]", w->name, m, k);
            }
    }
    mpfr_clears(sum, term, (mpfr_ptr)0);
}

/* The weights are mapped from a file, one of them in half precision. Merging must not change the file. */
static void a_mapped_model_is_merged_into_copies(void **state)
{
    (void)state;
    static uint16_t half[18 * 22];
    Entry entries[200];
    Weights w;
    Lora l;
    const ModelConfig c = tiny_config();
    for (size_t k = 0; k < 18 * 22; k++)
        half[k] = (uint16_t)(0x2c00 + k);
    for (size_t i = 0; i < model.count; i++) {
        entries[i] = (Entry){ model.list[i].name, model.list[i].tensor };
        if (!strcmp(entries[i].name, "language_model.model.layers.0.mlp.up_proj.weight"))
            entries[i].tensor = (Tensor){ .shape = entries[i].tensor.shape, .dtype = F16, .half = half };
    }
    assert_true(file_make_folder(scratch("half"), &error)
                && store_write(scratch("half/model.safetensors"), entries, model.count, &error));
    assert_true(weights_load(&w, scratch("half"), &c, &arena, &error));
    make(&l, 2, 4, false, NULL);
    const Digest file = store_digest(&w.files[0]);
    assert_true(lora_merge(&l, &w, &error));                   // B is 0, so the numbers stay the same, in F32
    const Tensor *t = weights_get(&w, "language_model.model.layers.0.mlp.up_proj.weight");
    assert_true(t->dtype == F32);
    for (size_t k = 0; k < 18 * 22; k++)
        expect_float(t->f32[k], half_widen(half[k], F16), "[%zu]", k);
    assert_string_equal(store_digest(&w.files[0]).hex, file.hex);
    weights_close(&w);
}

static void trainable_chooses_among_three(void **state)
{
    (void)state;
    Trainable t = TRAIN_COUNT;
    assert_true(trainable_parse("proj+llm", &t) && t == TRAIN_PROJ_LLM && trainable_parse("llm", &t) && t == TRAIN_LLM
                && trainable_parse("full", &t) && t == TRAIN_FULL);
    assert_false(trainable_parse("all", &t));
    assert_string_equal(trainable_name(TRAIN_PROJ_LLM), "proj+llm");
    assert_true(trainable_set(&model, TRAIN_FULL, &error));
    assert_int_equal(weights_parameters(&model, true), weights_parameters(&model, false));
    assert_true(trainable_set(&model, TRAIN_PROJ_LLM, &error));
    assert_int_equal(weights_parameters(&model, true), 18 * 12 + 18 + 18 * 18 + 18);
    assert_true(trainable_set(&model, TRAIN_LLM, &error));
    assert_int_equal(weights_parameters(&model, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_model_test(adapters_adapt_the_language_model_and_nothing_else),
        stand_model_test(bad_settings_are_refused),
        stand_model_test(a_new_factor_a_is_gaussian_and_b_is_zero),
        stand_model_test(the_scale_is_the_nearest_float),
        stand_model_test(merging_is_exact_and_rounded_once),
        stand_model_test(a_mapped_model_is_merged_into_copies),
        stand_model_test(trainable_chooses_among_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
