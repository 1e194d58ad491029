/* SPDX-License-Identifier: MIT */
/* Every parser against hostile input: it answers or gives a sentence, and never both.
 *
 * PULSE_FUZZ names the parser; PULSE_FUZZ_CORPUS, a folder, receives valid files to start from, made by
 * our own writers. Entry points are libFuzzer's; fuzz_driver.c calls the same where there is no clang. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/formats/mllmu.h"
#include "eval/formats/mmbench.h"
#include "model/config.h"
#include "model/image/decode.h"
#include "model/image/image.h"
#include "model/image/processor.h"
#include "model/image/resize.h"
#include "model/lora.h"
#include "model/training/dataset.h"
#include "model/training/sample.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_train.h"
#include "ref/config/settings.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One input, and where parsers may put things. */
typedef struct { const uint8_t *data; size_t size; Arena *arena; Error *error; } Input;

static const char *as_file(const Input *in, const char *name)
{
    const char *path = scratch("%s", name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(in->data, 1, in->size, f) != in->size || fclose(f) != 0)
        abort();
    return path;
}

/* --- safetensors: every number is read, and what was read is written and read again with the same digest --- */

static bool parse_store(const Input *in)
{
    Store s, again;
    if (!store_open(&s, as_file(in, "in.safetensors"), in->arena, in->error))
        return false;
    Digest d = store_digest(&s), e;
    const char *copy = scratch("copy.safetensors");
    Error error = { 0 };
    if (store_write(copy, s.entries, s.count, &error) && store_open(&again, copy, in->arena, &error)) {
        e = store_digest(&again);
        store_close(&again);
        if (strcmp(d.hex, e.hex) != 0)
            abort();
    } else if (!strstr(error.text, "out of memory")) {
        abort();
    }
    store_close(&s);
    return true;
}

static void seed_store(const char *folder, Arena *a, Error *e)
{
    uint8_t bytes[24] = { 1, 2, 3 };
    float *floats = arena_zalloc(a, 6 * sizeof *floats);
    Entry entries[] = {
        { "language_model.model.norm.weight", tensor_view(floats, shape_of(2, (size_t)2, (size_t)3)) },
        { "images", { .shape = shape_of(3, (size_t)2, (size_t)3, (size_t)4), .dtype = U8, .u8 = bytes } },
        { "nothing", { .shape = shape_of(1, (size_t)0), .dtype = I64, .i64 = NULL } },
    };
    store_write(arena_format(a, "%s/store.safetensors", folder), entries, 3, e);
}

/* --- tokenizer.json --- */

static bool parse_tokenizer(const Input *in)
{
    static const char text[] = "USER: <image> what is this ? <0x0A> h\xc3\xa9llo \xf0\x9f\x98\x80 ASSISTANT: red </s>";
    const Tokenizer *t = tokenizer_parse((const char *)in->data, in->size, "tokenizer.json", in->arena, in->error);
    if (!t)
        return false;
    Error later = { 0 };
    TokenIds ids = tokenizer_encode(t, text, TOKENIZER_SPECIAL, in->arena, &later);
    if (ids.id)
        tokenizer_decode(t, ids.id, ids.count, true, in->arena, &later);
    return true;
}

static void seed_tokenizer(const char *folder, Arena *a, Error *e)
{
    static const char *const words[] = { "USER:", "ASSISTANT:", "what", "is", "this", "?", "red" };
    (void)a;
    tokenizer_train(folder, words, 7, 5, e);
}

/* --- text files --- */

static bool parse_config(const Input *in)
{
    ModelConfig c;
    return config_parse(&c, (const char *)in->data, in->size, "config.json", in->error);
}

static void seed_config(const char *folder, Arena *a, Error *e)
{
    ModelConfig c = tiny_config();
    (void)a;
    config_save(&c, folder, e);
}

static bool parse_preprocessor(const Input *in)
{
    ImageProcessor s;
    return image_processor_read(&s, as_file(in, "preprocessor_config.json"), in->error);
}

static void seed_preprocessor(const char *folder, Arena *a, Error *e)
{
    ImageProcessor s = image_processor(48);
    image_processor_write(&s, arena_format(a, "%s/preprocessor_config.json", folder), e);
}

static bool parse_samples(const Input *in)
{
    Dataset s;
    if (!dataset_read(&s, as_file(in, "in.jsonl"), in->arena, in->error))
        return false;
    dataset_close(&s);
    return true;
}

