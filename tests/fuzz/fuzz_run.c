/* SPDX-License-Identifier: MIT */
/* Fuzz targets: the files that a run or a training writes, and that pulse-ref reads again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "eval/manifest.h"
#include "eval/results.h"
#include "model/training/checkpoint.h"
#include "ref/cli/log.h"
#include "ref/report/report.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"
#include "tensor/store.h"
#include "tests/support/scratch.h"

static const char *folder_made(const Input *in, const char *name)
{
    const char *folder = arena_text(in->arena, scratch("%s", name));
    return folder && file_make_folder(folder, in->error) ? folder : (abort(), NULL);
}

/* --- checkpoint.safetensors --- */

static const char identity[] = "0123456789abcdef";
static const char *const slot_names[] = { "a.weight", "b.bias" };

/* A trainer of two parameters, with all that a checkpoint holds. */
static Trainer trainer(Arena *a)
{
    Trainer r = { .config = { .steps = 9 } };
    const OptimiserConfig c = { .kind = OPTIMISER_ADAMW, .schedule = { .lr = 0.1f, .steps = 9 }, .beta1 = 0.9f, .beta2 = 0.99f,
                                .eps = 1e-8f };
    Tensor *value = arena_zalloc(a, 2 * sizeof *value);
    value[0] = tensor_zeros(a, shape_of(2, (size_t)2, (size_t)3));
    value[1] = tensor_zeros(a, shape_of(1, (size_t)3));
    if (!optimiser_make(&r.optimiser, &c, 2, slot_names, (Tensor *[]){ &value[0], &value[1] }, a))
        abort();
    return r;
}

/* If all tensors are there, sets train.digest to the digest of their content. */
static void repair(const char *path, Arena *a)
{
    static const char *const names[] = { "a.weight", "adam.m.a.weight", "adam.v.a.weight", "b.bias", "adam.m.b.bias", "adam.v.b.bias",
                                         "train.step", "train.powers", "train.identity", "train.log.bytes", "train.log", "train.memory" };
    Store s;
    Hash h = hash_begin();
    if (!store_open(&s, path, a, NULL))
        return;
    const Tensor *digest = store_find(&s, "train.digest");
    bool all = digest && digest->dtype == U8 && shape_size(digest->shape) == 64;
    for (size_t k = 0; all && k < sizeof names / sizeof *names; k++) {
        const Tensor *t = store_find(&s, names[k]);
        all = t != NULL;
        if (all)
            hash_tensor(&h, names[k], *t);
    }
    const Digest d = hash_end(&h);
    const long at = all ? (long)(digest->u8 - (uint8_t *)s.mapping) : -1;
    store_close(&s);
    FILE *f = at >= 0 ? fopen(path, "r+b") : NULL;
    if (f && (fseek(f, at, SEEK_SET) != 0 || fwrite(d.hex, 1, 64, f) != 64 || fclose(f) != 0))
        abort();
}

static bool parse_checkpoint(const Input *in)
{
    Trainer r = trainer(in->arena);
    LogMark log;
    const char *folder = folder_made(in, "checkpoint");
    repair(fuzz_file(in, "checkpoint/checkpoint.safetensors"), in->arena);
    bool good = checkpoint_load(&r, folder, identity, &log, in->error);
    if (good && (r.optimiser.step < 0 || r.optimiser.step > 9 || log.bytes < 0))
        abort();
    return good;
}

static void seed_checkpoint(const char *folder, Arena *a, Error *e)
{
    Trainer r = trainer(a);
    r.optimiser.step = 3;
    checkpoint_save(&r, folder, identity, (LogMark){ .bytes = 4, .digest = digest_bytes("abcd", 4) }, e);
}

const Parser parser_checkpoint = { "checkpoint", parse_checkpoint, seed_checkpoint };

/* --- answers.jsonl: what was read is written, and read and written again with the same bytes --- */

static bool written_again(const char *from, const char *to, Digest *d, Arena *a)
{
    size_t count;
    Error e = { 0 };
    const Result *r = answers_read(from, &count, a, &e);
    if (r && answers_write(to, r, count, &e) && digest_file(to, d, &e))
        return true;
    if (e.kind != ERROR_MEMORY) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    return false;
}

static bool parse_answers(const Input *in)
{
    size_t count;
    Digest once, twice;
    const char *path = fuzz_file(in, "in.jsonl"), *first = scratch("once.jsonl"), *second = scratch("twice.jsonl");
    if (!answers_read(path, &count, in->arena, in->error))
        return false;
    if (written_again(path, first, &once, in->arena) && written_again(first, second, &twice, in->arena)
        && strcmp(once.hex, twice.hex) != 0)
        abort();
    return true;
}

