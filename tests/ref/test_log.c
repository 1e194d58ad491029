/* SPDX-License-Identifier: MIT */
/* If the lines of a log do not reach the disk, the error says so, with the system's reason. */
#include "tests/support/stand.h"

#include <string.h>
#include "ref/cli/log.h"

/* The reason must not be "Success", which is that of errno 0. This is checked first, because expect_sentence empties
 * the error. */
static void expect_reason(void)
{
    assert_null(strstr(error.text, "Success"));
    expect_sentence(&error, "log.jsonl: cannot be written: ");
}

static void a_full_disk_is_reported_when_the_log_is_marked_and_when_it_is_closed(void **state)
{
    (void)state;
    const StepStats s = { .loss = 1 };
    LogMark mark;
    for (int marked = 0; marked < 2; marked++) {
        FILE *log = fopen("/dev/full", "a");
        assert_non_null(log);
        setvbuf(log, NULL, marked ? _IOLBF : _IOFBF, 1 << 16);
        log_step(log, 1, &s);
        if (marked) {
            assert_false(log_mark(log, "log.jsonl", &mark, &error));
            expect_reason();
        }
        assert_false(log_close(log, "log.jsonl", &error));
        expect_reason();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(a_full_disk_is_reported_when_the_log_is_marked_and_when_it_is_closed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
