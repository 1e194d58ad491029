/* SPDX-License-Identifier: MIT */
/* Bad input through pulse.h gives an error kind and a sentence. A build with SAN=1 also checks that nothing outside a
 * buffer is read or written. */
#include "tensor/base/team.h"
#include "tests/api/api_stand.h"

#include <fenv.h>
#include <math.h>

static float floats[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, result[12];

static pulse_tensor matrix(void *data, int64_t rows, int64_t cols) { return (pulse_tensor){ PULSE_F32, 2, { rows, cols }, data }; }

/* softmax of one input into one output. */
static pulse_status softmax(pulse_tensor in, pulse_tensor out) { return pulse_op(ctx, "softmax", &in, 1, NULL, 0, NULL, 0, &out); }

/* --- pointers and names --- */

static void null_in_any_place_is_bad_input(void **state)
{
    (void)state;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    const char *text;
    const int32_t *ids;
    size_t n;
    float loss;
    pulse_model *model;
    pulse_trainer *trainer;
    pulse_tokenizer *tokenizer;
    pulse_processor *processor;
    pulse_result *got;
    pulse_tensor value;
    assert_int_equal(pulse_open(NULL, NULL), PULSE_BAD_INPUT);
    assert_int_equal(pulse_op(NULL, "softmax", &in, 1, NULL, 0, NULL, 0, &out), PULSE_BAD_INPUT);
    assert_int_equal(pulse_error_kind(NULL), PULSE_BAD_INPUT);
    assert_true(*pulse_error_text(NULL));
    refused("name", pulse_op(ctx, NULL, &in, 1, NULL, 0, NULL, 0, &out));
    refused("inputs", pulse_op(ctx, "softmax", NULL, 1, NULL, 0, NULL, 0, &out));
    refused("attributes", pulse_op(ctx, "softmax", &in, 1, NULL, 1, NULL, 0, &out));
    refused("index", pulse_op(ctx, "softmax", &in, 1, NULL, 0, NULL, 3, &out));
    refused("output", pulse_op(ctx, "softmax", &in, 1, NULL, 0, NULL, 0, NULL));
    refused("name of an attribute", pulse_op(ctx, "softmax", &in, 1, &(pulse_attribute){ NULL, 1 }, 1, NULL, 0, &out));
    refused("output", pulse_op_shape(ctx, "softmax", &in, 1, NULL, 0, NULL, 0, NULL));
    refused("bound", pulse_op_bound(ctx, "exp", &in, 1, NULL, 0, NULL, 0, &out, NULL));
    refused("json", pulse_op_record(ctx, 0, NULL));
    refused("json", pulse_method_record(ctx, 0, NULL));
    refused("loss", pulse_loss(ctx, "ga", NULL, 0, NULL, 0, NULL));
    refused("method", pulse_loss(ctx, NULL, NULL, 0, NULL, 0, &loss));
    refused("state", pulse_optimiser_step(ctx, NULL, 0, NULL, 0, NULL, NULL, NULL));
    refused("settings", pulse_schedule(ctx, NULL, 1, 1, &loss));
    refused("lr", pulse_schedule(ctx, NULL, 0, 1, NULL));
    refused("out", pulse_model_open(ctx, "x", NULL, NULL));
    refused("folder", pulse_model_open(ctx, NULL, NULL, &model));
    refused("model", pulse_model_config(ctx, NULL, &text));
    refused("model", pulse_model_parameter(ctx, NULL, 0, &text, &value));
    refused("model", pulse_forward(ctx, NULL, NULL, 0, &got));
    refused("model", pulse_score(ctx, NULL, NULL, 0, NULL));
    refused("model", pulse_generate(ctx, NULL, NULL, 0, NULL, 0, &n));
    refused("result", pulse_result_tensor(ctx, NULL, 0, &text, &value));
    refused("result", pulse_result_find(ctx, NULL, "loss", &value));
    refused("result", pulse_result_json(ctx, NULL, &text));
    refused("folder", pulse_trainer_open(ctx, NULL, "ga", NULL, 0, NULL, &trainer));
    refused("trainer", pulse_trainer_step(ctx, NULL, NULL, 0, &got));
    refused("path", pulse_tokenizer_open(ctx, NULL, &tokenizer));
    refused("tokenizer", pulse_encode(ctx, NULL, "a", 1, 0, &ids, &n));
    refused("tokenizer", pulse_decode(ctx, NULL, NULL, 0, 0, &text));
    refused("tokenizer", pulse_prompt(ctx, NULL, "world", "answer", "q", "a", 0, NULL));
    refused("path", pulse_processor_open(ctx, NULL, &processor));
    refused("processor", pulse_pixels_file(ctx, NULL, "x.png", result, 12));
    refused("text", pulse_engine(ctx, NULL));
    assert_null(model);
    assert_null(trainer);
    assert_null(tokenizer);
    assert_null(processor);
    assert_null(got);
    pulse_close(NULL);
    pulse_model_close(NULL);
    pulse_trainer_close(NULL);
    pulse_result_close(NULL);
    pulse_tokenizer_close(NULL);
    pulse_processor_close(NULL);
    assert_int_equal(pulse_result_count(NULL) + pulse_model_parameters(NULL), 0);
}

static void unknown_names_are_refused_by_name(void **state)
{
    (void)state;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    float loss;
    refused("softmaxx", pulse_op(ctx, "softmaxx", &in, 1, NULL, 0, NULL, 0, &out));
    refused("epsilon", pulse_op(ctx, "layernorm", &in, 1, &(pulse_attribute){ "epsilon", 1 }, 1, NULL, 0, &out));
    refused("forgetting", pulse_loss(ctx, "forgetting", NULL, 0, NULL, 0, &loss));
    refused("learning_rate", pulse_schedule(ctx, &(pulse_setting){ "learning_rate", "1" }, 1, 1, &loss));
    refused("fast", pulse_schedule(ctx, &(pulse_setting){ "lr", "fast" }, 1, 1, &loss));
    refused("hidden states", pulse_loss(ctx, "rmu", NULL, 0, NULL, 0, &loss));
    refused("weights", pulse_loss(ctx, "manu", NULL, 0, NULL, 0, &loss));
}

/* --- shapes and dtypes --- */

static void wrong_shapes_and_dtypes_are_refused(void **state)
{
    (void)state;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    double wide[12] = { 0 };
    pulse_tensor x = in;
    refused("[4, 3]", softmax(in, matrix(result, 4, 3)));
    refused("no data", softmax(in, matrix(NULL, 3, 4)));
    refused("no data", softmax(matrix(NULL, 3, 4), out));
    refused("dimension 1 is -4", softmax(matrix(floats, 3, -4), out));
    refused("more elements", softmax(matrix(floats, (int64_t)1 << 62, (int64_t)1 << 62), out));
    refused("overlaps", softmax(in, matrix(floats, 3, 4)));
    refused("overlaps", softmax(matrix(floats, 2, 4), matrix(floats + 4, 2, 4)));
    refused("aligned", softmax(matrix((char *)floats + 2, 2, 4), matrix(result, 2, 4)));
    x.rank = 5;
    refused("rank 5", softmax(x, out));
    x.rank = -1;
    refused("rank -1", softmax(x, out));
    x = in;
    x.dtype = 99;
    refused("dtype 99", softmax(x, out));
    refused("F64", softmax((pulse_tensor){ PULSE_F64, 2, { 3, 4 }, wide }, out));
    refused("F64", softmax(in, (pulse_tensor){ PULSE_F64, 2, { 3, 4 }, wide }));
    refused("F16", softmax((pulse_tensor){ PULSE_F16, 2, { 3, 4 }, wide }, out));
    refused("inputs", pulse_op(ctx, "softmax", (pulse_tensor[]){ in, in }, 2, NULL, 0, NULL, 0, &out));
    refused("inputs", pulse_op(ctx, "softmax", NULL, 0, NULL, 0, NULL, 0, &out));
}

static void bad_attributes_and_an_unused_index_are_refused(void **state)
{
    (void)state;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    const int32_t index[1] = { 0 };
    refused("eps", pulse_op(ctx, "layernorm", &in, 1, &(pulse_attribute){ "eps", NAN }, 1, NULL, 0, &out));
    refused("eps", pulse_op(ctx, "layernorm", &in, 1, &(pulse_attribute){ "eps", 1e300 }, 1, NULL, 0, &out));
    refused("count", pulse_op(ctx, "broadcast_rows", &(pulse_tensor){ PULSE_F32, 1, { 4 }, floats }, 1,
                              &(pulse_attribute){ "count", 1.5 }, 1, NULL, 0, &out));
    refused("index", pulse_op(ctx, "softmax", &in, 1, NULL, 0, index, 1, &out));
}

/* --- losses and optimisers --- */

static void parts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    float z[6] = { 0 }, g[6], loss;
    int32_t labels[2] = { 1, 2 }, offsets[2] = { 0, 2 };
    const pulse_part good = { PULSE_FORGET, 2, 3, 1, z, NULL, labels, offsets, g };
    pulse_part p = good;
    assert_int_equal(pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss), PULSE_OK);
    refused("forget", pulse_loss(ctx, "ga", NULL, 0, NULL, 0, &loss));
    refused("two parts", pulse_loss(ctx, "ga", (pulse_part[]){ p, p }, 2, NULL, 0, &loss));
    refused("reference", pulse_loss(ctx, "npo", &p, 1, NULL, 0, &loss));
    refused("beta", pulse_loss(ctx, "npo", &p, 1, &(pulse_setting){ "beta", "-1" }, 1, &loss));
    refused("gama", pulse_loss(ctx, "ga", &p, 1, &(pulse_setting){ "gama", "1" }, 1, &loss));
    p.role = 7;
    refused("role 7", pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss));
    p.role = PULSE_RETAIN;
    refused("retain", pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss));
    p = good;
    p.rows = -2;
    refused("-2 rows", pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss));
    p = good;
    p.gradient = z;
    refused("overlaps", pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss));
    p = good;
    p.labels = NULL;
    refused("NULL", pulse_loss(ctx, "ga", &p, 1, NULL, 0, &loss));
    labels[0] = 3;
    refused("label 0 is 3", pulse_loss(ctx, "ga", &good, 1, NULL, 0, &loss));
    labels[0] = labels[1] = -1;
    refused("no supervised row", pulse_loss(ctx, "ga", &good, 1, NULL, 0, &loss));
    labels[0] = labels[1] = 0;
    offsets[1] = 99;
    refused("offsets", pulse_loss(ctx, "ga", &good, 1, NULL, 0, &loss));
}

