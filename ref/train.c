/* SPDX-License-Identifier: MIT */
/* pulse-ref train: a model from scratch or from a checkpoint (pre-training, fine-tuning). */
#include <string.h>
#include "model/data.h"
#include "model/train.h"
#include "ref/command.h"
#include "ref/options.h"
#include "ref/progress.h"
#include "ref/settings.h"
#include "tensor/file.h"
#include "tensor/json.h"

enum { ROPE_POSITIONS = 4096 };

/* Everything a training run holds. */
typedef struct {
    const Settings *s;
    const char *out;
    bool quiet, resume;
    ModelConfig config;
    Weights weights;
    Lora lora;
    Model model;
    Reader reader;
    Samples samples;
    Stream stream;
    Trainer trainer;
    char identity[65];
    const char *reader_folder;       // where tokenizer.json and preprocessor_config.json are
} Run;

bool model_open(const Settings *s, ModelConfig *c, Weights *w, const char **reader_folder, Arena *a, Error *e)
{
    const char *path = settings_path(s, s->model_path), *config = settings_path(s, s->model_config);
    size_t size;
    *reader_folder = *path ? path : settings_path(s, s->data_world);
    if (*path)
        return config_load(c, path, e) && weights_load(w, path, c, a, e);
    if (!*config)
        return error_set(e, "config: neither model.path nor model.config is given, expected one of them");
    char *text = file_read(config, 1 << 20, &size, a, e);
    return text && config_parse(c, text, size, config, e) && weights_make(w, c, (uint64_t)s->model_seed, a, e);
}

/* What is trained: full, adapters with or without the projector, or patterns of names. */
bool train_targets(const Settings *s, Weights *w, Lora *lora, bool *adapters, Arena *a, Error *e)
{
    Trainable t;
    if (!trainable_parse(s->train_trainable, &t)) {
        *adapters = false;
        return weights_train(w, s->train_trainable, e);
    }
    *adapters = t != TRAIN_FULL;
    LoraConfig c = { .rank = s->lora_rank, .alpha = s->lora_alpha, .rslora = s->lora_rslora, .targets = *s->lora_targets ? s->lora_targets : NULL };
    return trainable_set(w, t, e) && (!*adapters || lora_make(lora, w, c, (uint64_t)s->model_seed, a, e));
}

TrainConfig train_config(const Settings *s)
{
    int64_t hold = s->optimiser_hold > s->optimiser_warmup ? s->optimiser_hold : s->optimiser_warmup;
    return (TrainConfig){
        .steps = s->train_steps, .accumulate = s->train_accumulate,
        .optimiser = {
            .kind = (OptimiserKind)s->optimiser_kind,
            .schedule = { (ScheduleKind)s->optimiser_schedule, s->optimiser_lr, s->optimiser_floor, s->optimiser_warmup, hold, s->train_steps },
            .beta1 = s->optimiser_beta1, .beta2 = s->optimiser_beta2, .eps = s->optimiser_eps,
            .weight_decay = s->optimiser_weight_decay, .momentum = s->optimiser_momentum, .max_norm = s->optimiser_max_norm,
            .decay_matrices_only = s->optimiser_decay_matrices_only,
        },
    };
}

/* What is being trained, so that a checkpoint of something else is refused: settings, stream and starting weights. */
static bool identify(Run *r, Arena *a, Error *e)
{
    Digest stream;
    Hash h = hash_begin();
    char *text = settings_text(r->s, a);
    if (!text || !digest_file(r->samples.path, &stream, e))
        return false;
    hash_text(&h, "pulse-ref train, spec " PULSE_SPEC);
    hash_text(&h, text);
    hash_text(&h, stream.hex);
    for (size_t k = 0; k < r->weights.count; k++)
        hash_tensor(&h, r->weights.list[k].name, r->weights.list[k].tensor);
    memcpy(r->identity, hash_end(&h).hex, sizeof r->identity);
    return true;
}

static bool prepare(Run *r, Arena *a, Error *e)
{
    const Settings *s = r->s;
    bool adapters;
    if (!model_open(s, &r->config, &r->weights, &r->reader_folder, a, e)
        || !reader_open(&r->reader, r->reader_folder, &r->config, (PromptTemplate)s->data_template, (PromptMask)s->data_mask, a, e)
        || !samples_read(&r->samples, settings_path(s, s->data_stream), a, e)
        || !stream_make(&r->stream, &r->reader, &r->samples, (DataOrder)s->data_order, (size_t)s->data_batch, (uint64_t)s->train_seed, a, e)
        || !identify(r, a, e) || !train_targets(s, &r->weights, &r->lora, &adapters, a, e))
        return false;
    size_t positions = r->config.text.max_position_embeddings < ROPE_POSITIONS ? (size_t)r->config.text.max_position_embeddings : ROPE_POSITIONS;
    TrainConfig c = train_config(s);
    return model_make(&r->model, &r->config, &r->weights, adapters ? &r->lora : NULL, positions, a, e)
        && trainer_make(&r->trainer, &r->model, &c, a, e)
        && (!r->resume || !checkpoint_exists(r->out) || checkpoint_load(&r->trainer, r->out, r->identity, e));
}

