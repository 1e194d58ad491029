/* SPDX-License-Identifier: MIT */
/* Each gradient method from logits to loss and dL/dz, at 0 ulp against the operators of its formula, computed in MPFR;
 * identities between losses; hyperparameters and presets. The file is longer than 400 lines, because these tests share
 * their helper functions. */
#include "tests/support/stand.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/ops.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_methods.h"
#include "unlearn/methods/neurons/path.h"

static Hyperparameters hyperparameters_of(const char *method, const char *changes)
{
    Hyperparameters v;
    assert_non_null(method_find(method));
    hyperparameters_make(&v, method_find(method), NULL, &error);
    hyperparameters_apply(&v, changes, &error);
    expect_fine(&error);
    return v;
}

/* Samples of different lengths. With `gaps`, some rows of the retain samples have no label and, if c->gaps_in_forget is
 * set, also some rows of the forget samples. */
static void fill(MethodCase *c, DataKind kind, uint64_t seed, bool gaps)
{
    static const int32_t ends[ROLE_COUNT][5] = { { 0, 2, 3, 6 }, { 0, 5, 8 }, { 0, 1, 3, 5 }, { 0, 3, 4, 6 }, { 0, 2, 4 }, { 0, 1, 4, 5 } };
    static const size_t samples[ROLE_COUNT] = { 3, 2, 3, 3, 2, 3 };
    for (int k = 0; k < ROLE_COUNT; k++) {
        CaseRole *r = &c->role[k];
        *r = (CaseRole){ .samples = samples[k], .rows = (size_t)ends[k][samples[k]] };
        memcpy(r->offsets, ends[k], sizeof r->offsets);
        data_fill(kind, seed + (uint64_t)k, r->z, r->rows * CASE_V);
        data_fill(kind, seed + 100 + (uint64_t)k, r->ref, r->rows * CASE_V);
        for (size_t i = 0; i < r->rows; i++) {
            r->labels[i] = gaps && i % 3 == 1 && (k == ROLE_RETAIN || (k == ROLE_FORGET && c->gaps_in_forget))
                             ? -1
                             : (int32_t)check_below(&(uint64_t){ seed + i + 31 * (size_t)k }, CASE_V);
            r->tokens += r->labels[i] >= 0;
            for (size_t v = 0; v < CASE_V; v++)                     // the model is not far from its reference
                r->z[i * CASE_V + v] = r->ref[i * CASE_V + v] + r->z[i * CASE_V + v] / 4;
        }
    }
}

/* Runs the method on the numbers of the case, which serve as logits and as hidden states. */
static float run_with(const char *method, MethodCase *c, Node *z[ROLE_COUNT], void *state)
{
    const Method *m = method_find(method);
    MethodStep s = { .tape = &tape, .hyper = &c->v, .step = 1, .state = state };
    for (int k = 0; k < ROLE_COUNT; k++) {
        CaseRole *r = &c->role[k];
        z[k] = NULL;
        if (r->samples == 0)
            continue;
        Shape shape = shape_of(2, r->rows, (size_t)CASE_V);
        z[k] = tape_param(&tape, "z", tensor_view(r->z, shape), true);
        Node *ref = tape_input(&tape, "ref", tensor_view(r->ref, shape));
        s.part[k] = (Part){ .z = z[k], .z_ref = ref, .h = z[k], .h_ref = ref, .labels = r->labels, .offsets = r->offsets, .rows = r->rows,
                            .samples = r->samples, .tokens = r->tokens };
    }
    Node *loss = m->loss(&s);
    tape_backward(&tape);
    expect_fine(&error);
    return loss->out.f32[0];
}

static float run(const char *method, MethodCase *c, Node *z[ROLE_COUNT])
{
    return run_with(method, c, z, NULL);
}

