/* SPDX-License-Identifier: MIT */
/* pulse-ref alternates lets a model write other answers to the questions that are to be forgotten. The setting
 * unlearn.alternates can then name the file of these answers. */
#include <string.h>
#include "eval/formats/samples.h"
#include "model/names.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/config/alternates.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"

typedef struct {
    MethodSettings m;
    Session session;
    Dataset forget;
    AlternateMaker maker;
} Work;

static bool open_all(Work *w, const char *folder, Arena *a, Error *e)
{
    const Settings *s = &w->m.settings;
    if (!*s->unlearn_forget)
        return error_set(e, "%s: unlearn.forget is not given, alternates needs it", s->file);
    const char *path = settings_input(s, "unlearn.forget", s->unlearn_forget, e);
    if (!path || !session_open(&w->session, s, folder, (PromptMask)s->data_mask, a, e) || !session_model(&w->session, e)
        || !samples_open(&w->forget, path, a, e))
        return false;
    w->maker = alternate_maker(&w->m);
    w->maker.model = &w->session.model;
    w->maker.reader = &w->session.reader;
    return true;
}

/* Whether x is a training sample about an entity that a pattern in `lists` matches. `lists` is, for instance,
 * "anna,ben/clara", where '/' separates the lists of two rounds; if it is "", every entity matches. */
static bool wanted(const Sample *x, const char *lists, Arena *a)
{
    char *rest = arena_text(a, lists), *list;
    bool found = x->split == SPLIT_TRAIN && !*lists;
    while (rest && (list = strsep(&rest, "/")))
        found |= x->split == SPLIT_TRAIN && *list && name_matches(list, x->entity);
    return found;
}

static bool write_line(FILE *to, const Sample *x, const char *answer, Error *e)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "id", x->id, "entity", x->entity, "question", x->question, "answer", answer);
    const bool good = json_print(to, line, 0);
    json_decref(line);
    return (good && fputc('\n', to) != EOF) || error_set(e, "alternates: a line could not be written");
}

static bool make_all(Work *w, FILE *to, size_t *made, Arena *a, Error *e)
{
    for (size_t k = 0; k < w->forget.count; k++) {
        const Sample *x = &w->forget.sample[k];
        if (!wanted(x, w->m.settings.unlearn_forget_entities, a))
            continue;
        const char *answer = alternate_make(&w->maker, &w->forget, x, a, e);
        if (!answer || !write_line(to, x, answer, e))
            return false;
        ++*made;
    }
    const char *entities = w->m.settings.unlearn_forget_entities;
    return *made
        || (*entities ? error_set(e, "%s: no training sample is about the entities \"%s\", expected at least one", w->forget.path, entities)
                      : error_set(e, "%s: there is no training sample, expected at least one", w->forget.path));
}

static bool alternates(Work *w, const char *folder, const char *out, size_t *made, Arena *a, Error *e)
{
    FileWriter file;
    if (!open_all(w, folder, a, e) || !file_begin(&file, out, e))
        return false;
    if (make_all(w, file.stream, made, a, e))
        return file_finish(&file, e);
    file_drop(&file);
    return false;
}

int command_alternates(int argc, char **argv)
{
    const char *config = NULL, *folder = NULL, *out = NULL;
    OptionList set = { .count = 0 };
    const Option own[] = {
        { "config", "FILE", "The config says what is to be forgotten (unlearn.forget) and how answers are drawn (unlearn.alternate_*).",
          .text = &config },
        { "model", "DIR", "The folder of the model that answers.", .text = &folder },
        { "out", "FILE", "The answers are written into this JSONL file, one line for each sample, with the sample's id.", .text = &out },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!config || !folder || !out)
        return command_fail_text("alternates: --config, --model and --out are needed (pulse-ref alternates --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Settings s;
    Work w = { .forget.count = 0 };
    size_t made = 0;
    // alternates come from AltPO, so [method.altpo] holds here, whichever method (altpo or siu) reads the file later
    bool good = settings_open(&s, config, &set, &a, &e) && settings_method(&s, "altpo", &w.m, &e)
        && alternates(&w, folder, out, &made, &a, &e);
    if (good && o.json)
        command_print(json_pack("{s:I, s:s}", "alternates", (json_int_t)made, "out", out));
    else if (good && !o.quiet)
        printf("%zu alternates in %s\n", made, out);
    if (w.forget.pictures)
        dataset_close(&w.forget);
    session_close(&w.session);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
