/* SPDX-License-Identifier: MIT */
/* The memory and time of LLaVA-1.5-7B and -13B: bench_large [7b|13b [LAYERS [FOLDER [TASK …]]]]
 *
 * It makes a model folder with the published shapes and random F16 weights, with the first LAYERS layers of the
 * language model and about as many of the vision tower. The default is 2 layers in a scratch folder; 32 and 40 layers
 * are the whole models, 14 and 26 GB. A model that FOLDER already has is read. Each task has its own process:
 *     forward           a forward pass of one sample of 600 tokens with a picture
 *     ga, npo, ga_klr   a step of LoRA (rank 16, all linear layers of the language model) on such a sample, with
 *                       train.checkpointing = layer; ga_klr has a second sample to retain
 * It prints seconds and the peak memory of the process without the mapped file (RssAnon, read every 20 ms); for forward
 * also the rate of computation and, if there is an OpenBLAS, this rate as a share of that of OpenBLAS's dgemm. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model/arch.h"
#include "model/training/score.h"
#include "model/weights_plan.h"
#include "tensor/base/file.h"
#include "tensor/base/random.h"
#include "tensor/base/team.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/scratch.h"
#include "unlearn/rounds.h"

enum { IMAGE = 32000, VOCABULARY = 32064, TOKENS = 600, ANSWER = 4, PERIOD = 999983, PIXELS = 3 * 336 * 336 };

static ModelConfig config(bool larger, int64_t layers)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 1024, .intermediate_size = 4096, .num_hidden_layers = layers < 24 ? layers + 1 : 24,
                    .num_attention_heads = 16, .num_channels = 3, .image_size = 336, .patch_size = 14, .projection_dim = 768,
                    .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = VOCABULARY, .hidden_size = larger ? 5120 : 4096, .intermediate_size = larger ? 13824 : 11008,
                  .num_hidden_layers = layers, .num_attention_heads = larger ? 40 : 32, .num_key_value_heads = larger ? 40 : 32,
                  .head_dim = 128, .max_position_embeddings = 4096, .bos_token_id = 1, .eos_token_id = 2, .pad_token_id = 0,
                  .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = IMAGE, .vision_feature_layer = -2, .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

/* Every tensor repeats the same PERIOD random numbers, of magnitude 2^-7 to 2^-6. */
static bool write_model(const ModelConfig *c, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    size_t count, most = 0;
    const Planned *plan = weights_plan(c, &count, &a, e);
    Entry *entries = plan ? arena_array(&a, count, sizeof *entries) : NULL;
    for (size_t i = 0; entries && i < count; i++)
        most = shape_size(plan[i].shape) > most ? shape_size(plan[i].shape) : most;
    uint16_t *half = entries ? arena_array(&a, most, sizeof *half) : NULL;
    for (size_t k = 0; half && k < most; k++)
        half[k] = k < PERIOD ? (uint16_t)((random_bits(random_for(0, "bench"), k) & 0x83ff) | 0x2000) : half[k - PERIOD];
    for (size_t i = 0; half && i < count; i++)
        entries[i] = (Entry){ plan[i].name, { .shape = plan[i].shape, .dtype = F16, .half = half } };
    const bool good = half && file_make_folder(folder, e)
                   && store_write(arena_format(&a, "%s/model.safetensors", folder), entries, count, e);
    arena_free(&a);
    return good;
}

/* Sample k: a picture, a question, and an answer of ANSWER tokens. */
static BatchSample sample(const ModelConfig *c, uint64_t k, Arena *a)
{
    const Random r = random_for(k, "bench");
    int32_t *ids = arena_array(a, TOKENS, sizeof *ids), *targets = arena_array(a, TOKENS, sizeof *targets);
    float *pixels = arena_array(a, PIXELS, sizeof *pixels);
    for (size_t i = 0; ids && targets && pixels && i < TOKENS; i++) {
        ids[i] = i >= 2 && i < 2 + config_image_tokens(c) ? IMAGE : (int32_t)random_below(r, i, IMAGE);
        targets[i] = -1;
        if (i + ANSWER >= TOKENS)
            targets[i - 1] = ids[i];
    }
    for (size_t i = 0; pixels && i < PIXELS; i++)
        pixels[i] = random_normal(r, 1000 + i);
    return (BatchSample){ ids, targets, TOKENS, pixels, 0 };
}

/* The floating-point operations of cblas_dgemm in a second, on a product of the model's shapes; 0 without OpenBLAS. */
static double dgemm_rate(void)
{
    enum { M = TOKENS, N = 4096, K = 4096 };
    void (*dgemm)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *, int);
    void *blas = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL), *found = blas ? dlsym(blas, "cblas_dgemm") : NULL;
    double *a = calloc((size_t)M * K + (size_t)N * K + (size_t)M * N, sizeof *a), time[5];
    memcpy(&dgemm, &found, sizeof dgemm);
    for (int k = -1; a && dgemm && k < 5; k++) {
        const double start = now();
        dgemm(101, 111, 112, M, N, K, 1, a, K, a + (size_t)M * K, K, 0, a + (size_t)(M + N) * K, N);
        if (k >= 0)
            time[k] = now() - start;
    }
    const double rate = a && dgemm ? 2.0 * M * N * K / median(time, 5) : 0;
    free(a);
    return rate;
}

/* The floating-point operations of the forward pass: two for each multiply-add of the linear maps, and of the head for
 * ANSWER rows. */
