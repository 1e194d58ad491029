/* SPDX-License-Identifier: MIT */
#include "unlearn/subspace.h"

#include <math.h>
#include <string.h>
#include "tensor/base/random.h"
#include "tensor/ops.h"

#define NEGLIGIBLE 0x1p-30              // a vector shorter than this, relative to the longest one, is rounding error
#define ORTHOGONAL 0x1p-40              // two vectors whose cosine is at most this count as orthogonal
enum { SWEEPS = 60 };                   // the most passes over all pairs of vectors

/* k vectors of n numbers, one after another. */
typedef struct { double *at; size_t k, n; } Vectors;

static double *vector(Vectors x, size_t i) { return x.at + i * x.n; }

static double dot(Vectors x, size_t i, size_t j)
{
    const double *u = vector(x, i), *v = vector(x, j);
    double sum = 0;
    for (size_t c = 0; c < x.n; c++)
        sum += u[c] * v[c];
    return sum;
}

static void rotate(Vectors x, size_t i, size_t j, double cosine, double sine)
{
    double *u = vector(x, i), *v = vector(x, j);
    for (size_t c = 0; c < x.n; c++) {
        const double p = u[c], q = v[c];
        u[c] = cosine * p - sine * q;
        v[c] = sine * p + cosine * q;
    }
}

/* Rotates pairs of vectors of x until all of them are orthogonal, and rotates the same pairs of y. The sum of the
 * products x_i y_i^T stays the same. */
static void orthogonalise(Vectors x, Vectors y)
{
    bool rotated = true;
    for (int sweep = 0; rotated && sweep < SWEEPS; sweep++) {
        rotated = false;
        for (size_t i = 0; i < x.k; i++)
            for (size_t j = i + 1; j < x.k; j++) {
                const double a = dot(x, i, i), b = dot(x, j, j), c = dot(x, i, j);
                if (fabs(c) <= ORTHOGONAL * sqrt(a * b))
                    continue;
                const double z = (b - a) / (2 * c), t = copysign(1, z) / (fabs(z) + sqrt(1 + z * z)), cosine = 1 / sqrt(1 + t * t);
                rotate(x, i, j, cosine, cosine * t);
                rotate(y, i, j, cosine, cosine * t);
                rotated = true;
            }
    }
}

/* Divides the vectors of x by their lengths, which it writes to `length`. A negligible vector becomes all zeros, and
 * its length 0. */
static void normalise(Vectors x, double *length)
{
    double most = 0;
    for (size_t i = 0; i < x.k; i++) {
        length[i] = sqrt(dot(x, i, i));
        most = length[i] > most ? length[i] : most;
    }
    for (size_t i = 0; i < x.k; i++) {
        if (length[i] <= NEGLIGIBLE * most)
            length[i] = 0;
        for (size_t c = 0; c < x.n; c++)
            vector(x, i)[c] = length[i] > 0 ? vector(x, i)[c] / length[i] : 0;
    }
}

/* Turns x and y into the singular vectors of the sum of y_i x_i^T, in no order, and writes the singular values to
 * `value` [k]. */
static void decompose(Vectors x, Vectors y, double *value)
{
    orthogonalise(x, y);
    normalise(x, value);
    for (size_t i = 0; i < y.k; i++)
        for (size_t c = 0; c < y.n; c++)
            vector(y, i)[c] *= value[i];
    orthogonalise(y, x);
    normalise(y, value);
}

/* --- the space of one module --- */

/* The index of the largest value; of equal values, the first. Values that were taken before are 0. */
static size_t largest(const double *value, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (value[i] > value[best])
            best = i;
    return best;
}

/* Copies the `wanted` directions with the largest values (0: all of them) from x and y to p, and sets their values to
 * 0. */
static bool take(SubspacePart *p, Vectors x, Vectors y, double *value, size_t wanted, Arena *a, Error *e)
{
    size_t found = 0;
    for (size_t i = 0; i < x.k; i++)
        found += value[i] > 0;
    p->rank = wanted ? wanted : found;
    if (p->rank == 0 || p->rank > found)
        return error_set(e, "the adapter of %s spans %zu directions, expected %zu or more", p->module, found, wanted ? wanted : 1);
    p->right = tensor_f32(a, shape_of(2, p->rank, x.n));
    p->left = tensor_f32(a, shape_of(2, p->rank, y.n));
    p->value = arena_array(a, p->rank, sizeof *p->value);
    for (size_t i = 0; p->right.f32 && p->left.f32 && p->value && i < p->rank; i++) {
        const size_t from = largest(value, x.k);
        for (size_t c = 0; c < x.n; c++)
            p->right.f32[i * x.n + c] = (float)vector(x, from)[c];
        for (size_t c = 0; c < y.n; c++)
            p->left.f32[i * y.n + c] = (float)vector(y, from)[c];
        p->value[i] = value[from];
        value[from] = 0;
    }
    return p->right.f32 && p->left.f32 && p->value;
}

