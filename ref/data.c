/* SPDX-License-Identifier: MIT */
/* pulse-ref data prints, for each file of samples, what is in it, three samples as the model sees them, and every error
 * with its line. */
#include <stdlib.h>
#include <string.h>
#include "eval/formats/samples.h"
#include "model/text/chat_template.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { FILES_MAX = OPTION_REPEATS, SHOWN = 3, PRINTED_MAX = 200 };    // SHOWN: samples of a file; PRINTED_MAX: errors

typedef struct {
    SamplesFormat format;
    Dataset data;
    // numbers of samples; but `pictures` and `entities` are the numbers of different ones
    size_t train, test, pictures, with_picture, with_options, entities;
    size_t tagged;                   // samples whose picture has an EXIF orientation tag other than 1
} File;

typedef struct {
    const char *model;               // NULL: no ids are shown
    Settings settings;
    ModelConfig config;
    Reader reader;
    File   *file;
    size_t  files;
    ErrorList errors;
    NameMap ids, questions;          // the training samples of all files, by id and by content (picture, question, answer)
    // [0]: the sample of each name in `ids`, [1]: of each name in `questions`, by the name's index
    const Sample **owner[2];
    const File   **owner_file[2];    // the file of owner[which][k]
    size_t  owners[2];
    Arena  *arena;
} Data;

/* --- What is wrong --- */

/* Whether a file before f has a training sample of this name. A new name is noted, with its sample x. `which` is 0 for
 * an id and 1 for a content, as in `owner`; `what` is the word for it in the sentence. */
static bool in_another_file(Data *d, int which, const File *f, const Sample *x, const char *name, const char *what, Error *e)
{
    NameMap *map = which ? &d->questions : &d->ids;
    const int32_t k = name_map_find(map, name);
    if (k < 0) {
        name_map_add(map, name);
        d->owner[which][d->owners[which]] = x;
        d->owner_file[which][d->owners[which]++] = f;
        return false;
    }
    if (d->owner_file[which][k] == f)
        return false;
    error_set(e, "%s:%zu: the %s \"%.80s\" is in %s:%zu too, expected each training question in one file", f->data.path, x->line, what,
              which ? x->question : x->id, d->owner_file[which][k]->data.path, d->owner[which][k]->line);
    return true;
}

/* False: x is a training sample that a file before f has too. */
static bool check_twice(Data *d, const File *f, const Sample *x, Error *e)
{
    const char *asked = arena_format(d->arena, "%s\n%s\n%s", x->image ? x->image : "", x->question, x->answer);
    return x->split != SPLIT_TRAIN || !asked
        || (!in_another_file(d, 0, f, x, x->id, "id", e) && !in_another_file(d, 1, f, x, asked, "question", e));
}

/* Reads the sample as the model does or, without a model, only its picture. */
static bool check_sample(const Data *d, const File *f, const Sample *x, Arena *a, Error *e)
{
    Image picture;
    BatchSample read;
    if (d->model)
        return reader_sample(&d->reader, &f->data, x, NULL, 0, NO_AUGMENT, &read, a, e);
    return !x->image || dataset_picture(&f->data, x, &picture, a, e);
}

/* Whether the sample's picture has an EXIF orientation tag other than 1. A picture that cannot be read has none. */
static bool is_tagged(const File *f, const Sample *x, Arena *a)
{
    Error unread = { .failed = false };
    Image picture;
    return x->image && dataset_picture(&f->data, x, &picture, a, &unread) && picture.orientation > 1;
}

/* Adds the errors that show only when a sample is used: in its picture, by its length, or because another file has the
 * sample too. */
static bool check_file(Data *d, File *f, Error *e)
{
    Arena scratch = arena_make(e);
    for (size_t k = 0; k < f->data.count && !e->failed; k++) {
        arena_reset(&scratch);
        if (!check_sample(d, f, &f->data.sample[k], &scratch, e) || !check_twice(d, f, &f->data.sample[k], e))
            error_list_take(&d->errors, e);
        f->tagged += is_tagged(f, &f->data.sample[k], &scratch);
    }
    arena_free(&scratch);
    return !e->failed;
}

