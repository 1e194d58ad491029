/* SPDX-License-Identifier: MIT */
#include "eval/knowledge/perturbation.h"

#include <string.h>
#include "model/names.h"
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"

enum { CHUNK = 50 };                 // the most samples of a forward pass

/* --- The change of a picture --- */

static bool perturb(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e)
{
    const Perturbation *p = context;
    (void)name;
    if (in->width != p->width || in->height != p->height)
        return error_set(e, "the picture has %zu x %zu pixels, expected the %zu x %zu of the perturbation", in->width, in->height,
                         p->width, p->height);
    *out = (Image){ .width = in->width, .height = in->height, .rgb = arena_array(a, in->width * in->height, 3) };
    for (size_t k = 0; out->rgb && k < 3 * in->width * in->height; k++) {
        const int v = in->rgb[k] + p->delta[k];
        out->rgb[k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return out->rgb != NULL;
}

PictureChange perturbation_change(const Perturbation *p)
{
    return (PictureChange){ perturb, p };
}

/* --- The derivative --- */

bool perturbation_watch(Weights *w, Error *e)
{
    return weights_train(w, "**.patch_embedding.weight", e);
}

static bool op_is(const Op *op, const char *name) { return strcmp(op->name, name) == 0; }

/* The linear map of the patches: its output is the patch embedding. */
static const Node *patch_embedding(const Tape *t)
{
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (n->phase == PHASE_FORWARD && n->op && op_is(n->op, "linear") && n->in[0]->op && op_is(n->in[0]->op, "patches"))
            return n;
    }
    return NULL;
}

/* Adds the derivative at the patch embedding, summed over the pictures, to sums [patches, width]. */
static bool chunk_add(const Model *m, const BatchSample *samples, size_t count, double *sums, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    Batch b;
    Params p = params_make(&t, m);
    if (e->failed || !batch_pack(&b, samples, count, ROWS_SUPERVISED, &m->config, a, e))
        return false;
    if (b.pictures != count)
        return error_set(e, "perturbation: %zu of %zu samples have a picture, expected all", b.pictures, count);
    Node *z = model_forward(&t, &p, &b).logits, *one = constant_vector(&t, "one", b.row_count, 1);
    tape_seed(&t, z, op_logit_grad_label(&t, op_softmax(&t, z), one, b.labels));
    tape_backward(&t);
    const Node *patch = e->failed ? NULL : patch_embedding(&t);
    if (!patch || !patch->grad)
        return error_set(e, "perturbation: no gradient reaches the pictures, expected a trainable patch embedding");
    const size_t each = shape_size(patch->out.shape) / count;
    for (size_t k = 0; k < count * each; k++)
        sums[k % each] += (double)patch->grad->out.f32[k];
    return true;
}

/* The gradient at the pixels: the sums times the kernel [width, channels, p, p], where p is the side of a patch. */
static void through_kernel(const Model *m, const Weight *kernel, const double *sums, double *out)
{
    const size_t side = (size_t)m->config.vision.image_size, p = (size_t)m->config.vision.patch_size, across = side / p,
        width = (size_t)m->config.vision.hidden_size, values = IMAGE_CHANNELS * p * p;
    for (size_t i = 0; i < IMAGE_CHANNELS * side * side; i++) {
        const size_t c = i / (side * side), y = i / side % side, x = i % side, patch = y / p * across + x / p,
            k = (c * p + y % p) * p + x % p;
        out[i] = 0;
        for (size_t h = 0; h < width; h++)
            out[i] += sums[patch * width + h] * (double)kernel->tensor.f32[h * values + k];
    }
}

static Weight *kernel_of(const Weights *w)
{
    for (size_t k = 0; k < w->count; k++)
        if (w->list[k].trainable && name_matches("**.patch_embedding.weight", w->list[k].name))
            return &w->list[k];
    return NULL;
}

bool perturbation_gradient(const Model *m, const BatchSample *samples, size_t count, double *out, Error *e)
{
    Arena a = arena_make(e), kept = arena_make(e);
    const Weight *kernel = kernel_of(m->weights);
    double *sums = arena_zalloc(&kept, config_patches(&m->config) * (size_t)m->config.vision.hidden_size * sizeof *sums);
    bool good = sums && (kernel || error_set(e, "perturbation: the patch embedding is not trainable (perturbation_watch)"));
    for (size_t first = 0, n; good && first < count; first += n) {
        n = count - first < CHUNK ? count - first : CHUNK;
        good = chunk_add(m, samples + first, n, sums, &a, e);
        arena_reset(&a);
    }
    if (good)
        through_kernel(m, kernel, sums, out);
    arena_free(&a);
    arena_free(&kept);
    return good && !e->failed;
}

/* --- The search --- */

/* Numbers the paraphrases of each fact: paraphrase[k] is how many questions before question k ask for the same fact.
 * Returns the largest number plus 1. */
static size_t number_paraphrases(const Questions *q, size_t *paraphrase)
{
    size_t most = 0;
    for (size_t k = 0; k < q->count; k++) {
        const Sample *x = q->question[k].sample;
        paraphrase[k] = 0;
        for (size_t j = 0; j < k; j++) {
            const Sample *y = q->question[j].sample;
            paraphrase[k] += strcmp(x->entity, y->entity) == 0 && strcmp(x->skill, y->skill) == 0;
        }
        most = paraphrase[k] + 1 > most ? paraphrase[k] + 1 : most;
    }
    return most;
}

/* One step of the search, on the questions that are paraphrase number `now` (from 0) of their fact. `gradient` is
 * scratch memory, as large as delta. */
static bool step(Perturbation *p, const Model *m, const Reader *r, const Questions *q, const size_t *paraphrase, size_t now,
                 double *gradient, Error *e)
{
    Arena a = arena_make(e);
    const PictureChange change = perturbation_change(p);
    Reader changed = *r;
    changed.change = &change;
    BatchSample *sample = arena_array(&a, q->count, sizeof *sample);
    size_t n = 0;
    bool good = sample != NULL;
    for (size_t k = 0; good && k < q->count; k++)
        if (paraphrase[k] == now)
            good = reader_sample(&changed, q->question[k].from, q->question[k].sample, NULL, 0, NO_AUGMENT, &sample[n++], &a, e);
    good = good && perturbation_gradient(m, sample, n, gradient, e);
    const size_t plane = p->width * p->height;
    for (size_t i = 0; good && i < IMAGE_CHANNELS * plane; i++) {
        int8_t *d = &p->delta[i % plane * IMAGE_CHANNELS + i / plane];
        const int moved = *d - (gradient[i] > 0) + (gradient[i] < 0);
        *d = (int8_t)(moved > PERTURBATION_MOST ? PERTURBATION_MOST : moved < -PERTURBATION_MOST ? -PERTURBATION_MOST : moved);
    }
    arena_free(&a);
    return good;
}

bool perturbation_find(Perturbation *out, const Model *m, const Reader *r, const Questions *q, int64_t steps, Arena *a, Error *e)
{
    const size_t side = (size_t)m->config.vision.image_size, values = IMAGE_CHANNELS * side * side;
    size_t *paraphrase = arena_array(a, q->count, sizeof *paraphrase);
    double *gradient = arena_array(a, values, sizeof *gradient);
    *out = (Perturbation){ arena_zalloc(a, values), side, side };
    for (size_t k = 0; k < q->count; k++)
        if (!q->question[k].sample->image)
            return error_set(e, "%s:%zu: the question has no picture to perturb", q->question[k].from->path,
                             q->question[k].sample->line);
    if (!paraphrase || !gradient || !out->delta)
        return false;
    const size_t paraphrases = number_paraphrases(q, paraphrase);
    for (int64_t t = 0; t < steps; t++)
        if (!step(out, m, r, q, paraphrase, (size_t)t % paraphrases, gradient, e))
            return false;
    return true;
}
