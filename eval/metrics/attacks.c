/* SPDX-License-Identifier: MIT */
#include "eval/metrics/attacks.h"

#include <math.h>
#include <string.h>

double attack_score(double u, double o)
{
    const double all = fabs(u) + fabs(o);
    return all > 0 ? 1 - fabs(u - o) / all : all == 0 ? 1 : NAN;
}

static void quantise_group(float *w, size_t n)
{
    float most = 0;
    for (size_t k = 0; k < n; k++)
        most = fabsf(w[k]) > most ? fabsf(w[k]) : most;
    const float s = most / 7;
    for (size_t k = 0; k < n; k++) {
        const float x = s > 0 ? w[k] / s : 0, shifted = x + 0x1.8p23f;       // near 1.5 * 2^23, floats are whole numbers
        float q = shifted - 0x1.8p23f;
        q = q > 7 ? 7 : q < -7 ? -7 : q;
        w[k] = q * s;
    }
}

bool quantise_rtn4(float *w, size_t rows, size_t columns, size_t group)
{
    const size_t step = group && group < columns ? group : columns;
    for (size_t k = 0; k < rows * columns; k++)
        if (!isfinite(w[k]))
            return false;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c += step)
            quantise_group(w + r * columns + c, columns - c < step ? columns - c : step);
    return true;
}

bool weights_quantise(Weights *w, const char *pattern, size_t group, Error *e)
{
    size_t found = 0;
    for (size_t k = 0; k < w->count; k++) {
        Weight *x = &w->list[k];
        if (x->idle || x->tensor.shape.rank != 2 || !name_matches(pattern, x->name))
            continue;
        if (!weights_own(w, x, e))
            return false;
        if (!quantise_rtn4(x->tensor.f32, x->tensor.shape.dim[0], x->tensor.shape.dim[1], group))
            return error_set(e, "quantisation: %s has a value that is not finite", x->name);
        found++;
    }
    return found || error_set(e, "quantisation: no linear weight has a name that matches \"%s\"", pattern);
}
