/* SPDX-License-Identifier: MIT */
#include "eval/formats/mllmu.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* A person whose questions are being read. */
typedef struct {
    Dataset    *out;
    size_t      line, images;            // images: how many paths `image` has
    const char *id, **image;
    Arena      *arena;
    Error      *error;
} Person;

static const char *const letters[LIMIT_OPTIONS] = { "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M",
                                                  "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z" };

/* Whether the object has only these keys. */
static bool keys_check(const json_t *object, const char *const *key, size_t count, const char *what, Error *e)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return error_set(e, "%s: an object {…} was expected", what);
    json_object_foreach((json_t *)object, name, value) {
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known = known || strcmp(name, key[k]) == 0;
        if (!known)
            return error_set(e, "%s: the key \"%.60s\" is unknown", what, name);
    }
    return true;
}

/* The text under a key, copied into the arena; an empty text is an error. */
static const char *text_of(const Person *p, const json_t *object, const char *key, const char *what)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text && *text)
        return arena_text(p->arena, text);
    error_set(p->error, "%s: \"%s\" must be a text that is not empty", what, key);
    return NULL;
}

/* Fills in what the samples of all tasks share, and adds the sample. Its id is "<ID>-<task>-<image|text>-<k>". */
static bool question_add(const Person *p, Sample s, const char *task, size_t k, bool picture)
{
    if (picture && !p->images)
        return error_set(p->error, "%s: question %zu is about a picture, but there are no \"images\"", task, k + 1);
    s.id = arena_format(p->arena, "%s-%s-%s-%zu", p->id, task, picture ? "image" : "text", k);
    s.entity = p->id;
    s.group = "mllmu";
    s.skill = task;
    s.modality = picture ? MODALITY_IMAGE : MODALITY_TEXT;
    s.image = picture ? p->image[k % p->images] : NULL;
    s.frame = s.step = -1;
    s.line = p->line;
    return s.id && dataset_add(p->out, &s, p->arena, p->error);
}

static const char *choice_text(const Person *p, const json_t *options, size_t count, const char *question)
{
    char *text = arena_text(p->arena, question);
    for (size_t k = 0; text && k < count; k++) {
        const char *option = json_string_value(json_object_get(options, letters[k]));
        if (!option || !*option) {
            error_set(p->error, "classification: \"Options\" has no text under \"%s\", expected letters from A on without a gap",
                      letters[k]);
            return NULL;
        }
        text = arena_format(p->arena, "%s\n%s: %s", text, letters[k], option);
    }
    return text ? arena_format(p->arena, "%s\nJust give ONE letter representing the answer directly.", text) : NULL;
}

static bool choice_add(const Person *p, const json_t *q, size_t k, bool picture)
{
    static const char *const keys[] = { "Question", "Options", "Correct_Answer" };
    const char *task = "classification";
    if (!keys_check(q, keys, 3, task, p->error))
        return false;
    const char *question = text_of(p, q, "Question", task), *answer = question ? text_of(p, q, "Correct_Answer", task) : NULL;
    const json_t *options = json_object_get(q, "Options");
    const size_t count = json_object_size(options);
    Sample s = { .answer = answer, .split = SPLIT_TEST, .kind = KIND_CHOICE, .option_count = count };
    if (!answer)
        return false;
    if (count < 2 || count > LIMIT_OPTIONS)
        return error_set(p->error, "%s: \"Options\" must be an object of 2 to %d texts", task, LIMIT_OPTIONS);
    bool found = false;
    s.options = arena_array(p->arena, count, sizeof *s.options);
    for (size_t j = 0; s.options && j < count; j++) {
        s.options[j] = letters[j];
        found = found || strcmp(letters[j], answer) == 0;
    }
    if (!(s.question = choice_text(p, options, count, question)) || !s.options)
        return false;
    return found ? question_add(p, s, task, k, picture)
                 : error_set(p->error, "%s: \"Correct_Answer\" \"%.40s\" is not the letter of an option", task, answer);
}

/* The text with its first "__", and the underscores that follow it, replaced by "[Blank]"; NULL: it has none. */
static const char *blank_text(const Person *p, const char *question)
{
    const char *gap = strstr(question, "__");
    if (gap)
        return arena_format(p->arena, "%.*s[Blank]%s", (int)(gap - question), question, gap + strspn(gap, "_"));
    error_set(p->error, "cloze: the question \"%.80s\" has no \"__\"", question);
    return NULL;
}

static bool open_add(const Person *p, const json_t *q, size_t k, bool cloze)
{
    static const char *const keys[] = { "Question", "Ground_Truth", "Type" };
    const char *task = cloze ? "cloze" : "generation";
    if (!keys_check(q, keys, 3, task, p->error))
        return false;
    const char *question = text_of(p, q, "Question", task), *answer = question ? text_of(p, q, "Ground_Truth", task) : NULL;
    const char *type = answer ? text_of(p, q, "Type", task) : NULL;
    if (!type)
        return false;
    const bool picture = strcmp(type, "Image_Textual") == 0;
    if (!picture && strcmp(type, "Pure_Text") != 0)
        return error_set(p->error, "%s: \"Type\" is \"%.40s\", expected Image_Textual or Pure_Text", task, type);
    Sample s = { .question = cloze ? blank_text(p, question) : question, .answer = answer, .split = SPLIT_TEST,
                 .kind = cloze ? KIND_CLOZE : KIND_OPEN };
    return s.question && question_add(p, s, task, k, picture);
}

