/* SPDX-License-Identifier: MIT */
/* Each search grid of a public code contains the value of its preset. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <string.h>
#include "unlearn/method.h"

/* Each value of a grid can be set, and one is that of the preset (muse excepted). This is not tried for keys of the
 * whole run, "section.key". The code of open_mm names no choice from its grids, so the preset open_mm has the middle of
 * each. */
static void a_grid_contains_the_value_of_its_preset(void **state)
{
    (void)state;
    for (size_t k = 0; k < grids_count; k++) {
        const Grid *g = &grids[k];
        const bool whole_run = strchr(g->key, '.') != NULL;
        char values[96], *rest = values, *one;
        size_t n = 0, at = SIZE_MAX;
        Hyperparameters v;
        assert_non_null(method_find(g->method));
        hyperparameters_make(&v, method_find(g->method), g->preset, &error);
        expect_fine(&error);
        for (snprintf(values, sizeof values, "%s", g->values); (one = strsep(&rest, "|")); n++) {
            Hyperparameters w = v;
            if (whole_run)
                continue;
            if (!hyperparameters_set(&w, g->key, one, &error))
                fail_msg("grids.def, %s, %s: %s", g->preset, g->method, error.text);
            at = memcmp(&v, &w, sizeof v) == 0 ? n : at;
        }
        if (!whole_run && at == SIZE_MAX && strcmp(g->preset, "muse") != 0)
            fail_msg("grids.def: %s has none of %s as the %s of %s", g->preset, g->values, g->key, g->method);
        if (!whole_run && strcmp(g->preset, "open_mm") == 0 && at != n / 2)
            fail_msg("grids.def: open_mm has not the middle of %s as the %s of %s", g->values, g->key, g->method);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(a_grid_contains_the_value_of_its_preset) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
