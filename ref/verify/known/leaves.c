/* SPDX-License-Identifier: MIT */
#include "ref/verify/known/leaves.h"

#include <math.h>
#include <string.h>

/* Whether input k of a node holds fp32 numbers and has this rank. A trace may come from elsewhere, or hold weights in
 * 16 bits. Where it lacks what a mistake needs, the mistake is not made. */
static bool floats(const Node *n, size_t k, int rank)
{
    return k < n->n_in && n->in[k]->out.dtype == F32 && n->in[k]->out.shape.rank == rank;
}

/* Adds one to the weight of a norm. */
void leaf_add_one(const Graph *g, Node *n)
{
    if (!floats(n, 1, 1))
        return;
    Node *weight = n->in[1];
    Tensor more = tensor_f32(g->arena, weight->out.shape);
    for (size_t i = 0; more.f32 && i < shape_size(more.shape); i++)
        more.f32[i] = weight->out.f32[i] + 1;
    weight->out = more;
}

/* Swaps the weights of the two products in mul(silu(gate), up). The gradient of each is then
 * found under the name of the other. */
void leaf_swap_weights(const Graph *g, Node *n)
{
    (void)g;
    if (n->n_in < 2 || n->in[0]->n_in < 1 || n->in[0]->in[0]->n_in < 2 || n->in[1]->n_in < 2)
        return;
    Node *gate = n->in[0]->in[0]->in[1], *up = n->in[1]->in[1];
    Tensor first = gate->out;
    gate->out = up->out;
    up->out = first;
}

/* Swaps the first and the last channel of the pictures. */
void leaf_swap_channels(const Graph *g, Node *n)
{
    if (!floats(n, 0, 4) || n->in[0]->out.shape.dim[1] != 3)
        return;
    Tensor right = n->in[0]->out, wrong = tensor_f32(g->arena, right.shape);
    size_t plane = right.shape.dim[2] * right.shape.dim[3];
    for (size_t i = 0; wrong.f32 && i < shape_size(right.shape); i++) {
        size_t channel = i / plane % 3;
        wrong.f32[i] = right.f32[i + 2 * plane - 2 * channel * plane];
    }
    n->in[0]->out = wrong;
}

/* The nearest number of bf16, ties to even. */
static float bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Replaces the tables of RoPE: by the same ones rounded to bf16, or by those for theta = 1e6. */
static void replace_tables(const Graph *g, Node *n, bool rounded)
{
    for (size_t part = 0; part < 2 && floats(n, 1, 2) && floats(n, 2, 2); part++) {
        Node *table = n->in[1 + part];
        Tensor wrong = tensor_f32(g->arena, table->out.shape);
        size_t half = table->out.shape.dim[1];
        for (size_t i = 0; wrong.f32 && i < shape_size(wrong.shape); i++) {
            double angle = (double)(i / half) * pow(1e6, -(double)(i % half) / (double)half);
            wrong.f32[i] = rounded ? bf16(table->out.f32[i]) : (float)(part ? sin(angle) : cos(angle));
        }
        table->out = wrong;
    }
}

void leaf_other_theta(const Graph *g, Node *n) { replace_tables(g, n, false); }
void leaf_round_tables(const Graph *g, Node *n) { replace_tables(g, n, true); }

/* Reads the memory of A^T as if it were A. */
void leaf_transpose(const Graph *g, Node *n)
{
    if (!floats(n, 1, 2))
        return;
    Node *a = n->in[1];
    Tensor right = a->out, wrong = tensor_f32(g->arena, right.shape);
    size_t r = right.shape.dim[0], cols = right.shape.dim[1];
    for (size_t i = 0; wrong.f32 && i < r * cols; i++)
        wrong.f32[i] = right.f32[i % r * cols + i / r];
    if (!a->op && strstr(a->name, ".lora_A.weight"))
        a->out = wrong;
}
