/* SPDX-License-Identifier: MIT */
/* Tensor: a shape and a pointer to its numbers, which lie in row-major order without gaps.
 *
 * A Tensor is a value: copying it copies the pointer, and the numbers belong to whoever allocated them. Activations
 * and gradients are F32. Weights in a mapped file may also be F16 or BF16; they are widened exactly, value by
 * value, where they are used.
 * Letters, unless a comment says otherwise: N rows (tokens of a step, packed without padding), C channels,
 * H attention heads, D head_dim, V vocabulary, R supervised rows, B samples. */
#ifndef PULSE_TENSOR_TENSOR_H
#define PULSE_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tensor/base/arena.h"
#include "tensor/base/hash.h"

enum { RANK_MAX = 4 };

typedef struct {
    int    rank;             // the number of dimensions; 0: a scalar
    size_t dim[RANK_MAX];
} Shape;

typedef enum { F32, F16, BF16, F64, I64, I32, U8, DTYPE_COUNT } Dtype;

typedef struct {
    Shape shape;
    Dtype dtype;
    union {
        float          *f32;
        const uint16_t *half;     // the bits of F16 or BF16, in the machine's byte order
        double         *f64;
        int64_t        *i64;
        int32_t        *i32;
        uint8_t        *u8;
        void           *data;
    };
} Tensor;

size_t      dtype_size(Dtype d);
const char *dtype_name(Dtype d);                 // "F32", as safetensors spells it

Shape  shape_of(int rank, ...);                  // takes `rank` arguments of type size_t
bool   shape_equal(Shape a, Shape b);
bool   shape_size_checked(Shape s, size_t *n);   // the number of elements; false when it overflows
size_t shape_size(Shape s);                      // the number of elements of a shape that fits memory; 1 for a scalar
size_t shape_rows(Shape s);                      // the product of all dimensions but the last
size_t shape_cols(Shape s);                      // the last dimension; 1 for a scalar
char  *shape_text(Shape s, char out[64]);        // "[3, 4]"; a longer text is cut off

Tensor tensor_f32(Arena *a, Shape s);            // its numbers are not cleared; data is NULL when memory ran out
Tensor tensor_zeros(Arena *a, Shape s);
Tensor tensor_view(float *data, Shape s);        // F32 numbers that belong to the caller
size_t tensor_bytes(Tensor t);
bool   tensor_same(Tensor a, Tensor b);          // whether dtype, shape and every bit agree
bool   tensor_finite(Tensor t);                  // of F32, F16 or BF16: whether no value is infinite or NaN

float  half_widen(uint16_t bits, Dtype dtype);   // the fp32 number equal to an F16 or BF16 number
void   halves_widen(const uint16_t *half, size_t n, Dtype dtype, float *out);    // the same for n numbers
// the BF16 number nearest to x, ties to even; infinite for |x| >= 2^128 - 2^119; x must not be NaN
uint16_t half_narrow_bf16(float x);
/* Writes the n values from element `first` on as fp32 numbers; the dtype is F32, F16 or BF16. */
void   tensor_widen(const Tensor *t, size_t first, size_t n, float *out);
/* All values as fp32: the tensor's own data when it is F32, otherwise a widened copy in `a`; NULL when memory ran
 * out. */
const float *tensor_floats(const Tensor *t, Arena *a);

/* A tensor's digest is SHA-256 over "name\0dtype\0shape\0" and its values little-endian, where shape is "[3, 4]"; so it
 * does not depend on the order of a file's header. */
void   hash_tensor(Hash *h, const char *name, Tensor t);
Digest digest_tensor(const char *name, Tensor t);

#endif
