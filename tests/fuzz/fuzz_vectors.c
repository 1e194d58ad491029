/* SPDX-License-Identifier: MIT */
/* Fuzz targets: recorded answers and the answers of another implementation, on a suite of one case; and the trace of a
 * step. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "ref/trace/noise_trace.h"
#include "ref/trace/trace_file.h"
#include "ref/verify/verify.h"
#include "tensor/base/file.h"
#include "tensor/base/hash.h"
#include "tensor/ops.h"
#include "tests/support/scratch.h"

#define RECORDED "fixtures/vectors/v1/loss/npo.sequence_sum/out.safetensors"
#define CASE     "loss/npo.sequence_sum/out.safetensors"

static json_t *manifest_of(const char *sha)
{
    return json_pack("{s:s, s:[{s:s, s:s}]}", "spec", PULSE_SPEC, "files", "path", CASE, "sha256", sha);
}

/* Makes the folder of the suite with its one case, and returns it. If `recorded` is not NULL, its n bytes replace the
 * file of the recorded answers. */
static const char *suite_made(const Input *in, const char *recorded, size_t n)
{
    const char *folder = arena_text(in->arena, scratch("suite"));
    size_t size = n;
    const char *bytes = recorded ? recorded : file_read(RECORDED, (size_t)1 << 20, &size, in->arena, in->error);
    if (!folder || !bytes || !file_make_folder(scratch("suite/loss/npo.sequence_sum"), in->error))
        abort();
    fuzz_write("suite/" CASE, bytes, size);
    json_t *manifest = manifest_of(digest_bytes(bytes, size).hex);
    char *text = json_compact(manifest, in->error);
    fuzz_write("suite/manifest.json", text, strlen(text));
    free(text);
    json_decref(manifest);
    return folder;
}

/* Makes the folder of another implementation, whose answers are all right. */
static const char *got_made(const Input *in)
{
    const char *folder = arena_text(in->arena, scratch("good"));
    size_t size;
    if (!file_exists(scratch("good/" CASE))) {
        const char *bytes = file_read(RECORDED, (size_t)1 << 20, &size, in->arena, in->error);
        if (!bytes || !file_make_folder(scratch("good/loss/npo.sequence_sum"), in->error))
            abort();
        fuzz_write("good/" CASE, bytes, size);
    }
    return folder;
}

/* Compares the files of the suite in `folder` with its manifest. Then judges the answers `got` by the suite, and makes
 * the headline of these findings. Returns whether manifest and answers could be read. */
static bool judged(const Input *in, const char *folder, const char *got)
{
    const OptionList only = { .count = 0 };
    const VerifyOptions asked = { .only = &only };
    Findings f = { .lines = json_array() };
    json_t *manifest = manifest_open(folder, in->arena, in->error);
    bool good = manifest && verify_whole(&f, folder, manifest, in->arena, in->error);
    if (good) {
        json_array_clear(f.lines);
        f = (Findings){ .lines = f.lines };
        good = verify_got(&f, folder, got, &asked, manifest, in->arena, in->error);
    }
    if (good && !findings_headline(&f, in->arena) && !in->error->failed)
        abort();
    json_decref(manifest);
    json_decref(f.lines);
    return good;
}

static bool parse_suite(const Input *in)
{
    const char *folder = suite_made(in, NULL, 0);
    fuzz_file(in, "suite/manifest.json");
    return judged(in, folder, got_made(in));
}

static void seed_suite(const char *folder, Arena *a, Error *e)
{
    Digest d;
    json_t *manifest = digest_file(RECORDED, &d, e) ? manifest_of(d.hex) : NULL;
    json_save(arena_format(a, "%s/manifest.json", folder), manifest, e);
    json_decref(manifest);
}

const Parser parser_suite = { "suite", parse_suite, seed_suite };

static bool parse_recorded(const Input *in)
{
    return judged(in, suite_made(in, (const char *)in->data, in->size), got_made(in));
}

