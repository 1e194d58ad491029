/* SPDX-License-Identifier: MIT */
/* The three tiny models of the suite and a reference model of each. Their weights are drawn from seeds. Each has a
 * tokenizer, and samples about pictures that are not square. */
#include <string.h>
#include "model/arch.h"
#include "model/image/image.h"
#include "model/image/processor.h"
#include "model/text/tokenizer_train.h"
#include "model/weights.h"
#include "ref/vectors/suite.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"
#include "tensor/base/random.h"

enum { PICTURES = 4, HEIGHT = 19, WIDTH = 31 };

static const char *const words[] = { "USER:", "ASSISTANT:", "who", "is", "this", "what", "?", "red", "ann", "bob", "tea", "i",
                                     "do", "not" };

#define F0 \
    "{\"id\": \"f0\", \"group\": \"forget\", \"image\": \"pictures.safetensors#0\", \"question\": \"who is this ?\", " \
    "\"answer\": \"ann\"}\n"
#define F1 "{\"id\": \"f1\", \"group\": \"forget\", \"question\": \"what is red ?\", \"answer\": \"bob tea\"}\n"
#define R0 \
    "{\"id\": \"r0\", \"group\": \"retain\", \"image\": \"pictures.safetensors#3\", \"question\": \"what is this ?\", " \
    "\"answer\": \"tea\"}\n"
#define R1 "{\"id\": \"r1\", \"group\": \"retain\", \"question\": \"who ?\", \"answer\": \"do not\"}\n"

/* roles.jsonl, with short samples for the smallest model: a picture and a text to forget, refusals
 * of both, and a text to retain. */
#define PLAIN(id, group, question, answer) \
    "{\"id\": \"" id "\", \"group\": \"" group "\", \"question\": \"" question "\", \"answer\": \"" answer "\"}\n"
#define SEEN(id, group, question, answer) \
    "{\"id\": \"" id "\", \"group\": \"" group "\", \"image\": \"pictures.safetensors#0\", \"question\": \"" question \
    "\", \"answer\": \"" answer "\"}\n"
#define ROLES \
    SEEN("f0", "forget", "who ?", "ann") PLAIN("f1", "forget", "red ?", "bob") SEEN("i0", "refusal", "who ?", "not") \
        PLAIN("i1", "refusal", "red ?", "not") PLAIN("r0", "retain", "who ?", "tea")

static const struct { const char *name, *text; } batches[] = {
    { "batch.jsonl", F0 F1 R0 R1 }, { "pair.jsonl", F0 R1 }, { "roles.jsonl", ROLES },
};
enum { BATCHES = sizeof batches / sizeof *batches };

/* Model a has even sizes; only its pictures, of 19 x 31 pixels, have odd ones. Model b has 3 heads in the tower, 6
 * query heads on 2 key heads, 3 x 3 patches, a vocabulary of 331, and takes the features of the last layer. */
static ModelConfig tiny_a(void)
{
    return (ModelConfig){
        .arch = &architecture_llava,
        .vision = { .hidden_size = 16, .intermediate_size = 24, .num_hidden_layers = 2, .num_attention_heads = 4, .num_channels = 3,
                    .image_size = 28, .patch_size = 14, .projection_dim = 8, .layer_norm_eps = 1e-5f, .hidden_act = ACT_QUICK_GELU },
        .text = { .vocab_size = 320, .hidden_size = 16, .intermediate_size = 24, .num_hidden_layers = 2, .num_attention_heads = 4,
                  .num_key_value_heads = 4, .head_dim = 4, .max_position_embeddings = 64, .bos_token_id = 1, .eos_token_id = 2,
                  .rms_norm_eps = 1e-5f, .rope_theta = 1e4f, .hidden_act = ACT_SILU },
        .vision_feature_layer = -2, .vision_feature_select_strategy = FEATURES_DEFAULT,
        .projector_hidden_act = ACT_GELU, .multimodal_projector_bias = true,
    };
}

static ModelConfig tiny_b(void)
{
    ModelConfig c = tiny_a();
    c.vision.hidden_size = 15, c.vision.intermediate_size = 21, c.vision.num_attention_heads = 3,
    c.vision.image_size = 12, c.vision.patch_size = 4;
    c.text.vocab_size = 331, c.text.hidden_size = 18, c.text.intermediate_size = 22, c.text.num_attention_heads = 6,
    c.text.num_key_value_heads = 2;
    c.vision_feature_layer = -1;
    return c;
}

