/* SPDX-License-Identifier: MIT */
/* pulse-ref unlearn makes a model forget by one method, in one round or in several. */
#include <string.h>
#include "ref/command.h"
#include "ref/cli/log.h"
#include "ref/cli/options.h"
#include "ref/cli/picture_tags.h"
#include "ref/cli/progress.h"
#include "ref/cli/table.h"
#include "ref/config/guard.h"
#include "ref/config/router.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

/* The state of one run. */
typedef struct {
    MethodSettings m;
    const char *folder, *out;        // the folder of the model, and the folder of the results
    bool quiet;
    Session session, oracle;
    Request request;
    Rounds rounds;
    Guard guard;                     // it is used where unlearn.probe_every is not 0
    char *entities;                  // the entities of the rounds that are still to come
    char ended[300];                 // why the last round ended early; "": it ran to its end
    size_t bad_rounds;               // how many rounds diverged, or were ended by the guard as spoilt
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
    return folder && session_reference(&r->oracle, folder, &r->session,
                                       method_needs(r->m.method, &r->m.v) & NEEDS_HIDDEN, a, e);
}

/* Whether each round has an adapter of its own, which is written into a folder of its own. */
static bool adapters_apart(const Run *r)
{
    return r->m.method->needs & ADAPTER_EACH || (r->m.settings.unlearn_merge == MERGE_LIVE && r->request.samples.rounds > 1);
}

/* Fails where an adapter of this run would be written over one of lora.frozen. */
static bool frozen_apart(const Run *r, Arena *a, Error *e)
{
    const Settings *s = &r->m.settings;
    bool good = session_frozen_apart(&r->session, s, r->out, e);
    for (size_t k = 1; good && adapters_apart(r) && k <= r->request.samples.rounds; k++) {
        const char *folder = arena_format(a, "%s/adapter-%zu", r->out, k);
        good = folder && session_frozen_apart(&r->session, s, folder, e);
    }
    return good;
}

static bool prepare(Run *r, Arena *a, Error *e)
{
    Session *x = &r->session;
    if (!session_open(x, &r->m.settings, r->folder, (PromptMask)r->m.settings.data_mask, a, e) || !open_oracle(r, a, e)
        || !request_read(&r->request, &r->m, &x->reader, a, e) || !session_begin(x, &r->m, e) || !frozen_apart(r, a, e))
        return false;
    r->entities = arena_text(a, r->m.settings.unlearn_forget_entities);
    RoundsPlan p = rounds_plan(&r->m, &r->request.samples, r->oracle.folder ? &r->oracle.model : NULL);
    return session_subspace(x, &r->m, &p, a, e)
        && (rounds_make(&r->rounds, &p, &x->model, &x->adapters, a, e) || error_prefix(e, "%s", r->m.settings.file))
        && (r->m.settings.unlearn_probe_every == 0 || guard_open(&r->guard, &r->m, x, a, e));
}

static bool guarded(const Run *r) { return r->guard.session != NULL; }

static void log_guard(const Run *r, FILE *log, int64_t step)
{
    const Ratio *x = r->guard.now;
    const int64_t right[PROBES] = { x[0].count, x[1].count, x[2].count },
        asked[PROBES] = { x[0].total, x[1].total, x[2].total };
    log_probe(log, step, probe_names, right, asked, PROBES);
}

static bool log_reason(Run *r, FILE *log, const char *reason, Error *e)
{
    snprintf(r->ended, sizeof r->ended, "%.299s", reason);
    return json_line(log, json_pack("{s:i, s:i, s:s}", "round", (int)r->rounds.round + 1, "stopped_after", (int)r->rounds.done,
                                    "reason", reason), e);
}

/* Decides after each step whether the round goes on. With a guard, that depends on the probes, which are measured every
 * unlearn.probe_every steps and after the last step. */
static bool goes_on(Run *r, FILE *log, Error *e)
{
    const Rounds *o = &r->rounds;
    if (!guarded(r) || (o->done % r->m.settings.unlearn_probe_every != 0 && o->done != o->steps))
        return true;
    if (!guard_probe(&r->guard, e))
        return false;
    log_guard(r, log, o->trainer.optimiser.step);
    if (r->guard.stop && !log_reason(r, log, r->guard.why, e))
        return false;
    r->bad_rounds += r->guard.spoilt;
    return !r->guard.stop;
}

/* Takes the entities of this round from r->entities (those up to the next '/'), and lets the guard, if there is one,
 * watch them. */
static bool begin_guard(Run *r, FILE *log, Error *e)
{
    char *list = r->entities, *slash = strchr(list, '/');
    if (slash)
        *slash = 0;
    r->entities = slash ? slash + 1 : list + strlen(list);
    if (!guarded(r))
        return true;
    if (!guard_begin(&r->guard, list, e))
        return false;
    log_guard(r, log, r->rounds.before);
    return true;
}

