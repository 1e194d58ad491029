/* SPDX-License-Identifier: MIT */
#include "eval/formats/mmbench.h"

#include <string.h>
#include "eval/metrics/accuracy.h"
#include "eval/formats/tsv.h"
#include "tensor/base/decimal.h"

enum { ROTATED = 1000000 };              // the least index of a row that is a rotation of another one

static const char *const letters[MMBENCH_OPTIONS] = { "A", "B", "C", "D" };

typedef enum { INDEX, QUESTION, ANSWER, IMAGE, OPTION_A, OPTION_B, OPTION_C, OPTION_D, HINT, CATEGORY, READ } Column;
static const char *const names[READ] = { "index", "question", "answer", "image", "A", "B", "C", "D", "hint",
                                         "category" };
static const char *const unread[] = { "source", "l2-category", "L2-category", "comment", "split" };
// the columns before NEEDED must be there
enum { NEEDED = OPTION_C, UNREAD = sizeof unread / sizeof *unread };

typedef struct {
    Tsv     table;
    size_t  at[READ];                // indices of the columns
    Mmbench *out;
    Arena  *arena;
    Error  *error;
    ErrorList *errors;                       // NULL: the first failure ends the reading
} Reading;

static bool known(const char *column)
{
    bool found = false;
    for (size_t k = 0; k < READ; k++)
        found = found || strcmp(column, names[k]) == 0;
    for (size_t k = 0; k < UNREAD; k++)
        found = found || strcmp(column, unread[k]) == 0;
    return found;
}

static bool columns_find(Reading *x)
{
    const Tsv *t = &x->table;
    for (size_t k = 0; k < t->columns; k++)
        if (!known(t->column[k]))
            return error_set(x->error, "%s:1: the column \"%.40s\" is unknown", t->path, t->column[k]);
    for (size_t k = 0; k < READ; k++) {
        x->at[k] = tsv_column(t, names[k]);
        if (x->at[k] == t->columns && k < NEEDED)
            return error_set(x->error, "%s:1: there is no column \"%s\"%s", t->path, names[k],
                             k == ANSWER ? " (the test split is scored by its authors)" : "");
    }
    return true;
}

/* The text of a cell; "" if the column is missing, or if pandas reads the text as "not a number". */
static const char *cell(const Reading *x, size_t row, Column c)
{
    const char *s = x->at[c] < x->table.columns ? x->table.cell[row * x->table.columns + x->at[c]] : "";
    static const char *const none[] = { "nan", "NaN", "NAN", "none", "None", "NONE" };
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        if (strcmp(s, none[k]) == 0)
            return "";
    return s;
}

static bool refuse(const Reading *x, size_t row, const char *what, const char *text)
{
    return error_set(x->error, "%s:%zu: %s (\"%.60s\")", x->table.path, x->table.line[row], what, text);
}

static bool index_read(const Reading *x, size_t row, int64_t *out)
{
    const char *index = cell(x, row, INDEX);
    return (decimal_to_int(index, out) && *out >= 0)
        || refuse(x, row, "the index is not a whole number of at least 0", index);
}

/* Whether the image is given as the index of another row; *other becomes this index. */
static bool picture_of_other_row(const Reading *x, size_t row, int64_t *other)
{
    const char *image = cell(x, row, IMAGE);
    return strlen(image) < 16 && decimal_to_int(image, other);
}

static bool question_read(Reading *x, size_t row, MmbenchQuestion *q)
{
    const char *answer = cell(x, row, ANSWER);
    *q = (MmbenchQuestion){ .first = x->out->samples.count };
    if (!index_read(x, row, &q->index))
        return false;
    while (q->options < MMBENCH_OPTIONS && *cell(x, row, OPTION_A + q->options)) {
        q->option[q->options] = cell(x, row, OPTION_A + q->options);
        q->options++;
    }
    if (!*cell(x, row, QUESTION) || q->options < 2)
        return refuse(x, row, "a question and at least the options A and B were expected", cell(x, row, QUESTION));
    q->answer = (size_t)(answer[0] - 'A');
    return (strlen(answer) == 1 && q->answer < q->options)
        || refuse(x, row, "the answer is not the letter of an option", answer);
}

/* Adds the image of a row, named by the index of the row. Adds nothing for a rotation, or if the row refers to the
 * image of another row. */
static bool picture_add(Reading *x, size_t row)
{
    const char *image = cell(x, row, IMAGE);
    int64_t index, other;
    size_t bytes;
    if (!index_read(x, row, &index))
        return false;
    if (index >= ROTATED || picture_of_other_row(x, row, &other))
        return true;
    unsigned char *data = arena_alloc(x->arena, strlen(image) / 4 * 3 + 3);
    const char *name = arena_format(x->arena, "%lld", (long long)index);
    if (data && !base64_decode(image, data, &bytes))
        return refuse(x, row, "the picture is not base64", image);
    return data && name && dataset_add_picture(&x->out->samples, name, data, bytes, x->arena, x->error);
}