static double forward_flop(const ModelConfig *c)
{
    const double v = (double)c->vision.hidden_size, w = (double)c->vision.intermediate_size, t = (double)c->text.hidden_size;
    const double tower = (double)config_vision_layers(c) * 577 * (4 * v * v + 2 * v * w), projector = 576 * (v * t + t * t);
    const double layers = (double)c->text.num_hidden_layers * TOKENS * (4 * t * t + 3 * t * (double)c->text.intermediate_size);
    return 2 * (tower + projector + layers + ANSWER * t * VOCABULARY);
}

static bool forward(Model *m, Arena *a, Error *e)
{
    SampleScore score;
    const BatchSample s = sample(&m->config, 1, a);
    const double before = dgemm_rate(), start = now();
    if (e->failed || !score_samples(m, &s, 1, 0, &score, a, e))
        return false;
    const double seconds = now() - start, rate = forward_flop(&m->config) / seconds, after = dgemm_rate();
    printf("%.1f s, %.1f GFLOP/s", seconds, 1e-9 * rate);
    if (before > 0)
        printf(", %.0f %% of dgemm's %.1f", 200 * rate / (before + after), 0.5e-9 * (before + after));
    return true;
}

static bool step(Model *m, Weights *w, const char *method, Arena *a, Error *e)
{
    static Adapters adapters;
    Lora lora;
    static SampleList forget;
    BatchSample list[2] = { sample(&m->config, 1, a), sample(&m->config, 2, a) };
    Rounds r;
    RoundsPlan p = { .method = method_find(method), .batch = 1, .merge = MERGE_YES, .reset_optimiser = true, .count = 1, .forget = &forget,
                     .retain = { list + 1, 1 },
                     .train = { .steps = 1, .accumulate = 1, .checkpointing = true,
                                .optimiser = { .kind = OPTIMISER_ADAMW, .schedule = { SCHEDULE_CONSTANT, 1e-4f, 0, 0, 0, 1 }, .beta1 = 0.9f,
                                               .beta2 = 0.999f, .eps = 1e-8f, .max_norm = 1, .decay_matrices_only = true } } };
    forget = (SampleList){ list, 1 };
    if (!p.method)
        return error_set(e, "bench_large: there is no task \"%s\", expected forward or a method", method);
    if (!hyperparameters_make(&p.v, p.method, NULL, e) || !lora_make(&lora, w, (LoraConfig){ .rank = 16, .alpha = 32 }, 0, a, e)
        || !adapters_add(&adapters, &lora, "the adapter", a, e))
        return false;
    m->lora = adapters_live(&adapters);
    const double start = now();
    bool good = rounds_make(&r, &p, m, &adapters, a, e) && round_begin(&r, e) && round_step(&r, e);
    if (good)
        printf("%.1f s, loss %g, the step's arena %.0f MB", now() - start, (double)r.trainer.stats.loss,
               (double)r.trainer.stats.peak / 1e6);
    rounds_close(&r);
    return good;
}

static int task_run(const ModelConfig *c, const char *folder, const char *task)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Weights w;
    Model m;
    bool good = weights_load(&w, folder, c, &a, &e) && model_make(&m, c, &w, NULL, 1024, &a, &e)
             && (strcmp(task, "forward") == 0 ? forward(&m, &a, &e) : step(&m, &w, task, &a, &e));
    if (!good)
        printf("%s", e.text);
    fflush(stdout);
    return good ? 0 : 2;
}

/* The memory that a process has at this moment, without the pages that are mapped from files, in bytes. */
static double anonymous_memory(pid_t process)
{
    char path[64], line[256];
    long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "RssAnon: %ld kB", &kilobytes);
    if (f)
        fclose(f);
    return 1024.0 * (double)kilobytes;
}

static bool watched(const ModelConfig *c, const char *folder, const char *task)
{
    int status = 1;
    double most = 0;
    printf("%-8s ", task);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0)
        _exit(task_run(c, folder, task));
    while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
        const double now_used = anonymous_memory(child);
        most = now_used > most ? now_used : most;
        usleep(20000);
    }
    printf("; memory beyond the file %.2f GB, %d threads\n", 1e-9 * most, (int)team_size());
    return child > 0 && status == 0;
}

int main(int argc, char **argv)
{
    static const char *const all[] = { "forward", "ga", "npo", "ga_klr" };
    Error e = { .failed = false };
    const int64_t layers = argc > 2 ? atoi(argv[2]) : 2;
    const ModelConfig c = config(argc > 1 && strcmp(argv[1], "13b") == 0, layers < 1 ? 1 : layers);
    const char *folder = argc > 3 ? argv[3] : scratch("large");
    char path[4096];
    struct stat file;
    bool good = true;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    if ((stat(path, &file) != 0 && !write_model(&c, folder, &e)) || stat(path, &file) != 0) {
        fprintf(stderr, "bench_large: %s\n", e.text);
        return 2;
    }
    printf("LLaVA-1.5 with %lld layers, F16, file %.2f GB, %d tokens\n", (long long)layers, 1e-9 * (double)file.st_size, TOKENS);
    for (int k = 4; k < argc; k++)
        good &= watched(&c, folder, argv[k]);
    for (size_t k = 0; argc <= 4 && k < sizeof all / sizeof *all; k++)
        good &= watched(&c, folder, all[k]);
    return good ? 0 : 2;
}