/* Writes the adapter of the round that has ended: adapter-1 for the first round. */
static bool adapter_save(Run *r, Error *e)
{
    const char *folder = arena_format(r->session.arena, "%s/adapter-%zu", r->out, r->rounds.round);
    return folder && file_make_folder(folder, e) && lora_save(adapters_last(&r->session.adapters), &r->session.weights, folder, e);
}

static bool run_round(Run *r, FILE *log, Error *e)
{
    Rounds *o = &r->rounds;
    fprintf(log, "{\"round\": %zu, \"method\": \"%s\", \"steps\": %lld}\n", o->round + 1, r->m.method->name,
            (long long)o->steps);
    r->ended[0] = 0;
    Progress p = progress_begin(r->quiet, 0);
    while (round_step(o, e)) {
        char note[64];
        snprintf(note, sizeof note, "round %zu of %zu, loss %.4f", o->round + 1, o->plan.count,
                 (double)o->trainer.stats.loss);
        progress_show(&p, "unlearn", o->done, o->steps, note);
        log_step(log, o->trainer.optimiser.step, &o->trainer.stats);
        if (!goes_on(r, log, e))
            break;
    }
    progress_end(&p);
    if (o->stopped && !log_reason(r, log, o->note, e))
        return false;
    if (o->diverged) {
        if (!log_reason(r, log, o->note, e))
            return false;
        r->bad_rounds++;
        if (guarded(r) && !guard_restore(&r->guard, e))
            return false;
    }
    const bool changes = !r->m.method->loss || r->m.method->finish;       // whether round_end changes the weights
    return round_end(o, e) && (!adapters_apart(r) || adapter_save(r, e)) && (!guarded(r) || !changes || guard_measure(&r->guard, e));
}

/* Saves the result:
 *     router.json       under ADAPTER_EACH, with unlearn.merge = no: adapter_save has written the adapters
 *     nothing more      with unlearn.merge = live and several rounds: adapter_save has written the adapters
 *     the adapter       otherwise, if it holds all changes
 *     the whole model   otherwise */
static bool save(Run *r, Error *e)
{
    Session *x = &r->session;
    if (r->m.method->needs & ADAPTER_EACH && !r->m.settings.unlearn_merge)
        return router_write(&r->request, r->out, e);
    if (adapters_apart(r) && r->m.settings.unlearn_merge == MERGE_LIVE)
        return true;
    if (x->adapters.count && !(r->m.method->needs & WHOLE_RESULT)
        && (r->request.samples.rounds == 1 || !r->m.settings.unlearn_merge))
        return lora_save(adapters_last(&x->adapters), &x->weights, r->out, e);
    return round_merge(&r->rounds, e) && session_save(x, r->out, e);
}

static bool unlearn(Run *r, Arena *a, Error *e)
{
    char *path = arena_format(a, "%s/log.jsonl", r->out);
    if (!path || !prepare(r, a, e) || !file_make_folder(r->out, e))
        return false;
    const Dataset *const read[] = { &r->request.forget_file, &r->request.retain_file, &r->guard.file[PROBE_GENERAL] };
    picture_tags_print("unlearn", read, sizeof read / sizeof *read, r->session.reader.upright);
    FILE *log;
    if (!log_open(path, NULL, &log, e))
        return false;
    // round_next comes first, because the guard measures and keeps the weights with which the round begins
    while (r->rounds.round < r->rounds.plan.count && round_next(&r->rounds, e) && begin_guard(r, log, e)
        && round_begin(&r->rounds, e) && run_round(r, log, e))
        ;
    // the model is saved even where the log could not be written
    bool saved = !e->failed && save(r, e);
    return log_close(log, path, e) && saved;
}

/* Prints the accuracies of the probes before the first round and after the last one. Those of the forget probe are from
 * before and after the last round, because each round forgets other entities. */
static void probes_print(const Run *r)
{
    static const char *const key[PROBES] = { "unlearn.forget", "unlearn.retain", "data.general" };
    const Guard *g = &r->guard;
    for (Probe p = 0; guarded(r) && p < PROBES; p++)
        if (g->now[p].total)
            printf("  %-8s %lld of %lld right before, %lld after\n", probe_names[p], (long long)g->before[p].count,
                   (long long)g->now[p].total, (long long)g->now[p].count);
        else
            printf("  %-8s not measured: %s is not given\n", probe_names[p], key[p]);
}

static void result_print(const Run *r)
{
    printf("%s: %zu %s, %lld steps in the last", r->m.method->name, r->rounds.round, r->rounds.round == 1 ? "round" : "rounds",
           (long long)r->rounds.done);
    if (r->bad_rounds)
        printf("; %zu stopped early: %s", r->bad_rounds, *r->ended ? r->ended : "see log.jsonl");
    else if (*r->ended)
        printf("; it ended early: %s", r->ended);
    printf("\n");
    probes_print(r);
}