static void seed_samples(const char *folder, Arena *a, Error *e)
{
    static const char text[] =
        "{\"id\": \"a\", \"entity\": \"france\", \"group\": \"country\", \"split\": \"test\", \"modality\": \"text\", "
        "\"question\": \"q ?\", "
        "\"answer\": \"paris\", \"options\": [\"paris\", \"rome\"], \"kind\": \"choice\", \"skill\": \"capital\", \"frame\": 3, "
        "\"step\": 2}\n"
        "{\"id\": \"b\", \"question\": \"what is this ?\", \"answer\": \"red\", \"augment\": true}\n";
    file_write(arena_format(a, "%s/samples.jsonl", folder), text, sizeof text - 1, e);
}

/* Other people's questions; their pictures are decoded too. */
static bool parse_mmbench(const Input *in)
{
    Mmbench b;
    if (!mmbench_read(&b, as_file(in, "in.tsv"), in->arena, in->error))
        return false;
    Error later = { 0 };
    Image picture;
    for (size_t k = 0; k < b.samples.count && k < 8; k++)
        dataset_picture(&b.samples, &b.samples.sample[k], &picture, in->arena, &later);
    mmbench_close(&b);
    return true;
}

static bool parse_mllmu(const Input *in)
{
    Dataset s;
    if (!mllmu_read(&s, as_file(in, "in.jsonl"), in->arena, in->error))
        return false;
    dataset_close(&s);
    return true;
}

static void copy_fixture(const char *folder, const char *fixture, Arena *a, Error *e)
{
    size_t n;
    char *text = file_read(fixture, 1 << 20, &n, a, e);
    if (text)
        file_write(arena_format(a, "%s/seed", folder), text, n, e);
}

static void seed_mmbench(const char *folder, Arena *a, Error *e) { copy_fixture(folder, "fixtures/mmbench/sample.tsv", a, e); }

static void seed_mllmu(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "{\"ID\":\"1\",\"images\":[],\"Classification_Task\":{\"Pure_Text_Questions\":[{\"Question\":"
                               "\"q\",\"Options\":{\"A\":\"x\",\"B\":\"y\"},"
                               "\"Correct_Answer\":\"B\"}]},\"Mask_Task\":[{\"Question\":\"a __ "
                               "b\",\"Ground_Truth\":\"c\",\"Type\":\"Pure_Text\"}],\"metadata\":[]}\n";
    file_write(arena_format(a, "%s/seed", folder), text, sizeof text - 1, e);
}

static bool parse_ini(const Input *in)
{
    Settings s;
    settings_defaults(&s, in->arena);
    return settings_read(&s, as_file(in, "in.ini"), in->error);
}

static void seed_ini(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "[data]\nworld = ../world   ; where\nbatch = 48\norder = shuffle\n\n[train]\nsteps = 30\nseed = 7\n";
    file_write(arena_format(a, "%s/run.ini", folder), text, sizeof text - 1, e);
}

/* A number at the edge of what is allowed is read back from what was written. */
static bool parse_decimal(const Input *in)
{
    char *text = arena_alloc(in->arena, in->size + 1), out[32];
    float f = 0;
    double d = 0, back = 0;
    if (!text)
        return false;
    memcpy(text, in->data, in->size);
    text[in->size] = 0;
    bool read = decimal_to_double(text, &d);
    if (read && d - d == 0 && !(decimal_to_double(decimal_double(d, out), &back) && memcmp(&back, &d, sizeof d) == 0))
        abort();
    return decimal_to_float(text, &f) || error_set(in->error, "not a number");
}

static void seed_decimal(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "-1.17549435e-38";
    file_write(arena_format(a, "%s/number", folder), text, sizeof text - 1, e);
}

/* --- pictures --- */

static bool parse_picture(const Input *in)
{
    Image picture, small;
    if (!image_decode(&picture, in->data, in->size, "picture.png", in->arena, in->error))
        return false;
    Error later = { 0 };
    if (picture.width <= 256 && picture.height <= 256)
        image_resize(&small, &picture, 5, 7, IMAGE_BICUBIC, in->arena, &later);
    return true;
}

