/* SPDX-License-Identifier: MIT */
/* The memory of a forward pass: a LLaVA of 322 M parameters, mapped from an F16 file, reads one picture and a question.
 * Prints the size of the file, the peak memory of the process (with its mapped pages) and seconds. Another process
 * writes the file, so that the peak belongs to the reader alone. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model/arch.h"
#include "model/training/score.h"
#include "model/weights_plan.h"
#include "tensor/base/file.h"
#include "tensor/base/random.h"
#include "tensor/base/team.h"
#include "tests/support/scratch.h"
#include "tests/bench/stopwatch.h"

enum { VOCABULARY = 32000, IMAGE = 31999, TOKENS = 100, ANSWER = 4 };

static ModelConfig config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 768, .intermediate_size = 3072, .num_hidden_layers = 6, .num_attention_heads = 12, .num_channels = 3,
                    .image_size = 112, .patch_size = 14, .projection_dim = 512, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = VOCABULARY, .hidden_size = 1024, .intermediate_size = 2816, .num_hidden_layers = 17,
                  .num_attention_heads = 16,
                  .num_key_value_heads = 16, .head_dim = 64, .max_position_embeddings = 4096, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 0, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = IMAGE, .vision_feature_layer = -2, .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

/* Every tensor begins with the same random numbers, of magnitude 2^-7 to 2^-6. */
static bool write_model(const ModelConfig *c, const char *folder, Arena *a, Error *e)
{
    size_t count, most = 0;
    const Planned *plan = weights_plan(c, &count, a, e);
    Entry *entries = plan ? arena_array(a, count, sizeof *entries) : NULL;
    for (size_t i = 0; entries && i < count; i++)
        most = shape_size(plan[i].shape) > most ? shape_size(plan[i].shape) : most;
    uint16_t *half = entries ? arena_array(a, most, sizeof *half) : NULL;
    for (size_t k = 0; half && k < most; k++)
        half[k] = (uint16_t)((random_bits(random_for(0, "bench"), k) & 0x83ff) | 0x2000);
    for (size_t i = 0; half && i < count; i++)
        entries[i] = (Entry){ plan[i].name, { .shape = plan[i].shape, .dtype = F16, .half = half } };
    return half && file_make_folder(folder, e) && store_write(arena_format(a, "%s/model.safetensors", folder), entries, count, e);
}

static bool written(const ModelConfig *c, const char *folder)
{
    int status = 1;
    const pid_t child = fork();
    if (child == 0) {
        Error e = { .failed = false };
        Arena a = arena_make(&e);
        if (!write_model(c, folder, &a, &e))
            fprintf(stderr, "bench_memory: %s\n", e.text);
        _exit(e.failed);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool forward(const ModelConfig *c, const char *folder, double *load, double *pass, Arena *a, Error *e)
{
    static int32_t ids[TOKENS], targets[TOKENS];
    static float pixels[3 * 112 * 112];
    const Random r = random_for(1, "bench");
    Weights w;
    Model m;
    SampleScore score;
    for (size_t k = 0; k < TOKENS; k++) {
        ids[k] = k >= 2 && k < 2 + config_image_tokens(c) ? IMAGE : (int32_t)random_below(r, k, IMAGE);
        targets[k] = -1;
        if (k + ANSWER >= TOKENS)
            targets[k - 1] = ids[k];
    }
    for (size_t k = 0; k < sizeof pixels / sizeof *pixels; k++)
        pixels[k] = random_normal(r, 1000 + k);
    const double start = now();
    if (!weights_load(&w, folder, c, a, e))
        return false;
    *load = now() - start;
    const bool good = model_make(&m, c, &w, NULL, config_positions(c), a, e)
                   && score_samples(&m, &(BatchSample){ ids, targets, TOKENS, pixels, 0 }, 1, 0, &score, a, e);
    *pass = now() - start - *load;
    printf("forward of %zu parameters, %d tokens, %d threads: ", weights_parameters(&w, false), TOKENS, (int)team_size());
    weights_close(&w);
    return good;
}

int main(void)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    const ModelConfig c = config();
    const char *folder = scratch("half");
    double load, pass;
    struct stat file;
    struct rusage used;
    if (!written(&c, folder) || stat(arena_format(&a, "%s/model.safetensors", folder), &file)
        || !forward(&c, folder, &load, &pass, &a, &e)) {
        fprintf(stderr, "bench_memory: %s\n", e.failed ? e.text : "the model could not be written");
        return 2;
    }
    getrusage(RUSAGE_SELF, &used);
    printf("file %.0f MB, peak %.0f MB, that is file + %.0f MB; load %.1f s, pass %.1f s\n", (double)file.st_size / 1e6,
           1.024e-3 * (double)used.ru_maxrss, 1.024e-3 * (double)used.ru_maxrss - (double)file.st_size / 1e6, load, pass);
    arena_free(&a);
    return 0;
}
