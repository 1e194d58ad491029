/* SPDX-License-Identifier: MIT */
/* The outputs of a frozen vision tower: from the cache if they are there, otherwise from a forward pass. */
#include <string.h>
#include "model/modules.h"
#include "model/reuse/features.h"

/* Runs the tower on the pictures of `pixels` whose indices are list[0] … list[count - 1], copies their outputs to
 * `out`, and keeps them in the cache. `each` is the number of floats of a picture. */
static bool run_missing(const Model *m, Tensor pixels, const size_t *list, size_t count, size_t each, float *out,
                        Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    Shape s = pixels.shape;
    t.no_grad = true;
    s.dim[0] = count;
    Tensor some = tensor_f32(&scratch, s);
    for (size_t k = 0; k < count && some.f32; k++)
        memcpy(some.f32 + k * each, pixels.f32 + list[k] * each, each * sizeof(float));
    Params p = params_make(&t, m);
    const Node *y = some.f32 ? vision_features(&t, &p, some) : NULL;
    const size_t rows = y ? y->out.shape.dim[0] / count : 0, width = y ? y->out.shape.dim[1] : 0;
    for (size_t k = 0; k < count && y; k++) {
        const float *output = y->out.f32 + k * rows * width;
        memcpy(out + list[k] * rows * width, output, rows * width * sizeof(float));
        features_keep(m->features, some.f32 + k * each, each, output, rows * width);
    }
    arena_free(&scratch);
    return y && !e->failed;
}

Node *frozen_features(Tape *t, Params *p, Tensor pixels)
{
    const Model *m = p->model;
    const size_t n = pixels.shape.dim[0], each = shape_size(pixels.shape) / n;
    const size_t rows = (size_t)config_image_tokens(&m->config), width = (size_t)m->config.vision.hidden_size;
    size_t *missing = t->error->failed ? NULL : arena_array(t->arena, n, sizeof *missing), count = 0;
    Tensor all = missing ? tensor_f32(t->arena, shape_of(2, n * rows, width)) : (Tensor){ .data = NULL };
    if (!all.f32)
        return NULL;
    for (size_t k = 0; k < n; k++) {
        const float *output = features_find(m->features, pixels.f32 + k * each, each);
        if (output)
            memcpy(all.f32 + k * rows * width, output, rows * width * sizeof(float));
        else
            missing[count++] = k;
    }
    if (count && !run_missing(m, pixels, missing, count, each, all.f32, t->error))
        return NULL;
    return tape_input(t, "features", all);
}