static void seed_answers(const char *folder, Arena *a, Error *e)
{
    const Result r[] = {
        { .id = "x-image", .entity = "p1", .group = "person", .skill = "home", .answer = "oslo", .modality = MODALITY_IMAGE, .exact = true,
          .nll = 0.25f, .ce = 0.125f, .tokens = 2, .right = 1, .token_nll = (float[]){ 0.25f, __builtin_inff() },
          .token_right = (uint8_t[]){ 1, 0 },
          .option_count = 2, .option_ce = (float[]){ 0.5f, 3 }, .text = "oslo", .pair = "x" },
        { .id = "y", .entity = "", .group = "general", .skill = "", .answer = "a \"b\"", .kind = KIND_CHOICE, .tokens = 0, .pair = "z",
          .token_nll = (float[]){ 0 }, .token_right = (uint8_t[]){ 0 } },
    };
    answers_write(arena_format(a, "%s/answers.jsonl", folder), r, 2, e);
}

const Parser parser_answers = { "answers", parse_answers, seed_answers };

/* --- results.csv and trajectory.csv, as the report reads them; the page of the report is made, too --- */

static const char results[] = "scenario,method,trainable,round,split,modality,metric,value,count,total,seed\n"
                              "finetuned,none,llm,0,unlearn,both,accuracy,100,4,4,0\n"
                              "finetuned,ga,llm,1,unlearn,both,accuracy,25,1,4,0\n"
                              "finetuned,retrain,llm,1,retain,image,accuracy,NaN,,,0\n"
                              "sequential-epochs,npo,full,2,round1,text,cloze,1e-3,,,7\n";
static const char trajectory[] = "scenario,method,trainable,round,epoch,step,split,modality,metric,value,count,total,seed\n"
                                 "finetuned,none,llm,0,0,0,unlearn,both,accuracy,100,4,4,0\n"
                                 "finetuned,ga,llm,1,1,5,unlearn,both,accuracy,25,1,4,0\n";

static bool parse_results(const Input *in)
{
    const char *folder = folder_made(in, "results");
    fuzz_file(in, "results/results.csv");
    return report_write(folder, NULL, in->error);
}

static bool parse_trajectory(const Input *in)
{
    const char *folder = folder_made(in, "trajectory");
    fuzz_write("trajectory/results.csv", results, sizeof results - 1);
    fuzz_file(in, "trajectory/trajectory.csv");
    return report_write(folder, NULL, in->error);
}

static void seed_results(const char *folder, Arena *a, Error *e)
{
    fuzz_seed(folder, "results.csv", results, sizeof results - 1, a, e);
}

static void seed_trajectory(const char *folder, Arena *a, Error *e)
{
    fuzz_seed(folder, "trajectory.csv", trajectory, sizeof trajectory - 1, a, e);
}

const Parser parser_results = { "results", parse_results, seed_results };
const Parser parser_trajectory = { "trajectory", parse_trajectory, seed_trajectory };

/* --- manifest.json and stage.json --- */

static const Digest one_digest = { "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a6978" };
static const char *const stage_files[] = { "x.txt" };

static Plan plan(void)
{
    static Stage stage = { .kind = STAGE_ANSWER, .name = "answers/vanilla/person",
                           .recipe = "data.template = world\n", .of = NO_STAGE };
    stage.digest = one_digest;
    return (Plan){ .config = { .code = "c0de" }, .stage = &stage, .stage_count = 1 };
}

/* Makes the folder of a run with a finished stage and one file of results, if there is none, and returns it. */
static const char *run_made(const Input *in)
{
    const char *out = folder_made(in, "run"), *stage = arena_format(in->arena, "%s/stages/%s", out, one_digest.hex);
    const Plan p = plan();
    if (!file_exists(arena_format(in->arena, "%s/r.csv", out))
        && !(file_make_folder(stage, in->error) && file_write(arena_format(in->arena, "%s/x.txt", stage), "x", 1, in->error)
             && stage_finish(&p, 0, stage, stage_files, 1, in->error)
             && file_write(arena_format(in->arena, "%s/r.csv", out), "1\n", 2, in->error)))
        abort();
    return out;
}

/* Gives every entry the link that belongs to its text; the chain gets the last link. */
static void links_repair(json_t *all)
{
    json_t *entry;
    size_t k;
    char chain[65] = "";
    json_array_foreach(json_object_get(all, "entries"), k, entry) {
        json_object_del(entry, "link");
        char *text = json_compact(entry, NULL);
        Hash h = hash_begin();
        hash_text(&h, chain);
        hash_text(&h, text ? text : "");
        free(text);
        strcpy(chain, hash_end(&h).hex);
        if (json_is_object(entry))
            json_put(entry, "link", json_string(chain));
    }
    if (json_is_object(all))
        json_put(all, "chain", json_string(chain));
}

static bool parse_manifest(const Input *in)
{
    char different[512];
    Error later = { 0 };
    const char *out = run_made(in), *path = fuzz_file(in, "run/manifest.json");
    if (in->size && in->data[in->size - 1] == '\n') {             // repaired links let the input reach the code after their check
        json_t *all = json_file(path, (size_t)1 << 24, &later);
        links_repair(all);
        char *text = all ? json_compact(all, &later) : NULL;
        if (text)
            fuzz_write("run/manifest.json", text, strlen(text));
        free(text);
        json_decref(all);
    }
    later = (Error){ 0 };
    manifest_same(out, out, different, in->arena, &later);
    const bool good = manifest_check(out, in->arena, in->error);
    later = (Error){ 0 };
    if (manifest_add(out, "report", "r.csv", &later) == later.failed)
        abort();
    return good;
}