/* --- What is there --- */

static bool count_file(File *f, Arena *a, Error *e)
{
    NameMap pictures, entities;
    if (!name_map_make(&pictures, f->data.count + 1, a) || !name_map_make(&entities, f->data.count + 1, a))
        return error_no_memory(e, "data: no memory");
    for (size_t k = 0; k < f->data.count; k++) {
        const Sample *x = &f->data.sample[k];
        f->train += x->split == SPLIT_TRAIN;
        f->test += x->split == SPLIT_TEST;
        f->with_picture += x->image != NULL;
        f->with_options += x->option_count > 0;
        if (x->image && name_map_find(&pictures, x->image) < 0) {
            name_map_add(&pictures, x->image);
            f->pictures++;
        }
        if (*x->entity && name_map_find(&entities, x->entity) < 0) {
            name_map_add(&entities, x->entity);
            f->entities++;
        }
    }
    return true;
}

static bool open_files(Data *d, char **path, Error *e)
{
    size_t all = 0;
    for (; d->files < FILES_MAX && path[d->files]; d->files++) {
        File *f = &d->file[d->files];
        if (!samples_format(&f->format, path[d->files], e)
            || !samples_open_some(&f->data, path[d->files], &d->errors, d->arena, e)) {
            if (!error_list_take(&d->errors, e))
                return false;
            f->data.path = path[d->files];
        }
        if (!count_file(f, d->arena, e))
            return false;
        all += f->data.count;
    }
    for (int k = 0; k < 2; k++) {
        d->owner[k] = arena_array(d->arena, all + 1, sizeof *d->owner[k]);
        d->owner_file[k] = arena_array(d->arena, all + 1, sizeof *d->owner_file[k]);
        if (!d->owner[k] || !d->owner_file[k] || !name_map_make(k ? &d->questions : &d->ids, all + 1, d->arena))
            return error_no_memory(e, "data: no memory");
    }
    for (size_t k = 0; k < d->files; k++)
        if (!check_file(d, &d->file[k], e))
            return false;
    return true;
}

/* --- Three samples --- */

/* The ids as text, for instance "1 745 793x16 *55 *2": 793x16 is the id 793 sixteen times in a row, and a star marks a
 * supervised token. Supervised tokens are written one by one. */
static json_t *ids_json(const BatchSample *s, Error *e)
{
    TextWriter w;
    if (!text_begin(&w, e))
        return NULL;
    for (size_t k = 0, n; k < s->n; k += n) {
        const bool supervised = k > 0 && s->targets && s->targets[k - 1] >= 0;     // targets[k - 1] is the id at k, or -1
        for (n = 1; k + n < s->n && s->ids[k + n] == s->ids[k] && !supervised
            && !(s->targets && s->targets[k + n - 1] >= 0); n++)
            ;
        fprintf(w.stream, n > 1 ? "%s%s%dx%zu" : "%s%s%d", k ? " " : "", supervised ? "*" : "", s->ids[k], n);
    }
    json_t *out = text_finish(&w, e) ? json_string(w.text) : NULL;
    free(w.text);
    return out;
}

/* The text of the ids, in which one <image> stands for all image tokens in a row. */
static json_t *text_json(const Data *d, const BatchSample *s, Arena *a, Error *e)
{
    const int32_t image = tokenizer_id(d->reader.style.tokenizer, PROMPT_IMAGE);
    int32_t *ids = arena_array(a, s->n + 1, sizeof *ids);
    size_t n = 0;
    for (size_t k = 0; ids && k < s->n; k++)
        if (k == 0 || s->ids[k] != image || s->ids[k - 1] != image)
            ids[n++] = s->ids[k];
    const char *text = ids ? tokenizer_decode(d->reader.style.tokenizer, ids, n, false, a, e) : NULL;
    return text ? json_string(text) : NULL;
}

