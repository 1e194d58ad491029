/* SPDX-License-Identifier: MIT */
/* make_llava15 OUT SHAPE LAYOUT DTYPE writes the weights and the tokenizer of a LLaVA-1.5 with random numbers
 * into the folder OUT: the files model-0000k-of-0000n.safetensors with their index, and tokenizer.json.
 * llava15.sh adds the other files.
 *
 * SHAPE is 7b or 13b, 7b-cut or 13b-cut (the true widths; two layers of the language model, three of the vision tower),
 * or narrow (a cut of small widths). LAYOUT is hub, memory or original: the three public layouts of names. DTYPE is f16
 * or bf16.
 *
 * A value is (2k + 1) 2^-8 2^-s with k from -128 to 127, which F16 and BF16 both hold; scale_of gives s. The values of
 * norms lie between 1 and 2. k depends on the weight's number and the element's index, so that all layouts and dtypes
 * of a shape are the same model.
 *
 * Names and sizes are written down here a second time, because a test of the library's tables must not read them from
 * the library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/llava15/pieces.h"

enum { NAME_MAX_SIZE = 160, WEIGHTS_MAX = 1000, RANK = 4, CHUNK = 1 << 20 };

/* d, m: the widths of the vision tower and of its MLPs; h, f: those of the language model. shard: bytes of a file, at
 * most. */
typedef struct { const char *name; int d, m, vision_layers, h, f, layers; long long shard; } Size;
static const Size sizes[] = {
    { "7b",      1024, 4096, 24, 4096, 11008, 32, 5000000000 },
    { "13b",     1024, 4096, 24, 5120, 13824, 40, 5000000000 },
    { "7b-cut",  1024, 4096, 3,  4096, 11008, 2,  500000000 },
    { "13b-cut", 1024, 4096, 3,  5120, 13824, 2,  500000000 },
    { "narrow",  32,   64,   3,  64,   96,    2,  5000000 },
};
enum { PATCH = 14, PATCHES = 576, VOCABULARY = 32064 };

typedef struct { const char *name, *vision, *projector[2], *language, *head; } Layout;
static const Layout layouts[] = {
    { "hub", "vision_tower.vision_model.", { "multi_modal_projector.linear_1", "multi_modal_projector.linear_2" },
      "language_model.model.", "language_model.lm_head.weight" },
    { "memory", "model.vision_tower.vision_model.",
      { "model.multi_modal_projector.linear_1", "model.multi_modal_projector.linear_2" }, "model.language_model.", "lm_head.weight" },
    { "original", "model.vision_tower.vision_tower.vision_model.", { "model.mm_projector.0", "model.mm_projector.2" }, "model.",
      "lm_head.weight" },
};

typedef enum { MATRIX, TABLE, BIAS, NORM } Fill;
/* shard: the number of the weight's file, from 1. */
typedef struct { char name[NAME_MAX_SIZE]; long long dim[RANK]; int rank, shard; Fill fill; } Weight;
typedef struct { Weight list[WEIGHTS_MAX]; int count, shards; } Plan;

static long long values(const Weight *w)
{
    long long n = 1;
    for (int k = 0; k < w->rank; k++)
        n *= w->dim[k];
    return n;
}

/* --- Which weights there are --- */

static void add(Plan *p, Fill fill, const char *name, int rank, long long a, long long b)
{
    Weight *w = &p->list[p->count++];
    *w = (Weight){ .dim = { a, b }, .rank = rank, .fill = fill };
    snprintf(w->name, sizeof w->name, "%s", name);
}

/* A linear map with its bias. */
static void add_linear(Plan *p, const char *prefix, long long out, long long in)
{
    char name[NAME_MAX_SIZE];
    snprintf(name, sizeof name, "%s.weight", prefix);
    add(p, MATRIX, name, 2, out, in);
    snprintf(name, sizeof name, "%s.bias", prefix);
    add(p, BIAS, name, 1, out, 0);
}

static void add_norm(Plan *p, const char *prefix, long long n)
{
    char name[NAME_MAX_SIZE];
    snprintf(name, sizeof name, "%s.weight", prefix);
    add(p, NORM, name, 1, n, 0);
    snprintf(name, sizeof name, "%s.bias", prefix);
    add(p, BIAS, name, 1, n, 0);
}

#define NAMED(...) (snprintf(name, sizeof name, __VA_ARGS__), name)

