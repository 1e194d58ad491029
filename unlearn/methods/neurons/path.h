/* SPDX-License-Identifier: MIT */
/* Path: the neurons of each MLP that answer for the forget set (mip_editor), apart from the training, so that it can
 * be checked by hand.
 *
 * A neuron is one channel of what down_proj (in the language model) or fc2 (in the vision tower) multiplies. An MLP
 * is named by its index: those of the vision tower first, then those of the language model. The scores are binary64,
 * from fp32 activations h and gradients g of CE; sums run over rows, then over samples, each from the first to the
 * last. h and g are of
 *     path_integrated  g_j is taken where every down_proj is RN(a_j W), a_j = j/4, j = 1 … 4, and h where a_4 = 1. Over
 *                      all rows of a sample
 *                          score = sum_rows -h (sum_j g_j / a_j) / 4,
 *                      the integrated gradient of -CE while the MLPs of the language model grow from nothing.
 *     path_squared     score = (sum_rows g^2) / rows, of the vision tower's MLPs
 *     path_product     score = (sum_rows |h g|) / rows: in the language model over the supervised rows of a batch, in the
 *                      vision tower over all rows */
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
    float *u;                           // [C] the direction
    Path path;
} MipEditor;

/* The arithmetic of the scores, apart from the model. `sum` [rows, width] begins with zeros and takes g / a of each
 * point a; where a = 1 the activations h [rows, width] complete the score. path_add_products adds (sum over rows of |x
 * g|) / n, over the n listed rows, or the first n where `rows` is NULL. g may be NULL: it is zero. */
enum { PATH_POINTS = 4 };
void path_add_integral(Mlp *m, const float *h, const float *g, double *sum, size_t rows, float a);
void path_add_products(Mlp *m, const float *x, const float *g, const int32_t *rows, size_t n);

/* The MLPs of a model, none of whose neurons is on the path. False: no memory in `a`. */
bool path_make(Path *p, const Model *m, Arena *a, Error *e);
/* Each adds the scores of some samples, which are one batch. */
bool path_integrated(Path *p, const BatchSample *samples, size_t count);
bool path_squared(Path *p, const BatchSample *samples, size_t count);
bool path_product(Path *p, const BatchSample *samples, size_t count);
/* Puts the k highest scores of each MLP from `first` to last - 1 on the path, of equal ones the lower channels, and
 * sets all scores of these MLPs to 0. */
bool path_choose(Path *p, size_t first, size_t last, size_t k);

/* Scores the samples one by one, those with a picture in the vision tower and the others in the language model, and
 * chooses the k best neurons of each MLP over all samples, or of every sample. */
bool path_find_by_sample(Path *p, const SampleList *forget, size_t k, bool each);
/* Scores the first four batches, and chooses the k best neurons of each MLP. */
bool path_find_by_batch(Path *p, const SampleList *forget, size_t batch, size_t k);

/* Zeroes the columns of each down_proj and fc2, or of an adapter's A, that read the path's neurons. */
bool path_silence(const MethodRun *run, const Path *p);
/* The gradient of weight `name` in the rows of the path's neurons: of the maps that feed them, or of an adapter's B,
 * whose A follows it. NULL where the weight has none of them. */
Node *path_on(Tape *t, const Path *p, const char *name, Node *g);
/* The gradient of weight `name`; that of the A of an adapter of down_proj or fc2 is 0 in the columns of the path's
 * neurons. */
Node *path_off(Tape *t, const Path *p, const char *name, Node *g);

#endif
