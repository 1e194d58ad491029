/* SPDX-License-Identifier: MIT */
/* Fuzz targets: the files of a model folder and of an adapter folder. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "model/image/processor.h"
#include "model/lora/lora.h"
#include "model/text/chat_template.h"
#include "model/text/text_config.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_train.h"
#include "model/weights_plan.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/store.h"
#include "tests/support/scratch.h"

/* --- safetensors: every number is read, and what was read is written and read again with the same digest --- */

static bool parse_store(const Input *in)
{
    Store s, again;
    if (!store_open(&s, fuzz_file(in, "in.safetensors"), in->arena, in->error))
        return false;
    Digest d = store_digest(&s), e;
    const char *copy = scratch("copy.safetensors");
    Error error = { 0 };
    if (store_write(copy, s.entries, s.count, &error) && store_open(&again, copy, in->arena, &error)) {
        e = store_digest(&again);
        store_close(&again);
        if (strcmp(d.hex, e.hex) != 0)
            abort();
    } else if (error.kind != ERROR_MEMORY) {
        abort();
    }
    store_close(&s);
    return true;
}

static void seed_store(const char *folder, Arena *a, Error *e)
{
    uint8_t bytes[24] = { 1, 2, 3 };
    float *floats = arena_zalloc(a, 6 * sizeof *floats);
    Entry entries[] = {
        { "language_model.model.norm.weight", tensor_view(floats, shape_of(2, (size_t)2, (size_t)3)) },
        { "images", { .shape = shape_of(3, (size_t)2, (size_t)3, (size_t)4), .dtype = U8, .u8 = bytes } },
        { "nothing", { .shape = shape_of(1, (size_t)0), .dtype = I64, .i64 = NULL } },
    };
    store_write(arena_format(a, "%s/store.safetensors", folder), entries, 3, e);
}

const Parser parser_store = { "store", parse_store, seed_store };

/* --- one model, which is made once: its weights in one file, and in two shards --- */

static Weights *whole(void)
{
    static Weights w;
    if (!w.list) {
        static Error e;
        static Arena a;
        const ModelConfig c = fuzz_config();
        a = arena_make(&e);
        if (!weights_make(&w, &c, 1, &a, &e))
            abort();
    }
    return &w;
}

static Entry *entries_of(const Weights *w, Arena *a)
{
    Entry *list = arena_array(a, w->count, sizeof *list);
    for (size_t k = 0; list && k < w->count; k++)
        list[k] = (Entry){ w->list[k].name, w->list[k].tensor };
    return list ? list : (abort(), NULL);
}

static bool load(const char *folder, const Input *in)
{
    Weights w;
    const ModelConfig c = fuzz_config();
    if (!weights_load(&w, folder, &c, in->arena, in->error))
        return false;
    weights_close(&w);
    return true;
}

static bool parse_weights(const Input *in)
{
    file_make_folder(scratch("weights"), in->error);
    fuzz_file(in, "weights/model.safetensors");
    return load(scratch("weights"), in);
}

static void seed_weights(const char *folder, Arena *a, Error *e)
{
    store_write(arena_format(a, "%s/model.safetensors", folder), entries_of(whole(), a), whole()->count, e);
}

const Parser parser_weights = { "weights", parse_weights, seed_weights };

static bool parse_shards(const Input *in)
{
    static const char *const names[] = { "shards/a.safetensors", "shards/b.safetensors" };
    const Weights *w = whole();
    const size_t half = w->count / 2;
    if (!file_exists(scratch("%s", names[1]))) {
        const Entry *all = entries_of(w, in->arena);
        if (!file_make_folder(scratch("shards"), in->error) || !store_write(scratch("%s", names[0]), all, half, in->error)
            || !store_write(scratch("%s", names[1]), all + half, w->count - half, in->error))
            abort();
    }
    fuzz_file(in, "shards/model.safetensors.index.json");
    return load(scratch("shards"), in);
}

static void seed_shards(const char *folder, Arena *a, Error *e)
{
    const Weights *w = whole();
    json_t *map = json_object();
    for (size_t k = 0; k < w->count; k++)
        json_put(map, w->list[k].name, json_string(k < w->count / 2 ? "a.safetensors" : "b.safetensors"));
    json_t *index = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 1, "weight_map", map);
    json_save(arena_format(a, "%s/index.json", folder), index, e);
    json_decref(index);
}