/* One sample as an object; NULL: it cannot be read, which the list of errors says already, or there is no memory. */
static json_t *sample_json(const Data *d, const File *f, const Sample *x, Arena *a, Error *all)
{
    Error e = { .failed = false };
    Image picture;
    BatchSample read;
    json_t *o = json_pack("{s:s, s:I, s:s, s:s, s:s?}", "id", x->id, "line", (json_int_t)x->line, "question", x->question,
                          "answer", x->answer, "image", x->image);
    if (x->image && dataset_picture(&f->data, x, &picture, a, &e))
        json_put(o, "picture", json_pack("[I, I]", (json_int_t)picture.width, (json_int_t)picture.height));
    if (x->image && !e.failed && picture.orientation > 1)
        json_put(o, "orientation", json_integer((json_int_t)picture.orientation));
    if (d->model && reader_sample(&d->reader, &f->data, x, NULL, 0, NO_AUGMENT, &read, a, &e)) {
        json_put(o, "text", text_json(d, &read, a, &e));
        json_put(o, "ids", ids_json(&read, &e));
        json_put(o, "tokens", json_integer((json_int_t)read.n));
    }
    if (!e.failed)
        return o;
    if (e.kind == ERROR_MEMORY && !all->failed)
        *all = e;
    json_decref(o);
    return NULL;
}

/* The first sample, the first one of the other modality, and the last one. They are fewer than three where two of them
 * are the same sample, or one cannot be read. */
static json_t *three_json(const Data *d, const File *f, Arena *a, Error *e)
{
    json_t *list = json_array();
    size_t pick[SHOWN] = { 0, 0, f->data.count - 1 }, n = f->data.count;
    while (n && pick[1] + 1 < n && !f->data.sample[pick[1]].image == !f->data.sample[0].image)
        pick[1]++;
    for (size_t k = 0; n && k < SHOWN; k++) {
        bool shown = false;
        for (size_t j = 0; j < k; j++)
            shown |= pick[j] == pick[k];
        json_t *sample = shown ? NULL : sample_json(d, f, &f->data.sample[pick[k]], a, e);
        if (sample)
            json_add(list, sample);
    }
    return list;
}

static json_t *file_json(const Data *d, const File *f, Arena *a, Error *e)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o}", "file", f->data.path,
                     "format", samples_format_name(f->format), "samples", (json_int_t)f->data.count, "train", (json_int_t)f->train,
                     "test", (json_int_t)f->test, "entities", (json_int_t)f->entities,
                     "with_picture", (json_int_t)f->with_picture, "pictures", (json_int_t)f->pictures,
                     "with_options", (json_int_t)f->with_options, "with_orientation", (json_int_t)f->tagged,
                     "orientation", d->settings.data_orientation == ORIENTATION_EXIF ? "exif" : "stored",
                     "shown", three_json(d, f, a, e));
}

/* --- Printing --- */