static const char *question_text(Reading *x, size_t row, const MmbenchQuestion *q, size_t round)
{
    const char *hint = cell(x, row, HINT);
    char *text = arena_format(x->arena, "%s%s%s", hint, *hint ? "\n" : "", cell(x, row, QUESTION));
    for (size_t k = 0; text && k < q->options; k++)
        text = arena_format(x->arena, "%s\n%s. %s", text, letters[k], q->option[circular_option(k, round, q->options)]);
    return text ? arena_format(x->arena, "%s\nAnswer with the option's letter from the given choices directly.", text) : NULL;
}

static bool rounds_add(Reading *x, size_t row, const MmbenchQuestion *q)
{
    const char **options = arena_array(x->arena, q->options, sizeof *options);
    int64_t other = q->index;
    picture_of_other_row(x, row, &other);
    const char *entity = arena_format(x->arena, "%lld", (long long)q->index),
               *image = arena_format(x->arena, "%lld", (long long)other);
    for (size_t k = 0; options && k < q->options; k++)
        options[k] = letters[k];
    for (size_t r = 0; r < q->options; r++) {
        Sample s = { .entity = entity, .group = "mmbench", .skill = cell(x, row, CATEGORY),
                     .answer = letters[circular_index(q->answer, r, q->options)],
                     .image = image, .options = options, .option_count = q->options, .split = SPLIT_TEST,
                     .modality = MODALITY_IMAGE,
                     .kind = KIND_CHOICE, .frame = (int64_t)r, .step = -1, .line = x->table.line[row] };
        s.id = arena_format(x->arena, "%lld-%zu", (long long)q->index, r);
        s.question = question_text(x, row, q, r);
        if (!options || !image || !s.id || !s.question || !dataset_add(&x->out->samples, &s, x->arena, x->error))
            return false;
    }
    return true;
}

static bool row_add(Reading *x, size_t row)
{
    Mmbench *out = x->out;
    MmbenchQuestion *q = &out->question[out->count];
    if (!question_read(x, row, q))
        return false;
    if (q->index >= ROTATED)
        out->left_out++;
    else if (!rounds_add(x, row, q))
        return false;
    else
        out->count++;
    return true;
}

static bool rows_read(Reading *x)
{
    for (size_t row = 0; row < x->table.rows; row++)
        if (!row_add(x, row) && !error_list_take(x->errors, x->error))
            return false;
    return x->out->count || x->errors
        || error_set(x->error, "%s:1: the file has no question with an index below %d", x->table.path, ROTATED);
}

static bool pictures_read(Reading *x)
{
    for (size_t row = 0; row < x->table.rows; row++)
        if (!picture_add(x, row) && !error_list_take(x->errors, x->error))
            return false;
    return true;
}

bool mmbench_read(Mmbench *out, const char *path, Arena *a, Error *e)
{
    return mmbench_read_some(out, path, NULL, a, e);
}

bool mmbench_read_some(Mmbench *out, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    Reading x = { .out = out, .errors = errors, .arena = a, .error = e };
    *out = (Mmbench){ .count = 0 };
    bool good = tsv_read(&x.table, path, errors, a, e) && columns_find(&x)
        && (out->question = arena_array(a, x.table.rows + 1, sizeof *out->question)) != NULL
        && dataset_begin(&out->samples, MMBENCH_OPTIONS * x.table.rows + 1, path, a, e) && pictures_read(&x) && rows_read(&x);
    if (!good)
        mmbench_close(out);
    return good;
}

static bool round_right(const MmbenchQuestion *q, size_t round, const Result *r)
{
    const char *option[MMBENCH_OPTIONS];
    for (size_t k = 0; k < q->options; k++)
        option[k] = q->option[circular_option(k, round, q->options)];
    return r->exact
        || (r->text && answer_choice(r->text, option, q->options) == (int)circular_index(q->answer, round, q->options));
}

bool mmbench_score(const Mmbench *b, const Result *r, size_t count, Ratio *single, Ratio *circular, Error *e)
{
    *single = *circular = (Ratio){ 0, 0 };
    size_t at = 0;
    for (size_t k = 0; k < b->count; k++) {
        const MmbenchQuestion *q = &b->question[k];
        bool all = true, first = false;
        size_t answered = 0;
        for (size_t round = 0; round < q->options && at < count; round++) {
            if (strcmp(r[at].id, b->samples.sample[q->first + round].id) != 0)
                continue;
            const bool right = round_right(q, round, &r[at++]);
            first = first || (round == 0 && right);
            all = all && right;
            answered++;
        }
        const bool whole = answered == q->options;
        single->total += whole;
        circular->total += whole;
        single->count += whole && first;
        circular->count += whole && all;
    }
    return at == count || error_set(e, "%s: answer %zu is to \"%.40s\", expected the questions of the file in their order", b->samples.path,
                                    at + 1, r[at].id);
}

void mmbench_close(Mmbench *b)
{
    dataset_close(&b->samples);
}
