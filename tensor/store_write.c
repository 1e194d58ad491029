/* SPDX-License-Identifier: MIT */
/* The writing half of store.h: the same set of tensors gives the same bytes, in whatever order the entries come. */
#include "tensor/store.h"

#include <stdlib.h>
#include "tensor/base/bytes.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

/* The rank of a dtype in the official library's enum. The writer's order is descending: I64, F64, F32 and so on. */
static int dtype_rank(Dtype d)
{
    static const int rank[DTYPE_COUNT] = { [U8] = 4, [F16] = 13, [BF16] = 14, [I32] = 15, [F32] = 17, [F64] = 19,
                                           [I64] = 20 };
    return rank[d];
}

static int by_rank_and_name(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    int rank = dtype_rank(y->tensor.dtype) - dtype_rank(x->tensor.dtype);
    return rank ? rank : strcmp(x->name, y->name);
}

static json_t *entry_json(const Tensor *t, json_int_t begin, json_int_t end)
{
    json_t *shape = json_array();
    for (int d = 0; d < t->shape.rank; d++)
        json_add(shape, json_integer((json_int_t)t->shape.dim[d]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_name(t->dtype), "shape", shape, "data_offsets", begin, end);
}

/* {"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, …} without spaces. */
static bool header_json(json_t *header, const Entry *sorted, size_t count, const char *path, Error *e)
{
    json_int_t at = 0, end;
    for (size_t i = 0; i < count; i++, at = end) {
        const char *name = sorted[i].name;
        end = at + (json_int_t)tensor_bytes(sorted[i].tensor);
        if (!store_name_check(name, path, e))
            return false;
        if (json_object_get(header, name))
            return error_set(e, "%s: two entries are called \"%s\"", path, name);
        json_t *entry = entry_json(&sorted[i].tensor, at, end);
        if (!entry)
            return error_no_memory(e, "%s: no memory for its header", path);
        if (json_object_set_new(header, name, entry))
            return error_set(e, "%s: a tensor's name is not UTF-8", path);
    }
    return true;
}

/* The header as text, which the caller frees; NULL after a failure. */
static char *header_text(const Entry *sorted, size_t count, const char *path, Error *e)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    char *text = header && header_json(header, sorted, count, path, e) ? json_compact(header, NULL) : NULL;
    json_decref(header);
    if (!text)
        error_no_memory(e, "%s: no memory for its header", path);
    return text;
}

static void write_values(FILE *f, const Tensor *t)
{
    unsigned char piece[1 << 14];
    const size_t size = dtype_size(t->dtype), n = shape_size(t->shape), step = sizeof piece / size;
    if (bytes_little()) {
        if (n)
            fwrite(t->data, size, n, f);
        return;
    }
    for (size_t i = 0; i < n; i += step) {
        size_t count = n - i < step ? n - i : step;
        bytes_copy(piece, t->u8 + i * size, count, size);
        fwrite(piece, size, count, f);
    }
}

static bool write_entry(FILE *f, const Entry *x, StoreMaker maker, Error *e)
{
    const Tensor *t = &x->tensor;
    if (!t->data && shape_size(t->shape)) {
        t = maker.make ? maker.make(maker.context, x->name, e) : NULL;
        if (!t)
            return error_set(e, "%s: there are no values to write", x->name);
        if (t->dtype != x->tensor.dtype || !shape_equal(t->shape, x->tensor.shape))
            return error_set(e, "%s: its values have another dtype or shape than the header says", x->name);
    }
    write_values(f, t);
    return true;
}

/* Writes the header's length, the header, spaces up to a multiple of 8, and the values. */
static bool write_sorted(const char *path, const Entry *sorted, size_t count, StoreMaker maker, Error *e)
{
    FileWriter w;
    char *text = header_text(sorted, count, path, e);
    bool good = text && file_begin(&w, path, e);
    if (good) {
        size_t used = strlen(text), padded = (used + 7) / 8 * 8;
        for (int i = 0; i < 8; i++)
            fputc((int)((uint64_t)padded >> 8 * i & 255), w.stream);
        fprintf(w.stream, "%s%*s", text, (int)(padded - used), "");
        for (size_t i = 0; good && i < count; i++)
            good = write_entry(w.stream, &sorted[i], maker, e);
        if (!good)
            file_drop(&w);
        good = good && file_finish(&w, e);
    }
    free(text);
    return good;
}

bool store_write(const char *path, const Entry *entries, size_t count, Error *e)
{
    return store_write_made(path, entries, count, (StoreMaker){ NULL, NULL }, e);
}

bool store_write_made(const char *path, const Entry *entries, size_t count, StoreMaker maker, Error *e)
{
    Arena a = arena_make(e);
    Entry *sorted = arena_array(&a, count, sizeof *sorted);
    bool good = sorted != NULL;
    if (good && count) {
        memcpy(sorted, entries, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_rank_and_name);
    }
    good = good && write_sorted(path, sorted, count, maker, e);
    arena_free(&a);
    return good;
}
