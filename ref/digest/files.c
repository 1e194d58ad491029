/* SPDX-License-Identifier: MIT */
/* The families of what is not an operator: random numbers, decimals, files. */
#include "ref/digest/digest.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "model/image/augment.h"
#include "model/image/decode.h"
#include "model/image/processor.h"
#include "model/image/resize.h"
#include "model/training/sample.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_train.h"
#include "tensor/base/float.h"
#include "tensor/base/json.h"
#include "tensor/base/random.h"
#include "tensor/store.h"

enum { DRAWS = 20000, SHUFFLED = 1009 };

void digest_random(Probe *p)
{
    const Random r = random_for(0x123456789abcdefu, "digest.random");
    Tensor x = tensor_f32(p->arena, shape_of(2, (size_t)2, (size_t)DRAWS));
    Tensor n = { .shape = shape_of(2, (size_t)2, (size_t)DRAWS), .dtype = I64,
                 .i64 = arena_array(p->arena, 2 * DRAWS, sizeof(int64_t)) };
    uint32_t *perm = arena_array(p->arena, SHUFFLED, sizeof *perm);
    if (p->error->failed)
        return;
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint64_t at = i << (i % 40);
        x.f32[i] = random_uniform(r, at);
        x.f32[DRAWS + i] = random_normal(r, at);
        n.i64[i] = random_bits(r, at);
        n.i64[DRAWS + i] = random_below(r, at, (uint32_t)(i + 1) * 200003u);
    }
    hash_tensor(&p->hash, "floats", x);
    hash_tensor(&p->hash, "integers", n);
    random_shuffle(r, perm, SHUFFLED);
    for (size_t i = 0; i < SHUFFLED; i++)
        n.i64[i] = perm[i];
    hash_tensor(&p->hash, "shuffle", n);
}

/* Hashes the texts of numbers that are written as decimals, and checks that finite ones are read back as the same
 * numbers. The large multipliers spread the numbers over the range of bit patterns. */
void digest_decimals(Probe *p)
{
    char text[32];
    float f = 0;
    double d = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        float x = float_from(i * 214013u);
        double y = double_from((uint64_t)(i * 214013u) << 32 | i * 2531011u);
        hash_text(&p->hash, decimal_float(x, text));
        if (x == x && !(decimal_to_float(text, &f) && float_bits(f) == float_bits(x)) && isfinite(x))
            error_set(p->error, "%s is not read back as the float it was written from", text);
        hash_text(&p->hash, decimal_double(y, text));
        if (isfinite(y) && !(decimal_to_double(text, &d) && double_bits(d) == double_bits(y)))
            error_set(p->error, "%s is not read back as the double it was written from", text);
        hash_text(&p->hash, hex_double(y, text));
    }
}

/* Runs `work` in a folder of its own, which is removed afterwards with every file in it. */
static void in_folder(Probe *p, void (*work)(Probe *p, const char *folder))
{
    const char *top = getenv("TMPDIR");
    char *folder = arena_format(p->arena, "%s/pulse-digest-XXXXXX", top ? top : "/tmp");
    if (!folder)
        return;
    if (!mkdtemp(folder)) {
        error_set(p->error, "%s: no folder could be made there, expected TMPDIR to be writable", folder);
        return;
    }
    work(p, folder);
    char path[1024];
    DIR *all = opendir(folder);
    for (struct dirent *entry; all && (entry = readdir(all));)
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
            unlink(path);
    if (all)
        closedir(all);
    rmdir(folder);
}

/* Hashes a file with one random tensor of each dtype, and the tensors that are read back from it. */
static void write_and_read(Probe *p, const char *folder)
{
    const char *path = arena_format(p->arena, "%s/probe.safetensors", folder);
    Entry entries[DTYPE_COUNT];
    static const char *const names[DTYPE_COUNT] = { "f32", "f16", "bf16", "f64", "i64", "i32", "u8" };
    const Random r = random_for(2, "digest.store");
    for (size_t k = 0; k < DTYPE_COUNT; k++) {
        Tensor t = { .shape = shape_of(2, (size_t)3, (size_t)5), .dtype = (Dtype)k,
                     .data = arena_alloc(p->arena, 15 * sizeof(double)) };
        if (!t.data)
            return;
        for (size_t i = 0; i < 15; i++) {
            const uint64_t bits = (uint64_t)random_bits(r, 100 * k + i) << 32 | random_bits(r, 100 * k + i + 50);
            switch (dtype_size(t.dtype)) {
            case 8:  t.i64[i] = (int64_t)bits; break;
            case 4:  t.i32[i] = (int32_t)(bits >> 32); break;
            case 2:  ((uint16_t *)t.data)[i] = (uint16_t)bits; break;
            default: t.u8[i] = (uint8_t)bits;
            }
        }
        entries[k] = (Entry){ names[k], t };
    }
    Store s;
    Digest file;
    if (!path || !store_write(path, entries, DTYPE_COUNT, p->error) || !digest_file(path, &file, p->error) ||
        !store_open(&s, path, p->arena, p->error))
        return;
    hash_text(&p->hash, file.hex);
    hash_text(&p->hash, store_digest(&s).hex);
    for (size_t k = 0; k < s.count; k++)
        hash_tensor(&p->hash, s.entries[k].name, s.entries[k].tensor);
    store_close(&s);
}

