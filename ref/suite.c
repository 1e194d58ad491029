/* SPDX-License-Identifier: MIT */
#include "ref/suite.h"

#include <string.h>
#include "ref/step.h"
#include "ref/trace_file.h"
#include "tensor/file.h"
#include "unlearn/variants.h"

const StepForm step_forms[] = {
    { "ga.adamw.b", "tiny-llava-b", NULL, "ga", "optimiser.beta2=0.999 optimiser.weight_decay=0.01 optimiser.max_norm=0", "" },
    { "npo.adamw.b", "tiny-llava-b", "tiny-llava-b-reference", "npo", "unlearn.beta=0.1 optimiser.beta2=0.999", "" },
    { "ga_klr.lora.a", "tiny-llava-a", NULL, "ga_klr", "train.trainable=proj+llm lora.rank=3 lora.alpha=6 optimiser.beta2=0.999", "" },
    { "grad_diff.sgd.a", "tiny-llava-a", NULL, "grad_diff", "train.trainable=multi_modal_projector.** optimiser.kind=sgd optimiser.momentum=0.9", "" },
};
const size_t step_forms_count = sizeof step_forms / sizeof *step_forms;

bool suite_file(json_t *files, const char *folder, const char *path, Arena *a, Error *e)
{
    Digest d;
    char *whole = arena_format(a, "%s/%s", folder, path);
    return whole && digest_file(whole, &d, e) && json_array_append_new(files, json_pack("{s:s, s:s}", "path", path, "sha256", d.hex)) == 0;
}

static json_t *word_list(const char *words)
{
    json_t *list = json_array();
    for (; *words; words += strspn(words, " ")) {
        size_t n = strcspn(words, " ");
        json_array_append_new(list, json_stringn(words, n));
        words += n;
    }
    return list;
}

static json_t *tensor_digests(const LossCase *c)
{
    json_t *all = json_object();
    for (size_t k = 0; k < c->in_count; k++)
        json_object_set_new(all, c->in[k].name, json_string(digest_tensor(c->in[k].name, c->in[k].tensor).hex));
    for (size_t k = 0; k < c->out_count; k++)
        json_object_set_new(all, c->out[k].name, json_string(digest_tensor(c->out[k].name, c->out[k].tensor).hex));
    return all;
}

static bool save_case(const char *folder, const char *id, json_t *json, json_t *files, Arena *a, Error *e)
{
    char *path = arena_format(a, "%s/case.json", id);
    bool saved = path && json_save(arena_format(a, "%s/%s", folder, path), json, e) && suite_file(files, folder, path, a, e);
    json_decref(json);
    return saved;
}

static bool write_loss(const char *folder, const LossForm *f, json_t *files, Arena *a, Error *e)
{
    LossCase c;
    char hex[32], *id = arena_format(a, "loss/%s", f->id), *in = arena_format(a, "%s/in.safetensors", id), *out = arena_format(a, "%s/out.safetensors", id);
    if (!id || !in || !out || !loss_case_make(f, &c, a, e) || !file_make_folder(arena_format(a, "%s/%s", folder, id), e)
        || !store_write(arena_format(a, "%s/%s", folder, in), c.in, c.in_count, e) || !store_write(arena_format(a, "%s/%s", folder, out), c.out, c.out_count, e)
        || !suite_file(files, folder, in, a, e) || !suite_file(files, folder, out, a, e))
        return false;
    float loss = c.out[0].tensor.f32[0];
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "id", id, "kind", "loss", "spec", PULSE_SPEC, "method", f->method,
                             "variants", f->variants, "definition", method_find(f->method)->formula, "flags", word_list(f->flags),
                             "loss", json_decimal(loss), "loss.hex", hex_double((double)loss, hex), "tensors", tensor_digests(&c));
    return save_case(folder, id, json, files, a, e);
}

