/* SPDX-License-Identifier: MIT */
#include "model/reuse/prefix.h"

#include <string.h>
#include "model/arch.h"
#include "tensor/ops.h"

/* A row of the tree. Its index in Prefixes.row is also its row in the cache, and its number in `keys` and `rows` of a
 * Batch. A row has a larger index than the rows that precede it in its samples. */
typedef struct {
    int32_t id, picture;                 // picture: an index in Prefixes.picture; -1: the row is a text token
    int32_t parent, child, next;         // child: one row that follows; next: the parent's next child; -1: none
    int32_t depth;                       // the position of the token
} Row;

struct Prefixes {
    const Model *model;
    size_t  capacity;                    // how many rows may be kept
    Row    *row;                         // [count], with room for rows_capacity; the first cache.length were run
    size_t  count, rows_capacity;
    int32_t first;                       // the first of the rows without a parent
    Digest *picture;                     // the digests of the pictures that rows belong to
    size_t  pictures, pictures_capacity;
    Cache   cache;
    Arena   cached, own;                 // `cached` holds the cache; `own` holds this struct and the lists
    size_t  run;                         // how many rows were run, over all calls
};

Prefixes *prefixes_make(const Model *m, size_t memory, Error *e)
{
    Arena own = arena_make(e);
    Prefixes *x = arena_zalloc(&own, sizeof *x);
    if (x)
        *x = (Prefixes){ .model = m, .capacity = memory / cache_row_bytes(m), .first = -1, .cached = arena_make(e),
                         .own = own };
    else
        arena_free(&own);
    return x;
}

void prefixes_free(Prefixes *x)
{
    if (!x)
        return;
    Arena own = x->own;
    arena_free(&x->cached);
    arena_free(&own);
}

void prefixes_forget(Prefixes *x)
{
    x->count = x->pictures = x->cache.length = 0;
    x->first = -1;
}

size_t prefixes_capacity(const Prefixes *x) { return x->capacity; }

void prefixes_allow(Prefixes *x, size_t rows) { x->capacity = rows > x->capacity ? rows : x->capacity; }

size_t prefixes_rows(const Prefixes *x) { return x->cache.length; }

size_t prefixes_run_rows(const Prefixes *x) { return x->run; }

/* --- The tree --- */

/* A list of at least `need` entries, which begins with the first `count` of `list`. NULL: no memory. */
static void *grow(Prefixes *x, void *list, size_t count, size_t need, size_t *capacity, size_t size, Error *e)
{
    if (need <= *capacity)
        return list;
    size_t larger = *capacity ? 2 * *capacity : 64;
    while (larger < need)
        larger *= 2;
    void *moved = larger <= INT32_MAX ? arena_array(&x->own, larger, size) : NULL;
    if (!moved)
        return error_no_memory(e, "prefixes: out of memory for %zu rows", need), NULL;
    if (count)
        memcpy(moved, list, count * size);
    *capacity = larger;
    return moved;
}

/* The index of a picture in the list; -1: it is not there. */
static int32_t picture_find(const Prefixes *x, const Digest *d)
{
    for (size_t k = 0; k < x->pictures; k++)
        if (strcmp(x->picture[k].hex, d->hex) == 0)
            return (int32_t)k;
    return -1;
}

static Digest picture_digest(const Prefixes *x, const float *pixels)
{
    return digest_bytes(pixels, x->model->config.arch->pictures * shape_size(config_pixels(&x->model->config)) * sizeof *pixels);
}

static int32_t row_find(const Prefixes *x, int32_t first, int32_t id, int32_t picture)
{
    while (first >= 0 && (x->row[first].id != id || x->row[first].picture != picture))
        first = x->row[first].next;
    return first;
}

/* Follows a sample through the tree, as far as the tree has its tokens: path[i] becomes the row of token i. Returns the
 * number of these rows. */