static long long integer_of(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void print_sample(const json_t *o)
{
    const json_t *picture = json_object_get(o, "picture");
    printf("  line %lld, %s\n", integer_of(o, "line"), json_string_value(json_object_get(o, "id")));
    if (picture)
        printf("    picture  %s, %lld x %lld\n", json_string_value(json_object_get(o, "image")),
               (long long)json_integer_value(json_array_get(picture, 0)), (long long)json_integer_value(json_array_get(picture, 1)));
    if (!json_object_get(o, "ids")) {
        printf("    question %s\n    answer   %s\n", json_string_value(json_object_get(o, "question")),
               json_string_value(json_object_get(o, "answer")));
        return;
    }
    printf("    text     %s\n", json_string_value(json_object_get(o, "text")));
    printf("    ids      %s\n", json_string_value(json_object_get(o, "ids")));
    printf("             %lld tokens; those with a star are learnt, and 7x3 is the token 7 three times\n", integer_of(o, "tokens"));
}

static void print_file(const json_t *f)
{
    size_t k;
    const json_t *sample;
    printf("%s: %s; %lld samples (%lld train, %lld test), %lld entities, %lld with a picture (%lld pictures in all), %lld with options\n",
           json_string_value(json_object_get(f, "file")), json_string_value(json_object_get(f, "format")), integer_of(f, "samples"),
           integer_of(f, "train"), integer_of(f, "test"), integer_of(f, "entities"), integer_of(f, "with_picture"),
           integer_of(f, "pictures"), integer_of(f, "with_options"));
    if (integer_of(f, "with_orientation"))
        printf("  samples whose picture has an EXIF orientation tag that asks for a turn: %lld; read %s (data.orientation)\n",
               integer_of(f, "with_orientation"),
               strcmp(json_string_value(json_object_get(f, "orientation")), "exif") ? "as they are stored" : "turned upright");
    json_array_foreach(json_object_get(f, "shown"), k, sample)
        print_sample(sample);
}

static void print(const Data *d, bool json, Error *e)
{
    json_t *files = json_array(), *wrong = json_array();
    for (size_t k = 0; k < d->files; k++)
        json_add(files, file_json(d, &d->file[k], d->arena, e));
    for (size_t k = 0; k < d->errors.count; k++)
        json_add(wrong, json_string(d->errors.sentence[k]));
    if (json && !e->failed) {
        command_print(json_pack("{s:o, s:o}", "files", files, "wrong", wrong));
        return;
    }
    const bool good = json_whole(files, e) && json_whole(wrong, e) && !e->failed;
    for (size_t k = 0; good && k < d->files; k++)
        print_file(json_array_get(files, k));
    json_decref(files);
    json_decref(wrong);
    if (!good)
        return;
    fflush(stdout);
    for (size_t k = 0; k < d->errors.count && k < PRINTED_MAX; k++)
        command_fail_text("%s", d->errors.sentence[k]);
    if (d->errors.count > PRINTED_MAX)
        command_fail_text("data: %zu more errors (--json lists all)", d->errors.count - PRINTED_MAX);
}

/* Opens the tokenizer and the picture processor of the model, if one is given, with the template that session_open
 * would take. */
static bool open_model(Data *d, Error *e)
{
    PromptTemplate template = (PromptTemplate)d->settings.data_template;
    bool good = !d->model || (config_load(&d->config, d->model, e)
        && (d->settings.given[SETTING_data_template] || chat_template_find(&template, template, d->model, e))
        && reader_open(&d->reader, d->model, &d->config, template, (PromptMask)d->settings.data_mask, d->arena, e));
    d->reader.upright = d->settings.data_orientation == ORIENTATION_EXIF;
    return good;
}

int command_data(int argc, char **argv)
{
    const char *config = NULL;
    OptionList set = { .count = 0 };
    Data d = { .model = NULL };
    const Option own[] = {
        { "model", "DIR", "Every sample is shown and checked as the model in this folder reads it, with its tokenizer and picture "
                          "processor.", .text = &d.model },
        { "config", "FILE", "The config gives the prompt template (data.template), which tokens of a sample are supervised (data.mask), "
                            "and how pictures are read (data.orientation).", .text = &config },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, FILES_MAX, &status))
        return status;
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    d.arena = d.errors.arena = &a;
    d.file = arena_zalloc(&a, FILES_MAX * sizeof *d.file);
    char *path[FILES_MAX + 1] = { NULL };
    memcpy(path, o.operand, (size_t)o.operands * sizeof *path);
    bool good = d.file && settings_open(&d.settings, config, &set, &a, &e) && open_model(&d, &e)
        && open_files(&d, path, &e);
    if (good)
        print(&d, o.json, &e);
    for (size_t k = 0; k < d.files; k++)
        if (d.file[k].data.pictures)
            dataset_close(&d.file[k].data);
    const size_t wrong = d.errors.count;
    arena_free(&a);
    return !good || e.failed ? command_fail(&e) : wrong ? EXIT_UNKNOWN : EXIT_SAME;
}
