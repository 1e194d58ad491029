/* SPDX-License-Identifier: MIT */
/* Intervals between the checkpoints that a stage kept (protocol.checkpoints): lists them, prepares the replay of one,
 * and compares its files with the published ones.
 *
 * A kept checkpoint holds the trainable weights, the optimiser's moments, the step, and the length and SHA-256 of the
 * log so far. A replay resumes from one checkpoint and stops at the next. If the checkpoint that it reaches and the
 * snapshots in between are the same as the published ones, the published stage did the same work. What a stage writes
 * at its very end belongs to its last interval. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ref/run/audit.h"
#include "tensor/base/file.h"

static const char checkpoint_name[] = "checkpoint.safetensors";

/* Reads the point from a file name, "round-1-step-25/…" or "step-25/…". False: the file belongs to the whole stage, for
 * instance its log. */
static bool point_of(const char *name, Point *at)
{
    long long request = 0, step = 0;
    int n = 0;
    if (sscanf(name, "round-%lld-step-%lld/%n", &request, &step, &n) != 2 || n == 0) {
        request = n = 0;
        if (sscanf(name, "step-%lld/%n", &step, &n) != 1 || n == 0)
            return false;
    }
    *at = (Point){ request, step };
    return true;
}

static int points_order(const void *x, const void *y)
{
    const Point *a = x, *b = y;
    const int64_t a_key = a->request != b->request ? a->request : a->step;
    const int64_t b_key = a->request != b->request ? b->request : b->step;
    return (a_key > b_key) - (a_key < b_key);
}

static bool after(Point a, Point b) { return points_order(&a, &b) > 0; }

const char *point_name(Point p, Arena *a)
{
    return p.request ? arena_format(a, "round-%lld-step-%lld", (long long)p.request, (long long)p.step)
                     : arena_format(a, "step-%lld", (long long)p.step);
}

Point *interval_points(json_t *outputs, size_t *count, Arena *a)
{
    Point last = { 0, 0 }, at, *list = arena_array(a, json_object_size(outputs) + 1, sizeof *list);
    const char *name;
    json_t *digest;
    size_t n = 0;
    json_object_foreach(outputs, name, digest) {
        if (!point_of(name, &at))
            continue;
        last = after(at, last) ? at : last;
        if (list && strcmp(strchr(name, '/') + 1, checkpoint_name) == 0)
            list[n++] = at;
    }
    if (list)
        qsort(list, n, sizeof *list, points_order);
    // after the checkpoint of the last step there is nothing left to do
    *count = list && n > 0 && !after(last, list[n - 1]) ? n - 1 : n;
    return list;
}

static bool copy(const char *from, const char *to, Error *e)
{
    char piece[1 << 16];
    FileWriter w;
    FILE *f = fopen(from, "rb");
    if (!f)
        return error_io(e, "%s: cannot be read: %s", from, strerror(errno));
    bool good = file_begin(&w, to, e);
    for (size_t n; good && (n = fread(piece, 1, sizeof piece, f)) > 0;)
        good = fwrite(piece, 1, n, w.stream) == n;
    if (ferror(f))
        good = error_io(e, "%s: cannot be read: %s", from, strerror(errno));
    fclose(f);
    if (good)
        return file_finish(&w, e);
    file_drop(&w);
    return e->failed ? false : error_io(e, "%s: cannot be written: %s", to, strerror(errno));
}

/* Copies PUBLISHED/name to FOLDER/to. A link would not do, because the replay writes some of these files again. */
static bool copy_published(const char *published, const char *name, const char *folder, const char *to, Arena *a, Error *e)
{
    const char *from = arena_format(a, "%s/%s", published, name), *path = arena_format(a, "%s/%s", folder, to);
    char *parent = path ? arena_text(a, path) : NULL;
    if (!from || !parent)
        return false;
    if (strstr(name, ".."))
        return error_set(e, "%s: is outside the folder of the stage, expected the name of a file inside it", from);
    *strrchr(parent, '/') = 0;
    return file_make_folder(parent, e) && copy(from, path, e);
}

/* Whether a replay from `from` to `to` needs this published file. Every replay needs the log, and cuts it
 * to its length at `from`. The last interval also needs every file that was written up to `from`, because
 * it writes the stage.json, which lists the files of all intervals. */
static bool needed(const char *name, Point from, Point to)
{
    Point at;
    return point_of(name, &at) ? !to.step && !after(at, from) : strcmp(name, "log.jsonl") == 0;
}

bool interval_begin(json_t *outputs, const char *published, const char *folder, Point from, Point to, Arena *a,
                    Error *e)
{
    const char *name;
    json_t *digest;
    size_t count;
    const Point *kept = interval_points(outputs, &count, a);
    json_object_foreach(outputs, name, digest)
        if (needed(name, from, to) && !copy_published(published, name, folder, name, a, e))
            return false;
    for (size_t k = 0; kept && k < count && !after(kept[k], from); k++) {
        const Point at = kept[k];
        if (k + 1 < count && kept[k + 1].request == at.request && !after(kept[k + 1], from))
            continue;                                           // a request resumes from its last checkpoint
        const char *copy_name = at.request ? arena_format(a, "checkpoint-%lld/%s", (long long)at.request, checkpoint_name)
                                           : checkpoint_name;
        name = arena_format(a, "%s/%s", point_name(at, a), checkpoint_name);
        if (!name || !copy_name || !copy_published(published, name, folder, copy_name, a, e))
            return false;
    }
    return kept && !e->failed;
}

bool interval_same(json_t *outputs, const char *folder, Point from, Point to, char different[512], Arena *a, Error *e)
{
    const char *name;
    json_t *digest;
    Point at;
    json_object_foreach(outputs, name, digest) {
        Digest d;
        const char *path = arena_format(a, "%s/%s", folder, name);
        if (!path || !point_of(name, &at) || !after(at, from) || after(at, to))
            continue;
        if (!file_exists(path) || !digest_file(path, &d, e) || strcmp(d.hex, json_string_value(digest)) != 0) {
            snprintf(different, 512, "%s", name);
            return false;
        }
    }
    return !e->failed;
}