/* Copies the rows of A to x, and the columns of B to y. */
static bool factors_copy(const LoraPair *pair, Vectors *x, Vectors *y, Arena *a)
{
    const Tensor f = pair->a->tensor, g = pair->b->tensor;
    const size_t k = f.shape.dim[0], in = f.shape.dim[1], out = g.shape.dim[0];
    *x = (Vectors){ arena_array(a, k * in, sizeof(double)), k, in };
    *y = (Vectors){ arena_array(a, k * out, sizeof(double)), k, out };
    for (size_t i = 0; x->at && y->at && i < k; i++) {
        for (size_t c = 0; c < in; c++)
            vector(*x, i)[c] = f.f32[i * in + c];
        for (size_t c = 0; c < out; c++)
            vector(*y, i)[c] = g.f32[c * k + i];
    }
    return x->at && y->at;
}

/* Fills x with random normal numbers, drawn from the seed and the names of the module and the factor. */
static void draw(Vectors x, const char *module, const char *factor, uint64_t seed, Arena *a)
{
    const char *purpose = arena_format(a, "%s.%s", module, factor);
    const Random r = random_for(seed, purpose ? purpose : "");
    for (size_t c = 0; c < x.k * x.n; c++)
        x.at[c] = random_normal(r, c);
}

static bool part_make(SubspacePart *p, const LoraPair *pair, SubspaceChoice c, uint64_t seed, Arena *a, Error *e)
{
    Arena scratch = arena_make(e);
    Vectors x, y;
    *p = (SubspacePart){ .module = arena_text(a, pair->module) };
    bool good = p->module && factors_copy(pair, &x, &y, &scratch);
    double *value = good ? arena_array(&scratch, x.k, sizeof *value) : NULL;
    if (value) {
        decompose(x, y, value);
        good = take(p, x, y, value, (size_t)c.rank, a, e);
    }
    if (value && good && c.side >= SUBSPACE_ONTO_RANDOM) {
        x.k = y.k = p->rank;
        draw(x, p->module, "subspace_A", seed, &scratch);
        draw(y, p->module, "subspace_B", seed, &scratch);
        decompose(x, y, value);
        good = take(p, x, y, value, p->rank, a, e);
    }
    arena_free(&scratch);
    return good && value && !e->failed;
}

bool subspace_make(Subspace *s, const Lora *learned, SubspaceChoice c, uint64_t seed, Arena *a, Error *e)
{
    *s = (Subspace){ arena_array(a, learned->count, sizeof *s->part), 0, c.side == SUBSPACE_OFF || c.side == SUBSPACE_OFF_RANDOM };
    while (s->part && s->count < learned->count && part_make(&s->part[s->count], &learned->pairs[s->count], c, seed, a, e))
        s->count++;
    return s->count == learned->count || e->failed ? !e->failed : error_no_memory(e, "subspace: out of memory");
}

/* --- the use of a subspace --- */

/* The space of the module of a pair. NULL: there is none, or its matrix has another size. */
static const SubspacePart *part_of(const Subspace *s, const LoraPair *pair)
{
    const SubspacePart *p = s->part;
    while (p < s->part + s->count && strcmp(p->module, pair->module) != 0)
        p++;
    const bool fits = p < s->part + s->count && p->right.shape.dim[1] == pair->a->tensor.shape.dim[1]
                   && p->left.shape.dim[1] == pair->b->tensor.shape.dim[0];
    return fits ? p : NULL;
}

bool subspace_fits(const Subspace *s, const Lora *l, Error *e)
{
    for (size_t k = 0; k < l->count; k++)
        if (!part_of(s, &l->pairs[k]))
            return error_set(e, "the adapter has no module %s, expected all modules that are trained", l->pairs[k].module);
    return true;
}

/* The rows of f [r, n], projected onto the span of the rows of v [k, n]. off: what is left of f without its
 * projection. */
static Node *project(Tape *t, Node *f, const Tensor *v, bool off)
{
    Node *space = tape_input(t, "space", *v), *along = op_linear(t, f, space, NULL);
    Node *columns = op_transpose(t, space), *inside = op_linear(t, along, columns, NULL);
    return off ? op_sub(t, f, inside) : inside;
}

bool subspace_apply(const Subspace *s, Lora *l, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    t.no_grad = true;
    for (size_t k = 0; k < l->count && !e->failed; k++, tape_reset(&t)) {
        const LoraPair *pair = &l->pairs[k];
        const SubspacePart *p = part_of(s, pair);
        Node *rows = project(&t, tape_input(&t, "A", pair->a->tensor), &p->right, s->off);
        Node *columns = op_transpose(&t, project(&t, op_transpose(&t, tape_input(&t, "B", pair->b->tensor)), &p->left, s->off));
        if (!rows || !columns)
            break;
        memcpy(pair->a->tensor.f32, rows->out.f32, tensor_bytes(pair->a->tensor));
        memcpy(pair->b->tensor.f32, columns->out.f32, tensor_bytes(pair->b->tensor));
    }
    arena_free(&a);
    return !e->failed;
}