static void slots_that_do_not_fit_are_refused_and_nothing_changes(void **state)
{
    (void)state;
    float w[3] = { 1, 2, 3 }, g[3] = { 1, 1, 1 }, m[3] = { 0 }, v[3] = { 0 };
    const pulse_tensor value = { PULSE_F32, 1, { 3 }, w };
    pulse_slot s = { &value, g, m, NULL };
    pulse_optimiser_state state0 = { 0, 1, 1 }, broken = { -1, 1, 1 };
    refused("NULL", pulse_optimiser_step(ctx, NULL, 0, &s, 1, &state0, NULL, NULL));
    s.v = v;
    refused("step -1", pulse_optimiser_step(ctx, NULL, 0, &s, 1, &broken, NULL, NULL));
    refused("momenta", pulse_optimiser_step(ctx, &(pulse_setting){ "momenta", "1" }, 1, &s, 1, &state0, NULL, NULL));
    refused("slots", pulse_optimiser_step(ctx, NULL, 0, NULL, 1, &state0, NULL, NULL));
    s.value = NULL;
    refused("value", pulse_optimiser_step(ctx, NULL, 0, &s, 1, &state0, NULL, NULL));
    assert_true(w[0] == 1 && m[0] == 0 && v[0] == 0 && state0.step == 0);
}

