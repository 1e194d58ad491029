/* SPDX-License-Identifier: MIT */
/* pulse-ref unlearn: a model that forgets, by one method, in one round or several. */
#include <string.h>
#include "ref/command.h"
#include "ref/cli/log.h"
#include "ref/cli/options.h"
#include "ref/cli/progress.h"
#include "ref/config/request.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

/* Everything an unlearning run holds. */
typedef struct {
    Settings s;                      // with the preset's values
    const Method *method;
    Hyperparameters v;
    const char *folder, *out;        // the model to unlearn, where results go
    bool quiet, adapters;
    ModelConfig config, oracle_config;
    Weights weights, oracle_weights;
    Lora lora;
    Model model, oracle;
    Reader reader;
    Request request;
    Rounds rounds;
    size_t stopped;                  // rounds that diverged
} Run;

static bool open_oracle(Run *r, Arena *a, Error *e)
{
    if (!(method_needs(r->method, &r->v) & NEEDS_REFERENCE) || r->v.reference != REFERENCE_RETAIN_ONLY)
        return true;
    if (!*r->s.unlearn_oracle)
        return error_set(e, "%s: unlearn.reference is retain_only, expected the folder of a model that never saw the forget set in unlearn.oracle", r->s.file);
    if (!settings_input(&r->s, "unlearn.oracle", r->s.unlearn_oracle, e)
        || !model_load(settings_path(&r->s, r->s.unlearn_oracle), &r->oracle_config, &r->oracle_weights, a, e))
        return false;
    if (r->oracle_config.text.vocab_size != r->config.text.vocab_size)
        return error_set(e, "%s: vocabulary of %lld, expected the model's %lld", r->s.unlearn_oracle, (long long)r->oracle_config.text.vocab_size,
                         (long long)r->config.text.vocab_size);
    return model_make(&r->oracle, &r->oracle_config, &r->oracle_weights, NULL, config_positions(&r->oracle_config), a, e);
}

static RoundsPlan plan_of(Run *r)
{
    const Settings *s = &r->s;
    return (RoundsPlan){
        .method = r->method, .v = r->v, .batch = (size_t)s->unlearn_batch, .epochs = s->unlearn_epochs, .train = train_config(s),
        .merge = s->unlearn_merge, .reset_optimiser = s->unlearn_reset_optimiser, .retain_shrinks = s->unlearn_retain_shrinks,
        .count = r->request.rounds, .forget = r->request.forget, .refusal = r->request.refusal, .alternate = r->request.alternate,
        .retain = r->request.retain, .retain_only = r->oracle.weights ? &r->oracle : NULL, .seed = (uint64_t)s->model_seed,
    };
}

static bool prepare(Run *r, Arena *a, Error *e)
{
    const Settings *s = &r->s;
    if (!model_load(r->folder, &r->config, &r->weights, a, e) || !open_oracle(r, a, e)
        || !reader_open(&r->reader, r->folder, &r->config, (PromptTemplate)s->data_template, (PromptMask)s->data_mask, a, e)
        || !request_read(&r->request, s, r->method, &r->v, &r->reader, a, e)
        || (r->method->loss && !train_targets(s, &r->weights, &r->lora, &r->adapters, a, e))
        || !model_make(&r->model, &r->config, &r->weights, r->adapters ? &r->lora : NULL, config_positions(&r->config), a, e))
        return false;
    RoundsPlan p = plan_of(r);
    return rounds_make(&r->rounds, &p, &r->model, r->adapters ? &r->lora : NULL, a, e);
}

static bool run_round(Run *r, FILE *log, Error *e)
{
    Rounds *o = &r->rounds;
    fprintf(log, "{\"round\": %zu, \"method\": \"%s\", \"steps\": %lld}\n", o->round + 1, r->method->name, (long long)o->steps);
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

/* An adapter where one holds all that was learnt; else the whole model. */
static bool save(Run *r, Arena *a, Error *e)
{
    if (r->adapters && (r->request.rounds == 1 || !r->s.unlearn_merge))
        return lora_save(&r->lora, &r->weights, r->out, e);
    return round_merge(&r->rounds, e) && weights_save(&r->weights, &r->config, r->out, e) && copy_file(r->folder, r->out, "tokenizer.json", a, e)
        && copy_file(r->folder, r->out, "preprocessor_config.json", a, e);
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
    bool saved = !e->failed && save(r, a, e);               // also where the log could not be written
    return log_close(log, path, e) && saved;
}

static void tell(const Run *r)
{
    printf("%s: %zu %s, %lld steps in the last", r->method->name, r->rounds.round, r->rounds.round == 1 ? "round" : "rounds", (long long)r->rounds.done);
    if (r->stopped)
        printf("; %zu stopped early: %s", r->stopped, *r->rounds.note ? r->rounds.note : "see log.jsonl");
    printf("\n");
}

int command_unlearn(int argc, char **argv)
{
    const char *config = NULL, *method = NULL;
    OptionList set = { .count = 0 };
    Run r = { .method = NULL };
    const Option own[] = {
        { "config", "FILE", "The config says what is forgotten, what is retained and how; `pulse-ref list config` prints its keys.", .text = &config },
        { "model", "DIR", "The folder of the model that is to forget.", .text = &r.folder },
        { "method", "NAME", "The unlearning method, one of `pulse-ref list methods`; the default is unlearn.method of the config.", .text = &method },
        { "out", "DIR", "The adapter or the whole model, and log.jsonl, are written into this folder.", .text = &r.out },
        { "set", "SECTION.KEY=VALUE", "This value takes the place of the config's for one key. The option may be repeated.", .list = &set },
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
    good = good && (settings_method(&s, method ? method : s.unlearn_method, &r.s, &r.method, &r.v, &e) || error_prefix(&e, "%s", config)) && folder_hold(&hold, r.out, &e)
        && unlearn(&r, &a, &e);
    folder_leave(hold);
    if (good && o.json)
        command_tell(json_pack("{s:s, s:I, s:I, s:I, s:s}", "method", r.method->name, "rounds", (json_int_t)r.rounds.round, "steps", (json_int_t)r.rounds.done,
                               "stopped_early", (json_int_t)r.stopped, "out", r.out));
    else if (good && !o.quiet)
        tell(&r);
    rounds_close(&r.rounds);
    request_close(&r.request);
    weights_close(&r.oracle_weights);
    weights_close(&r.weights);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
