/* SPDX-License-Identifier: MIT */
/* Operators that move the numbers of one tensor: to another shape or order, to the patches of a picture, or through a
 * mask; argmax gives the index of a row's largest number.
 * Class "move": nothing is rounded, and the result holds the bits of the operand (mask: or +0; argmax: an index). */
#include <string.h>
#include "tensor/ops.h"
#include "tensor/bound_rule.h"

static void copy_all(const Call *c)
{
    size_t bytes = tensor_bytes(c->out);
    if (bytes)
        memcpy(c->out.f32, call_value(c, 0)->f32, bytes);
}

/* --- reshape: the same numbers under another shape --- */

static bool reshape_shape(const Call *c, Shape *out, Error *e)
{
    const int64_t rank = c->attrs->n[RESHAPE_RANK];
    if (rank < 0 || rank > RANK_MAX)
        return call_refuse(c, "a new shape of at most 4 dimensions", e);
    out->rank = (int)rank;
    for (int k = 0; k < out->rank; k++)
        out->dim[k] = (size_t)c->attrs->n[RESHAPE_DIM + k];
    size_t n;
    return (shape_size_checked(*out, &n) && n == shape_size(call_value(c, 0)->shape))
        || call_refuse(c, "a new shape with as many elements", e);
}

static void reshape_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_reshape(t, dy, y->in[0]->out.shape));
}

const Op op_record_reshape = {
    .name = "reshape", .formula = "y = x, in the same row-major order", .kind = CLASS_MOVE,
    .shapes = "[…] -> [dim0, …]",
    .inputs = "x", .ints = { [RESHAPE_RANK] = "rank", [RESHAPE_DIM] = "dim0", "dim1", "dim2", "dim3" },
    .shape = reshape_shape, .kernel = copy_all, .bound = bound_moved, .vjp = reshape_vjp,
};

Node *op_reshape(Tape *t, Node *x, Shape s)
{
    Attrs a = { .n = { [RESHAPE_RANK] = s.rank } };
    // the shape function refuses a larger rank
    for (int k = 0; k < s.rank && k < RANK_MAX; k++)
        a.n[RESHAPE_DIM + k] = (int64_t)s.dim[k];
    return tape_push(t, &op_record_reshape, 1, &x, &a);
}

/* --- transpose --- */

static bool transpose_shape(const Call *c, Shape *out, Error *e)
{
    Shape x = call_value(c, 0)->shape;
    if (x.rank != 2)
        return call_refuse(c, "[N, C]", e);
    *out = shape_of(2, x.dim[1], x.dim[0]);
    return true;
}

static void transpose_kernel(const Call *c)
{
    size_t rows = call_value(c, 0)->shape.dim[0], cols = call_value(c, 0)->shape.dim[1];
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < cols; j++)
            c->out.f32[j * rows + r] = call_value(c, 0)->f32[r * cols + j];
}

static void transpose_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_transpose(t, dy));
}

const Op op_record_transpose = {
    .name = "transpose", .formula = "y[j,i] = x[i,j]", .kind = CLASS_MOVE, .inputs = "x",
    .shapes = "[N, C] -> [C, N]",
    .shape = transpose_shape, .kernel = transpose_kernel, .bound = bound_moved, .vjp = transpose_vjp,
};

Node *op_transpose(Tape *t, Node *x)
{
    return tape_push(t, &op_record_transpose, 1, &x, NULL);
}

/* --- patches: a picture cut into squares, each a row in the order of a convolution's kernel; a rest at the right or
 * below that fills no square is left out --- */

static bool patches_shape(const Call *c, Shape *out, Error *e)
{
    Shape x = call_value(c, 0)->shape;
    size_t p = (size_t)c->attrs->n[PATCHES_P];
    if (x.rank != 4 || p == 0 || x.dim[2] < p || x.dim[3] < p)
        return call_refuse(c, "pictures [B, channels, H, W] with H and W at least the patch size", e);
    *out = shape_of(2, x.dim[0] * (x.dim[2] / p) * (x.dim[3] / p), x.dim[1] * p * p);
    return true;
}

