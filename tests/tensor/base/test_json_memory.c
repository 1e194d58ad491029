/* SPDX-License-Identifier: MIT */
/* JSON, and texts that are written into memory, when memory runs out. */
#include "tests/support/stand.h"

#include <stdlib.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"

static json_malloc_t their_malloc;
static long left;                // allocations until one fails

static void *failing(size_t n) { return their_malloc(--left == 0 ? SIZE_MAX / 2 : n); }

/* Each allocation that jansson makes fails once. Without the checks of json.c, letters and digits would then be
 * lost, or the program would abort. */
static void json_is_read_and_printed_whole_or_not_at_all_when_memory_runs_out(void **state)
{
    (void)state;
    static const char text[] = "{\"a name that is longer than sixteen letters\":\"and so is this text, which needs more room than "
                               "that\",\"numbers\":[1234567890123456789,0.123456789012345678]}";
    json_free_t their_free;
    json_t *good = json_loads(text, 0, NULL);
    json_get_alloc_funcs(&their_malloc, &their_free);
    json_set_alloc_funcs(failing, their_free);
    long k = 1;
    for (bool over = false; !over; k++) {
        Error e = { 0 };
        left = k;
        json_t *read = json_parse(text, sizeof text - 1, "x.json", &e);
        char *printed = read ? json_compact(read, &e) : NULL;
        over = left > 0;
        if (!over)
            assert_true(!printed && e.kind == ERROR_MEMORY);
        else
            assert_true(json_equal(read, good) && !e.failed);
        left = 0;
        json_decref(read);
        free(printed);
    }
    json_set_alloc_funcs(their_malloc, their_free);
    json_decref(good);
    assert_true(k > 20);
}

#if defined(__GLIBC__) && !defined(PULSE_SANITIZED)
extern void *__libc_realloc(void *p, size_t n);
static bool full;                // realloc fails

__attribute__((visibility("default"))) void *realloc(void *p, size_t n) { return full ? NULL : __libc_realloc(p, n); }

/* Whether the realloc above is the one that is called: valgrind replaces it by its own. */
static bool can_fail(void)
{
    void *(*volatile again)(void *, size_t) = realloc;      // compilers know what realloc does, and would leave the calls out
    void *p = malloc(1);
    full = true;
    void *q = again(p, 2);
    full = false;
    free(q ? q : p);
    return !q;
}

/* After a text was written into memory, glibc's fclose trims it with a realloc. If this realloc fails, fclose returns 0
 * all the same. */
static void a_text_in_memory_that_cannot_be_trimmed_is_an_error(void **state)
{
    (void)state;
    if (!can_fail())
        skip();
    Error e = { 0 };
    TextWriter w;
    for (int k = 0; k < 2; k++) {
        assert_true(text_begin(&w, &e) && fputs("a picture", w.stream) >= 0);
        full = k == 1;
        const bool whole = text_finish(&w, &e);
        full = false;
        if (k == 0)
            assert_true(whole && w.size == 9 && strcmp(w.text, "a picture") == 0);
        else
            assert_true(!whole && e.kind == ERROR_MEMORY);
        free(w.text);
    }
}
#define TRIMMED cmocka_unit_test(a_text_in_memory_that_cannot_be_trimmed_is_an_error),
#else
#define TRIMMED
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_and_printed_whole_or_not_at_all_when_memory_runs_out),
        TRIMMED
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