static void compare(const char *method, const char *changes, MethodCase *c, const char *what)
{
    static const float zeros[CASE_ROWS * CASE_V];
    Node *z[ROLE_COUNT];
    float want = 0, got = run(method, c, z);
    assert_true(method_mpfr(method, c, &want));
    expect_float(got, want, "loss of %s (%s) on %s", method, changes, what);
    for (int k = 0; k < ROLE_COUNT; k++) {
        size_t n = c->role[k].rows * CASE_V;
        if (c->role[k].samples == 0)
            continue;
        expect_bits(z[k]->grad ? z[k]->grad->out.f32 : zeros, c->role[k].want, n, "dL/dz of %s (%s) at %s samples, %s", method, changes,
                    role_name((Role)k), what);
    }
    tape_reset(&tape);
}

static const struct { const char *method, *changes; } forms[] = {
    { "ga", "" }, { "ga_klr", "" }, { "ga_klr", "lambda=0.3" }, { "ga_klr", "kl_norm=all_positions" }, { "ga_klr", "kl_norm=batch" },
    { "ga_klr", "klr=muse_raw" }, { "npo", "" }, { "npo", "beta=0.1" }, { "npo", "beta=0.4 npo_ratio=batch_mean" },
    { "npo", "beta=0.1 npo_ratio=raw_logits" },
    { "retrain", "" }, { "retain_ft", "" }, { "grad_diff", "" }, { "grad_diff", "gamma=0.7 alpha=1.3" }, { "kl_min", "" },
    { "kl_min", "alpha=0" },
    { "kl_min", "gamma=0.3 alpha=0.6 lambda=1.7 kl_norm=batch" }, { "idk", "" }, { "idk", "alpha=0" },
    { "idk", "gamma=3 alpha=0.1" }, { "dpo", "" },
    { "dpo", "dpo_scale=1 gamma=0.3" }, { "dpo", "dpo_scale=1.7 gamma=0.3 alpha=0" }, { "npo_gd", "" },
    { "npo_gd", "gamma=0.3 beta=0.05 alpha=5" },
    { "npo_kl", "" }, { "npo_kl", "gamma=0.3 npo_ratio=raw_logits klr=muse_raw" }, { "simnpo", "" },
    { "simnpo", "delta=0.7 alpha=0" }, { "undial", "" },
    { "undial", "beta=3 alpha=1" }, { "altpo", "" }, { "altpo", "beta=0.5 alpha=2" }, { "ce_u", "" },
    { "ce_u", "skip_first=yes gamma=0.7" }, { "wga", "" },
    { "wga", "beta=0.3" }, { "satimp", "" }, { "satimp", "beta=2.5 beta2=0" }, { "satimp", "beta2=0.3" }, { "task_vector", "" },
    { "smfa", "" },
    { "smfa", "gamma=0.7 alpha=1.3" }, { "cmju", "" }, { "cmju", "alpha=0.3" },
    { "pdu", "" }, { "pdu", "gamma=0.3 alpha=1.7 retain_limit=0.7" }, { "pdu", "forget_rows=unshifted alpha=3" },
    { "pdu", "forget_rows=all gamma=0.7" },
    { "adapop", "" }, { "adapop", "exposures=256" }, { "adapop", "exposures=4096 gamma=0.7 alpha=1.3 lambda=0.4" },
    { "adapop", "exposures=40" },
    { "ga_klr", "temperature=2 kl_norm=batch" }, { "ga_klr", "kl_direction=reverse" }, { "npo_kl", "kl_direction=reverse temperature=0.7" },
    { "mmunlearner", "" }, { "mmunlearner", "schedule=joint gamma=0.7 alpha=1.3" }, { "scrub", "" },
    { "scrub", "temperature=1 kl_norm=batch" },
    { "scrub", "kl_direction=reverse kl_norm=all_positions lambda=0.3 gamma=0.7" }, { "llmu", "" },
    { "llmu", "answers=refusal kl_direction=reverse gamma=2" }, { "siu", "" }, { "siu", "kl_norm=batch lambda=2" }, { "o3", "gamma=0.7" },
    { "adapters", "" },
};
enum { FORMS = sizeof forms / sizeof *forms };

