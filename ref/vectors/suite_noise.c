/* SPDX-License-Identifier: MIT */
/* Noise of the suite's answers, and which known mistakes it hides. */
#include <math.h>
#include <string.h>
#include "ref/trace/noise_trace.h"
#include "ref/trace/tolerance.h"
#include "ref/trace/trace_read.h"
#include "ref/vectors/suite.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

enum { FIRST_CAPACITY = 1024 };

static bool put(Suite *s, const char *name, Tensor t)
{
    if (s->noise_count == s->noise_capacity) {
        size_t capacity = s->noise_capacity ? 2 * s->noise_capacity : FIRST_CAPACITY;
        Entry *more = arena_array(s->arena, capacity, sizeof *more);
        if (!more)
            return false;
        if (s->noise_count)
            memcpy(more, s->noise, s->noise_count * sizeof *more);
        s->noise = more;
        s->noise_capacity = capacity;
    }
    if (!name || !t.f32)
        return false;
    s->noise[s->noise_count++] = (Entry){ name, t };
    return true;
}

bool suite_noise(Suite *s, const char *id, const Tape *t, const Entry *out, const size_t *node, size_t count)
{
    Noise *noise[PRECISIONS];
    bool good = noise_of_tape(t, noise, s->arena, s->error);
    for (size_t k = 0; good && k < count; k++) {
        Noise all[PRECISIONS];
        for (Precision p = 0; p < PRECISIONS; p++)
            all[p] = noise[p][node[k]];
        if (strncmp(out[k].name, "bound.", 6) != 0)
            good = put(s, arena_format(s->arena, "%s/%s", id, out[k].name), noise_tensor(all, s->arena));
    }
    return good;
}

/* Opens trace.json and trace.safetensors of a step of the suite. After false there is nothing to close. */
static bool open_step(Suite *s, const char *id, json_t **root, Store *values)
{
    *root = json_file(arena_format(s->arena, "%s/%s/trace.json", s->folder, id), LIMIT_SUITE, s->error);
    if (*root && store_open(values, arena_format(s->arena, "%s/%s/trace.safetensors", s->folder, id), s->arena,
                            s->error))
        return true;
    json_decref(*root);
    return false;
}

bool suite_noise_step(Suite *s, const char *id)
{
    static const bool wanted[PRECISIONS] = { true, true, true, true, true };
    Store values;
    json_t *root;
    Entry *list;
    size_t count = 0;
    if (!open_step(s, id, &root, &values))
        return false;
    bool good = noise_of_trace(root, &values, arena_format(s->arena, "%s/trace.json", id), wanted, &list, &count,
                               s->arena, s->error);
    for (size_t k = 0; good && k < count; k++)
        good = put(s, arena_format(s->arena, "%s/%s", id, list[k].name), list[k].tensor);
    store_close(&values);
    json_decref(root);
    return good;
}

/* Adds the errors of one run to the noise of each answer. Until suite_noise_seq takes the root, rms is the mean
 * square. */
static void add_run(const SeqCase *right, const SeqCase *run, Precision p, Noise (*noise)[PRECISIONS])
{
    for (size_t k = 0; k < right->out_count; k++) {
        size_t n = shape_size(right->out[k].tensor.shape);
        double sum = 0, most = 0;
        for (size_t i = 0; i < n; i++) {
            double error_size = fabs((double)run->out[k].tensor.f32[i] - (double)right->out[k].tensor.f32[i]);
            sum += error_size * error_size / (double)n;
            most = error_size > most ? error_size : most;
        }
        noise[k][p].rms += sum / NOISE_RUNS;
        noise[k][p].most = most > noise[k][p].most ? most : noise[k][p].most;
    }
}

bool suite_noise_seq(Suite *s, const SeqForm *f, const char *id, const char *samples, const MethodSettings *m,
                     const SeqCase *right)
{
    // formats with equally many digits share their noise
    static const struct { double size; Precision first, second; } shakes[] = {
        { 0x1p-20, PRECISION_FP32, PRECISION_FP32 }, { 0x1p-11, PRECISION_TF32, PRECISION_FP16 }, { 0x1p-8, PRECISION_BF16,
                PRECISION_BF16_MIXED },
    };
    Noise (*noise)[PRECISIONS] = arena_zalloc(s->arena, (right->out_count + 1) * sizeof *noise);
    for (size_t i = 0; noise && i < sizeof shakes / sizeof *shakes; i++) {
        for (uint64_t run = 0; run < NOISE_RUNS && !s->error->failed; run++) {
            Arena own = arena_make(s->error);
            SeqCase c;
            if (seq_case_make(f, s->folder, samples, m, (SeqShake){ shakes[i].size, run + 1 }, &c, &own, s->error)) {
                add_run(right, &c, shakes[i].first, noise);
                json_decref(c.steps);
            }
            arena_free(&own);
        }
        for (size_t k = 0; k < right->out_count; k++)
            noise[k][shakes[i].second] = noise[k][shakes[i].first];
    }
    for (size_t k = 0; noise && k < right->out_count && !s->error->failed; k++) {
        for (Precision p = 0; p < PRECISIONS; p++)
            noise[k][p].rms = sqrt(noise[k][p].rms);
        put(s, arena_format(s->arena, "%s/%s", id, right->out[k].name), noise_tensor(noise[k], s->arena));
    }
    return noise && !s->error->failed;
}