static bool learned_add(const Person *p, const json_t *q, size_t k)
{
    static const char *const keys[] = { "Question", "Answer" };
    if (!keys_check(q, keys, 2, "metadata", p->error))
        return false;
    Sample s = { .question = text_of(p, q, "Question", "metadata"), .answer = text_of(p, q, "Answer", "metadata"),
                 .split = SPLIT_TRAIN, .kind = KIND_OPEN };
    return s.question && s.answer && question_add(p, s, "metadata", k, true);
}

typedef enum { TASK_CHOICE_IMAGE, TASK_CHOICE_TEXT, TASK_CLOZE, TASK_GENERATION, TASK_METADATA } Task;

static bool one_add(const Person *p, Task task, const json_t *q, size_t k)
{
    switch (task) {
    case TASK_CHOICE_IMAGE: return choice_add(p, q, k, true);
    case TASK_CHOICE_TEXT:  return choice_add(p, q, k, false);
    case TASK_METADATA:     return learned_add(p, q, k);
    default:                return open_add(p, q, k, task == TASK_CLOZE);
    }
}

static bool list_add(const Person *p, Task task, const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    if (list && !json_is_null(list) && !json_is_array(list))
        return error_set(p->error, "\"%s\" must be a list", key);
    for (size_t k = 0; k < json_array_size(list); k++)
        if (!one_add(p, task, json_array_get(list, k), k))
            return false;
    return true;
}

static bool images_read(Person *p, const json_t *person)
{
    const json_t *list = json_object_get(person, "images");
    if (list && !json_is_null(list) && !json_is_array(list))
        return error_set(p->error, "\"images\" must be a list of paths");
    p->images = json_array_size(list);
    p->image = arena_array(p->arena, p->images + 1, sizeof *p->image);
    for (size_t k = 0; p->image && k < p->images; k++) {
        const char *path = json_string_value(json_array_get(list, k));
        if (!path || !*path)
            return error_set(p->error, "image %zu is not a path", k + 1);
        p->image[k] = arena_text(p->arena, path);
    }
    return p->image != NULL;
}

static bool person_read(Person *p, const json_t *person)
{
    static const char *const keys[] = { "ID", "images", "Classification_Task", "Mask_Task", "Generation_Task",
                                        "metadata" };
    static const char *const parts[] = { "Image_Textual_Questions", "Pure_Text_Questions" };
    const json_t *choices = json_object_get(person, "Classification_Task");
    return keys_check(person, keys, sizeof keys / sizeof *keys, "person", p->error)
        && (p->id = text_of(p, person, "ID", "person")) != NULL && images_read(p, person)
        && (!choices || json_is_null(choices) || keys_check(choices, parts, 2, "Classification_Task", p->error))
        && list_add(p, TASK_CHOICE_IMAGE, choices, parts[0]) && list_add(p, TASK_CHOICE_TEXT, choices, parts[1])
        && list_add(p, TASK_CLOZE, person, "Mask_Task") && list_add(p, TASK_GENERATION, person, "Generation_Task")
        && list_add(p, TASK_METADATA, person, "metadata");
}

static bool line_read(Dataset *out, const char *text, size_t n, size_t line, Arena *a, Error *e)
{
    Person p = { .out = out, .line = line, .arena = a, .error = e };
    const char *where = arena_format(a, "%s:%zu", out->path, line);
    json_t *person = where ? json_parse(text, n, where, e) : NULL;
    if (!person)
        return false;
    const size_t before = out->count;
    bool good = person_read(&p, person);
    json_decref(person);
    if (good && out->count == before)
        good = error_set(e, "\"%.60s\" has no question", p.id);
    if (!good && strncmp(e->text, where, strlen(where)) != 0)
        error_prefix(e, "%s", where);
    return good;
}

/* An upper bound for the number of questions: each has one key "Question". */
static size_t questions_bound(const char *text)
{
    size_t n = 1;
    for (const char *at = text; (at = strstr(at, "Question\"")); at += 9)
        n++;
    return n;
}

bool mllmu_read(Dataset *out, const char *path, Arena *a, Error *e) { return mllmu_read_some(out, path, NULL, a, e); }

bool mllmu_read_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n;
    const char *text = file_text(path, LIMIT_SAMPLES, &n, &file, e);
    bool good = text && dataset_begin(out, questions_bound(text), path, a, e);
    if (!text)
        *out = (Dataset){ .count = 0 };
    for (size_t at = 0, line = 1, size; good && at < n; at += size + 1, line++) {
        const char *stop = memchr(text + at, '\n', n - at);
        size = stop ? (size_t)(stop - (text + at)) : n - at;
        if (strspn(text + at, " \t\r") < size)
            good = line_read(out, text + at, size, line, a, e) || error_list_take(errors, e);
    }
    if (good && !out->count && !errors)
        good = error_set(e, "%s: has no persons", path);
    arena_free(&file);
    if (!good)
        dataset_close(out);
    return good;
}