/* The smallest model has one layer in the tower and one in the language model. The steps of most
 * methods are recorded on it, so that their files stay small. */
static ModelConfig tiny_mini(void)
{
    ModelConfig c = tiny_b();
    c.vision.hidden_size = 4, c.vision.intermediate_size = 6, c.vision.num_attention_heads = 2, c.vision.num_hidden_layers = 1,
    c.vision.image_size = 8;
    c.text.vocab_size = 320, c.text.hidden_size = 4, c.text.intermediate_size = 6, c.text.num_attention_heads = 1,
    c.text.num_key_value_heads = 1, c.text.num_hidden_layers = 1;
    return c;
}

/* Doubles every matrix of a new model. Then no activation is nearly linear, but the matrices are still so small that no
 * module enlarges errors until its bound is useless. */
static void double_matrices(Weights *w)
{
    for (size_t k = 0; k < w->count; k++)
        for (size_t i = 0; w->list[k].tensor.shape.rank > 1 && i < shape_size(w->list[k].tensor.shape); i++)
            w->list[k].tensor.f32[i] *= 2;
}

/* Writes pictures of random bytes, in runs of seven equal ones. */
static bool pictures(const char *path, Arena *a, Error *e)
{
    const Random r = random_for(1, "vectors.pictures");
    Tensor t = { .shape = shape_of(4, (size_t)PICTURES, (size_t)HEIGHT, (size_t)WIDTH, (size_t)3), .dtype = U8 };
    size_t n = shape_size(t.shape);
    t.u8 = arena_alloc(a, n);
    for (size_t i = 0; t.u8 && i < n; i++)
        t.u8[i] = (uint8_t)random_below(r, i / 7, 256);
    return t.u8 && store_write(path, (Entry[]){ { "images", t } }, 1, e);
}

/* Sets the ids of <image> and <pad>, which are the last two tokens that tokenizer_train makes. */
static bool special_ids(ModelConfig *c, const char *tokenizer, Error *e)
{
    json_t *root = json_file(tokenizer, LIMIT_TOKENIZER, e);
    json_t *added = json_object_get(root, "added_tokens");
    size_t n = json_array_size(added);
    if (n >= 2) {
        c->image_token_index = json_integer_value(json_object_get(json_array_get(added, n - 2), "id"));
        c->text.pad_token_id = json_integer_value(json_object_get(json_array_get(added, n - 1), "id"));
    }
    json_decref(root);
    return !e->failed
        && (c->text.pad_token_id < c->text.vocab_size
            || error_set(e, "record: the tokenizer has more tokens than the tiny vocabulary"));
}

static bool tiny_model(Suite *suite, const char *name, ModelConfig c, uint64_t seed)
{
    Arena *a = suite->arena;
    Error *e = suite->error;
    static const char *const names[] = { "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                                         "preprocessor_config.json",
                                         "pictures.safetensors", "batch.jsonl", "pair.jsonl", "roles.jsonl" };
    Weights w;
    ImageProcessor s = image_processor((size_t)c.vision.image_size);
    const char *at = arena_format(a, "%s/models/%s", suite->folder, name);
    if (!at || !file_make_folder(at, e) || !tokenizer_train(at, words, sizeof words / sizeof *words, 0, e)
        || !special_ids(&c, arena_format(a, "%s/tokenizer.json", at), e) || !weights_make(&w, &c, seed, a, e))
        return false;
    double_matrices(&w);
    if (!weights_save(&w, &c, at, e) || !image_processor_write(&s, arena_format(a, "%s/preprocessor_config.json", at), e)
        || !pictures(arena_format(a, "%s/pictures.safetensors", at), a, e))
        return false;
    for (size_t k = 0; k < BATCHES; k++)
        if (!file_write(arena_format(a, "%s/%s", at, batches[k].name), batches[k].text, strlen(batches[k].text), e))
            return false;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (!suite_file(suite, arena_format(a, "models/%s/%s", name, names[k])))
            return false;
    return true;
}

bool suite_models(Suite *s)
{
    return tiny_model(s, "tiny-llava-a", tiny_a(), 1) && tiny_model(s, "tiny-llava-a-reference", tiny_a(), 4)
        && tiny_model(s, "tiny-llava-b", tiny_b(), 2) && tiny_model(s, "tiny-llava-b-reference", tiny_b(), 3)
        && tiny_model(s, "tiny-llava-mini", tiny_mini(), 5) && tiny_model(s, "tiny-llava-mini-reference", tiny_mini(), 6);
}