bool suite_noise_save(Suite *s)
{
    return store_write(arena_format(s->arena, "%s/noise.safetensors", s->folder), s->noise, s->noise_count, s->error)
            && suite_file(s, "noise.safetensors");
}

/* --- what the noise hides --- */

/* A step of the suite: its trace.json and trace.safetensors, and the two files with the mistakes and the noise of all
 * cases. */
typedef struct {
    Suite *suite;
    const char *id;
    json_t *root;
    Store values, wrong, noise;
} StepFiles;

/* The right value of an answer of the step; *noise: the noise by which this answer is judged. */
static const Tensor *right_of(const StepFiles *x, const char *answer, const Tensor **noise)
{
    const char *at = strrchr(answer, '@'), *name = answer;
    const json_t *modules = json_object_get(x->root, "modules");
    for (size_t k = 0; at && k < json_array_size(modules); k++) {
        const json_t *module = json_array_get(modules, k);
        const char *path = json_string_value(json_object_get(module, "module"));
        if (path && strlen(path) == (size_t)(at - answer) && strncmp(path, answer, strlen(path)) == 0)
            name = json_string_value(json_object_get(json_object_get(module, "answers"), at + 1));
    }
    if (!name)
        return NULL;
    *noise = store_find(&x->noise, at ? arena_format(x->suite->arena, "%s/%s", x->id, answer) : arena_format(x->suite->arena, "%s/t%ld",
            x->id, trace_node(x->root, name)));
    return store_find(&x->values, name);
}

/* Whether the mistake's answer is clearly outside at this precision: its error is at least three times the tolerance,
 * so that the noise of an implementation with the mistake cannot hide it. Also true if there is nothing to compare it
 * with. */
static bool seen(const StepFiles *x, const Entry *wrong, const char *answer, Precision p)
{
    const Tensor *noise = NULL, *right = right_of(x, answer, &noise);
    if (!right || !noise || !shape_equal(right->shape, wrong->tensor.shape))
        return true;
    double sum = 0;
    for (size_t i = 0; i < shape_size(right->shape); i++) {
        double difference = (double)wrong->tensor.f32[i] - (double)right->f32[i];
        sum += difference * difference;
    }
    return sqrt(sum / (double)shape_size(right->shape)) >= 3 * tolerances[p].rms * noise_at(noise, p).rms;
}

/* Appends those mistakes of the step that no answer shows. Entries of wrong.safetensors are sorted, so the answers of
 * one mistake follow one another. */
static void add_below(const StepFiles *x, Precision p, json_t *to)
{
    const char *start = arena_format(x->suite->arena, "%s@", x->id);
    for (size_t k = 0; start && k < x->wrong.count;) {
        const char *name = x->wrong.entries[k].name, *slash = strrchr(name, '/');
        size_t length = slash ? (size_t)(slash - name) : strlen(name);
        bool of_this_step = strncmp(name, start, strlen(start)) == 0 && slash, shown = false;
        for (; k < x->wrong.count && strncmp(x->wrong.entries[k].name, name, length) == 0 && x->wrong.entries[k].name[length] == (slash
                ? '/' : 0); k++)
            shown |= of_this_step && seen(x, &x->wrong.entries[k], x->wrong.entries[k].name + length + 1, p);
        if (of_this_step && !shown)
            json_add(to, json_stringn(name, length));
    }
}

json_t *suite_below(Suite *s)
{
    json_t *all = json_object();
    StepFiles x = { .suite = s };
    const char *path = arena_format(s->arena, "%s/wrong.safetensors", s->folder);
    if (!path || !file_exists(path) || !store_open(&x.wrong, path, s->arena, s->error))
        return all;
    if (store_open(&x.noise, arena_format(s->arena, "%s/noise.safetensors", s->folder), s->arena, s->error)) {
        for (Precision p = 0; p < PRECISIONS; p++)
            json_put(all, precision_name(p), json_array());
        for (size_t k = 0; k < step_forms_count && !s->error->failed; k++) {
            x.id = arena_format(s->arena, "step/%s", step_forms[k].id);
            if (!x.id || !open_step(s, x.id, &x.root, &x.values))
                break;
            for (Precision p = 0; p < PRECISIONS; p++)
                add_below(&x, p, json_object_get(all, precision_name(p)));
            store_close(&x.values);
            json_decref(x.root);
        }
        store_close(&x.noise);
    }
    store_close(&x.wrong);
    return all;
}
