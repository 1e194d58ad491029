/* SPDX-License-Identifier: MIT */
#include "model/batch.h"

#include <string.h>
#include "model/arch.h"

bool batch_check(const BatchSample *s, size_t index, const ModelConfig *c, Error *e)
{
    size_t images = 0, expected = s->pixels ? c->arch->pictures * config_image_tokens(c) : 0;
    if (s->n == 0)
        return error_set(e, "batch: sample %zu is empty, expected at least one token", index);
    for (size_t i = 0; i < s->n; i++) {
        if (s->ids[i] < 0 || s->ids[i] >= c->text.vocab_size)
            return error_set(e, "batch: sample %zu, token %zu is %d, expected 0 to %lld", index, i, s->ids[i],
                             (long long)c->text.vocab_size - 1);
        if (s->targets && (s->targets[i] < -1 || s->targets[i] >= c->text.vocab_size))
            return error_set(e, "batch: sample %zu, target %zu is %d, expected -1 to %lld", index, i, s->targets[i],
                             (long long)c->text.vocab_size - 1);
        images += s->ids[i] == c->image_token_index;
    }
    if (images != expected)
        return error_set(e, "batch: sample %zu has %zu image tokens, expected %zu", index, images, expected);
    return true;
}

static size_t sample_rows(const BatchSample *s, BatchRows rows)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += rows == ROWS_ALL || (s->targets && s->targets[i] >= 0);
    return n;
}

static void sample_pack(Batch *b, const BatchSample *s, size_t index, BatchRows rows, size_t pictures)
{
    int32_t begin = (int32_t)b->tokens, count = (int32_t)s->n;
    memcpy(b->segments + 4 * index, (int32_t[]){ begin, count, begin, count }, 4 * sizeof(int32_t));
    memcpy(b->ids + begin, s->ids, s->n * sizeof *b->ids);
    b->row_offsets[index] = (int32_t)b->row_count;
    for (int32_t i = 0; i < count; i++) {
        int32_t target = s->targets ? s->targets[i] : -1;
        b->positions[begin + i] = i;
        if (rows == ROWS_ALL || target >= 0) {
            b->rows[b->row_count] = begin + i;
            b->labels[b->row_count++] = target;
        }
    }
    if (s->pixels) {
        size_t each = shape_size(b->pixels.shape) / b->pixels.shape.dim[0];
        memcpy(b->pixels.f32 + b->pictures * each, s->pixels, pictures * each * sizeof(float));
        b->pictures += pictures;
    }
    b->tokens += s->n;
    b->row_offsets[index + 1] = (int32_t)b->row_count;
}

bool batch_pack(Batch *b, const BatchSample *samples, size_t count, BatchRows rows, const ModelConfig *c, Arena *a,
                Error *e)
{
    size_t tokens = 0, pictures = 0, wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (!batch_check(&samples[i], i, c, e))
            return false;
        tokens += samples[i].n;
        pictures += samples[i].pixels ? c->arch->pictures : 0;
        wanted += sample_rows(&samples[i], rows);
    }
    if (count == 0 || tokens > INT32_MAX)
        return error_set(e, "batch: %zu samples with %zu tokens, expected at least one sample and fewer than 2^31 tokens", count, tokens);
    const Shape picture_shape = config_pixels(c);
    *b = (Batch){ .samples = count };
    b->ids = arena_array(a, tokens, sizeof *b->ids);
    b->positions = arena_array(a, tokens, sizeof *b->positions);
    b->segments = arena_array(a, 4 * count, sizeof *b->segments);
    b->rows = arena_array(a, wanted, sizeof *b->rows);
    b->labels = arena_array(a, wanted, sizeof *b->labels);
    b->row_offsets = arena_array(a, count + 1, sizeof *b->row_offsets);
    b->pixels = tensor_f32(a, shape_of(4, pictures, picture_shape.dim[0], picture_shape.dim[1], picture_shape.dim[2]));
    if (!b->ids || !b->positions || !b->segments || !b->rows || !b->labels || !b->row_offsets || !b->pixels.f32)
        return error_no_memory(e, "batch: out of memory");
    for (size_t i = 0; i < count; i++)
        sample_pack(b, &samples[i], i, rows, c->arch->pictures);
    return true;
}

void batch_leave_supervised(Batch *b, size_t first, size_t count)
{
    size_t kept = 0;
    for (size_t k = 0; k < b->samples; k++) {
        const bool all = k < first || k >= first + count;
        const int32_t begin = b->row_offsets[k], end = b->row_offsets[k + 1];
        b->row_offsets[k] = (int32_t)kept;
        for (int32_t r = begin; r < end; r++)
            if (all || b->labels[r] >= 0) {
                b->rows[kept] = b->rows[r];
                b->labels[kept++] = b->labels[r];
            }
    }
    b->row_offsets[b->samples] = (int32_t)kept;
    b->row_count = kept;
}