static void every_loss_and_gradient_is_its_chain_of_rounded_operators(void **state)
{
    (void)state;
    static const DataKind kinds[] = { DATA_GAUSSIAN, DATA_TIES, DATA_CANCEL };
    static MethodCase c;
    for (size_t f = 0; f < FORMS; f++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            for (int gaps = 0; gaps < 2 - (k == 1); gaps++) {
                c.v = hyperparameters_of(forms[f].method, forms[f].changes);
                c.gaps_in_forget = strcmp(forms[f].method, "scrub") == 0;
                if (c.v.klr == KLR_MUSE_RAW && kinds[k] == DATA_CANCEL)
                    continue;                                       // e^z_ref is infinite there
                fill(&c, kinds[k], check_seed() + f, gaps);
                compare(forms[f].method, forms[f].changes, &c, data_name(kinds[k]));
            }
}

static void a_phased_step_leaves_out_the_terms_of_absent_samples(void **state)
{
    (void)state;
    static MethodCase c;
    for (size_t f = 0; f < FORMS; f++)
        for (int retain = 0; retain < 2; retain++) {
            const char *m = forms[f].method;
            unsigned needs;
            c.v = hyperparameters_of(m, forms[f].changes);
            needs = method_needs(method_find(m), &c.v);
            if (!method_reads(needs, ROLE_RETAIN) || !method_forgets(needs))
                continue;
            fill(&c, DATA_GAUSSIAN, check_seed(), false);
            for (int k = 0; k < ROLE_COUNT; k++)
                if ((k == ROLE_RETAIN) != retain)
                    c.role[k].samples = c.role[k].rows = 0;
            compare(m, forms[f].changes, &c, retain ? "a retain step" : "a forget step");
        }
}

static void every_gradient_method_on_logits_is_in_the_table(void **state)
{
    (void)state;
    for (size_t k = 0; k < methods_count; k++) {
        bool there = false;
        for (size_t f = 0; f < FORMS; f++)
            there |= strcmp(forms[f].method, methods[k]->name) == 0;
        if (methods[k]->loss && !(methods[k]->needs & NEEDS_HIDDEN) && !there)
            fail_msg("%s is not tested", methods[k]->name);
        assert_true((methods[k]->loss != NULL) != (methods[k]->edit != NULL));
        assert_true(*methods[k]->source && *methods[k]->label && *method_formula(methods[k], &arena)
                    && *method_needs_text(methods[k], &arena));
        assert_ptr_equal(method_find(methods[k]->name), methods[k]);
    }
    assert_null(method_find("strolch"));
}

static void rmu_is_its_chain_on_hidden_states(void **state)
{
    (void)state;
    static const char *const changes[] = { "", "steering=20 gamma=0.3 alpha=1.7", "steering=0.1 alpha=0.5" };
    static const DataKind kinds[] = { DATA_GAUSSIAN, DATA_TIES, DATA_WIDE };
    static MethodCase c;
    float u[CASE_V];
    for (int k = 0; k < 9; k++) {
        Node *z[ROLE_COUNT];
        fill(&c, kinds[k / 3], check_seed() + (uint64_t)k, false);
        data_fill(DATA_GAUSSIAN, check_seed() + 50 + (uint64_t)k, u, CASE_V);
        for (size_t i = 0; i < CASE_V; i++)
            u[i] = fabsf(u[i]);
        c.v = hyperparameters_of("rmu", changes[k % 3]);
        float got = run_with("rmu", &c, z, u);
        expect_float(got, rmu_mpfr(&c, u), "loss of rmu (%s) on %s", changes[k % 3], data_name(kinds[k / 3]));
        for (int r = ROLE_FORGET; r <= ROLE_RETAIN; r++)
            expect_bits(z[r]->grad->out.f32, c.role[r].want, c.role[r].rows * CASE_V, "dL/dh of rmu (%s) on %s", changes[k % 3],
                        data_name(kinds[k / 3]));
        tape_reset(&tape);
    }
}

/* The root mean square of the norms of the rows of r. The sum in long double is precise enough for these floats. */
static float norm_of(const CaseRole *r)
{
    long double sum = 0;
    for (size_t k = 0; k < r->rows * CASE_V; k++)
        sum += (long double)r->z[k] * (long double)r->z[k];
    return sqrtf((float)sum / (float)r->rows);
}

/* The form "official" has the loss of rmu. The paper's form has a target of the norm steering_coeff * norm_of() of the
 * forget states. */
static void mip_editor_is_its_chain_on_hidden_states(void **state)
{
    (void)state;
    static const char *const changes[] = { "mip_form=official", "mip_form=official steering_coeff=10 alpha=1.7", "",
                                           "gamma=0.3 steering_coeff=0.7" };
    static MethodCase c;
    float u[CASE_V];
    for (int k = 0; k < 8; k++) {
        Node *z[ROLE_COUNT];
        const DataKind kind = k < 4 ? DATA_GAUSSIAN : DATA_TIES;
        fill(&c, kind, check_seed() + (uint64_t)k, false);
        data_fill(DATA_GAUSSIAN, check_seed() + 50 + (uint64_t)k, u, CASE_V);
        c.v = hyperparameters_of("mip_editor", changes[k % 4]);
        float got = run_with("mip_editor", &c, z, &(MipEditor){ .u = u });
        if (k % 4 >= 2)
            c.v.steering_coeff *= norm_of(&c.role[ROLE_FORGET]);
        expect_float(got, rmu_mpfr(&c, u), "loss of mip_editor (%s) on %s", changes[k % 4], data_name(kind));
        for (int r = ROLE_FORGET; r <= ROLE_RETAIN; r++)
            expect_bits(z[r]->grad->out.f32, c.role[r].want, c.role[r].rows * CASE_V, "dL/dh of mip_editor (%s) on %s", changes[k % 4],
                        data_name(kind));
        tape_reset(&tape);
    }
}

/* --- identities --- */

static void at_the_reference(MethodCase *c, uint64_t seed)
{
    fill(c, DATA_GAUSSIAN, seed, false);
    for (int k = 0; k < ROLE_COUNT; k++)
        memcpy(c->role[k].z, c->role[k].ref, sizeof c->role[k].z);
    CaseRole *f = &c->role[ROLE_FORGET];                           // with 4 samples, the divisor is a power of two
    f->samples = 4;
    memcpy(f->offsets, (int32_t[]){ 0, 1, 3, 4, 6 }, sizeof f->offsets);
}

/* NPO's gradient is that of GA, with the number of samples B as GA's divisor, times 2 w for each sample. At the
 * reference w = sigmoid(0) = 1/2, so the two gradients are equal. */
static void npo_at_its_reference_is_ln_2_and_summed_ascent(void **state)
{
    (void)state;
    static MethodCase c;
    static const char *const betas[] = { "beta=1", "beta=0.125", "beta=4" };
    static const float scale[] = { 2, 16, 0.5f };
    float ln2 = -oracle_scalar_value("log_sigmoid", 0);
    for (int k = 0; k < 3; k++) {
        Node *z[ROLE_COUNT], *y[ROLE_COUNT];
        at_the_reference(&c, check_seed());
        c.v = hyperparameters_of("npo", betas[k]);
        expect_float(run("npo", &c, z), scale[k] * ln2, "NPO at the reference, %s", betas[k]);
        c.v = hyperparameters_of("ga", "");
        c.role[ROLE_FORGET].tokens = 4;                            // GA divides by B = 4 instead of the token count
        run("ga", &c, y);
        expect_bits(z[ROLE_FORGET]->grad->out.f32, y[ROLE_FORGET]->grad->out.f32, 6 * CASE_V,
                    "NPO's gradient at the reference, %s", betas[k]);
        tape_reset(&tape);
    }
}

static void the_kl_of_equal_models_is_zero_and_moves_nothing(void **state)
{
    (void)state;
    static MethodCase c;
    static const char *const norms[] = { "kl_norm=supervised", "kl_norm=all_positions", "kl_norm=batch" };
    for (int k = 0; k < 3; k++) {
        Node *z[ROLE_COUNT], *y[ROLE_COUNT];
        at_the_reference(&c, check_seed());
        c.v = hyperparameters_of("ga_klr", norms[k]);
        float with = run("ga_klr", &c, z);
        expect_float(with, run("ga", &c, y), "GA with a KL of 0, %s", norms[k]);
        for (size_t i = 0; i < c.role[ROLE_RETAIN].rows * CASE_V; i++)
            assert_int_equal(float_bits(z[ROLE_RETAIN]->grad->out.f32[i]), 0);
        tape_reset(&tape);
    }
}

/* The three normalisers divide by 2, 4 and 8, so the KLs of a batch differ by exact powers of two. */
static void normalisers_of_the_kl_differ_by_their_divisors(void **state)
{
    (void)state;
    static MethodCase c;
    float got[3][CASE_ROWS * CASE_V], loss[3];
    static const char *const norms[] = { "kl_norm=batch", "kl_norm=supervised", "kl_norm=all_positions" };
    for (int k = 0; k < 3; k++) {
        Node *z[ROLE_COUNT];
        fill(&c, DATA_GAUSSIAN, check_seed(), false);
        CaseRole *r = &c.role[ROLE_RETAIN];
        for (size_t i = 0; i < r->rows; i++)
            r->labels[i] = i % 2 ? 3 : -1;
        r->tokens = 4;
        c.role[ROLE_FORGET].samples = 0;
        c.v = hyperparameters_of("ga_klr", norms[k]);
        loss[k] = run("ga_klr", &c, z);
        memcpy(got[k], z[ROLE_RETAIN]->grad->out.f32, sizeof got[k]);
        tape_reset(&tape);
    }
    assert_true(loss[0] > 0);
    for (int k = 1; k < 3; k++) {
        float factor = k == 1 ? 2 : 4;
        expect_float(loss[k] * factor, loss[0], "the loss of %s", norms[k]);
        for (size_t i = 0; i < 8 * CASE_V; i++)
            expect_float(got[k][i] * factor, got[0][i], "the gradient of %s", norms[k]);
    }
}

static void variants_differ_from_their_defaults(void **state)
{
    (void)state;
    static const struct { const char *method, *changes, *base; } changed[] = {
        { "npo", "npo_ratio=batch_mean", "" }, { "npo", "npo_ratio=raw_logits", "" }, { "ga_klr", "klr=muse_raw", "" },
        { "dpo", "dpo_scale=1", "" },
        { "ce_u", "skip_first=yes", "" }, { "npo", "beta=0.1", "" }, { "simnpo", "delta=0.5", "alpha=0" },
        { "satimp", "beta2=0", "beta=0.3 alpha=0" },
    };
    static MethodCase c;
    for (size_t k = 0; k < sizeof changed / sizeof *changed; k++) {
        float loss[2];
        for (int i = 0; i < 2; i++) {
            Node *z[ROLE_COUNT];
            fill(&c, DATA_GAUSSIAN, check_seed(), false);
            c.v = hyperparameters_of(changed[k].method, changed[k].base);
            hyperparameters_apply(&c.v, i ? changed[k].changes : "", &error);
            loss[i] = run(changed[k].method, &c, z);
            tape_reset(&tape);
        }
        if (loss[0] == loss[1])
            fail_msg("%s with %s has the loss of the default", changed[k].method, changed[k].changes);
    }
}

/* Without a retain term, dpo_scale = 2 doubles the loss and the gradient of dpo_scale = 1. */
static void the_scale_of_dpo_is_a_factor(void **state)
{
    (void)state;
    static MethodCase c;
    float loss[2], grad[2][6 * CASE_V];
    for (int i = 0; i < 2; i++) {
        Node *z[ROLE_COUNT];
        fill(&c, DATA_GAUSSIAN, check_seed(), false);
        c.v = hyperparameters_of("dpo", i ? "dpo_scale=2 alpha=0" : "dpo_scale=1 alpha=0");
        loss[i] = run("dpo", &c, z);
        memcpy(grad[i], z[ROLE_FORGET]->grad->out.f32, sizeof grad[i]);
        tape_reset(&tape);
    }
    expect_float(2 * loss[0], loss[1], "dpo_scale in the loss");
    for (size_t k = 0; k < 6 * CASE_V; k++)
        expect_float(2 * grad[0][k], grad[1][k], "dpo_scale in the gradient");
}

/* The probability of the label rounds to 1, but the target is still the distribution of the other tokens. */
static void ce_u_of_a_sure_token_is_finite(void **state)
{
    (void)state;
    static MethodCase c;
    fill(&c, DATA_GAUSSIAN, check_seed(), false);
    for (size_t k = 0; k < 6; k++)
        c.role[ROLE_FORGET].z[k * CASE_V + (size_t)c.role[ROLE_FORGET].labels[k]] = 60;
    c.v = hyperparameters_of("ce_u", "");
    compare("ce_u", "", &c, "sure tokens");
}

/* --- hyperparameters and presets --- */

static void hyperparameters_are_read_and_bad_ones_refused(void **state)
{
    (void)state;
    Hyperparameters v = hyperparameters_of("simnpo", "");
    assert_true(v.beta == 4.5f && v.gamma == 0.125f && v.alpha == 1);
    assert_false(hyperparameters_set(&v, "beta", "-1", &error));
    expect_sentence(&error, "unlearn.beta is \"-1\"", "expected a number");
    assert_false(hyperparameters_set(&v, "npo_ratio", "wrong", &error));
    expect_sentence(&error, "unlearn.npo_ratio", "sequence_sum|batch_mean|raw_logits");
    assert_false(hyperparameters_set(&v, "strolch", "1", &error));
    expect_sentence(&error, "unlearn.strolch is unknown");
    assert_false(hyperparameters_apply(&v, "beta=1 gamma", &error));
    expect_sentence(&error, "gamma", "expected key=value");
    assert_false(hyperparameters_make(&v, method_find("ga"), "strolch", &error));
    expect_sentence(&error, "\"strolch\"", "mllmu_bench", "umu_bench");
}

static void an_older_name_of_a_key_is_the_same_key(void **state)
{
    (void)state;
    Hyperparameters older = hyperparameters_of("rmu", "steering=20"), now = hyperparameters_of("rmu", "steering_coeff=20");
    assert_true(older.steering_coeff == 20);
    assert_memory_equal(&older, &now, sizeof now);
    assert_string_equal(hyperparameter_key("steering"), "steering_coeff");
    assert_string_equal(hyperparameter_recorded("steering_coeff"), "steering");
    assert_string_equal(hyperparameter_recorded("beta"), "beta");
    assert_null(hyperparameter_key("strolch"));
    assert_true(hyperparameter_stated(&now, "steering_coeff") && hyperparameter_stated(&now, "seed"));
}

/* Every key of hyperparameters.def refuses a value that is no number, no choice or out of range. The error names
 * the key and the value. */
static void every_key_refuses_what_is_out_of_its_range(void **state)
{
    (void)state;
#define HYPERPARAMETER(key, TYPE, fallback, range, help) { #key, TYPE_##TYPE, range },
    static const struct { const char *key; ValueType type; const char *range; } keys[] = {
#include "unlearn/hyperparameters.def"
    };
#undef HYPERPARAMETER
    Hyperparameters v = hyperparameters_of("ga", "");
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *end = strstr(keys[k].range, "..");
        char below[32], above[32] = "";
        snprintf(below, sizeof below, "%.9g", end ? strtod(keys[k].range, NULL) - 1 : 0);
        if (end && end[2])
            snprintf(above, sizeof above, "%.9g", strtod(end + 2, NULL) * 2 + 1);
        const char *const wrong[] = { "strolch", "", "1e", end ? below : "strolch", *above ? above : "strolch" };
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            char name[80];
            snprintf(name, sizeof name, "unlearn.%s is \"%s\"", keys[k].key, wrong[i]);
            assert_false(hyperparameters_set(&v, keys[k].key, wrong[i], &error));
            expect_sentence(&error, name, "expected");
        }
    }
}