/* --- the environment and the limits --- */

static void a_changed_rounding_mode_is_refused_until_it_is_restored(void **state)
{
    (void)state;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    fesetround(FE_UPWARD);
    pulse_status status = softmax(in, out);
    fesetround(FE_TONEAREST);
    expect_refused(status, PULSE_ENVIRONMENT, "rounding");
    assert_int_equal(softmax(in, out), PULSE_OK);
    assert_string_equal(pulse_error_text(ctx), "");
}

#ifdef __SSE2__
#include <xmmintrin.h>

static void flush_to_zero_set_after_opening_is_refused(void **state)
{
    (void)state;
    if (!check_can_flush())
        skip();
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);                                       // FTZ and DAZ
    pulse_status status = softmax(in, out);
    pulse_context *other;
    pulse_status opened = pulse_open(NULL, &other);
    _mm_setcsr(before);
    expect_refused(status, PULSE_ENVIRONMENT, "zero");
    assert_int_equal(opened, PULSE_ENVIRONMENT);
    assert_int_equal(pulse_error_kind(other), PULSE_ENVIRONMENT);
    assert_int_equal(pulse_check(other), PULSE_ENVIRONMENT);          // a context that could not be opened refuses every call
    pulse_close(other);
}
#else
static void flush_to_zero_set_after_opening_is_refused(void **state)
{
    (void)state;
    skip();
}
#endif

