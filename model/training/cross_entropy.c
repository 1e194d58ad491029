/* SPDX-License-Identifier: MIT */
#include "model/training/cross_entropy.h"

#include "tensor/ops.h"

size_t supervised_tokens(const BatchSample *samples, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < samples[i].n && samples[i].targets; k++)
            n += samples[i].targets[k] >= 0;
    return n;
}

Node *constant_vector(Tape *t, const char *name, size_t n, float c)
{
    Tensor vector = tensor_f32(t->arena, shape_of(1, n));
    if (!vector.f32)
        return NULL;
    for (size_t k = 0; k < n; k++)
        vector.f32[k] = c;
    return tape_input(t, name, vector);
}

static bool cross_entropy_samples(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e)
{
    SampleSource *source = context;
    return source->next(source->context, step, samples, count, a, e);
}

static Node *cross_entropy_loss(void *context, Tape *t, Params *p, const BatchSample *micro_batch, size_t count, size_t first,
                                const BatchSample *all, size_t all_count)
{
    (void)context, (void)first;
    Batch b;
    size_t n = supervised_tokens(all, all_count);
    if (n == 0)
        error_set(t->error, "train: the step has no supervised token, expected at least one");
    if (t->error->failed || !batch_pack(&b, micro_batch, count, ROWS_SUPERVISED, &p->model->config, t->arena, t->error))
        return NULL;
    Forward f = model_forward(t, p, &b);
    Node *nll = op_nll(t, f.logits, b.labels);
    Node *loss = count == all_count ? op_mean(t, nll) : op_ratio(t, op_sum(t, nll), 1, (float)n);
    Node *c = constant_vector(t, "c", b.row_count, 1.0f / (float)n);
    tape_seed(t, f.logits, op_logit_grad_label(t, op_softmax(t, f.logits), c, b.labels));
    return loss;
}

bool cross_entropy_gradients(Tape *t, Params *p, Batch *b, const BatchSample *samples, size_t count)
{
    if (t->error->failed || !batch_pack(b, samples, count, ROWS_SUPERVISED, &p->model->config, t->arena, t->error))
        return false;
    Node *z = model_forward(t, p, b).logits;
    Node *c = z ? constant_vector(t, "c", b->row_count, 1 / (float)b->row_count) : NULL;
    if (z)
        tape_seed(t, z, op_logit_grad_label(t, op_softmax(t, z), c, b->labels));
    tape_backward(t);
    return !t->error->failed;
}

Objective cross_entropy_objective(SampleSource *source)
{
    return (Objective){ source, cross_entropy_samples, cross_entropy_loss, NULL, NULL };
}
