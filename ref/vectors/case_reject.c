/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_reject.h"

#include <string.h>
#include "model/config.h"
#include "model/image/container.h"
#include "model/image/decode.h"
#include "model/training/dataset.h"
#include "model/training/sample.h"
#include "model/text/tokenizer.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

enum { FILE_BYTES = 1 << 12 };

RejectExpected reject_expected(const RejectForm *f)
{
    char letter = strchr(f->path, '/')[1];
    return letter == 'n' ? REJECT_REFUSE : letter == 'y' ? REJECT_ACCEPT : REJECT_EITHER;
}

const char *reject_expected_name(RejectExpected x)
{
    static const char *const names[] = { "refuse", "accept", "implementation-defined" };
    return names[x];
}

static bool has_reader(const RejectForm *f, const char *reader)
{
    size_t n = strlen(reader);
    return strncmp(f->path, reader, n) == 0 && f->path[n] == '/';
}

/* Makes a picture of 3 x 2 pixels (3 x 1 if a row is missing), whatever size its header states. */
static void make_png(Made *m, const PngDamage *d)
{
    static const uint8_t colours[6] = { 1, 2, 3, 4, 5, 6 };
    const bool palette = d->head.colour == 3;
    const uint8_t pixels[36] = { palette ? d->index : 255, 0, 1, 0, 1, 0 };
    const PngForm rows = { 3, d->row_missing ? 1 : 2, d->head.depth == 16 ? 16 : 8,
                           palette               ? 3
                           : d->head.colour == 0 ? 0
                                                 : 2,
                           d->head.filter };
    png_begin(m, &d->head);
    if (palette && !d->no_palette)
        png_chunk(m, "PLTE", colours, sizeof colours);
    if (d->chunk)
        png_chunk(m, d->chunk, d->chunk + 4, strlen(d->chunk) - 4);
    if (!d->no_data) {
        size_t data = m->n;
        png_rows(m, &rows, pixels);
        m->at[data + 8] ^= d->zlib;
        m->n -= 4;
        /* The checksum is made right, so that only one thing is wrong. */
        made_big(m, container_crc32(m->at + data + 4, m->n - data - 4), 4);
    }
    if (!d->no_end)
        png_end(m);
    made_text(m, d->after ? d->after : "");
    if (d->flip)
        m->at[d->flip < 0 ? m->n - (size_t)-d->flip : (size_t)d->flip] ^= 1;
    m->n -= d->cut;
}

bool reject_file(const RejectForm *f, Made *out, Arena *a, Error *e)
{
    *out = made_make(FILE_BYTES, a);
    if (!out->at)
        return false;
    if (has_reader(f, "png"))
        make_png(out, &f->png);
    else if (has_reader(f, "safetensors")) {
        made_little(out, f->length ? (uint64_t)f->length : strlen(f->text), f->length < -8 ? 4 : 8);
        made_text(out, f->text);
        for (size_t k = 0; k < f->zeros; k++)
            made_bytes(out, "", 1);
    } else
        made_text(out, f->text);
    return !e->failed;
}

static bool read_text(const RejectForm *f, const char *path, Arena *a, Error *e)
{
    ModelConfig c;
    size_t n;
    const char *text = file_read(path, LIMIT_CONFIG, &n, a, e);
    return text && (has_reader(f, "config") ? config_parse(&c, text, n, path, e) : tokenizer_parse(text, n, path, a, e) != NULL);
}

bool reject_reads(const RejectForm *f, const char *path, Error *refusal)
{
    Arena a = arena_make(refusal);
    Store store;
    Dataset samples;
    Image picture;
    bool good;
    if (has_reader(f, "safetensors")) {
        if ((good = store_open(&store, path, &a, refusal)))
            store_close(&store);
    } else if (has_reader(f, "samples")) {
        if ((good = dataset_read(&samples, path, &a, refusal)))
            dataset_close(&samples);
    } else
        good = has_reader(f, "png") ? image_read(&picture, path, &a, refusal) : read_text(f, path, &a, refusal);
    arena_free(&a);
    return good;
}

Tensor reject_answers(Arena *a)
{
    size_t n = 0;
    Tensor t = { .dtype = I32, .i32 = arena_array(a, reject_forms_count, sizeof *t.i32) };
    for (size_t k = 0; t.i32 && k < reject_forms_count; k++)
        if (reject_expected(&reject_forms[k]) != REJECT_EITHER)
            t.i32[n++] = reject_expected(&reject_forms[k]) == REJECT_ACCEPT;
    t.shape = shape_of(1, n);
    return t;
}