static void options_are_checked_and_the_memory_limit_holds(void **state)
{
    (void)state;
    float off[12];
    pulse_context *other;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4), bound = matrix(off, 3, 4);
    assert_int_equal(pulse_open(&(pulse_options){ .threads = -1 }, &other), PULSE_BAD_INPUT);
    assert_non_null(strstr(pulse_error_text(other), "threads"));
    pulse_close(other);
    assert_int_equal(pulse_open(&(pulse_options){ .memory_limit = 256 }, &other), PULSE_OK);
    assert_int_equal(pulse_op_bound(other, "softmax", &in, 1, NULL, 0, NULL, 0, &out, &bound), PULSE_NO_MEMORY);
    assert_non_null(strstr(pulse_error_text(other), "limit 256"));
    pulse_close(other);
}

static void a_call_does_not_change_the_callers_number_of_threads(void **state)
{
    (void)state;
    pulse_context *other;
    const pulse_tensor in = matrix(floats, 3, 4), out = matrix(result, 3, 4);
    const size_t before = team_size();
    assert_int_equal(pulse_open(&(pulse_options){ .threads = 3 }, &other), PULSE_OK);
    assert_true(team_size() == before);
    assert_int_equal(pulse_op(other, "softmax", &in, 1, NULL, 0, NULL, 0, &out), PULSE_OK);
    assert_true(team_size() == before);
    pulse_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_in_any_place_is_bad_input),
        cmocka_unit_test(unknown_names_are_refused_by_name),
        cmocka_unit_test(wrong_shapes_and_dtypes_are_refused),
        cmocka_unit_test(bad_attributes_and_an_unused_index_are_refused),
        cmocka_unit_test(parts_that_do_not_fit_are_refused),
        cmocka_unit_test(slots_that_do_not_fit_are_refused_and_nothing_changes),
        cmocka_unit_test(a_changed_rounding_mode_is_refused_until_it_is_restored),
        cmocka_unit_test(flush_to_zero_set_after_opening_is_refused),
        cmocka_unit_test(options_are_checked_and_the_memory_limit_holds),
        cmocka_unit_test(a_call_does_not_change_the_callers_number_of_threads),
    };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