static void patches_kernel(const Call *c)
{
    Shape x = call_value(c, 0)->shape;
    size_t p = (size_t)c->attrs->n[PATCHES_P], channels = x.dim[1], h = x.dim[2], w = x.dim[3];
    float *to = c->out.f32;
    for (size_t b = 0; b < x.dim[0]; b++)
        for (size_t i = 0; i < h / p; i++)
            for (size_t j = 0; j < w / p; j++)
                for (size_t k = 0; k < channels; k++)
                    for (size_t r = 0; r < p; r++, to += p)
                        memcpy(to, call_value(c, 0)->f32 + ((b * channels + k) * h + i * p + r) * w + j * p,
                               p * sizeof *to);
}

const Op op_record_patches = {
    .name = "patches", .formula = "y[(b, i, j), (k, r, s)] = x[b, k, i p + r, j p + s]", .kind = CLASS_MOVE,
    .shapes = "[B, K, H, W] -> [B*(H/p)*(W/p), K*p*p]",
    .inputs = "x", .ints = { [PATCHES_P] = "p" }, .shape = patches_shape, .kernel = patches_kernel, .bound = bound_moved,
};

Node *op_patches(Tape *t, Node *pixels, size_t patch)
{
    return tape_push(t, &op_record_patches, 1, &pixels, &(Attrs){ .n = { [PATCHES_P] = (int64_t)patch } });
}

/* --- mask --- */

static bool mask_shape(const Call *c, Shape *out, Error *e)
{
    *out = call_value(c, 0)->shape;
    size_t n = c->attrs->index_count;
    return n == shape_size(*out) || (out->rank == 2 && n == out->dim[0])
        || call_refuse(c, "one keep flag per element, or per row", e);
}

static void mask_kernel(const Call *c)
{
    size_t n = shape_size(c->out.shape), per_flag = c->attrs->index_count ? n / c->attrs->index_count : 1;
    for (size_t k = 0; k < n; k++)
        c->out.f32[k] = c->attrs->index[k / per_flag] ? call_value(c, 0)->f32[k] : 0.0f;
}

static void mask_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_mask(t, dy, y->attrs.index, y->attrs.index_count));
}

const Op op_record_mask = {
    .name = "mask", .formula = "y = x where keep, +0 elsewhere; one flag per element or per row", .kind = CLASS_MOVE,
    .shapes = "[…] -> […]",
    .inputs = "x", .index = "keep [N]", .shape = mask_shape, .kernel = mask_kernel, .bound = bound_moved, .vjp = mask_vjp,
};

Node *op_mask(Tape *t, Node *x, const int32_t *keep, size_t n)
{
    return tape_push(t, &op_record_mask, 1, &x, &(Attrs){ .index = tape_index(t, keep, n), .index_count = n });
}

/* --- argmax --- */

static bool argmax_shape(const Call *c, Shape *out, Error *e)
{
    Shape x = call_value(c, 0)->shape;
    if (x.rank != 2 || x.dim[1] == 0 || x.dim[1] > 1 << 24)
        return call_refuse(c, "[N, V] with 1 <= V <= 2^24", e);
    *out = shape_of(1, x.dim[0]);
    return true;
}

static void argmax_kernel(const Call *c)
{
    size_t cols = call_value(c, 0)->shape.dim[1];
    for (size_t r = 0; r < c->out.shape.dim[0]; r++) {
        const float *x = call_value(c, 0)->f32 + r * cols;
        size_t best = 0;
        for (size_t j = 1; j < cols; j++)
            if (x[j] > x[best] || (x[best] != x[best] && x[j] == x[j]))
                best = j;
        c->out.f32[r] = (float)best;
    }
}

const Op op_record_argmax = {
    .name = "argmax", .formula = "y[r] = the lowest j with the largest x[r,j]; NaN is below everything",
    .kind = CLASS_MOVE,
    .shapes = "[N, V] -> [N]",
    .inputs = "x", .shape = argmax_shape, .kernel = argmax_kernel, .gradient = GRADIENT_NONE,
};

Node *op_argmax(Tape *t, Node *x)
{
    return tape_push(t, &op_record_argmax, 1, &x, NULL);
}
