/* SPDX-License-Identifier: MIT */
/* The manifest of a run, whose links cover every stage and every result, and its audit. */
#include "eval/manifest.h"
#include "tests/eval/plans.h"

static void a_manifest_links_stages_and_sees_changed_files(void **state)
{
    (void)state;
    ProtocolConfig c = config_of("pretrained");
    Plan p = planned(&c);
    static const char *const files[] = { "x.txt" }, *const results[] = { "r.csv" };
    const char *out = scratch("out");
    size_t size;
    for (size_t k = 0; k < p.stage_count; k++) {
        const char *folder = arena_format(&arena, "%s/stages/%s", out, digest_of(&p, k));
        assert_true(file_make_folder(folder, &error) && !stage_finished(folder));
        assert_true(file_write(arena_format(&arena, "%s/x.txt", folder), "x", 1, &error));
        assert_true(stage_finish(&p, k, folder, files, 1, &error) && stage_finished(folder));
    }
    assert_true(file_write(arena_format(&arena, "%s/r.csv", out), "1\n", 2, &error));
    assert_true(manifest_write(&p, out, "config", results, 1, &arena, &error));
    char *one = file_read(arena_format(&arena, "%s/manifest.json", out), 1 << 20, &size, &arena, &error);
    assert_true(file_write(arena_format(&arena, "%s/r.csv", out), "2\n", 2, &error)
                && manifest_write(&p, out, "config", results, 1, &arena, &error));
    char *two = file_read(arena_format(&arena, "%s/manifest.json", out), 1 << 20, &size, &arena, &error);
    assert_string_not_equal(strstr(one, "\"chain\""), strstr(two, "\"chain\""));
    assert_true(file_write(arena_format(&arena, "%s/stages/%s/x.txt", out, digest_of(&p, 0)), "y", 1, &error));
    assert_false(manifest_write(&p, out, "config", results, 1, &arena, &error));
    expect_sentence(&error, "x.txt: it is not the file that its stage made");
}

static const char *run_made(const char *name, const char *result)
{
    ProtocolConfig c = config_of("finetuned");
    Plan p = planned(&c);
    static const char *const files[] = { "x.txt" }, *const results[] = { "r.csv" };
    const char *out = arena_text(&arena, scratch("%s", name));
    for (size_t k = 0; k < p.stage_count; k++) {
        const char *folder = arena_format(&arena, "%s/stages/%s", out, digest_of(&p, k));
        assert_true(file_make_folder(folder, &error)
                    && file_write(arena_format(&arena, "%s/x.txt", folder), result, 1, &error));
        assert_true(stage_finish(&p, k, folder, files, 1, &error));
    }
    assert_true(file_write(arena_format(&arena, "%s/r.csv", out), result, 1, &error)
                && file_write(arena_format(&arena, "%s/report.html", out), "p", 1, &error));
    assert_true(manifest_write(&p, out, "config", results, 1, &arena, &error)
                && manifest_add(out, "report", "report.html", &error));
    return out;
}

static void an_audit_finds_changed_files_and_where_two_runs_differ(void **state)
{
    (void)state;
    const char *one = run_made("one", "1"), *two = run_made("two", "1"), *other = run_made("other", "2");
    char different[512];
    size_t size;
    assert_true(manifest_check(one, &arena, &error) && manifest_same(one, two, different, &arena, &error));
    assert_false(manifest_same(one, other, different, &arena, &error));
    assert_false(error.failed);
    assert_string_equal(different, "the stage answers/vanilla/person: x.txt");
    assert_true(file_write(arena_format(&arena, "%s/report.html", one), "q", 1, &error));
    assert_false(manifest_check(one, &arena, &error));
    expect_sentence(&error, "report.html: it is not the file");
    const char *path = arena_format(&arena, "%s/manifest.json", two);
    char *text = file_read(path, 1 << 20, &size, &arena, &error);
    *strstr(text, "c0de") = 'd';
    assert_true(file_write(path, text, size, &error));
    assert_false(manifest_check(two, &arena, &error));
    expect_sentence(&error, "entry 1 was changed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_manifest_links_stages_and_sees_changed_files),
        stand_test(an_audit_finds_changed_files_and_where_two_runs_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