static void a_preset_has_the_values_of_its_public_code(void **state)
{
    (void)state;
    Hyperparameters v;
    for (size_t k = 0; k < presets_count; k++) {                    // every line can be applied
        const Method *m = strcmp(presets[k].method, "*") == 0 ? methods[0] : method_find(presets[k].method);
        assert_non_null(m);
        hyperparameters_make(&v, m, presets[k].preset, &error);
        expect_fine(&error);
    }
    hyperparameters_make(&v, method_find("npo"), "mllmu_bench", &error);
    assert_true(v.npo_ratio == NPO_BATCH_MEAN && v.beta == 0.4f && v.reference == REFERENCE_RETAIN_ONLY);
    hyperparameters_make(&v, method_find("ga_klr"), "muse", &error);
    assert_true(v.klr == KLR_MUSE_RAW && v.kl_norm == KL_BATCH);
    hyperparameters_make(&v, method_find("undial"), "open_unlearning", &error);
    assert_true(v.beta == 10 && v.alpha == 0 && v.kl_norm == KL_ALL_POSITIONS);
    hyperparameters_make(&v, method_find("kl_min"), "mllmu_bench", &error);
    assert_true(v.schedule == STEPS_PHASED && v.kl_norm == KL_BATCH && v.alpha == 1);
    hyperparameters_make(&v, method_find("kl_min"), "umu_bench", &error);
    assert_true(v.schedule == STEPS_JOINT && v.kl_norm == KL_ALL_POSITIONS && v.alpha == 0);
    hyperparameters_make(&v, method_find("kl_min"), "mllmu_bench", &error);
    assert_false(method_needs(method_find("undial"), &v) & RETAIN_IF_ALPHA);
    v.alpha = 0;
    assert_false(method_needs(method_find("idk"), &v) & NEEDS_RETAIN);
    assert_true(method_needs(method_find("grad_diff"), &v) & NEEDS_RETAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(every_loss_and_gradient_is_its_chain_of_rounded_operators),
        stand_test(a_phased_step_leaves_out_the_terms_of_absent_samples),
        stand_test(every_gradient_method_on_logits_is_in_the_table),
        stand_test(rmu_is_its_chain_on_hidden_states),
        stand_test(mip_editor_is_its_chain_on_hidden_states),
        stand_test(npo_at_its_reference_is_ln_2_and_summed_ascent),
        stand_test(the_kl_of_equal_models_is_zero_and_moves_nothing),
        stand_test(normalisers_of_the_kl_differ_by_their_divisors),
        stand_test(variants_differ_from_their_defaults),
        stand_test(the_scale_of_dpo_is_a_factor),
        stand_test(ce_u_of_a_sure_token_is_finite),
        stand_test(hyperparameters_are_read_and_bad_ones_refused),
        stand_test(every_key_refuses_what_is_out_of_its_range),
        stand_test(a_preset_has_the_values_of_its_public_code),
        stand_test(an_older_name_of_a_key_is_the_same_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
