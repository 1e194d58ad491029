/* SPDX-License-Identifier: MIT */
/* The families of what is not an operator: random numbers, decimals, files. */
#include "ref/digest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tensor/bytes.h"
#include "tensor/float.h"
#include "tensor/json.h"
#include "tensor/random.h"
#include "tensor/store.h"

enum { DRAWS = 20000, SHUFFLED = 1009 };

void digest_random(Probe *p)
{
    const Random r = random_for(0x123456789abcdefu, "digest.random");
    Tensor x = tensor_f32(p->arena, shape_of(2, (size_t)2, (size_t)DRAWS));
    Tensor n = { .shape = shape_of(2, (size_t)2, (size_t)DRAWS), .dtype = I64, .i64 = arena_array(p->arena, 2 * DRAWS, sizeof(int64_t)) };
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

/* Written, and read back: both ways must agree with every other machine. */
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

static bool write_and_read(Probe *p, const char *path)
{
    Entry entries[DTYPE_COUNT];
    static const char *const names[DTYPE_COUNT] = { "f32", "f16", "bf16", "f64", "i64", "i32", "u8" };
    const Random r = random_for(2, "digest.store");
    for (size_t k = 0; k < DTYPE_COUNT; k++) {
        Tensor t = { .shape = shape_of(2, (size_t)3, (size_t)5), .dtype = (Dtype)k, .data = arena_alloc(p->arena, 15 * sizeof(double)) };
        if (!t.data)
            return false;
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
    if (!store_write(path, entries, DTYPE_COUNT, p->error) || !digest_file(path, &file, p->error) ||
        !store_open(&s, path, p->arena, p->error))
        return false;
    hash_text(&p->hash, file.hex);
    hash_text(&p->hash, store_digest(&s).hex);
    for (size_t k = 0; k < s.count; k++)
        hash_tensor(&p->hash, s.entries[k].name, s.entries[k].tensor);
    store_close(&s);
    return true;
}

void digest_store(Probe *p)
{
    const char *folder = getenv("TMPDIR");
    char *path = arena_format(p->arena, "%s/pulse-digest-XXXXXX", folder ? folder : "/tmp");
    if (!path)
        return;
    if (!mkdtemp(path)) {
        error_set(p->error, "%s: no folder could be made there, expected TMPDIR to be writable", path);
        return;
    }
    const char *file = arena_format(p->arena, "%s/probe.safetensors", path);
    if (file) {
        write_and_read(p, file);
        unlink(file);
    }
    rmdir(path);
}
