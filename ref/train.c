/* SPDX-License-Identifier: MIT */
/* pulse-ref train trains a model from scratch or from a checkpoint (pre-training, fine-tuning). */
#include <string.h>
#include "eval/formats/samples.h"
#include "model/training/checkpoint.h"
#include "model/training/cross_entropy.h"
#include "model/training/dataset.h"
#include "ref/command.h"
#include "ref/cli/log.h"
#include "ref/cli/options.h"
#include "ref/cli/picture_tags.h"
#include "ref/cli/progress.h"
#include "ref/config/identity.h"
#include "ref/config/session.h"
#include "tensor/base/file.h"

/* The state of one training. */
typedef struct {
    const Settings *s;
    const char *out;
    bool quiet, resume;
    KeptCheckpoints kept;
    Session session;
    Dataset samples, held_out;       // held_out.path NULL: nothing is scored
    Stream stream;
    Trainer trainer;
    int64_t begun;                   // steps that earlier processes have done
    const char *log_path;
    LogMark log;                     // the end of the log when the checkpoint was saved
    char identity[65];               // the digest that `identify` makes, in hex
} Run;

/* Makes the digest of what is trained, so that the checkpoint of another training is refused. It covers the version
 * PULSE_SPEC, the settings that a training depends on, the training and held-out samples with their pictures, the
 * tokenizer, chat template and picture processor, and the initial weights. */
static bool identify(Run *r, Arena *a, Error *e)
{
    Hash h = hash_begin();
    Digest samples, held_out = { "" }, reader;
    const Weights *w = &r->session.weights;
    const char *text = settings_part(r->s, IN_TRAIN, a, e);
    if (!text || !samples_digest(&r->samples, &samples, a, e) || (r->held_out.path && !samples_digest(&r->held_out, &held_out, a, e))
        || !reader_digest(r->session.folder, &reader, a, e))
        return false;
    const char *const parts[] = { "pulse-ref train, spec " PULSE_SPEC, text, samples.hex, held_out.hex, reader.hex };
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        hash_text(&h, parts[k]);
    for (size_t k = 0; k < w->count; k++)
        hash_tensor(&h, w->list[k].name, w->list[k].tensor);
    memcpy(r->identity, hash_end(&h).hex, sizeof r->identity);
    return true;
}

/* Opens the samples that are scored while training, where the config names a file of them. */
static bool open_held_out(Run *r, Arena *a, Error *e)
{
    const char *path = r->s->data_eval;
    if (*path)
        return (path = settings_input(r->s, "data.eval", path, e)) && samples_open(&r->held_out, path, a, e);
    return r->s->train_eval_every == 0 || error_set(e, "%s: train.eval_every is %lld and data.eval is empty, expected a JSONL "
                                                       "file of samples", r->s->file,
                                                    (long long)r->s->train_eval_every);
}

/* Checks that warm-up, hold and steps fit together, before any large file is read. */
static bool schedule_fits(const Settings *s, Error *e)
{
    const TrainConfig c = train_config(s);
    float lr;
    return c.steps == 0 || schedule_lr(&c.optimiser.schedule, 1, &lr, e)
        || settings_error_prefix(s, "optimiser.warmup, optimiser.hold, train.steps", e);
}

static bool prepare(Run *r, Arena *a, Error *e)
{
    const Settings *s = r->s;
    Session *x = &r->session;
    const char *stream = settings_input(s, "data.stream", s->data_stream, e);
    if (!stream || !schedule_fits(s, e) || !session_open(x, s, NULL, (PromptMask)s->data_mask, a, e)
        || !samples_open(&r->samples, stream, a, e)
        || !stream_make(&r->stream, &x->reader, &r->samples, (DataOrder)s->data_order, (size_t)s->data_batch,
                        (uint64_t)s->train_seed, a, e)
        || !open_held_out(r, a, e) || !identify(r, a, e) || !session_train(x, s, e) || !session_frozen_apart(x, s, r->out, e))
        return false;
    TrainConfig c = train_config(s);
    return trainer_make(&r->trainer, &x->model, &c, a, e)
        && (!r->resume || !checkpoint_exists(r->out) || checkpoint_load(&r->trainer, r->out, r->identity, &r->log, e));
}

/* Scores the held-out samples if that is due after `done` steps: before the first step, every train.eval_every steps,
 * and after the last step. Logs the result, and puts it into `note` for the progress line. Does nothing where there are
 * no held-out samples. */
static bool score_held_out(Run *r, int64_t done, FILE *log, char note[96], Error *e)
{
    const Settings *s = r->s;
    HeldOut h;
    if (!r->held_out.path || (done > 0 && done < s->train_steps && (s->train_eval_every == 0 || done % s->train_eval_every != 0)))
        return true;
    const Model asked = model_merged(&r->session.model);
    if (!held_out_score(&h, &asked, &r->session.reader, &r->held_out, e))
        return false;
    log_held_out(log, done, &h);
    snprintf(note, 96, ", held out %.4f, %.1f %% exact", (double)h.loss, 100.0 * (double)h.exact / (double)h.samples);
    return true;
}

