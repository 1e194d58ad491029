/* SPDX-License-Identifier: MIT */
/* The rows of a batch whose logits are wanted. */
#include "model/batch.h"
#include "tests/support/stand.h"
#include "tests/support/tiny.h"

/* The samples have 3, 2 and 4 tokens. A target of -1 means that the row is not supervised. In each case,
 * `count` samples from sample `first` on keep only their supervised rows. */
static void each_sample_keeps_all_its_rows_or_only_the_supervised_ones(void **state)
{
    (void)state;
    const ModelConfig config = tiny_config();
    static const int32_t ids[9] = { 11, 12, 13, 14, 15, 16, 17, 18, 19 }, targets[9] = { -1, 3, -1, 5, -1, -1, -1, 9, 1 };
    const BatchSample list[] = { { ids, targets, 3, NULL, 0 }, { ids + 3, targets + 3, 2, NULL, 0 }, { ids + 5, targets + 5, 4, NULL, 0 } };
    static const struct { size_t first, count, rows; int32_t row[9], offset[4]; } cases[] = {
        { 0, 0, 9, { 0, 1, 2, 3, 4, 5, 6, 7, 8 }, { 0, 3, 5, 9 } },
        { 0, 1, 7, { 1, 3, 4, 5, 6, 7, 8 }, { 0, 1, 3, 7 } },
        { 1, 1, 8, { 0, 1, 2, 3, 5, 6, 7, 8 }, { 0, 3, 4, 8 } },
        { 1, 2, 6, { 0, 1, 2, 3, 7, 8 }, { 0, 3, 4, 6 } },
        { 0, 3, 4, { 1, 3, 7, 8 }, { 0, 1, 2, 4 } },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Batch b;
        assert_true(batch_pack(&b, list, 3, ROWS_ALL, &config, &arena, &error));
        batch_leave_supervised(&b, cases[k].first, cases[k].count);
        assert_int_equal(b.row_count, cases[k].rows);
        assert_memory_equal(b.rows, cases[k].row, cases[k].rows * sizeof(int32_t));
        assert_memory_equal(b.row_offsets, cases[k].offset, sizeof cases[k].offset);
        for (size_t r = 0; r < b.row_count; r++)
            assert_int_equal(b.labels[r], targets[b.rows[r]]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(each_sample_keeps_all_its_rows_or_only_the_supervised_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