const Parser parser_shards = { "shards", parse_shards, seed_shards };

/* --- tokenizer.json, and the files beside it --- */

static bool parse_tokenizer(const Input *in)
{
    static const char text[] = "USER: <image> what is this ? <0x0A> h\xc3\xa9llo \xf0\x9f\x98\x80 ASSISTANT: red </s>";
    const Tokenizer *t = tokenizer_parse((const char *)in->data, in->size, "tokenizer.json", in->arena, in->error);
    if (!t)
        return false;
    Error later = { 0 };
    TokenIds ids = tokenizer_encode(t, text, TOKENIZER_SPECIAL, in->arena, &later);
    if (ids.id)
        tokenizer_decode(t, ids.id, ids.count, true, in->arena, &later);
    return true;
}

static const char *const words[] = { "USER:", "ASSISTANT:", "what", "is", "this", "?", "red" };

static void seed_tokenizer(const char *folder, Arena *a, Error *e)
{
    (void)a;
    tokenizer_train(folder, words, 7, 5, e);
}

const Parser parser_tokenizer = { "tokenizer", parse_tokenizer, seed_tokenizer };

/* The input serves as each of the three files in turn, beside one tokenizer. It is accepted if one of the files is. */
static bool parse_text_config(const Input *in)
{
    static const char *const files[] = { "tokenizer_config.json", "special_tokens_map.json", "generation_config.json" };
    static const Tokenizer *t;
    static Error e;
    static Arena a;
    if (!t) {
        a = arena_make(&e);
        if (!file_make_folder(scratch("text"), &e) || !tokenizer_train(scratch("text"), words, 7, 5, &e)
            || !(t = tokenizer_open(scratch("text/tokenizer.json"), &a, &e)))
            abort();
    }
    bool good = false;
    const char *sentence = NULL;
    for (size_t k = 0; k < 3; k++) {
        Error own = { 0 };
        const char *path = scratch("text/%s", files[k]);
        fuzz_file(in, arena_format(in->arena, "text/%s", files[k]));
        const bool read = k < 2 ? text_config_check(scratch("text"), t, 2, &own)
                                : generation_config_check(scratch("text"), t, 2, false, &own);
        if (read == own.failed)
            abort();
        good |= !own.failed;
        sentence = own.failed ? arena_text(in->arena, own.text) : sentence;
        remove(path);
    }
    return good || error_set(in->error, "%s", sentence);
}

static void seed_text_config(const char *folder, Arena *a, Error *e)
{
    static const char generation[] = "{\"bos_token_id\": 1, \"eos_token_id\": 2, \"pad_token_id\": 0, \"do_sample\": false, "
                                     "\"temperature\": 1.0, \"max_length\": 4096, \"transformers_version\": \"4.45.0\"}\n";
    static const char special[] = "{\"bos_token\": {\"content\": \"<s>\", \"lstrip\": false, \"normalized\": false, \"rstrip\": false, "
                                  "\"single_word\": false}, \"eos_token\": \"</s>\", \"unk_token\": \"<unk>\"}\n";
    fuzz_seed_file(folder, "fixtures/models/vanilla/tokenizer_config.json", a, e);
    fuzz_seed(folder, "generation", generation, sizeof generation - 1, a, e);
    fuzz_seed(folder, "special", special, sizeof special - 1, a, e);
}

const Parser parser_text_config = { "text_config", parse_text_config, seed_text_config };

/* The input serves as chat_template.jinja, and then as tokenizer_config.json. It is accepted if one of the two is. */
static bool parse_chat_template(const Input *in)
{
    PromptTemplate found;
    Error own = { 0 };
    const char *text = fuzz_text(in);
    file_make_folder(scratch("chat"), in->error);
    fuzz_file(in, "chat/chat_template.jinja");
    if (text)
        chat_template_known(text, &found, in->arena);
    const bool good = chat_template_find(&found, 0, scratch("chat"), &own);
    if (good == own.failed)
        abort();
    remove(scratch("chat/chat_template.jinja"));
    fuzz_file(in, "chat/tokenizer_config.json");
    own = (Error){ 0 };
    return chat_template_find(&found, 0, scratch("chat"), good ? &own : in->error) || good;
}