/* Saves checkpoints after a step: the one from which an interrupted training goes on, and those that are kept. */
static bool save_checkpoints(Run *r, int64_t done, FILE *log, Error *e)
{
    const bool stays = r->kept.every && (done % r->kept.every == 0 || done == r->s->train_steps);
    const bool saved = r->s->train_save_every && done % r->s->train_save_every == 0;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/step-%lld", r->out, (long long)done);
    return ((!stays && !saved) || log_mark(log, r->log_path, &r->log, e))
        && (!stays || checkpoint_save(&r->trainer, folder, r->identity, r->log, e))
        && (!saved || checkpoint_save(&r->trainer, r->out, r->identity, r->log, e));
}

static bool run_steps(Run *r, FILE *log, Error *e)
{
    const Settings *s = r->s;
    SampleSource source = { &r->stream, stream_next };
    Objective o = cross_entropy_objective(&source);
    int64_t *done = &r->trainer.optimiser.step;
    char held_out[96] = "";
    Progress p = progress_begin(r->quiet, *done);
    if (*done == 0 && !score_held_out(r, 0, log, held_out, e))
        return false;
    while (*done < s->train_steps && !ferror(log) && train_step(&r->trainer, &o, e)) {
        char note[160];
        if (*done % s->train_log_every == 0 || *done == s->train_steps)
            log_step(log, *done, &r->trainer.stats);
        if (!score_held_out(r, *done, log, held_out, e))
            break;
        snprintf(note, sizeof note, "loss %.4f%s", (double)r->trainer.stats.loss, held_out);
        progress_show(&p, "train", *done, s->train_steps, note);
        if (!save_checkpoints(r, *done, log, e) || *done == r->kept.until)
            break;
    }
    progress_end(&p);
    return !e->failed;
}

static bool reached_until(const Run *r) { return r->kept.until && r->trainer.optimiser.step == r->kept.until; }

static bool save(Session *x, const char *out, Error *e)
{
    return x->adapters.count ? lora_save(adapters_last(&x->adapters), &x->weights, out, e) : session_save(x, out, e);
}

static bool train(Run *r, Arena *a, Error *e)
{
    FILE *log;
    const char *path = r->log_path = arena_format(a, "%s/log.jsonl", r->out);
    if (!path || !file_make_folder(r->out, e) || !prepare(r, a, e))
        return false;
    picture_tags_print("train", (const Dataset *[]){ &r->samples, &r->held_out }, 2, r->session.reader.upright);
    int64_t done = r->begun = r->trainer.optimiser.step;
    if (!log_open(path, &r->log, &log, e))
        return false;
    if (r->s->train_accumulate > 1 && done == 0)
        fprintf(log, "{\"note\": \"accumulate = %lld: each gradient is the rounded sum of %lld rounded partial gradients\"}\n",
                (long long)r->s->train_accumulate, (long long)r->s->train_accumulate);
    bool good = run_steps(r, log, e);
    good = log_close(log, path, e) && good;
    return good && (reached_until(r) || save(&r->session, r->out, e));
}

static size_t trained_parameters(const Session *x)
{
    return weights_parameters(&x->weights, true) + (x->adapters.count ? weights_parameters(&x->adapters.live.factors, true) : 0);
}

bool train_folder(const Settings *s, const char *out, bool resume, KeptCheckpoints kept, const Options *o, Arena *a,
                  Error *e)
{
    const bool quiet = !o || o->quiet;
    Run r = { .s = s, .out = out, .quiet = quiet, .resume = resume, .kept = kept };
    bool good = train(&r, a, e);
    if (good && o && o->json)
        command_print(json_pack("{s:I, s:I, s:o, s:I, s:I, s:s}", "steps", (json_int_t)r.trainer.optimiser.step, "begun",
                               (json_int_t)r.begun, "loss", json_decimal(r.trainer.stats.loss), "trained",
                               (json_int_t)trained_parameters(&r.session), "peak_bytes",
                               (json_int_t)r.trainer.step_arena.peak, "out", out));
    else if (good && !quiet && r.begun == r.trainer.optimiser.step)
        printf("%lld steps, all of them done before\n", (long long)r.begun);
    else if (good && !quiet)
        printf("%lld steps, loss %.6f, %zu parameters trained, peak memory of a step %.1f MB\n", (long long)r.trainer.optimiser.step,
               (double)r.trainer.stats.loss, trained_parameters(&r.session), (double)r.trainer.step_arena.peak / 1e6);
    trainer_close(&r.trainer);
    dataset_close(&r.samples);
    dataset_close(&r.held_out);
    session_close(&r.session);
    return good;
}

int command_train(int argc, char **argv)
{
    const char *config = NULL, *out = NULL;
    OptionList set = { .count = 0 };
    bool resume = false;
    const Option own[] = {
        { "config", "FILE", "The config says which model is trained, on which samples and how; `pulse-ref list config` prints "
                            "its keys.", .text = &config },
        { "out", "DIR", "The trained model or adapter, and log.jsonl, are written into this folder.", .text = &out },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &set },
        { "resume", NULL, "The training goes on from the last checkpoint in the folder of --out.", .flag = &resume },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!config || !out)
        return command_fail_text("train: --config and --out are needed (pulse-ref train --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Settings s;
    bool good = settings_open(&s, config, &set, &a, &e);
    FolderHold hold = -1;
    good = good && folder_hold(&hold, out, &e) && train_folder(&s, out, resume, (KeptCheckpoints){ 0, 0 }, &o, &a, &e);
    folder_leave(hold);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