static size_t follow(const Prefixes *x, const BatchSample *s, int32_t picture, int32_t *path)
{
    int32_t from = x->first;
    for (size_t i = 0; i < s->n; i++) {
        bool image = s->ids[i] == x->model->config.image_token_index;
        int32_t at = image && picture < 0 ? -1 : row_find(x, from, s->ids[i], image ? picture : -1);
        if (at < 0)
            return i;
        path[i] = at;
        from = x->row[at].child;
    }
    return s->n;
}

/* Adds a sample's rows from token `known` on, each as a child of the row before. */
static bool append(Prefixes *x, const BatchSample *s, int32_t picture, size_t known, int32_t *path, Error *e)
{
    Row *list = grow(x, x->row, x->count, x->count + s->n - known, &x->rows_capacity, sizeof *list, e);
    if (!list)
        return s->n == known && !e->failed;
    x->row = list;
    for (size_t i = known; i < s->n; i++) {
        int32_t parent = i ? path[i - 1] : -1, *first = i ? &x->row[parent].child : &x->first;
        bool image = s->ids[i] == x->model->config.image_token_index;
        path[i] = (int32_t)x->count++;
        x->row[path[i]] = (Row){ s->ids[i], image ? picture : -1, parent, -1, *first, (int32_t)i };
        *first = path[i];
    }
    return true;
}

/* --- Batches --- */

/* The samples of a call, and the rows that it adds to the tree. */
typedef struct {
    BatchSample *samples;                // [count], each cut off after the rows that it needs (rows_needed)
    size_t   count;
    int32_t **path;                      // [count]: the n rows of each sample
    int32_t *picture;                    // [count]: the picture of each sample; -1: none
    size_t  *known;                      // [count]: how many rows of each sample were in the tree before it was added
    size_t   from;                       // the number of rows of the tree before these samples were added
} Round;

enum { LOOK_BACK = 256 };

/* The index of sample k's picture in x->picture. Neighbouring samples often have the same picture. So the address of
 * its pixels is first compared with those of up to LOOK_BACK samples before, which may save a digest. -1: none, or
 * memory ran out. */
static int32_t picture_of(Prefixes *x, const Round *r, size_t k, Error *e)
{
    const float *pixels = r->samples[k].pixels;
    for (size_t j = k; pixels && j-- > 0 && k - j <= LOOK_BACK;)
        if (r->samples[j].pixels == pixels)
            return r->picture[j];
    if (!pixels)
        return -1;
    Digest d = picture_digest(x, pixels);
    int32_t known = picture_find(x, &d);
    Digest *list = known >= 0 ? NULL : grow(x, x->picture, x->pictures, x->pictures + 1, &x->pictures_capacity, sizeof d, e);
    if (!list)
        return known;
    x->picture = list;
    x->picture[x->pictures] = d;
    return (int32_t)x->pictures++;
}

/* Adds the first sample in any case, and then more samples as long as all have at most `limit` new rows together. */
static bool samples_add(Prefixes *x, Round *r, size_t limit, Error *e)
{
    r->from = x->count;
    for (size_t k = 0; k < r->count; k++) {
        const int32_t picture = r->picture[k] = picture_of(x, r, k, e);
        r->known[k] = e->failed ? 0 : follow(x, &r->samples[k], picture, r->path[k]);
        if (k && x->count - r->from + (r->samples[k].n - r->known[k]) > limit) {
            r->count = k;
            break;
        }
        if (e->failed || !append(x, &r->samples[k], picture, r->known[k], r->path[k], e))
            return false;
    }
    return true;
}

/* Makes a batch of the new rows. Each sample that has new rows is a segment, whose attention keys are the rows of
 * the whole sample. */
