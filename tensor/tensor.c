/* SPDX-License-Identifier: MIT */
#include "tensor/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/bytes.h"
#include "tensor/base/float.h"
#include "tensor/exact/simd.h"

static const struct { const char *name; size_t size; } dtypes[DTYPE_COUNT] = {
    [F32] = { "F32", 4 }, [F16] = { "F16", 2 }, [BF16] = { "BF16", 2 }, [F64] = { "F64", 8 },
    [I64] = { "I64", 8 }, [I32] = { "I32", 4 }, [U8] = { "U8", 1 },
};

size_t      dtype_size(Dtype d) { return dtypes[d].size; }
const char *dtype_name(Dtype d) { return dtypes[d].name; }

Shape shape_of(int rank, ...)
{
    Shape s = { .rank = rank };
    va_list dims;
    va_start(dims, rank);
    for (int k = 0; k < rank; k++)
        s.dim[k] = va_arg(dims, size_t);
    va_end(dims);
    return s;
}

bool shape_equal(Shape a, Shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int k = 0; k < a.rank; k++)
        if (a.dim[k] != b.dim[k])
            return false;
    return true;
}

bool shape_size_checked(Shape s, size_t *n)
{
    bool empty = false;
    *n = 1;
    for (int k = 0; k < s.rank; k++)
        empty |= s.dim[k] == 0;
    for (int k = 0; k < s.rank && !empty; k++) {
        if (*n > SIZE_MAX / s.dim[k])
            return false;
        *n *= s.dim[k];
    }
    if (empty)
        *n = 0;
    return true;
}

size_t shape_size(Shape s)
{
    size_t n = 1;
    for (int k = 0; k < s.rank; k++)
        n *= s.dim[k];
    return n;
}

size_t shape_rows(Shape s)
{
    size_t n = 1;
    for (int k = 0; k + 1 < s.rank; k++)
        n *= s.dim[k];
    return n;
}

size_t shape_cols(Shape s)
{
    return s.rank ? s.dim[s.rank - 1] : 1;
}

char *shape_text(Shape s, char out[64])
{
    int at = snprintf(out, 64, "[");
    for (int k = 0; k < s.rank && at < 60; k++)
        at += snprintf(out + at, 64 - (size_t)at, k ? ", %zu" : "%zu", s.dim[k]);
    if (at < 63)
        snprintf(out + at, 64 - (size_t)at, "]");
    return out;
}

Tensor tensor_f32(Arena *a, Shape s)
{
    Tensor t = { .shape = s, .dtype = F32 };
    size_t n;
    if (shape_size_checked(s, &n))
        t.f32 = arena_array(a, n, sizeof(float));
    else
        error_no_memory(a->error, "out of memory: a tensor's size overflows");
    return t;
}

Tensor tensor_zeros(Arena *a, Shape s)
{
    Tensor t = tensor_f32(a, s);
    if (t.f32)
        memset(t.f32, 0, tensor_bytes(t));
    return t;
}

Tensor tensor_view(float *data, Shape s)
{
    return (Tensor){ .shape = s, .dtype = F32, .f32 = data };
}

size_t tensor_bytes(Tensor t)
{
    return shape_size(t.shape) * dtype_size(t.dtype);
}

bool tensor_same(Tensor a, Tensor b)
{
    return a.dtype == b.dtype && shape_equal(a.shape, b.shape) && !memcmp(a.data, b.data, tensor_bytes(a));
}

/* Looks at eight exponents at a time. In an infinity or a NaN, all bits of the exponent are set. */
CLONES static bool all_finite(const float *x, size_t n)
{
    const int32_t exponent = 0x7f800000;
    v8i found = { 0 };
    size_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        v8i bits;
        memcpy(&bits, x + k, sizeof bits);
        found |= (bits & exponent) == exponent;
    }
    bool good = !simd_any(found);
    for (; k < n; k++)
        good &= x[k] - x[k] == 0;
    return good;
}

bool tensor_finite(Tensor t)
{
    const size_t n = shape_size(t.shape);
    if (t.dtype == F16 || t.dtype == BF16) {
        const unsigned exponent = t.dtype == F16 ? 0x7c00 : 0x7f80;    // all of its bits are set in infinities and NaNs
        for (size_t k = 0; k < n; k++)
            if ((t.half[k] & exponent) == exponent)
                return false;
        return true;
    }
    return all_finite(t.f32, n);
}

/* Has no branches, so that a loop becomes vector instructions. The exponent's bias is 15 in F16 and 127 in F32, so
 * 112 is added. The exponent 31 of infinities and NaNs becomes 255. If the exponent is 0, the number is
 * mantissa * 2^-24: the exact difference of 2^-14 + mantissa * 2^-24 and 2^-14. */
static inline float f16_widen(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, x = (uint32_t)(half & 0x7fff) << 13;
    const uint32_t subnormal = float_bits(float_from(x + (113u << 23)) - 0x1p-14f);
    const uint32_t normal = x + (112u << 23) + (x >= 31u << 23 ? 112u << 23 : 0);
    return float_from(sign | (x < 1u << 23 ? subnormal : normal));
}

static inline float bf16_widen(uint16_t half) { return float_from((uint32_t)half << 16); }

float half_widen(uint16_t bits, Dtype dtype) { return dtype == BF16 ? bf16_widen(bits) : f16_widen(bits); }

CLONES static void f16_widen_all(const uint16_t *half, size_t n, float *out)
{
    for (size_t k = 0; k < n; k++)
        out[k] = f16_widen(half[k]);
}

CLONES static void bf16_widen_all(const uint16_t *half, size_t n, float *out)
{
    for (size_t k = 0; k < n; k++)
        out[k] = bf16_widen(half[k]);
}

void halves_widen(const uint16_t *half, size_t n, Dtype dtype, float *out)
{
    (dtype == BF16 ? bf16_widen_all : f16_widen_all)(half, n, out);
}

uint16_t half_narrow_bf16(float x)
{
    const uint32_t bits = float_bits(x);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void tensor_widen(const Tensor *t, size_t first, size_t n, float *out)
{
    if (t->dtype == F32) {
        memcpy(out, t->f32 + first, n * sizeof *out);
        return;
    }
    halves_widen(t->half + first, n, t->dtype, out);
}

const float *tensor_floats(const Tensor *t, Arena *a)
{
    if (t->dtype == F32)
        return t->f32;
    size_t n = shape_size(t->shape);
    float *wide = arena_array(a, n, sizeof *wide);
    if (wide)
        tensor_widen(t, 0, n, wide);
    return wide;
}

void hash_tensor(Hash *h, const char *name, Tensor t)
{
    char shape[64];
    hash_text(h, name);
    hash_text(h, dtype_name(t.dtype));
    hash_text(h, shape_text(t.shape, shape));
    if (bytes_little()) {
        hash_bytes(h, t.data, tensor_bytes(t));
        return;
    }
    const size_t size = dtype_size(t.dtype), n = shape_size(t.shape);
    unsigned char piece[1 << 14];
    for (size_t i = 0; i < n; i += sizeof piece / size) {
        size_t count = n - i < sizeof piece / size ? n - i : sizeof piece / size;
        bytes_copy(piece, t.u8 + i * size, count, size);
        hash_bytes(h, piece, count * size);
    }
}

Digest digest_tensor(const char *name, Tensor t)
{
    Hash h = hash_begin();
    hash_tensor(&h, name, t);
    return hash_end(&h);
}
