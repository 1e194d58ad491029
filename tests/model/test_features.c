/* SPDX-License-Identifier: MIT */
/* The outputs of a frozen vision tower are cached while a trainer is open, which changes no bit of the weights. */
#include <string.h>
#include "model/reuse/features.h"
#include "tests/support/tiny_world.h"

typedef struct { size_t lookups, found; bool cached; } Use;

static Digest unlearned(const char *method, const char *changes, Trainable what, size_t memory, bool checkpointing,
                        Use *use)
{
    TinyWorld *w = tiny_world_make(check_seed());
    Rounds r;
    tiny_world_adapt(w, what);
    RoundsPlan p = tiny_world_plan(w, method, changes, 5);
    p.train.features = memory;
    p.train.checkpointing = checkpointing;
    tiny_world_run(w, &r, &p);
    *use = (Use){ .cached = w->model.features != NULL };
    if (use->cached)
        features_count(w->model.features, &use->lookups, &use->found);
    rounds_close(&r);
    assert_null(w->model.features);
    Digest d = tiny_world_digest(w);
    tiny_world_close(w);
    return d;
}

static void cached_features_change_no_bit(void **state)
{
    (void)state;
    static const struct { const char *method, *changes; } steps[] = {
        { "ga", "" }, { "npo", "" }, { "ga_klr", "reference=original" }, { "rmu", "layer=2" }
    };
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
        for (Trainable what = 0; what < TRAIN_COUNT; what++) {
            Use none, all, few;
            Digest off = unlearned(steps[k].method, steps[k].changes, what, 0, false, &none),
                   on = unlearned(steps[k].method, steps[k].changes, what, 1 << 24, k % 2, &all),
                   bounded = unlearned(steps[k].method, steps[k].changes, what, 1, false, &few);
            if (strcmp(on.hex, off.hex) != 0 || strcmp(bounded.hex, off.hex) != 0)
                fail_msg("%s, %s: the weights differ with cached features", steps[k].method, trainable_name(what));
            assert_false(none.cached);
            assert_int_equal(all.cached, what != TRAIN_FULL);      // a tower that is trained is not frozen
            if (all.cached && (all.found == 0 || all.found == all.lookups || few.found != 0 || few.lookups != all.lookups))
                fail_msg("%s, %s: of %zu pictures %zu were found, of %zu with one byte of memory %zu", steps[k].method,
                         trainable_name(what), all.lookups, all.found, few.lookups, few.found);
        }
}

static void only_a_picture_with_the_same_bits_is_found(void **state)
{
    (void)state;
    Error e = { .failed = false };
    Features *x = features_make(1 << 22, &e);
    float a[100] = { 1, 2, 3 }, b[100], output[5] = { 1, 2, 3, 4, 5 };
    memcpy(b, a, sizeof b);
    assert_null(features_find(x, a, 100));
    features_keep(x, a, 100, output, 5);
    output[4] = 0;
    assert_non_null(features_find(x, b, 100));
    assert_true(features_find(x, b, 100)[4] == 5);
    b[99] = -0.0f;                                               // another picture, although its numbers are equal
    assert_null(features_find(x, b, 100));
    assert_null(features_find(x, a, 99));
    for (float k = 0; k < 3000; k++)                             // more pictures than there are buckets
        features_keep(x, (float[]){ k, 7, -k, 0 }, 4, &k, 1);
    for (float k = 0; k < 3000; k++) {
        const float *kept = features_find(x, (float[]){ k, 7, -k, 0 }, 4);
        assert_true(kept && *kept == k);
    }
    assert_null(features_find(x, (float[]){ 3000, 7, -3000, 0 }, 4));
    features_free(x);
    expect_fine(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_features_change_no_bit),
        cmocka_unit_test(only_a_picture_with_the_same_bits_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
