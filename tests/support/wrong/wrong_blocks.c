/* SPDX-License-Identifier: MIT */
/* Modules with their known mistakes: the mistake is made in the graph of the module (ref/verify/known/), which is
 * then run forward and backward. */
#include <math.h>
#include <string.h>
#include "ref/vectors/case_block.h"
#include "ref/verify/known/known.h"
#include "tests/support/wrong/wrong.h"

static bool beyond_bound(Tensor got, const Tensor *want, const Tensor *bound)
{
    for (size_t i = 0; want && bound && i < shape_size(got.shape); i++)
        if (!(fabs((double)got.f32[i] - (double)want->f32[i]) <= (double)bound->f32[i]))
            return true;
    return false;
}

/* Adds those answers of a module that the mistake moves beyond their bounds. The gradient of lora_A is left out for
 * every mistake: one mistake reads lora_A in a wrong order, and then the order of the gradient would not be clear. */
static void wrong_block(Wrong *w, const BlockForm *f, const char *flag)
{
    BlockCase b;
    Store right;
    char *id = arena_format(w->arena, "block/%s", f->id);
    if (block_case_open(&b, f, arena_format(w->arena, "%s/models", w->suite), w->arena, w->error)
        && known_make(&b.step.trainer.tape, &b.unit, flag, w->arena) && block_case_answer(&b, f, w->arena, w->error)
        && store_open(&right, arena_format(w->arena, "%s/%s/out.safetensors", w->suite, id), w->arena, w->error)) {
        for (size_t k = 0; k < right.count; k++) {
            const char *name = right.entries[k].name;
            for (size_t j = 0; j < b.out_count; j++)
                if (strncmp(name, "bound.", 6) != 0 && strcmp(b.out[j].name, name) == 0 && !strstr(name, "@grad.lora_A")
                    && beyond_bound(b.out[j].tensor, &right.entries[k].tensor,
                                    store_find(&right, arena_format(w->arena, "bound.%s", name)))) {
                    float *y = wrong_answer(w, id, flag, name, b.out[j].tensor.shape);
                    if (y)
                        memcpy(y, b.out[j].tensor.f32, tensor_bytes(b.out[j].tensor));
                }
        }
        json_decref(b.ops);
    }
    block_case_close(&b);
}

/* --- the selection of the tower's features: another layer, the class token kept, the final norm of CLIP applied --- */

static void select_rows(Wrong *w, const char *id, const char *flag, const char *states, size_t patches)
{
    Store in = wrong_open(w, id);
    const Tensor *x = store_find(&in, states);
    const float *g = wrong_floats(&in, "vision_tower.vision_model.post_layernorm.weight", NULL),
                *bias = wrong_floats(&in, "vision_tower.vision_model.post_layernorm.bias", NULL);
    if (!x || !g || !bias) {
        error_set(w->error, "wrong: %s does not hold what %s needs", id, flag);
        return;
    }
    size_t rows = x->shape.dim[0], cols = x->shape.dim[1],
           kept = strcmp(flag, "ClsKept") == 0 ? rows : rows / (patches + 1) * patches, to = 0;
    float *y = wrong_answer(w, id, flag, "vision_tower.vision_model@out", shape_of(2, kept, cols));
    for (size_t row = 0; y && row < rows; row++) {
        const float *r = x->f32 + row * cols;
        double mean = 0, var = 0;
        if (kept < rows && row % (patches + 1) == 0)
            continue;
        for (size_t i = 0; i < cols; i++)
            mean += (double)r[i] / (double)cols;
        for (size_t i = 0; i < cols; i++)
            var += ((double)r[i] - mean) * ((double)r[i] - mean) / (double)cols;
        for (size_t i = 0; i < cols; i++, to++)
            y[to] = strcmp(flag, "PostNormApplied") == 0
                      ? (float)(((double)r[i] - mean) / sqrt(var + (double)1e-5f) * (double)g[i] + (double)bias[i])
                      : r[i];
    }
}

void wrong_blocks(Wrong *w)
{
    for (size_t k = 0; k < block_forms_count; k++) {
        const char *flags = block_forms[k].mistakes, *flag;
        while (!strstr(block_forms[k].id, "select") && (flag = wrong_flag(w, &flags)))
            wrong_block(w, &block_forms[k], flag);
    }
    select_rows(w, "block/vision_select.a", "LayerMinus1", "hidden_states.2", 4);
    select_rows(w, "block/vision_select.a", "ClsKept", "hidden_states.1", 4);
    select_rows(w, "block/vision_select.a", "PostNormApplied", "hidden_states.1", 4);
    select_rows(w, "block/vision_select.b", "ClsKept", "hidden_states.2", 9);
    select_rows(w, "block/vision_select.b", "PostNormApplied", "hidden_states.2", 9);
}
