/* SPDX-License-Identifier: MIT */
/* Checks our own reference answers: no file is missing or damaged, this program makes the same bits again, and its
 * readers accept and refuse the files of reject/ as stated. */
#include "model/folder/folder.h"
#include "ref/verify/verify.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/vectors/case_reject.h"
#include "ref/config/setup.h"
#include "ref/vectors/suite.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

/* Finds the tensors in which a recorded file differs from the file that was made now. */
static void name_tensors(Findings *f, const char *path, const char *recorded, const char *made, Arena *a)
{
    Error own = { .failed = false };
    Store x, y;
    if (!store_open(&x, recorded, a, &own) || !store_open(&y, made, a, &own)) {
        finding(f, path, "OUTSIDE", "not what this program makes");
        return;
    }
    for (size_t k = 0; k < x.count; k++) {
        const Tensor *other = store_find(&y, x.entries[k].name);
        if (!other || strcmp(digest_tensor("", x.entries[k].tensor).hex, digest_tensor("", *other).hex) != 0)
            finding(f, arena_format(a, "%s %s", path, x.entries[k].name), "OUTSIDE",
                    "not the bits that this program makes");
    }
    store_close(&x);
    store_close(&y);
}

static void remove_tree(const char *path, Arena *a)
{
    DIR *all = opendir(path);
    for (struct dirent *entry; all && (entry = readdir(all));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *below = arena_format(a, "%s/%s", path, entry->d_name);
        if (below && unlink(below) != 0)
            remove_tree(below, a);
    }
    if (all)
        closedir(all);
    rmdir(path);
}

/* Checks that our readers refuse the n_ files of reject/, accept the y_ files, and say why whenever they refuse one. */
static void check_readers(Findings *f, const char *folder, Arena *a)
{
    for (size_t k = 0; k < reject_forms_count; k++) {
        const RejectForm *r = &reject_forms[k];
        const RejectExpected expected = reject_expected(r);
        Error refusal = { .failed = false };
        char *path = arena_format(a, "reject/%s", r->path);
        bool read = path && reject_reads(r, arena_format(a, "%s/%s", folder, path), &refusal);
        if (!path || (!read && !*refusal.text))
            finding(f, r->path, "OUTSIDE", "refused without a sentence");
        else if (expected != REJECT_EITHER && read != (expected == REJECT_ACCEPT))
            finding(f, path, "OUTSIDE", "our reader %s it, expected to %s%s%s", read ? "accepts" : "refuses",
                    reject_expected_name(expected), read ? "" : ": ", refusal.text);
        else
            finding(f, path, "BITEXACT", "%s", "");
    }
}

static bool compare_made(Findings *f, const char *folder, const char *made, const json_t *manifest, Arena *a, Error *e)
{
    json_t *ours = json_file(arena_format(a, "%s/manifest.json", made), LIMIT_SUITE, e), *files = json_object_get(ours,
            "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path = json_string_value(json_object_get(json_array_get(files, k), "path")),
                   *now = json_string_value(json_object_get(json_array_get(files, k), "sha256"));
        const char *then = manifest_sha(manifest, path);
        char *recorded = arena_format(a, "%s/%s", folder, path), *fresh = arena_format(a, "%s/%s", made, path);
        if (!then)
            finding(f, path, "MISSING", "this program makes it and the manifest does not list it");
        else if (strcmp(now, then) == 0)
            finding(f, path, "BITEXACT", "%s", "");
        else if (strstr(path, ".safetensors"))
            name_tensors(f, path, recorded, fresh, a);
        else
            finding(f, path, "OUTSIDE", "not what this program makes");
    }
    json_decref(ours);
    return !e->failed;
}

bool verify_own(Findings *f, const char *folder, json_t *manifest, Arena *a, Error *e)
{
    if (!verify_whole(f, folder, manifest, a, e))
        return false;
    check_readers(f, folder, a);
    const char *top = getenv("TMPDIR");
    char *made = arena_format(a, "%s/pulse-verify-XXXXXX", top ? top : "/tmp");
    if (!made || !mkdtemp(made))
        return error_set(e, "%s: no folder could be made there, expected TMPDIR to be writable", made ? made : "verify");
    const char *wrong = arena_format(a, "%s/wrong.safetensors", folder);
    bool good = (!file_exists(wrong) || folder_copy(folder, made, "wrong.safetensors", e)) && suite_write(made, a, e)
             && compare_made(f, folder, made, manifest, a, e);
    remove_tree(made, a);
    return good;
}