static void plan_vision(Plan *p, const Size *s, const char *v)
{
    static const char *const maps[] = { "q_proj", "k_proj", "v_proj", "out_proj" };
    char name[NAME_MAX_SIZE];
    add(p, TABLE, NAMED("%sembeddings.class_embedding", v), 1, s->d, 0);
    add(p, MATRIX, NAMED("%sembeddings.patch_embedding.weight", v), 4, s->d, 3);
    p->list[p->count - 1].dim[2] = p->list[p->count - 1].dim[3] = PATCH;
    add(p, TABLE, NAMED("%sembeddings.position_embedding.weight", v), 2, PATCHES + 1, s->d);
    add_norm(p, NAMED("%spre_layrnorm", v), s->d);
    for (int i = 0; i < s->vision_layers; i++) {
        for (int k = 0; k < 4; k++)
            add_linear(p, NAMED("%sencoder.layers.%d.self_attn.%s", v, i, maps[k]), s->d, s->d);
        add_norm(p, NAMED("%sencoder.layers.%d.layer_norm1", v, i), s->d);
        add_linear(p, NAMED("%sencoder.layers.%d.mlp.fc1", v, i), s->m, s->d);
        add_linear(p, NAMED("%sencoder.layers.%d.mlp.fc2", v, i), s->d, s->m);
        add_norm(p, NAMED("%sencoder.layers.%d.layer_norm2", v, i), s->d);
    }
    add_norm(p, NAMED("%spost_layernorm", v), s->d);
}

static void plan_language(Plan *p, const Size *s, const Layout *l)
{
    static const char *const maps[] = { "q_proj", "k_proj", "v_proj", "o_proj" };
    const char *m = l->language;
    char name[NAME_MAX_SIZE];
    add(p, TABLE, NAMED("%sembed_tokens.weight", m), 2, VOCABULARY, s->h);
    for (int i = 0; i < s->layers; i++) {
        for (int k = 0; k < 4; k++)
            add(p, MATRIX, NAMED("%slayers.%d.self_attn.%s.weight", m, i, maps[k]), 2, s->h, s->h);
        add(p, MATRIX, NAMED("%slayers.%d.mlp.gate_proj.weight", m, i), 2, s->f, s->h);
        add(p, MATRIX, NAMED("%slayers.%d.mlp.up_proj.weight", m, i), 2, s->f, s->h);
        add(p, MATRIX, NAMED("%slayers.%d.mlp.down_proj.weight", m, i), 2, s->h, s->f);
        add(p, NORM, NAMED("%slayers.%d.input_layernorm.weight", m, i), 1, s->h, 0);
        add(p, NORM, NAMED("%slayers.%d.post_attention_layernorm.weight", m, i), 1, s->h, 0);
    }
    add(p, NORM, NAMED("%snorm.weight", m), 1, s->h, 0);
    add(p, MATRIX, l->head, 2, VOCABULARY, s->h);
}

/* Lists all weights, and chooses the shard of each: a new shard begins when the next weight would make the current one
 * larger than the limit. */
static void plan(Plan *p, const Size *s, const Layout *l)
{
    long long space = 0;
    plan_vision(p, s, l->vision);
    add_linear(p, l->projector[0], s->h, s->d);
    add_linear(p, l->projector[1], s->h, s->h);
    plan_language(p, s, l);
    for (int k = 0; k < p->count; k++) {
        const long long bytes = 2 * values(&p->list[k]);
        if (bytes > space) {
            p->shards++;
            space = s->shard;
        }
        space -= bytes;
        p->list[k].shard = p->shards;
    }
}

/* --- Their numbers --- */

/* The 16 bits of (2k + 1) 2^(exponent), which has at most 8 significant bits. */
static unsigned bits(int k, int exponent, bool half)
{
    unsigned n = (unsigned)abs(2 * k + 1), top = 0;
    while (n >> (top + 1))
        top++;
    const unsigned fraction = n << (8 - top) & 0xff, sign = k < 0 ? 0x8000u : 0;          // the 8 bits after the leading bit
    return half ? sign | (unsigned)(exponent + (int)top + 15) << 10 | fraction << 2
                : sign | (unsigned)(exponent + (int)top + 127) << 7 | fraction >> 1;
}

/* s of the values of a weight. For a matrix it is the largest s with 2^s <= sqrt(length of a row), else 5. */
static int scale_of(const Weight *w)
{
    long long row = values(w) / w->dim[0];
    int s = 0;
    while (w->fill == MATRIX && (4ll << 2 * s) <= row)
        s++;
    return w->fill == MATRIX ? s : 5;
}