static bool write_op(const char *folder, const OpForm *f, json_t *files, Arena *a, Error *e)
{
    LossCase c;
    json_t *attrs;
    char *id = arena_format(a, "op/%s", f->id), *in = arena_format(a, "%s/in.safetensors", id), *out = arena_format(a, "%s/out.safetensors", id);
    if (!id || !in || !out || !op_case_make(f, &c, &attrs, a, e) || !file_make_folder(arena_format(a, "%s/%s", folder, id), e)
        || !store_write(arena_format(a, "%s/%s", folder, in), c.in, c.in_count, e) || !store_write(arena_format(a, "%s/%s", folder, out), c.out, c.out_count, e)
        || !suite_file(files, folder, in, a, e) || !suite_file(files, folder, out, a, e))
        return false;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", id, "kind", "op", "spec", PULSE_SPEC, "op", f->op, "definition", op_find(f->op)->formula,
                             "attrs", attrs, "flags", word_list(f->flags), "tensors", tensor_digests(&c));
    return save_case(folder, id, json, files, a, e);
}

static bool step_settings(Settings *s, const char *assignments, Arena *a, Error *e)
{
    char *rest = arena_text(a, assignments), *one;
    settings_defaults(s, a);
    while (rest && (one = strtok_r(rest, " ", &rest)))
        if (!settings_set(s, one, e))
            return false;
    return rest != NULL;
}

static bool write_step(const char *folder, const StepForm *f, json_t *files, Arena *a, Error *e)
{
    Step s = { .folder = arena_format(a, "%s/models/%s", folder, f->model), .batch = arena_format(a, "%s/models/%s/batch.jsonl", folder, f->model) };
    char *id = arena_format(a, "step/%s", f->id);
    s.reference = f->reference ? arena_format(a, "%s/models/%s", folder, f->reference) : NULL;
    bool good = id && step_settings(&s.settings, f->settings, a, e) && step_make(&s, f->method, a, e)
        && trace_write(&s.trainer, arena_format(a, "%s/%s", folder, id), json_pack("{s:s, s:s}", "spec", PULSE_SPEC, "method", f->method), a, e)
        && suite_file(files, folder, arena_format(a, "%s/trace.safetensors", id), a, e) && suite_file(files, folder, arena_format(a, "%s/trace.json", id), a, e);
    step_close(&s);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "id", id, "kind", "step", "spec", PULSE_SPEC, "method", f->method, "model", f->model,
                             "reference", f->reference ? json_string(f->reference) : json_null(), "batch", "batch.jsonl of the model", "settings", word_list(f->settings), "flags", word_list(f->flags));
    return good ? save_case(folder, id, json, files, a, e) : (json_decref(json), false);
}

static bool save_manifest(const char *folder, json_t *files, Arena *a, Error *e)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < json_array_size(files); k++) {
        hash_text(&h, json_string_value(json_object_get(json_array_get(files, k), "path")));
        hash_text(&h, json_string_value(json_object_get(json_array_get(files, k), "sha256")));
    }
    json_t *manifest = json_pack("{s:s, s:s, s:s, s:O}", "suite", "pulse-ref vectors v1", "spec", PULSE_SPEC, "digest", hash_end(&h).hex, "files", files);
    bool saved = json_save(arena_format(a, "%s/manifest.json", folder), manifest, e);
    json_decref(manifest);
    return saved;
}

bool suite_write(const char *folder, Arena *a, Error *e)
{
    json_t *files = json_array();
    bool good = file_make_folder(folder, e) && suite_models(folder, files, a, e);
    for (size_t k = 0; good && k < op_forms_count; k++)
        good = write_op(folder, &op_forms[k], files, a, e);
    for (size_t k = 0; good && k < loss_forms_count; k++)
        good = write_loss(folder, &loss_forms[k], files, a, e);
    for (size_t k = 0; good && k < step_forms_count; k++)
        good = write_step(folder, &step_forms[k], files, a, e);
    good = good && save_manifest(folder, files, a, e);
    json_decref(files);
    return good;
}
