/* SPDX-License-Identifier: MIT */
#include "tests/support/wrong/wrong_role.h"

#include <math.h>
#include <string.h>

void log_softmax(const double *z, double *out, size_t v)
{
    double most = z[0], sum = 0;
    for (size_t k = 1; k < v; k++)
        most = fmax(most, z[k]);
    for (size_t k = 0; k < v; k++)
        sum += exp(z[k] - most);
    for (size_t k = 0; k < v; k++)
        out[k] = z[k] - most - log(sum);
}

bool role_read(Wrong *w, const char *id, const char *role, Role *r)
{
    Store in = wrong_open(w, id);
    const Tensor *z = store_find(&in, arena_format(w->arena, "z.%s", role)),
                 *ref = store_find(&in, arena_format(w->arena, "z_ref.%s", role));
    const Tensor *labels = store_find(&in, arena_format(w->arena, "labels.%s", role)),
                 *offsets = store_find(&in, arena_format(w->arena, "offsets.%s", role));
    *r = (Role){ .rows = 0 };
    if (!z || !labels || !offsets || z->shape.dim[0] > MOST_ROWS || z->shape.dim[1] > MOST_V)
        return error_set(w->error, "wrong: %s has no role %s of the expected size", id, role);
    r->rows = z->shape.dim[0], r->v = z->shape.dim[1], r->samples = offsets->shape.dim[0] - 1;
    memcpy(r->offset, offsets->i32, tensor_bytes(*offsets));
    for (size_t i = 0; i < r->rows; i++) {
        r->label[i] = labels->i32[i];
        r->tokens += r->label[i] >= 0;
        for (size_t k = 0; k < r->v; k++) {
            r->z[i][k] = (double)z->f32[i * r->v + k];
            r->ref[i][k] = ref ? (double)ref->f32[i * r->v + k] : 0;
        }
        log_softmax(r->z[i], r->lp[i], r->v);
        log_softmax(r->ref[i], r->lq[i], r->v);
    }
    for (size_t b = 0; b < r->samples; b++)
        r->longest = r->longest < (size_t)(r->offset[b + 1] - r->offset[b]) ? (size_t)(r->offset[b + 1] - r->offset[b]) : r->longest;
    return true;
}

void role_gradient(Wrong *w, const char *id, const char *flag, const char *role, const Role *r)
{
    float *dz = wrong_answer(w, id, flag, arena_format(w->arena, "dz.%s", role), shape_of(2, r->rows, r->v));
    for (size_t i = 0; dz && i < r->rows * r->v; i++)
        dz[i] = (float)r->dz[i / r->v][i % r->v];
}

void role_answer(Wrong *w, const char *id, const char *flag, const char *role, const Role *r)
{
    bool moved = flag[0] != 'R';              // RefNotDetached changes only the gradient
    float *loss = moved && (role[0] == 'f' || strstr(id, "retain_ft")) ? wrong_answer(w, id, flag, "loss", shape_of(0)) : NULL;
    if (loss)
        *loss = (float)r->loss;
    role_gradient(w, id, flag, role, r);
}

void role_label_row(Role *r, size_t i, int32_t y, double c)
{
    for (size_t k = 0; k < r->v; k++)
        r->dz[i][k] = c * (exp(r->lp[i][k]) - ((size_t)y == k));
}