static bool batch_make(const Prefixes *x, const Round *r, Batch *b, Arena *a, Error *e)
{
    size_t segments = 0, keys = 0, pictures = 0;
    for (size_t k = 0; k < r->count; k++)
        if (r->known[k] < r->samples[k].n) {
            segments++;
            keys += r->samples[k].n;
        }
    const Architecture *arch = x->model->config.arch;
    const Shape picture_shape = config_pixels(&x->model->config);
    *b = (Batch){ .tokens = x->count - r->from };
    b->ids = arena_array(a, b->tokens, sizeof *b->ids);
    b->positions = arena_array(a, b->tokens, sizeof *b->positions);
    b->segments = arena_array(a, 4 * segments, sizeof *b->segments);
    b->keys = arena_array(a, keys, sizeof *b->keys);
    const float **pixels = arena_array(a, segments, sizeof *pixels);
    if (!b->ids || !b->positions || !b->segments || !b->keys || !pixels)
        return error_no_memory(e, "prefixes: out of memory");
    for (size_t k = 0, at = 0; k < r->count; k++) {
        const BatchSample *s = &r->samples[k];
        size_t known = r->known[k];
        if (known == s->n)
            continue;
        memcpy(b->segments + 4 * b->samples++, (int32_t[]){ (int32_t)at, (int32_t)(s->n - known), (int32_t)b->key_count, (int32_t)s->n },
               4 * sizeof(int32_t));
        memcpy(b->keys + b->key_count, r->path[k], s->n * sizeof *b->keys);
        b->key_count += s->n;
        bool has_picture = false;
        for (size_t i = known; i < s->n; i++, at++) {
            b->ids[at] = s->ids[i];
            b->positions[at] = x->row[r->path[k][i]].depth;
            has_picture |= s->ids[i] == x->model->config.image_token_index;
        }
        if (has_picture)
            pixels[pictures++] = s->pixels;
    }
    size_t each = arch->pictures * shape_size(picture_shape);
    b->pictures = pictures * arch->pictures;
    b->pixels = tensor_f32(a, shape_of(4, b->pictures, picture_shape.dim[0], picture_shape.dim[1],
                                         picture_shape.dim[2]));
    for (size_t k = 0; k < pictures && b->pixels.f32; k++)
        memcpy(b->pixels.f32 + k * each, pixels[k], each * sizeof(float));
    return b->pixels.f32 || error_no_memory(e, "prefixes: out of memory for pictures");
}

/* Lists in b->rows the rows whose logits are wanted, each once. Returns, for each row of `map`, the index of its
 * logits in this list. */
static int32_t *wanted_make(const Round *r, BatchRows rows, size_t tree_rows, Batch *b, RowMap *map, Arena *a)
{
    size_t all = 0;
    for (size_t k = 0; k < r->count; k++)
        all += r->samples[k].n;
    int32_t *index = arena_array(a, tree_rows, sizeof *index), *spread = arena_array(a, all, sizeof *spread);
    *map = (RowMap){ arena_array(a, all, sizeof *map->labels), arena_array(a, r->count + 1, sizeof *map->row_offsets),
                     0, r->count };
    b->rows = arena_array(a, all, sizeof *b->rows);
    if (!index || !spread || !map->labels || !map->row_offsets || !b->rows) {
        *map = (RowMap){ .samples = 0 };
        return NULL;
    }
    memset(index, 0xff, tree_rows * sizeof *index);
    for (size_t k = 0; k < r->count; k++) {
        const BatchSample *s = &r->samples[k];
        map->row_offsets[k] = (int32_t)map->row_count;
        for (size_t i = 0; i < s->n; i++) {
            int32_t target = s->targets ? s->targets[i] : -1, row = r->path[k][i];
            if (rows != ROWS_ALL && target < 0)
                continue;
            if (index[row] < 0) {
                index[row] = (int32_t)b->row_count;
                b->rows[b->row_count++] = row;
            }
            spread[map->row_count] = index[row];
            map->labels[map->row_count++] = target;
        }
    }
    map->row_offsets[r->count] = (int32_t)map->row_count;
    return spread;
}

