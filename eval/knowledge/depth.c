/* SPDX-License-Identifier: MIT */
#include "eval/knowledge/depth.h"

#include <math.h>
#include "eval/metrics/memorisation.h"
#include "tensor/ops.h"

enum { CHUNK = 32 };                 // the most samples of a patched forward pass

/* --- The score, from plain numbers --- */

double depth_of(const double *d1, const double *d2, size_t layers)
{
    double part = 0, whole = 0;
    for (size_t l = 0; l < layers; l++)
        if (d1[l] > DEPTH_THRESHOLD) {
            part += d2[l] < 0 ? 0 : d2[l] > d1[l] ? d1[l] : d2[l];
            whole += d1[l];
        }
    return whole > 0 ? part / whole : NAN;
}

double depth_floor(const double *d1, size_t questions, size_t layers)
{
    double sum = 0;
    for (size_t k = 0; k < questions * layers; k++)
        sum += d1[k];
    return questions && layers ? sum / (double)(questions * layers) : NAN;
}

/* --- Patches --- */

size_t depth_layers(const Model *full)
{
    return (size_t)full->config.text.num_hidden_layers - 1;
}

/* The log p of the answer (s in depth.h) for each sample of a batch, from the logits z of the batch. */
static bool scores(Tape *t, Node *z, const Batch *b, double *s)
{
    Node *nll = op_nll(t, z, b->labels);
    for (size_t i = 0; nll && i < b->samples; i++) {
        const size_t begin = (size_t)b->row_offsets[i], n = tokens_without_end((size_t)b->row_offsets[i + 1] - begin);
        s[i] = 0;
        for (size_t k = 0; k < n; k++)
            s[i] += -(double)nll->out.f32[begin + k];
        if (n == 0)
            return error_set(t->error, "depth: a sample has no supervised token, expected an answer");
    }
    return nll && !t->error->failed;
}

static bool chunk_patch(const Model *full, const Model *source, const BatchSample *samples, size_t count, double *d, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    Batch b;
    const size_t layers = depth_layers(full);
    double unpatched[CHUNK], patched[CHUNK];
    t.no_grad = true;
    Params p = params_make(&t, full), q = params_make(&t, source);
    if (!batch_pack(&b, samples, count, ROWS_SUPERVISED, &full->config, a, e)
        || !scores(&t, model_forward(&t, &p, &b).logits, &b, unpatched))
        return false;
    const Forward other = model_forward(&t, &q, &b);
    for (size_t l = 1; l <= layers && !e->failed; l++) {
        if (!scores(&t, model_forward_from(&t, &p, &b, l, other.hidden[l]), &b, patched))
            return false;
        for (size_t i = 0; i < count; i++)
            d[i * layers + l - 1] = unpatched[i] - patched[i];
    }
    return !e->failed;
}

static bool fits(const Model *full, const Model *source, Error *e)
{
    const TextConfig *x = &full->config.text, *y = &source->config.text;
    if (x->num_hidden_layers != y->num_hidden_layers || x->hidden_size != y->hidden_size)
        return error_set(e, "depth: one model has %lld layers of width %lld, the other %lld layers of width %lld, expected the same "
                            "architecture",
                         (long long)x->num_hidden_layers, (long long)x->hidden_size, (long long)y->num_hidden_layers,
                         (long long)y->hidden_size);
    return x->num_hidden_layers > 1
        || error_set(e, "depth: the model has one layer, expected at least two, because the last one is not patched");
}

bool depth_patch(const Model *full, const Model *source, const BatchSample *samples, size_t count, double *d, Error *e)
{
    Arena a = arena_make(e);
    bool good = !e->failed && fits(full, source, e);
    for (size_t first = 0, n; good && first < count; first += n) {
        n = count - first < CHUNK ? count - first : CHUNK;
        good = chunk_patch(full, source, samples + first, n, d + first * depth_layers(full), &a, e);
        arena_reset(&a);
    }
    arena_free(&a);
    return good && !e->failed;
}