static json_t *probes_json(const Run *r)
{
    json_t *all = json_object();
    for (Probe p = 0; p < PROBES; p++)
        json_put(all, probe_names[p], r->guard.now[p].total == 0 ? json_null()
            : json_pack("{s:I, s:I, s:I}", "of", (json_int_t)r->guard.now[p].total, "right_before", (json_int_t)r->guard.before[p].count,
                        "right_after", (json_int_t)r->guard.now[p].count));
    return all;
}

/* Prints a note if the preset has no line for this method. */
static void preset_note(const MethodSettings *m)
{
    const char *preset = m->settings.unlearn_preset;
    bool there = !*preset;
    for (size_t k = 0; k < presets_count; k++)
        there |= strcmp(presets[k].preset, preset) == 0 && strcmp(presets[k].method, m->method->name) == 0;
    if (!there)
        fprintf(stderr, "pulse-ref: unlearn: the preset %s has no line for %s; only what it sets for all methods holds\n", preset,
                m->method->name);
}

/* Prints the settings in force on which this unlearning depends, and who set each of them. A hyperparameter that the
 * method does not read is left out. */
static bool explain(const MethodSettings *m, bool json, Arena *a, Error *e)
{
    static const char *const columns[] = { "key", "value", "from" };
    SettingRow rows[SETTINGS];
    const size_t n = settings_rows(&m->settings, IN_ROUNDS | IN_COMMAND | PER_METHOD, rows, a);
    const char **cells = arena_array(a, 3 * n, sizeof *cells), **next = cells;
    preset_note(m);
    for (size_t k = 0; cells && k < n; k++) {
        if (strcmp(rows[k].section, "unlearn") == 0 && hyperparameter_key(rows[k].key)
            && strcmp(rows[k].key, "seed") != 0 && !method_reads_key(m->method, rows[k].key))
            continue;
        *next++ = arena_format(a, "%s.%s", rows[k].section, rows[k].key);
        *next++ = rows[k].value;
        *next++ = rows[k].from ? rows[k].from : "default";
    }
    return !e->failed && table_print(columns, 3, cells, (size_t)(next - cells) / 3, json, e);
}

int command_unlearn(int argc, char **argv)
{
    const char *config = NULL, *method = NULL;
    OptionList set = { .count = 0 };
    Run r = { .folder = NULL };
    bool explains = false;
    const Option own[] = {
        { "config", "FILE",
          "The config says what is forgotten, what is retained and how; `pulse-ref list config` prints its keys. Without "
          "unlearn.preset the defaults are adapters of the language model (train.trainable = llm, lora.alpha = 160, or 192 for a "
          "method that reads a retain set), 40 steps with learning rate 1e-4, of which 5 warm up, and rounds that end early as "
          "unlearn.keep and unlearn.enough say.",
          .text = &config },
        { "model", "DIR", "The folder of the model that is to forget.", .text = &r.folder },
        { "method", "NAME",
          "The unlearning method, one of `pulse-ref list methods`; the default is unlearn.method of the config.",
          .text = &method },
        { "out", "DIR", "The adapter or the whole model, and log.jsonl, are written into this folder.", .text = &r.out },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &set },
        { "explain", NULL, "Every setting in force for the method is printed, with who set it, and nothing is done. Of the other "
                           "options only --config is needed.", .flag = &explains },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (explains && !config)
        return command_fail_text("unlearn: --explain needs --config (pulse-ref unlearn --help)");
    if (!explains && (!config || !r.folder || !r.out))
        return command_fail_text("unlearn: --config, --model and --out are needed (pulse-ref unlearn --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Settings s;
    bool good = settings_open(&s, config, &set, &a, &e) && settings_unlearn(&s, method ? method : s.unlearn_method, &e);
    FolderHold hold = -1;
    r.quiet = o.quiet;
    good = good && (settings_method(&s, method ? method : s.unlearn_method, &r.m, &e) || error_prefix(&e, "%s", config));
    good = good && (explains ? explain(&r.m, o.json, &a, &e) : folder_hold(&hold, r.out, &e) && unlearn(&r, &a, &e));
    folder_leave(hold);
    if (good && explains)
        ;
    else if (good && o.json)
        command_print(json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:o}", "method", r.m.method->name,
                               "rounds", (json_int_t)r.rounds.round, "steps", (json_int_t)r.rounds.done,
                               "stopped_early", (json_int_t)r.bad_rounds, "why", r.ended, "out", r.out, "probes", probes_json(&r)));
    else if (good && !o.quiet)
        result_print(&r);
    guard_close(&r.guard);
    rounds_close(&r.rounds);
    request_close(&r.request);
    session_close(&r.oracle);
    session_close(&r.session);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
