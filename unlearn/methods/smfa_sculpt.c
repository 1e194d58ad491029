/* SPDX-License-Identifier: MIT */
/* What smfa does after its trainings: it sculpts the changes of the weights and adds them. smfa.h states how. */
#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/methods/smfa.h"

#define EPS 1e-8f

Node *smfa_sculpt(Tape *t, Node *f, Node *a, float k)
{
    Node *norm_f = op_square_norm(t, 1, &f), *norm_a = op_square_norm(t, 1, &a);
    const size_t n = norm_a ? shape_size(f->out.shape) : 0;
    int32_t *keep = norm_a ? arena_array(t->arena, n, sizeof *keep) : NULL;
    if (!keep)
        return NULL;
    const float rho = norm_f->out.f32[0] / (norm_a->out.f32[0] + EPS), limit = k * rho;
    for (size_t i = 0; i < n; i++) {
        const double x = f->out.f32[i], y = a->out.f32[i];      // products of two floats are exact
        keep[i] = !(x * y < 0 && (double)limit * fabs(y) < fabs(x));
    }
    return op_mask(t, f, keep, n);
}

/* The change of tensor i of a list of copies: RN(W - W_0), or RN(s B A) where tensor i is the A of a pair. */
static Node *change(Tape *t, const Tensor *list, size_t i, Node *old, const LoraPair *pair)
{
    if (!pair)
        return op_sub(t, tape_input(t, "after", list[i]), old);
    Tensor zero = tensor_f32(t->arena, old->out.shape);
    if (!zero.f32)
        return NULL;
    memset(zero.f32, 0, tensor_bytes(zero));
    Node *b = tape_input(t, "b", list[i + 1]), *a = tape_input(t, "a", list[i]);
    return op_lora_merge(t, tape_input(t, "zero", zero), b, a, pair->scale);
}

/* Writes the W of smfa_write into weight w. Its change comes from tensor i of the lists or, if `pair` is given, from
 * the adapter whose A is tensor i. */
static bool put(Weight *w, Tensor before, const SmfaTrainings *m, size_t i, const LoraPair *pair, const Hyperparameters *v,
                Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    t.no_grad = true;
    Node *old = tape_input(&t, "before", before), *anchor = old ? change(&t, m->anchor, i, old, pair) : NULL;
    Node *list[3] = { old };
    if (anchor)
        list[1] = smfa_sculpt(&t, change(&t, m->forget, i, old, pair), anchor, v->sculpt);
    if (m->text && anchor)
        list[2] = smfa_sculpt(&t, change(&t, m->text, i, old, pair), anchor, v->sculpt_text);
    Node *sum = op_sum_n(&t, m->text ? 3 : 2, list);
    if (sum && !tensor_finite(sum->out))
        error_set(e, "smfa: %s is not finite after sculpting, expected a smaller learning rate", w->name);
    else if (sum)
        memcpy(w->tensor.f32, sum->out.f32, tensor_bytes(w->tensor));
    arena_free(&a);
    return !e->failed;
}

bool smfa_write(const MethodRun *run, const Trained *t, const SmfaTrainings *m)
{
    const Lora *l = run->model->lora;
    bool good = true;
    trained_restore(t);
    for (size_t k = 0; good && k < t->weights; k++)
        good = put(t->weight[k], t->before[k], m, k, NULL, run->hyper, run->error);
    for (size_t k = l ? l->frozen : 0; good && l && k < l->count; k++) {
        Weight *base = lora_base(&l->pairs[k], run->model->weights, run->error);
        good = base && weights_own(run->model->weights, base, run->error)
            && put(base, base->tensor, m, t->weights + 2 * (k - l->frozen), &l->pairs[k], run->hyper, run->error);
    }
    return good;
}