static void seed_recorded(const char *folder, Arena *a, Error *e) { fuzz_seed_file(folder, RECORDED, a, e); }

const Parser parser_recorded = { "recorded", parse_recorded, seed_recorded };

/* An input of odd size is one file with all answers; one of even size is the file of the case in a folder. */
static bool parse_got(const Input *in)
{
    const char *folder = suite_made(in, NULL, 0);
    if (in->size % 2)
        return judged(in, folder, fuzz_file(in, "got.safetensors"));
    file_make_folder(scratch("got/loss/npo.sequence_sum"), in->error);
    fuzz_file(in, "got/" CASE);
    return judged(in, folder, scratch("got"));
}

static void seed_got(const char *folder, Arena *a, Error *e)
{
    Store s;
    fuzz_seed_file(folder, RECORDED, a, e);
    if (!store_open(&s, RECORDED, a, e))
        return;
    Entry *all = arena_array(a, s.count, sizeof *all);
    for (size_t k = 0; all && k < s.count; k++)
        all[k] = (Entry){ arena_format(a, "loss/npo.sequence_sum/%s", s.entries[k].name), s.entries[k].tensor };
    store_write(arena_format(a, "%s/one.safetensors", folder), all, s.count, e);
    store_close(&s);
}

const Parser parser_got = { "got", parse_got, seed_got };

/* A tape of a few nodes with a backward pass. `trace` writes such a tape as trace.json and trace.safetensors. */
static Tape recorded_tape(Arena *a, Error *e)
{
    static float x[6] = { 1, 2, 3, 4, 5, 6 }, w[12] = { 0.5f, -1, 2 };
    static const int32_t rows[2] = { 1, 0 };
    Tape t = tape_make(a, e);
    Node *weight = tape_param(&t, "w", tensor_view(w, shape_of(2, (size_t)4, (size_t)3)), true);
    const char *before = tape_enter(&t, "layer");
    Node *y = op_linear(&t, tape_input(&t, "x", tensor_view(x, shape_of(2, (size_t)2, (size_t)3))), weight, NULL);
    tape_leave(&t, before);
    Node *loss = op_sum(&t, op_mul(&t, op_softmax(&t, y), op_gather_rows(&t, y, rows, 2)));
    tape_seed(&t, loss, tape_scalar(&t, "one", 1));
    tape_backward(&t);
    if (e->failed)
        abort();
    return t;
}

/* The input is trace.json, beside the right numbers of recorded_tape. */
static bool parse_trace(const Input *in)
{
    static Store values;
    static Error e;
    static Arena a;
    bool wanted[PRECISIONS] = { false };
    Entry *entries;
    size_t count;
    if (!values.entries) {
        a = arena_make(&e);
        const Tape recorded = recorded_tape(&a, &e);
        const char *path = scratch("trace.safetensors");
        if (!trace_tape(&recorded, 0, &entries, &count, &a, &e) || !store_write(path, entries, count, &e)
            || !store_open(&values, path, &a, &e))
            abort();
    }
    wanted[PRECISION_BF16] = true;
    json_t *root = json_parse((const char *)in->data, in->size, "trace.json", in->error);
    bool good = root && noise_of_trace(root, &values, "trace.json", wanted, &entries, &count, in->arena, in->error);
    json_decref(root);
    return good;
}

static void seed_trace(const char *folder, Arena *a, Error *e)
{
    const Tape t = recorded_tape(a, e);
    json_t *root = json_pack("{s:s, s:o, s:{s:s}, s:[{s:s, s:{s:s}}]}", "spec", PULSE_SPEC, "nodes", trace_nodes(&t, a, e), "aliases",
                             "grad.t2", "t7", "modules", "module", "layer", "answers", "output", "t2");
    char *text = root ? json_compact(root, e) : NULL;
    if (text)
        fuzz_seed(folder, "trace.json", text, strlen(text), a, e);
    free(text);
    json_decref(root);
}

const Parser parser_trace = { "trace", parse_trace, seed_trace };
