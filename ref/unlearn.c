/* SPDX-License-Identifier: MIT */
/* pulse-ref unlearn: a model that forgets, by one method, in one round or several. */
#include <string.h>
#include "ref/command.h"
#include "ref/cli/log.h"
#include "ref/cli/options.h"
#include "ref/cli/progress.h"
#include "ref/config/request.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

/* Everything an unlearning run holds. */
typedef struct {
    MethodSettings m;
    const char *folder, *out;        // the model to unlearn, where results go
    bool quiet;
    Session session, oracle;
    Request request;
    Rounds rounds;
    size_t stopped;                  // rounds that diverged
} Run;

static bool open_oracle(Run *r, Arena *a, Error *e)
{
    const Settings *s = &r->m.settings;
    if (!method_wants_oracle(&r->m))
        return true;
    if (!*s->unlearn_oracle)
        return error_set(e, "%s: unlearn.reference is retain_only, expected the folder of a model that never saw the forget set "
                            "in unlearn.oracle", s->file);
    const char *folder = settings_input(s, "unlearn.oracle", s->unlearn_oracle, e);
    return folder && session_reference(&r->oracle, folder, &r->session, method_needs(r->m.method, &r->m.v) & NEEDS_HIDDEN, a, e);
}

static bool prepare(Run *r, Arena *a, Error *e)
{
    Session *x = &r->session;
    if (!session_open(x, &r->m.settings, r->folder, (PromptMask)r->m.settings.data_mask, a, e) || !open_oracle(r, a, e)
        || !request_read(&r->request, &r->m, &x->reader, a, e) || !session_begin(x, &r->m, e))
        return false;
    RoundsPlan p = rounds_plan(&r->m, &r->request.samples, r->oracle.folder ? &r->oracle.model : NULL);
    return rounds_make(&r->rounds, &p, &x->model, session_lora(x), a, e);
}

static bool run_round(Run *r, FILE *log, Error *e)
{
    Rounds *o = &r->rounds;
    fprintf(log, "{\"round\": %zu, \"method\": \"%s\", \"steps\": %lld}\n", o->round + 1, r->m.method->name, (long long)o->steps);
    Progress p = progress_begin(r->quiet, 0);
    while (round_step(o, e)) {
        char note[64];
        snprintf(note, sizeof note, "round %zu of %zu, loss %.4f", o->round + 1, o->plan.count, (double)o->trainer.stats.loss);
        progress_show(&p, "unlearn", o->done, o->steps, note);
        log_step(log, o->trainer.optimiser.step, &o->trainer.stats);
    }
    progress_end(&p);
    if (o->diverged) {
        json_t *line = json_pack("{s:i, s:i, s:s}", "round", (int)o->round + 1, "stopped_after", (int)o->done, "reason", o->note);
        json_print(log, line, 0);
        fputc('\n', log);
        json_decref(line);
        r->stopped++;
    }
    return round_end(o, e);
}

/* An adapter, if it holds all that was learnt; else the whole model. */
static bool save(Run *r, Error *e)
{
    Session *x = &r->session;
    if (x->adapters && (r->request.samples.rounds == 1 || !r->m.settings.unlearn_merge))
        return lora_save(&x->lora, &x->weights, r->out, e);
    return round_merge(&r->rounds, e) && session_save(x, r->out, e);
}

static bool unlearn(Run *r, Arena *a, Error *e)
{
    char *path = arena_format(a, "%s/log.jsonl", r->out);
    if (!path || !prepare(r, a, e) || !file_make_folder(r->out, e))
        return false;
    FILE *log;
    if (!log_open(path, 0, &log, e))
        return false;
    while (r->rounds.round < r->rounds.plan.count && round_begin(&r->rounds, e) && run_round(r, log, e))
        ;
    bool saved = !e->failed && save(r, e);                  // also where the log could not be written
    return log_close(log, path, e) && saved;
}

static void tell(const Run *r)
{
    printf("%s: %zu %s, %lld steps in the last", r->m.method->name, r->rounds.round, r->rounds.round == 1 ? "round" : "rounds",
           (long long)r->rounds.done);
    if (r->stopped)
        printf("; %zu stopped early: %s", r->stopped, *r->rounds.note ? r->rounds.note : "see log.jsonl");
    printf("\n");
}

int command_unlearn(int argc, char **argv)
{
    const char *config = NULL, *method = NULL;
    OptionList set = { .count = 0 };
    Run r = { .folder = NULL };
    const Option own[] = {
        { "config", "FILE",
          "The config says what is forgotten, what is retained and how; `pulse-ref list config` prints its keys.",
          .text = &config },
        { "model", "DIR", "The folder of the model that is to forget.", .text = &r.folder },
        { "method", "NAME",
          "The unlearning method, one of `pulse-ref list methods`; the default is unlearn.method of the config.",
          .text = &method },
        { "out", "DIR", "The adapter or the whole model, and log.jsonl, are written into this folder.", .text = &r.out },
        { "set", "SECTION.KEY=VALUE", "This value takes the place of the config's for one key. The option may be repeated.",
          .list = &set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!config || !r.folder || !r.out)
        return command_fail_text("unlearn: --config, --model and --out are needed (pulse-ref unlearn --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Settings s;
    bool good = settings_open(&s, config, &set, &a, &e);
    FolderHold hold = -1;
    r.quiet = o.quiet;
    good = good && (settings_method(&s, method ? method : s.unlearn_method, &r.m, &e) || error_prefix(&e, "%s", config))
        && folder_hold(&hold, r.out, &e) && unlearn(&r, &a, &e);
    folder_leave(hold);
    if (good && o.json)
        command_tell(json_pack("{s:s, s:I, s:I, s:I, s:s}", "method", r.m.method->name, "rounds", (json_int_t)r.rounds.round,
                               "steps", (json_int_t)r.rounds.done, "stopped_early", (json_int_t)r.stopped, "out", r.out));
    else if (good && !o.quiet)
        tell(&r);
    rounds_close(&r.rounds);
    request_close(&r.request);
    session_close(&r.oracle);
    session_close(&r.session);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