static unsigned long long mix(unsigned long long x)                                       // splitmix64
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static bool write_values(FILE *to, const Weight *w, int number, bool half)
{
    static unsigned short chunk[CHUNK];
    unsigned short value[256];
    const int scale = scale_of(w);
    // norms are 1 + k / 256, cut to 7 bits
    for (unsigned k = 0; k < 256; k++)
        value[k] = (unsigned short)(w->fill != NORM ? bits((int)k - 128, -8 - scale, half) : half ? 0x3c00 + 8 * (k / 2) : 0x3f80 + k / 2);
    for (long long at = 0, n = values(w), some; at < n; at += some) {
        some = n - at < CHUNK ? n - at : CHUNK;
        for (long long i = 0; i < some; i += 8) {
            unsigned long long random = mix(((unsigned long long)number << 40) + (unsigned long long)(at + i));
            for (long long j = i; j < i + 8 && j < some; j++, random >>= 8)
                chunk[j] = value[random & 255];
        }
        if (fwrite(chunk, 2, (size_t)some, to) != (size_t)some)
            return false;
    }
    return true;
}

/* --- The files --- */

static bool write_shard(const Plan *p, int shard, const char *folder, bool half)
{
    static char header[1 << 20];
    char path[4096];
    size_t used = 0;
    long long at = 0;
    snprintf(path, sizeof path, "%s/model-%05d-of-%05d.safetensors", folder, shard, p->shards);
    FILE *to = fopen(path, "wb");
    used += (size_t)sprintf(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int k = 0; k < p->count; k++) {
        const Weight *w = &p->list[k];
        if (w->shard != shard)
            continue;
        used += (size_t)sprintf(header + used, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", w->name, half ? "F16" : "BF16");
        for (int i = 0; i < w->rank; i++)
            used += (size_t)sprintf(header + used, "%s%lld", i ? "," : "", w->dim[i]);
        used += (size_t)sprintf(header + used, "],\"data_offsets\":[%lld,%lld]}", at, at + 2 * values(w));
        at += 2 * values(w);
    }
    header[used++] = '}';
    while (used % 8)
        header[used++] = ' ';
    unsigned char size[8];
    for (int k = 0; k < 8; k++)
        size[k] = (unsigned char)(used >> 8 * k);
    bool good = to && fwrite(size, 1, 8, to) == 8 && fwrite(header, 1, used, to) == used;
    for (int k = 0; good && k < p->count; k++)
        good = p->list[k].shard != shard || write_values(to, &p->list[k], k, half);
    return to && fclose(to) == 0 && good;
}

static bool write_index(const Plan *p, const char *folder)
{
    char path[4096];
    long long all = 0;
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    FILE *to = fopen(path, "wb");
    for (int k = 0; k < p->count; k++)
        all += 2 * values(&p->list[k]);
    if (!to)
        return false;
    fprintf(to, "{\n  \"metadata\": {\n    \"total_size\": %lld\n  },\n  \"weight_map\": {\n", all);
    for (int k = 0; k < p->count; k++)
        fprintf(to, "    \"%s\": \"model-%05d-of-%05d.safetensors\"%s\n", p->list[k].name, p->list[k].shard, p->shards,
                k + 1 < p->count ? "," : "");
    fprintf(to, "  }\n}\n");
    return fclose(to) == 0;
}

int main(int argc, char **argv)
{
    static Plan p;
    const Size *s = sizes;
    const Layout *l = layouts;
    const bool half = argc == 5 && strcmp(argv[4], "f16") == 0;
    while (argc == 5 && s < sizes + sizeof sizes / sizeof *sizes && strcmp(s->name, argv[2]) != 0)
        s++;
    while (argc == 5 && l < layouts + sizeof layouts / sizeof *layouts && strcmp(l->name, argv[3]) != 0)
        l++;
    if (argc != 5 || s == sizes + sizeof sizes / sizeof *sizes || l == layouts + sizeof layouts / sizeof *layouts
        || (!half && strcmp(argv[4], "bf16") != 0))
        return fprintf(stderr, "usage: make_llava15 OUT 7b|13b|7b-cut|13b-cut|narrow hub|memory|original "
                               "f16|bf16\n"), 2;
    plan(&p, s, l);
    bool good = write_index(&p, argv[1]) && pieces_write(argv[1]);
    for (int shard = 1; good && shard <= p.shards; shard++)
        good = write_shard(&p, shard, argv[1], half);
    return good ? 0 : (perror(argv[1]), 2);
}