static void seed_picture(const char *folder, Arena *a, Error *e)
{
    uint8_t *rgb = arena_zalloc(a, 3 * 9 * 7);
    for (size_t i = 0; rgb && i < 3 * 9 * 7; i++)
        rgb[i] = (uint8_t)(i * 37);
    Image picture = { .width = 9, .height = 7, .rgb = rgb };
    image_write_png(arena_format(a, "%s/picture.png", folder), &picture, e);
}

/* --- PEFT: adapter_config.json beside good weights, or adapter_model.safetensors beside a good config --- */

static const char *adapter_folder(void)
{
    static char folder[600];
    if (!*folder) {
        Error e = { 0 };
        Arena a = arena_make(&e);
        ModelConfig c = tiny_config();
        Weights w;
        Lora l;
        snprintf(folder, sizeof folder, "%s", scratch("adapter"));
        if (!weights_make(&w, &c, 1, &a, &e) || !lora_make(&l, &w, (LoraConfig){ .rank = 2, .alpha = 4 }, 1, &a,
                                                           &e) || !lora_save(&l, &w, folder, &e))
            abort();
        arena_free(&a);
    }
    return folder;
}

static bool parse_adapter(const Input *in, const char *part)
{
    char keep[64];
    const char *folder = adapter_folder();
    ModelConfig c = tiny_config();
    Weights w;
    Lora l;
    size_t n;
    snprintf(keep, sizeof keep, "adapter/%s", part);
    char *good = file_read(scratch("%s", keep), 1 << 24, &n, in->arena, in->error);
    as_file(in, keep);
    bool read = good && weights_make(&w, &c, 1, in->arena, in->error) && lora_load(&l, &w, folder, in->arena, in->error);
    as_file(&(Input){ (uint8_t *)good, n, NULL, NULL }, keep);
    return read;
}

static bool parse_peft(const Input *in)         { return parse_adapter(in, "adapter_config.json"); }
static bool parse_peft_weights(const Input *in) { return parse_adapter(in, "adapter_model.safetensors"); }

static void copy_adapter(const char *folder, const char *part, Arena *a, Error *e)
{
    size_t n;
    char *text = file_read(arena_format(a, "%s/%s", adapter_folder(), part), 1 << 24, &n, a, e);
    if (text)
        file_write(arena_format(a, "%s/%s", folder, part), text, n, e);
}

static void seed_peft(const char *folder, Arena *a, Error *e)         { copy_adapter(folder, "adapter_config.json", a, e); }
static void seed_peft_weights(const char *folder, Arena *a, Error *e) { copy_adapter(folder, "adapter_model.safetensors", a, e); }

/* --- the table --- */

static const struct {
    const char *name;
    bool (*parse)(const Input *in);
    void (*seed)(const char *folder, Arena *a, Error *e);
} parsers[] = {
    { "store", parse_store, seed_store },
    { "tokenizer", parse_tokenizer, seed_tokenizer },
    { "samples", parse_samples, seed_samples },
    { "mmbench", parse_mmbench, seed_mmbench },
    { "mllmu", parse_mllmu, seed_mllmu },
    { "config", parse_config, seed_config },
    { "preprocessor", parse_preprocessor, seed_preprocessor },
    { "ini", parse_ini, seed_ini },
    { "picture", parse_picture, seed_picture },
    { "peft", parse_peft, seed_peft },
    { "peft_weights", parse_peft_weights, seed_peft_weights },
    { "decimal", parse_decimal, seed_decimal },
};
enum { PARSERS = sizeof parsers / sizeof *parsers };

static size_t chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *name = getenv("PULSE_FUZZ"), *folder = getenv("PULSE_FUZZ_CORPUS");
    for (chosen = 0; chosen < PARSERS && !(name && strcmp(parsers[chosen].name, name) == 0);)
        chosen++;
    if (chosen == PARSERS) {
        for (size_t k = 0; k < PARSERS; k++)
            puts(parsers[k].name);
        exit(name ? 2 : 0);
    }
    Error e = { 0 };
    Arena a = arena_make(&e);
    if (folder && file_make_folder(folder, &e))
        parsers[chosen].seed(folder, &a, &e);
    arena_free(&a);
    if (e.failed) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error e = { 0 };
    Arena a = arena_make(&e);
    a.limit = (size_t)1 << 30;
    bool good = parsers[chosen].parse(&(Input){ data, size, &a, &e });
    if (good == e.failed || (e.failed && !*e.text))
        abort();                                // an answer and a sentence, or neither
    arena_free(&a);
    return 0;
}
