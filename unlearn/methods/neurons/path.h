/* SPDX-License-Identifier: MIT */
/* Path: the neurons of each MLP that matter most for the forget set (mip_editor). This is separate from the training,
 * so that it can be checked by hand.
 *
 * A neuron is one channel of the input of down_proj (in the language model) or fc2 (in the vision tower). The MLPs have
 * indices: those of the vision tower first, then those of the language model. The scores are binary64, from the fp32
 * activations h of the neurons and their gradients g of CE. Sums run over rows, then over samples, each from the first
 * to the last. Three functions score neurons:
 *     path_integrated  the language model, over all rows of a sample:
 *                          score = sum_rows -h (sum_j g_j / a_j) / 4, a_j = j/4, j = 1 … 4
 *                      g_j is the gradient when every down_proj is RN(a_j W), and B of each of its adapters RN(a_j B).
 *                      h is the activation at a_4 = 1. This is the integrated gradient of -CE while the MLPs of the
 *                      language model are scaled up from zero.
 *     path_squared     the vision tower: score = (sum_rows g^2) / rows
 *     path_product     score = (sum_rows |h g|) / rows: in the language model over the supervised rows of a batch, in
 *                      the vision tower over all rows */
#ifndef PULSE_UNLEARN_METHODS_NEURONS_PATH_H
#define PULSE_UNLEARN_METHODS_NEURONS_PATH_H

#include "unlearn/unlearn.h"

typedef struct {
    const char *layers, *out;           // "language_model.model.layers", "down_proj"
    size_t layer, width;
    double *score;                      // [width]
    bool   *on;                         // [width]: the neuron is on the path
} Mlp;

typedef struct {
    size_t count, vision;               // MLPs; the first `vision` of them are the vision tower's
    Mlp *mlp;                           // [count]
    Model *model;                       // a frozen copy, whose activations get gradients
    Arena *arena;
    Error *error;
} Path;

/* What the `begin` hook of mip_editor makes. */
typedef struct {
    float *u;                           // [C] the direction of the target (target = length u / |u|)
    Path path;
} MipEditor;

/* The arithmetic of the scores, separate from the model. g NULL means a gradient of zero. PATH_POINTS is the number of
 * points a_j of path_integrated. */
enum { PATH_POINTS = 4 };
/* Adds g / a to `sum` [rows, width], which begins with zeros; call it for each point a. At a = 1 it also completes the
 * score with the activations h [rows, width]. */
void path_add_integral(Mlp *m, const float *h, const float *g, double *sum, size_t rows, float a);
/* Adds (sum over rows of |x g|) / n to the score: over the n rows that `rows` lists, or over the first n rows if `rows`
 * is NULL. */
void path_add_products(Mlp *m, const float *x, const float *g, const int32_t *rows, size_t n);

/* Lists the MLPs of a model, with no neuron on the path yet. False: no memory in `a`, or a weight is missing. */
bool path_make(Path *p, const Model *m, Arena *a, Error *e);
/* Each of these functions takes `count` samples as one batch, and adds their scores to those of the MLPs. */
bool path_integrated(Path *p, const BatchSample *samples, size_t count);
bool path_squared(Path *p, const BatchSample *samples, size_t count);
bool path_product(Path *p, const BatchSample *samples, size_t count);
/* Puts k neurons of each MLP from `first` to last - 1 on the path: those with the highest scores; where scores are
 * equal, the lower channels. Then sets all scores of these MLPs to 0. */
bool path_choose(Path *p, size_t first, size_t last, size_t k);

/* Scores the samples one by one: those with a picture in the vision tower, the others in the language model. Chooses
 * the k best neurons of each MLP: after every sample, by its scores alone, if `each` is true; else once, by the scores
 * of all samples together. */
bool path_find_by_sample(Path *p, const SampleList *forget, size_t k, bool each);
/* Scores the first four batches (path_product), and chooses the k best neurons of each MLP. */
bool path_find_by_batch(Path *p, const SampleList *forget, size_t batch, size_t k);

/* Zeroes, in every down_proj and fc2, the columns that read the path's neurons. If the model has adapters, it zeroes
 * these columns in the A of the adapters that train instead, and a map without such an adapter stays as it is. */
bool path_silence(const MethodRun *run, const Path *p);
/* The gradient g of weight `name`, with zeros except where it belongs to the path's neurons. It keeps:
 *  - in the weight and bias of a map that feeds neurons (fc1, gate_proj, up_proj), and in the B of its adapter, the
 *    rows of the path's neurons;
 *  - in the A of such an adapter, everything;
 *  - in any other weight, nothing: the result is NULL. */
Node *path_on(Tape *t, const Path *p, const char *name, Node *g);
/* The gradient g of weight `name`, with zeros in the columns of the path's neurons if the weight is the A of an adapter
 * of down_proj or fc2. */
Node *path_off(Tape *t, const Path *p, const char *name, Node *g);

#endif