void digest_store(Probe *p) { in_folder(p, write_and_read); }

static void hash_image(Probe *p, const Image *x)
{
    int32_t size[2] = { (int32_t)x->width, (int32_t)x->height };
    hash_tensor(&p->hash, "size", (Tensor){ .shape = shape_of(1, (size_t)2), .dtype = I32, .i32 = size });
    hash_bytes(&p->hash, x->rgb, 3 * x->width * x->height);
}

/* Hashes a picture that is written, read, resized up and down by each filter, changed, and made into floats. */
static void picture(Probe *p, const char *folder)
{
    static const ImageFilter filters[] = { IMAGE_BILINEAR, IMAGE_BICUBIC, IMAGE_BOX };
    const Random r = random_for(3, "digest.picture");
    const char *path = arena_format(p->arena, "%s/probe.png", folder);
    Image x = { .width = 61, .height = 47, .rgb = arena_array(p->arena, 61 * 47, 3) }, y;
    if (!path || !x.rgb)
        return;
    for (size_t i = 0; i < 3 * 61 * 47; i++)
        x.rgb[i] = (uint8_t)(i % 183 + random_below(r, i, 72));
    if (!image_write_png(path, &x, p->error) || !image_read(&y, path, p->arena, p->error))
        return;
    hash_image(p, &y);
    for (size_t k = 0; k < 3; k++)
        for (size_t width = 7; width < 200; width *= 5)
            if (image_resize(&y, &x, width, 90 - width / 3, filters[k], p->arena, p->error))
                hash_image(p, &y);
    if (image_augment(&y, &x, 4, 5, p->arena, p->error))
        hash_image(p, &y);
    for (int fused = 0; fused < 2; fused++) {
        ImageProcessor s = image_processor(32);
        Tensor floats = tensor_f32(p->arena, shape_of(3, (size_t)3, (size_t)32, (size_t)32));
        s.fused = fused;
        if (floats.f32 && image_preprocess(floats.f32, &x, &s, p->arena, p->error))
            hash_tensor(&p->hash, "pixels", floats);
    }
}

void digest_pictures(Probe *p) { in_folder(p, picture); }

/* Hashes the file of a tokenizer that is made from words, the ids of a text with known and unknown words, and the text
 * that is decoded from these ids. */
static void words(Probe *p, const char *folder)
{
    static const char *const known[] = { "USER:", "ASSISTANT:", "what", "is", "this", "colour", "?", "red", "paris", "parish",
                                         "\xc3\xa9t\xc3\xa9" };
    static const char text[] = "USER: <image>\nwhat colour is  this ? ASSISTANT: redder parishes \xc3\xa9t\xc3\xa9 "
                               "\xe4\xb8\xad\xf0\x9f\x98\x80 </s>";
    const char *path = arena_format(p->arena, "%s/tokenizer.json", folder);
    Digest file;
    if (!path || !tokenizer_train(folder, known, sizeof known / sizeof *known, 20, p->error)
        || !digest_file(path, &file, p->error))
        return;
    hash_text(&p->hash, file.hex);
    const Tokenizer *t = tokenizer_open(path, p->arena, p->error);
    TokenIds ids = t ? tokenizer_encode(t, text, TOKENIZER_SPECIAL, p->arena, p->error) : (TokenIds){ NULL, 0 };
    if (!ids.id)
        return;
    hash_tensor(&p->hash, "ids", (Tensor){ .shape = shape_of(1, ids.count), .dtype = I32, .i32 = ids.id });
    const char *back = tokenizer_decode(t, ids.id, ids.count, false, p->arena, p->error);
    hash_text(&p->hash, back ? back : "");
}

void digest_tokenizer(Probe *p) { in_folder(p, words); }
