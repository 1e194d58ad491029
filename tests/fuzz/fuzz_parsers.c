/* SPDX-License-Identifier: MIT */
/* Every parser against hostile input: it accepts the input or gives an error, and never both.
 *
 * PULSE_FUZZ names the target; PULSE_FUZZ_CORPUS, a folder, receives valid files to start from, most of them made by
 * our own writers. Without the name of a target the program lists all targets. The entry points are those of libFuzzer;
 * in a build without libFuzzer, fuzz_driver.c calls them. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/arch.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TARGET(name) extern const Parser parser_##name;
#include "tests/fuzz/fuzz_targets.def"
#undef TARGET

static const Parser *const parsers[] = {
#define TARGET(name) &parser_##name,
#include "tests/fuzz/fuzz_targets.def"
#undef TARGET
};
enum { PARSERS = sizeof parsers / sizeof *parsers };

const char *fuzz_write(const char *name, const void *data, size_t n)
{
    const char *path = scratch("%s", name);
    FILE *f = fopen(path, "wb");
    if (!f || (n && fwrite(data, 1, n, f) != n) || fclose(f) != 0)
        abort();
    return path;
}

const char *fuzz_file(const Input *in, const char *name) { return fuzz_write(name, in->data, in->size); }

char *fuzz_text(const Input *in)
{
    char *text = arena_alloc(in->arena, in->size + 1);
    if (text && in->size)
        memcpy(text, in->data, in->size);
    if (text)
        text[in->size] = 0;
    return text;
}

void fuzz_seed(const char *folder, const char *name, const void *data, size_t n, Arena *a, Error *e)
{
    file_write(arena_format(a, "%s/%s", folder, name), data, n, e);
}

void fuzz_seed_file(const char *folder, const char *path, Arena *a, Error *e)
{
    size_t n;
    const char *slash = strrchr(path, '/'), *text = file_read(path, (size_t)1 << 24, &n, a, e);
    if (text)
        fuzz_seed(folder, slash ? slash + 1 : path, text, n, a, e);
}

ModelConfig fuzz_config(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 4, .intermediate_size = 4, .num_hidden_layers = 2, .num_attention_heads = 2, .num_channels = 3,
                    .image_size = 4, .patch_size = 4, .projection_dim = 4, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 8, .hidden_size = 4, .intermediate_size = 4, .num_hidden_layers = 1, .num_attention_heads = 2,
                  .num_key_value_heads = 1, .head_dim = 2, .max_position_embeddings = 16, .bos_token_id = 1, .eos_token_id = 2,
                  .pad_token_id = 0, .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .image_token_index = 3, .vision_feature_layer = -2, .vision_feature_select_strategy = FEATURES_DEFAULT,
        .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

size_t fuzz_accepted;
static const Parser *chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *name = getenv("PULSE_FUZZ"), *folder = getenv("PULSE_FUZZ_CORPUS");
    for (size_t k = 0; name && k < PARSERS; k++)
        chosen = strcmp(parsers[k]->name, name) == 0 ? parsers[k] : chosen;
    if (!chosen) {
        for (size_t k = 0; k < PARSERS; k++)
            puts(parsers[k]->name);
        exit(name ? 2 : 0);
    }
    Error e = { 0 };
    Arena a = arena_make(&e);
    if (folder && chosen->seed && file_make_folder(folder, &e))
        chosen->seed(folder, &a, &e);
    arena_free(&a);
    if (e.failed) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error e = { 0 };
    Arena a = arena_make(&e);
    a.limit = (size_t)1 << 30;
    bool good = chosen->parse(&(Input){ data, size, &a, &e });
    if (good == e.failed || (e.failed && !*e.text)) {
        fprintf(stderr, "%s: %s, and the error is \"%s\"\n", chosen->name, good ? "accepted" : "refused", e.text);
        abort();                                // accepted with an error, or refused without one
    }
    fuzz_accepted += good;
    arena_free(&a);
    return 0;
}
