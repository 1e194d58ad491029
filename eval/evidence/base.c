/* SPDX-License-Identifier: MIT */
#include "eval/evidence/base.h"

#include <inttypes.h>
#include <string.h>
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

static const char *const tables[] = { "trajectory.csv", "contrasts.csv" };
enum { TRAJECTORY, CONTRASTS, TABLES };

const char *base_folder(const char *folder, int64_t base, Arena *a)
{
    return arena_format(a, "%s/base-%" PRId64, folder, base);
}

bool base_number(const Registration *r, const char *path, int64_t *out, Error *e)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    return (strncmp(name, "base-", 5) == 0 && decimal_to_int(name + 5, out) && *out >= 0 && *out <= r->bases)
        || error_set(e, "%s: this folder is not a registered base, expected a name from base-0 to base-%" PRId64, path, r->bases);
}

static const char *file_of(const char *folder, const char *name, Arena *a)
{
    return arena_format(a, "%s/%s", folder, name);
}

bool base_finished(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    return file_exists(path);
}

bool base_write(const char *folder, const Registration *r, int64_t base, const Trajectory *t, json_t *runs, Arena *a, Error *e)
{
    Contrasts c;
    Digest d[TABLES];
    char seed[17] = "";
    const char *path[TABLES] = { file_of(folder, tables[0], a), file_of(folder, tables[1], a) };
    const char *manifest = file_of(folder, "manifest.json", a);
    bool good = manifest && path[0] && path[1] && file_make_folder(folder, e) && contrasts_of(&c, r, t, a, e)
             && trajectory_write(t, r, path[TRAJECTORY], e) && contrasts_write(&c, r, path[CONTRASTS], e)
             && (base == 0 || registration_seed(r, base, seed, e));
    for (int k = 0; good && k < TABLES; k++)
        good = digest_file(path[k], &d[k], e);
    if (!good) {
        json_decref(runs);
        return false;
    }
    json_t *o = json_pack("{s:s, s:I, s:s, s:o, s:{s:s, s:s}}", "registration", r->digest.hex, "base", (json_int_t)base, "seed",
                          base ? seed : "that of the generator", "runs", runs, "files", tables[0], d[0].hex, tables[1], d[1].hex);
    good = json_save(manifest, o, e);
    json_decref(o);
    return good;
}

/* Whether the manifest belongs to this base, and the tables have the digests that it names. */
static bool manifest_check(const json_t *o, const char *path, const char *folder, const Registration *r, int64_t base, Arena *a, Error *e)
{
    const char *registration, *said;
    int64_t number;
    if (!json_get_text(o, "registration", &registration, path, e) || !json_get_int(o, "base", &number, path, e))
        return false;
    if (strcmp(registration, r->digest.hex) != 0)
        return error_set(e, "%s: the base was made by the registration %.64s, expected %s, the SHA-256 of %s", path, registration,
                         r->digest.hex, r->path);
    if (number != base)
        return error_set(e, "%s: the base is %" PRId64 ", expected %" PRId64 " by the name of the folder", path, number, base);
    for (int k = 0; k < TABLES; k++) {
        Digest d;
        const char *table = file_of(folder, tables[k], a);
        if (!json_get_text(json_object_get(o, "files"), tables[k], &said, path, e) || !table || !digest_file(table, &d, e))
            return false;
        if (strcmp(said, d.hex) != 0)
            return error_set(e, "%s: the SHA-256 of the file is %s, expected %.64s as the manifest says", table, d.hex, said);
    }
    return true;
}

/* Whether the contrasts in the folder (`said`) equal those made from its trajectory (`made`), to the last bit. */
static bool contrasts_follow(const Contrasts *said, const Contrasts *made, const Registration *r, const char *path, Error *e)
{
    for (size_t k = 0; k < said->count && k < made->count; k++) {
        const Contrast *x = &said->item[k], *y = &made->item[k];
        char value[48] = "no value";
        if (y->reached)
            snprintf(value, sizeof value, "the value %.17g", y->value);
        if (x->finding != y->finding || x->method != y->method || x->seed != y->seed || x->reached != y->reached
            || (x->reached && x->value != y->value))
            return error_set(e, "%s:%zu: %s by %s with seed %" PRIu64 " does not follow from trajectory.csv, expected %s by %s with seed %"
                             PRIu64 " and %s", path, k + 2, r->finding[x->finding].name, r->method[x->method], r->seed[x->seed],
                             r->finding[y->finding].name, r->method[y->method], r->seed[y->seed], value);
    }
    return said->count == made->count
        || error_set(e, "%s:%zu: there are %zu contrasts, expected the %zu that follow from trajectory.csv", path, said->count + 1,
                     said->count, made->count);
}

bool base_read(Contrasts *out, const char *folder, const Registration *r, int64_t base, Arena *a, Error *e)
{
    Trajectory t;
    Contrasts made;
    const char *manifest = file_of(folder, "manifest.json", a);
    const char *path[TABLES] = { file_of(folder, tables[0], a), file_of(folder, tables[1], a) };
    json_t *o = manifest && path[0] && path[1] ? json_file(manifest, LIMIT_RESULTS, e) : NULL;
    const bool good = o && manifest_check(o, manifest, folder, r, base, a, e) && trajectory_read(&t, r, path[TRAJECTORY], a, e)
        && contrasts_read(out, r, path[CONTRASTS], a, e) && contrasts_of(&made, r, &t, a, e)
        && contrasts_follow(out, &made, r, path[CONTRASTS], e);
    json_decref(o);
    return good;
}