static void seed_chat_template(const char *folder, Arena *a, Error *e)
{
    static const char list[] = "{\"chat_template\": [{\"name\": \"default\", \"template\": \"{% for m in messages %}{# no #}"
                               "{{ m['content'] + '\\\\n' }}{% generation %}{% endgeneration %}{% endfor %}\"}]}";
    static const char jinja[] =
        "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
        "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
        "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}"
        "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}\n";
    fuzz_seed(folder, "list", list, sizeof list - 1, a, e);
    fuzz_seed(folder, "jinja", jinja, sizeof jinja - 1, a, e);
}

const Parser parser_chat_template = { "chat_template", parse_chat_template, seed_chat_template };

/* --- config.json and preprocessor_config.json --- */

static bool parse_config(const Input *in)
{
    ModelConfig c;
    return config_parse(&c, (const char *)in->data, in->size, "config.json", in->error);
}

static void seed_config(const char *folder, Arena *a, Error *e)
{
    ModelConfig c = fuzz_config();
    (void)a;
    config_save(&c, folder, e);
}

const Parser parser_config = { "config", parse_config, seed_config };

static bool parse_preprocessor(const Input *in)
{
    ImageProcessor s;
    return image_processor_read(&s, fuzz_file(in, "preprocessor_config.json"), in->error);
}

static void seed_preprocessor(const char *folder, Arena *a, Error *e)
{
    ImageProcessor s = image_processor(48);
    image_processor_write(&s, arena_format(a, "%s/preprocessor_config.json", folder), e);
}

const Parser parser_preprocessor = { "preprocessor", parse_preprocessor, seed_preprocessor };

/* --- PEFT: adapter_config.json beside good weights, or adapter_model.safetensors beside a good config --- */

static const char *const parts[] = { "adapter_config.json", "adapter_model.safetensors" };
static char *good_part[2];
static size_t good_size[2];

static const char *adapter_folder(void)
{
    static char folder[600];
    static Error e;
    static Arena a;
    Lora l;
    if (*folder)
        return folder;
    a = arena_make(&e);
    strcpy(folder, scratch("adapter"));
    if (!lora_make(&l, whole(), (LoraConfig){ .rank = 2, .alpha = 4 }, 1, &a, &e)
        || !lora_save(&l, whole(), folder, &e))
        abort();
    for (size_t k = 0; k < 2; k++)
        if (!(good_part[k] = file_read(arena_format(&a, "%s/%s", folder, parts[k]), (size_t)1 << 24, &good_size[k], &a, &e)))
            abort();
    return folder;
}

/* The model is made once. An adapter may replace weights, so each run has a list of its
 * own, whose tensors are only read. */
static bool parse_adapter(const Input *in, size_t part)
{
    Lora l;
    Weights w = *whole();
    const char *folder = adapter_folder(), *path = scratch("adapter/%s", parts[part]);
    w.arena = in->arena;
    w.list = arena_array(in->arena, w.count, sizeof *w.list);
    if (!w.list)
        return false;
    memcpy(w.list, whole()->list, w.count * sizeof *w.list);
    if (!weights_index(&w, in->error))
        return false;
    fuzz_file(in, arena_format(in->arena, "adapter/%s", parts[part]));
    bool read = lora_load(&l, &w, folder, in->arena, in->error);
    remove(path);
    fuzz_write(arena_format(in->arena, "adapter/%s", parts[part]), good_part[part], good_size[part]);
    return read;
}

static bool parse_peft(const Input *in)         { return parse_adapter(in, 0); }
static bool parse_peft_weights(const Input *in) { return parse_adapter(in, 1); }

static void seed_part(const char *folder, size_t part, Arena *a, Error *e)
{
    adapter_folder();
    fuzz_seed(folder, parts[part], good_part[part], good_size[part], a, e);
}

static void seed_peft(const char *folder, Arena *a, Error *e)         { seed_part(folder, 0, a, e); }
static void seed_peft_weights(const char *folder, Arena *a, Error *e) { seed_part(folder, 1, a, e); }

const Parser parser_peft = { "peft", parse_peft, seed_peft };
const Parser parser_peft_weights = { "peft_weights", parse_peft_weights, seed_peft_weights };