static void log_step(FILE *log, int64_t step, const StepStats *s)
{
    char loss[32], loss_hex[32], norm[32], lr[32];
    fprintf(log, "{\"step\": %lld, \"loss\": %s, \"loss_hex\": \"%s\", \"grad_norm\": %s, \"lr\": %s, \"samples\": %zu, \"tokens\": %zu}\n",
            (long long)step, decimal_float(s->loss, loss), hex_double(s->loss, loss_hex), decimal_float(s->norm, norm),
            decimal_float(s->lr, lr), s->samples, s->tokens);
}

/* The log of a resumed run begins with what stood in it up to the checkpoint. */
static bool log_open(const Run *r, FILE **log, Error *e)
{
    char path[4096], line[1024];
    snprintf(path, sizeof path, "%s/log.jsonl", r->out);
    int64_t keep = r->trainer.optimiser.step;
    char *old = NULL;
    size_t used = 0;
    FILE *before = keep ? fopen(path, "r") : NULL;
    if (before) {
        FILE *memory = open_memstream(&old, &used);
        long long step;
        while (memory && fgets(line, sizeof line, before))
            if (sscanf(line, "{\"step\": %lld", &step) == 1 && step <= keep)
                fputs(line, memory);
        if (memory)
            fclose(memory);
        fclose(before);
    }
    *log = fopen(path, "w");
    if (*log && old)
        fwrite(old, 1, used, *log);
    free(old);
    if (*log)
        setvbuf(*log, NULL, _IOLBF, 1 << 16);
    return *log || error_set(e, "%s: cannot be written", path);
}

static bool copy_file(const char *from, const char *to, const char *name, Arena *a, Error *e)
{
    size_t size;
    char *source = arena_format(a, "%s/%s", from, name), *target = arena_format(a, "%s/%s", to, name);
    char *bytes = source && target ? file_read(source, 64 << 20, &size, a, e) : NULL;
    return bytes && file_write(target, bytes, size, e);
}

static bool save(const Run *r, Arena *a, Error *e)
{
    if (r->model.lora)
        return lora_save(&r->lora, &r->weights, r->out, e);
    return weights_save(&r->weights, &r->config, r->out, e) && copy_file(r->reader_folder, r->out, "tokenizer.json", a, e)
        && copy_file(r->reader_folder, r->out, "preprocessor_config.json", a, e);
}

static bool steps(Run *r, FILE *log, Error *e)
{
    const Settings *s = r->s;
    CrossEntropy ce = { &r->stream, stream_next };
    Objective o = cross_entropy_objective(&ce);
    int64_t *done = &r->trainer.optimiser.step;
    Progress p = progress_begin(r->quiet, *done);
    while (*done < s->train_steps && train_step(&r->trainer, &o, e)) {
        char note[64];
        snprintf(note, sizeof note, "loss %.4f", (double)r->trainer.stats.loss);
        progress_show(&p, "train", *done, s->train_steps, note);
        if (*done % s->train_log_every == 0 || *done == s->train_steps)
            log_step(log, *done, &r->trainer.stats);
        if (s->train_save_every && *done % s->train_save_every == 0 && (fflush(log) || !checkpoint_save(&r->trainer, r->out, r->identity, e)))
            break;
    }
    progress_end(&p);
    return !e->failed;
}

static bool train(Run *r, Arena *a, Error *e)
{
    FILE *log;
    if (!file_make_folder(r->out, e) || !prepare(r, a, e) || !log_open(r, &log, e))
        return false;
    if (r->s->train_accumulate > 1)
        fprintf(log, "{\"note\": \"accumulate = %lld: each gradient is the rounded sum of %lld rounded partial gradients\"}\n",
                (long long)r->s->train_accumulate, (long long)r->s->train_accumulate);
    bool good = steps(r, log, e);
    good = fclose(log) == 0 && good;
    return good && save(r, a, e);
}

int command_train(int argc, char **argv)
{
    const char *config = NULL, *out = NULL;
    OptionList set = { .count = 0 };
    bool resume = false;
    const Option own[] = {
        { "config", "FILE", "what is trained, on what and how (pulse-ref list config)", .text = &config },
        { "out", "DIR", "where the model and log.jsonl go", .text = &out },
        { "set", "SECTION.KEY=VALUE", "another value for a key of the config; may be repeated", .list = &set },
        { "resume", NULL, "go on from the last checkpoint in DIR", .flag = &resume },
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
    settings_defaults(&s, &a);
    bool good = settings_read(&s, config, &e);
    for (size_t k = 0; good && k < set.count; k++)
        good = settings_set(&s, set.item[k], &e);
    Run r = { .s = &s, .out = out, .quiet = o.quiet, .resume = resume };
    good = good && train(&r, &a, &e);
    if (good && !o.quiet)
        printf("%lld steps, loss %.6f, %zu parameters trained, peak of a step %.1f MB\n", (long long)r.trainer.optimiser.step,
               (double)r.trainer.stats.loss, weights_parameters(&r.weights, true), (double)r.trainer.step_arena.peak / 1e6);
    trainer_close(&r.trainer);
    samples_close(&r.samples);
    weights_close(&r.weights);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
