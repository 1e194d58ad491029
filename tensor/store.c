/* SPDX-License-Identifier: MIT */
#include "tensor/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tensor/base/bytes.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* What the header states about a tensor, before it is checked against the file. Its values are bytes begin to
 * end - 1 of the data, which follow the header. */
typedef struct { const char *name; Shape shape; Dtype dtype; uint64_t begin, end; } Claim;

/* --- The header --- */

static bool claim_dtype(Claim *c, const json_t *entry, const char *path, Error *e)
{
    static const char *const others[] = {
        "BOOL", "F4", "F6_E2M3", "F6_E3M2", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16", "U16",
        "U32", "C64", "U64",
    };
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (!text)
        return error_set(e, "%s: tensor \"%s\": \"dtype\" must be text", path, c->name);
    for (c->dtype = 0; c->dtype < DTYPE_COUNT; c->dtype++)
        if (!strcmp(text, dtype_name(c->dtype)))
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(text, others[i]))
            return error_set(e, "%s: tensor \"%s\" is %s, which this program does not use (it reads F32 F16 BF16 F64 I64 I32 U8)",
                             path, c->name, text);
    return error_set(e, "%s: tensor \"%s\" has the unknown dtype \"%s\"", path, c->name, text);
}

static bool read_natural(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool claim_shape(Claim *c, const json_t *entry, const char *path, Error *e)
{
    const json_t *dims = json_object_get(entry, "shape");
    if (!json_is_array(dims))
        return error_set(e, "%s: tensor \"%s\": \"shape\" must be a list", path, c->name);
    if (json_array_size(dims) > RANK_MAX)
        return error_set(e, "%s: tensor \"%s\" has %zu dimensions, at most %d were expected", path, c->name,
                         json_array_size(dims), RANK_MAX);
    c->shape.rank = (int)json_array_size(dims);
    for (int i = 0; i < c->shape.rank; i++) {
        uint64_t n;
        if (!read_natural(json_array_get(dims, (size_t)i), &n) || n > SIZE_MAX)
            return error_set(e, "%s: tensor \"%s\": dimension %d must be a whole number, 0 or more", path, c->name, i);
        c->shape.dim[i] = (size_t)n;
    }
    return true;
}

static bool claim_range(Claim *c, const json_t *entry, const char *path, Error *e)
{
    const json_t *range = json_object_get(entry, "data_offsets");
    size_t n;
    if (!json_is_array(range) || json_array_size(range) != 2 || !read_natural(json_array_get(range, 0), &c->begin)
        || !read_natural(json_array_get(range, 1), &c->end) || c->end < c->begin)
        return error_set(e, "%s: tensor \"%s\": \"data_offsets\" must be [begin, end], whole numbers, end not before begin", path, c->name);
    if (!shape_size_checked(c->shape, &n) || n > SIZE_MAX / dtype_size(c->dtype))
        return error_set(e, "%s: tensor \"%s\": its shape has more elements than memory has addresses", path, c->name);
    if (n * dtype_size(c->dtype) != c->end - c->begin) {
        char text[64];
        return error_set(e, "%s: tensor \"%s\" has %llu bytes of data, %s %s needs %zu", path, c->name,
                         (unsigned long long)(c->end - c->begin), dtype_name(c->dtype), shape_text(c->shape, text),
                         n * dtype_size(c->dtype));
    }
    return true;
}

bool store_name_check(const char *name, const char *path, Error *e)
{
    size_t n = strlen(name);
    if (n == 0 || n > LIMIT_STORE_NAME)
        return error_set(e, "%s: a tensor's name has %zu bytes, 1 to %d were expected", path, n, LIMIT_STORE_NAME);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return error_set(e, "%s: a tensor's name has a control character in it", path);
    return true;
}

static bool metadata_check(const json_t *metadata, const char *path, Error *e)
{
    const char *key;
    const json_t *value;
    if (!json_is_object(metadata))
        return error_set(e, "%s: \"__metadata__\" must be an object", path);
    json_object_foreach((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return error_set(e, "%s: \"__metadata__\": \"%s\" must be text", path, key);
    return true;
}

static bool claim_read(Claim *c, const char *name, const json_t *entry, const char *path, Arena *a, Error *e)
{
    *c = (Claim){ .name = name };
    if (!store_name_check(name, path, e))
        return false;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return error_set(e, "%s: tensor \"%s\" must have exactly dtype, shape and data_offsets", path, name);
    return claim_dtype(c, entry, path, e) && claim_shape(c, entry, path, e) && claim_range(c, entry, path, e)
        && (c->name = arena_text(a, name)) != NULL;
}

static Claim *claims_read(const json_t *header, size_t *count, const char *path, Arena *a, Error *e)
{
    Claim *claims = arena_array(a, json_object_size(header), sizeof *claims);
    const char *key;
    const json_t *entry;
    *count = 0;
    if (!claims)
        return NULL;
    json_object_foreach((json_t *)header, key, entry) {
        bool good = !strcmp(key, "__metadata__") ? metadata_check(entry, path, e)
                                                 : claim_read(&claims[(*count)++], key, entry, path, a, e);
        if (!good)
            return NULL;
    }
    return claims;
}

/* Names are unique, so both orders are total, and every sorting algorithm gives the same result. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const Claim *)a)->name, ((const Claim *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
    const Claim *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return by_name(a, b);
}

/* Checks that the tensors' ranges cover all `bytes` bytes of the data, without a hole or an overlap. */
static bool claims_tile(Claim *claims, size_t count, uint64_t bytes, const char *path, Error *e)
{
    uint64_t at = 0;
    qsort(claims, count, sizeof *claims, by_offset);
    for (size_t i = 0; i < count; at = claims[i++].end)
        if (claims[i].begin != at)
            return error_set(e, "%s: tensor \"%s\" begins at byte %llu, where %llu was expected (a hole or an overlap)", path,
                             claims[i].name, (unsigned long long)claims[i].begin, (unsigned long long)at);
    if (at != bytes)
        return error_set(e, "%s: the tensors end at byte %llu of the data, expected byte %llu, the end of the file", path,
                         (unsigned long long)at, (unsigned long long)bytes);
    return true;
}

/* --- Reading --- */

static bool file_map(Store *s, const char *path, Error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);        // a pipe is refused, not waited for
    if (fd < 0 || fstat(fd, &st)) {
        error_io(e, "%s: cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        error_set(e, "%s: is not a regular file", path);
    } else if (st.st_size < 8 || (uintmax_t)st.st_size > SIZE_MAX) {
        error_set(e, "%s: has %jd bytes, a safetensors file has at least 8", path, (intmax_t)st.st_size);
    } else {
        s->mapped = (size_t)st.st_size;
        s->mapping = mmap(NULL, s->mapped, PROT_READ, MAP_PRIVATE, fd, 0);
        if (s->mapping == MAP_FAILED) {
            error_io(e, "%s: cannot be mapped: %s", path, strerror(errno));
            s->mapping = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return s->mapping != NULL;
}

/* *data becomes the index of the first byte after the header. */
static json_t *header_read(const Store *s, uint64_t *data, Error *e)
{
    const unsigned char *p = s->mapping;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | p[i];
    if (n > LIMIT_STORE_HEADER || n > s->mapped - 8) {
        error_set(e, "%s: says that its header has %llu bytes, expected at most %d, and an end inside the file of %zu bytes", s->path,
                  (unsigned long long)n, LIMIT_STORE_HEADER, s->mapped);
        return NULL;
    }
    *data = 8 + n;
    if (n == 0 || p[8] != '{') {
        error_set(e, "%s: its header must begin with '{'", s->path);
        return NULL;
    }
    return json_parse((const char *)p + 8, (size_t)n, s->path, e);
}

/* Lets the tensor point into the mapped file if the machine can read the values there, and otherwise to a copy that is
 * aligned and in the machine's byte order. */
static bool claim_place(const Store *s, const Claim *c, uint64_t data, Arena *a, Entry *out)
{
    unsigned char *bytes = (unsigned char *)s->mapping + data + c->begin;
    size_t size = dtype_size(c->dtype), n = shape_size(c->shape);
    *out = (Entry){ c->name, { .shape = c->shape, .dtype = c->dtype, .data = bytes } };
    if ((bytes_little() || size == 1) && (uintptr_t)bytes % size == 0)
        return true;
    if ((out->tensor.data = arena_array(a, n, size)))
        bytes_copy(out->tensor.data, bytes, n, size);
    return out->tensor.data != NULL;
}

static bool entries_read(Store *s, const json_t *header, uint64_t data, Arena *a, Error *e)
{
    Claim *claims = claims_read(header, &s->count, s->path, a, e);
    if (!claims || !claims_tile(claims, s->count, s->mapped - data, s->path, e))
        return false;
    qsort(claims, s->count, sizeof *claims, by_name);
    s->entries = arena_array(a, s->count, sizeof *s->entries);
    bool good = s->entries != NULL;
    for (size_t i = 0; good && i < s->count; i++)
        good = claim_place(s, &claims[i], data, a, &s->entries[i]);
    return good || error_no_memory(e, "%s: no memory for its tensors", s->path);
}

bool store_open(Store *s, const char *path, Arena *a, Error *e)
{
    uint64_t data;
    *s = (Store){ .path = arena_text(a, path) };
    if (!s->path || !file_map(s, path, e))
        return error_no_memory(e, "%s: no memory", path);
    json_t *header = header_read(s, &data, e);
    bool good = header && entries_read(s, header, data, a, e);
    json_decref(header);
    if (!good)
        store_close(s);
    return good;
}

void store_close(Store *s)
{
    if (s->mapping)
        munmap(s->mapping, s->mapped);
    *s = (Store){ 0 };
}

const Tensor *store_find(const Store *s, const char *name)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, s->entries[middle].name);
        if (order == 0)
            return &s->entries[middle].tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

Digest store_digest(const Store *s)
{
    Hash h = hash_begin();
    for (size_t i = 0; i < s->count; i++) {
        Digest d = digest_tensor(s->entries[i].name, s->entries[i].tensor);
        hash_bytes(&h, d.hex, 64);
        hash_bytes(&h, "  ", 2);
        hash_bytes(&h, s->entries[i].name, strlen(s->entries[i].name));
        hash_bytes(&h, "\n", 1);
    }
    return hash_end(&h);
}