/* Makes room in the cache for all rows of the tree. False: there are too many to be kept, or memory ran out. */
static bool cache_reserve(Prefixes *x, Error *e)
{
    if (x->count > x->capacity)
        return false;
    if (x->count <= x->cache.capacity)
        return true;
    size_t capacity = 2 * x->count < x->capacity ? 2 * x->count : x->capacity, layers = (size_t)x->model->config.text.num_hidden_layers;
    Arena larger = arena_make(e);
    Cache c;
    if (!cache_make(&c, x->model, capacity, &larger)) {
        arena_free(&larger);
        return false;
    }
    for (size_t l = 0; l <= 2 * layers && x->cache.length; l++) {
        const Tensor *old = l < layers ? &x->cache.keys[l] : l < 2 * layers ? &x->cache.values[l - layers] : &x->cache.hidden;
        Tensor *new = l < layers ? &c.keys[l] : l < 2 * layers ? &c.values[l - layers] : &c.hidden;
        memcpy(new->f32, old->f32, x->cache.length * old->shape.dim[1] * sizeof(float));
    }
    c.length = x->cache.length;
    arena_free(&x->cached);
    x->cache = c;
    x->cached = larger;
    return true;
}

/* The number of rows up to the last one that is wanted or belongs to the picture. */
static size_t rows_needed(const BatchSample *s, BatchRows rows, int32_t image)
{
    size_t n = s->n;
    while (n && rows != ROWS_ALL && s->ids[n - 1] != image && !(s->targets && s->targets[n - 1] >= 0))
        n--;
    return n;
}

static bool round_make(Round *r, const Prefixes *x, const BatchSample *samples, size_t count, BatchRows rows,
                       Arena *a, Error *e)
{
    const ModelConfig *c = &x->model->config;
    *r = (Round){ arena_array(a, count, sizeof *r->samples), count, arena_array(a, count, sizeof *r->path),
                  arena_array(a, count, sizeof *r->picture), arena_array(a, count, sizeof *r->known), 0 };
    for (size_t k = 0; k < count; k++) {
        if (!r->samples || !r->path || !r->picture || !r->known || !batch_check(&samples[k], k, c, e)
            || !(r->path[k] = arena_array(a, samples[k].n, sizeof **r->path)))
            return error_no_memory(e, "prefixes: out of memory");
        r->samples[k] = samples[k];
        r->samples[k].n = rows_needed(&samples[k], rows, (int32_t)c->image_token_index);
    }
    return count > 0 || error_set(e, "batch: 0 samples, expected at least one");
}

static Node *run(Prefixes *x, Tape *t, const Round *r, BatchRows rows, bool kept, RowMap *map)
{
    Batch b;
    int32_t *spread = batch_make(x, r, &b, t->arena, t->error) ? wanted_make(r, rows, x->count, &b, map, t->arena) : NULL;
    if (!spread || b.row_count == 0)
        return NULL;
    Params p = params_make(t, x->model);
    Node *z = kept ? model_forward_cached(t, &p, &b, &x->cache).logits : model_forward(t, &p, &b).logits;
    x->run += b.tokens;
    return map->row_count == b.row_count ? z : op_gather_rows(t, z, spread, map->row_count);
}

Node *prefixes_logits(Prefixes *x, Tape *t, const BatchSample *samples, size_t *count, size_t limit, BatchRows rows,
                      RowMap *map)
{
    Round r;
    Error *e = t->error;
    *map = (RowMap){ .samples = 0 };
    if (!t->no_grad)
        error_set(e, "prefixes: the tape wants gradients, expected no_grad");
    if (x->capacity && limit > x->capacity)
        limit = x->capacity;
    if (e->failed || !round_make(&r, x, samples, *count, rows, t->arena, e) || !samples_add(x, &r, limit, e))
        return NULL;
    // the new rows do not fit beside the kept ones: forget the kept ones, and add the samples to an empty tree
    if (x->count > x->capacity && r.from > 0) {
        prefixes_forget(x);
        r.count = *count;
        if (!samples_add(x, &r, limit, e))
            return NULL;
    }
    *count = r.count;
    const bool kept = cache_reserve(x, e);
    Node *z = e->failed ? NULL : run(x, t, &r, rows, kept, map);
    if (!kept || !z || e->failed)
        prefixes_forget(x);
    return e->failed ? NULL : z;
}
