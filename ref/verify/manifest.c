/* SPDX-License-Identifier: MIT */
#include "ref/verify/manifest.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "tensor/base/file.h"
#include "tensor/base/hash.h"
#include "tensor/base/limits.h"
#include "tensor/op.h"

json_t *manifest_open(const char *folder, Arena *a, Error *e)
{
    const char *spec, *path = arena_format(a, "%s/manifest.json", folder);
    json_t *m = json_file(path, LIMIT_SUITE, e);
    if (!m || !json_get_text(m, "spec", &spec, path, e) || !json_is_array(json_object_get(m, "files"))) {
        error_set(e, "%s: \"files\" is missing, expected the manifest of a suite", path);
        json_decref(m);
        return NULL;
    }
    if (strcmp(spec, PULSE_SPEC) != 0) {
        error_set(e, "%s: recorded under spec %s, expected %s, which this program computes", path, spec, PULSE_SPEC);
        json_decref(m);
        return NULL;
    }
    return m;
}

const char *manifest_sha(const json_t *manifest, const char *path)
{
    json_t *files = json_object_get(manifest, "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *listed = json_string_value(json_object_get(json_array_get(files, k), "path"));
        if (listed && strcmp(listed, path) == 0)
            return json_string_value(json_object_get(json_array_get(files, k), "sha256"));
    }
    return NULL;
}

bool manifest_holds(const char *folder, const char *path, const char *sha, Arena *a, Error *e)
{
    Digest d;
    if (!digest_file(arena_format(a, "%s/%s", folder, path), &d, e))
        return false;
    return (sha && strcmp(d.hex, sha) == 0) || error_set(e, "%s/%s: its SHA-256 is not that of the manifest, expected whole "
                                                            "reference answers", folder, path);
}

static void check_whole(Findings *f, const char *folder, const char *path, const char *sha, Arena *a)
{
    Error own = { .failed = false };
    Digest d;
    char *whole = arena_format(a, "%s/%s", folder, path);
    if (!file_exists(whole))
        finding(f, path, "MISSING", "the manifest lists it");
    else if (!digest_file(whole, &d, &own))
        finding(f, path, "DAMAGED", "%s", own.text);
    else if (strcmp(d.hex, sha) != 0)
        finding(f, path, "DAMAGED", "SHA-256 is %s, expected %s", d.hex, sha);
}

static void find_extra(Findings *f, const char *folder, const char *below, const json_t *manifest, Arena *a, Error *e)
{
    static const char *const known[] = { "manifest.json", "wrong.json", "wrong.safetensors", "README.md", "schema" };
    size_t count = 0;
    const char **name = folder_names(arena_format(a, "%s/%s", folder, below), &count, a, e);
    for (size_t n = 0; name && n < count; n++) {
        struct stat s;
        char *path = arena_format(a, "%s%s%s", below, *below ? "/" : "", name[n]);
        bool expected = name[n][0] == '.' || (path && manifest_sha(manifest, path));
        for (size_t k = 0; k < sizeof known / sizeof *known && !*below; k++)
            expected |= strcmp(name[n], known[k]) == 0;
        if (!path || expected)
            continue;
        if (stat(arena_format(a, "%s/%s", folder, path), &s) != 0)
            error_io(e, "%s/%s: cannot be read: %s", folder, path, strerror(errno));
        else if (S_ISDIR(s.st_mode))
            find_extra(f, folder, path, manifest, a, e);
        else
            finding(f, path, "EXTRA", "the manifest does not list it");
    }
}

bool verify_whole(Findings *f, const char *folder, const json_t *manifest, Arena *a, Error *e)
{
    json_t *files = json_object_get(manifest, "files");
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path, *sha, *where = "manifest.json";
        if (!json_get_text(json_array_get(files, k), "path", &path, where, e)
            || !json_get_text(json_array_get(files, k), "sha256", &sha, where, e))
            return false;
        check_whole(f, folder, path, sha, a);
    }
    find_extra(f, folder, "", manifest, a, e);
    return !e->failed;
}