static void seed_manifest(const char *folder, Arena *a, Error *e)
{
    static const char *const files[] = { "r.csv" };
    const Plan p = plan();
    const char *out = run_made(&(Input){ .arena = a, .error = e });
    if (manifest_write(&p, out, "config", files, 1, a, e))
        fuzz_seed_file(folder, arena_format(a, "%s/manifest.json", out), a, e);
}

const Parser parser_manifest = { "manifest", parse_manifest, seed_manifest };

static bool parse_stage(const Input *in)
{
    const Plan p = plan();
    const char *folder = folder_made(in, "stage");
    fuzz_write("stage/x.txt", "x", 1);
    fuzz_file(in, "stage/stage.json");
    return stage_check(&p, 0, folder, in->error);
}

static void seed_stage(const char *folder, Arena *a, Error *e)
{
    run_made(&(Input){ .arena = a, .error = e });
    fuzz_seed_file(folder, scratch("run/stages/%s/stage.json", one_digest.hex), a, e);
}

const Parser parser_stage = { "stage", parse_stage, seed_stage };

/* --- steps.json and numbers.json of a stage --- */

static Run run_of(const Input *in)
{
    Run r = { .plan = plan(), .out = run_made(in) };
    return r;
}

static bool parse_steps(const Input *in)
{
    const Run r = run_of(in);
    fuzz_file(in, arena_format(in->arena, "run/stages/%s/steps.json", one_digest.hex));
    return run_ends(&r, 0, 2, in->arena, in->error) != NULL;
}

static void seed_steps(const char *folder, Arena *a, Error *e)
{
    const RequestEnd end[] = { { 5, 5, "budget" }, { 3, 2, "diverged" } };
    (void)a;
    ends_write(folder, end, 2, e);
}

const Parser parser_steps = { "steps", parse_steps, seed_steps };

static bool parse_numbers(const Input *in)
{
    const Run r = run_of(in);
    const Splits s = { .requests = 0 };
    Rows rows = { .arena = in->arena };
    fuzz_file(in, arena_format(in->arena, "run/stages/%s/numbers.json", one_digest.hex));
    const Row row = { .scenario = "finetuned", .method = "ga", .trainable = "llm" };
    return run_probe_rows(&r, 0, &rows, row, &s, 0, 0, 0, in->arena, in->error);
}

static void seed_numbers(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "{\"rows\": [{\"split\": \"unlearn\", \"modality\": \"image\", \"metric\": \"accuracy\", \"value\": 12.5},\n"
                               "{\"split\": \"unlearn\", \"modality\": \"image\", \"metric\": \"accuracy_4bit\", \"value\": \"NaN\"}]}\n";
    fuzz_seed(folder, "numbers.json", text, sizeof text - 1, a, e);
}

const Parser parser_numbers = { "numbers", parse_numbers, seed_numbers };

/* --- log.jsonl: the input without its first byte --- */

/* The lower 7 bits of the first byte, 0 to 127, decide how much of the log the checkpoint claims to cover: that many
 * 120ths, so sometimes more than there is. The highest bit makes the checkpoint's digest of this part wrong. */
static bool parse_log(const Input *in)
{
    if (in->size == 0)
        return error_set(in->error, "no byte");
    const size_t n = in->size - 1, known = n * (in->data[0] & 127) / 120;
    LogMark mark = { (int64_t)known, digest_bytes(in->data + 1, known < n ? known : n) }, after;
    FILE *log;
    const char *path = arena_text(in->arena, scratch("log.jsonl"));
    mark.digest.hex[0] ^= (char)(in->data[0] >> 7);
    fuzz_write("log.jsonl", in->data + 1, n);
    if (!log_open(path, &mark, &log, in->error))
        return false;
    const StepStats stats = { .loss = 1.5f, .norm = 2, .lr = 0.5f, .samples = 3, .tokens = 4 };
    log_step(log, 7, &stats);
    size_t size;
    if (!log_mark(log, path, &after, in->error) || !log_close(log, path, in->error))
        return false;
    const char *text = file_read(path, (size_t)1 << 24, &size, in->arena, in->error);
    if (known > n || !text || size <= known || memcmp(text, in->data + 1, known) != 0 || after.bytes != (int64_t)size)
        abort();
    return true;
}

static void seed_log(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "x{\"step\": 1, \"loss\": 2.5, \"loss_hex\": \"0x1.4p+1\", \"grad_norm\": 1, \"lr\": 0.5, \"samples\": 3, "
                               "\"tokens\": 4}\n";
    fuzz_seed(folder, "log.jsonl", text, sizeof text - 1, a, e);
}

const Parser parser_log = { "log", parse_log, seed_log };
