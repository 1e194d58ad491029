/* SPDX-License-Identifier: MIT */
#include "ref/vectors/suite.h"

#include <stdio.h>
#include <string.h>
#include "model/image/processor.h"
#include "ref/vectors/case_block.h"
#include "ref/config/hyper.h"
#include "ref/vectors/case_mask.h"
#include "ref/vectors/case_prep.h"
#include "ref/vectors/case_reject.h"
#include "ref/vectors/case_seq.h"
#include "ref/trace/step.h"
#include "ref/vectors/case_tok.h"
#include "ref/vectors/weights/case_weights.h"
#include "ref/trace/trace_file.h"
#include "tensor/base/file.h"
#include "unlearn/hyperparameters.h"

#define MODEL_FLAGS "QuickGeluMissing ClsKept GeluTanh EpsOutsideSqrt RopeInterleaved PromptInLoss ImageTokensInLoss SumNotMean " \
    "NormEps6 NormPlusOne RopeTheta RopeBf16 ChannelsSwapped VisionScaleMissing ImageBothWays "
#define ADAM_FLAGS "BiasCorrectionMissing AdamEpsInSqrt BetaDecimal"
#define ADAPTED "train.trainable=proj+llm lora.rank=2 lora.alpha=4"
#define PROJECTOR "train.trainable=multi_modal_projector.**"

const StepForm step_forms[] = {
    { "npo.adamw.b", "tiny-llava-b", "tiny-llava-b-reference", "batch.jsonl", "npo",
      "unlearn.beta=0.1 optimiser.beta2=0.999 optimiser.weight_decay=0.01",
      MODEL_FLAGS "GqaTiled LayerMinus2 NpoBatchMean NpoLogits NpoOneOverBeta NpoSign GateUpSwapped ClipMissing ClipPerTensor "
                  "DecayCoupled DecayOnVectors " ADAM_FLAGS },
    { "ga_klr.lora.a", "tiny-llava-a", "tiny-llava-a-reference", "pair.jsonl", "ga_klr",
      "train.trainable=proj+llm lora.rank=3 lora.alpha=6 optimiser.beta2=0.999 optimiser.max_norm=0",
      MODEL_FLAGS "LoraNoScale LoraScaleTwice KlReversed KlBatchOnly " ADAM_FLAGS },
    { "grad_diff.sgd.a", "tiny-llava-a", NULL, "pair.jsonl", "grad_diff",
      "train.trainable=multi_modal_projector.** optimiser.kind=sgd optimiser.momentum=0.9",
      MODEL_FLAGS "ShiftOff1 GateUpSwapped ClipMissing" },
    { "mmunlearner.lora.a", "tiny-llava-a", NULL, "batch.jsonl", "mmunlearner",
      "train.trainable=proj+llm lora.rank=3 lora.alpha=6", "ClipMissing FisherMaskMissing" },
    { "smfa.lora.mini", "tiny-llava-mini", NULL, "roles.jsonl", "smfa", ADAPTED " lora.targets=**.q_proj,**.down_proj",
      "SmfaPicturesAlone SumNotMean LoraNoScale" },
    { "mip_editor.lora.mini", "tiny-llava-mini", "tiny-llava-mini-reference", "roles.jsonl", "mip_editor",
      ADAPTED " lora.targets=**.mlp.*_proj", "PathMissing SteeringFixed" },
    { "cmju.lora.mini", "tiny-llava-mini", NULL, "roles.jsonl", "cmju", ADAPTED " unlearn.salient_share=1 unlearn.balance=1",
      "BalanceMissing" },
    { "o3.lora.mini", "tiny-llava-mini", NULL, "roles.jsonl", "o3", ADAPTED " lora.targets=**.q_proj,**.v_proj",
      "SumNotMean LoraNoScale LoraScaleTwice" },
    { "adapters.lora.mini", "tiny-llava-mini", NULL, "roles.jsonl", "adapters", ADAPTED " lora.targets=**.v_proj",
      "RetainMissing SumNotMean" },
    { "pdu.proj.mini", "tiny-llava-mini", NULL, "roles.jsonl", "pdu", PROJECTOR " unlearn.alpha=1", "PduUnshifted PduAllRows" },
    { "adapop.proj.mini", "tiny-llava-mini", NULL, "roles.jsonl", "adapop", PROJECTOR " unlearn.exposures=100", "PopularitySign" },
};
const size_t step_forms_count = sizeof step_forms / sizeof *step_forms;

/* The members of a SuiteCase that a LossCase, BlockCase or SeqCase has under the same names. */
#define TENSORS(c) .in = (c).in, .out = (c).out, .in_count = (c).in_count, .out_count = (c).out_count

/* The reduction of the term on the forget set to one number; for a method without a forget set, that of its only term.
 * The reduction of a KL term is hyper.kl_norm. */
static const char *reduction(const Method *m, const Hyperparameters *v)
{
    if (!m->by_sequence || v->npo_ratio == NPO_BATCH_MEAN)
        return "mean_token";
    return v->npo_ratio == NPO_SEQUENCE_SUM ? "mean_seq" : "mean_logit";
}

static bool write_loss(Suite *s, const LossForm *f)
{
    LossCase c;
    Hyperparameters v;
    const Method *m = method_find(f->method);
    char hex[32], *id = arena_format(s->arena, "loss/%s", f->id);
    if (!id || !loss_case_make(f, &c, s->arena, s->error) || !hyperparameters_make(&v, m, NULL, s->error)
        || !hyperparameters_apply(&v, f->variants, s->error))
        return false;
    float loss = c.out[0].tensor.f32[0];
    json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "method", f->method, "variants", f->variants, "reduction", reduction(m, &v),
                             "hyper", hyper_parameters(&v), "loss", json_decimal(loss), "loss.hex", hex_double((double)loss, hex));
    return suite_noise(s, id, &c.tape, c.out, c.node, c.out_count)
        && suite_case(s, (SuiteCase){ .id = id, .section = "unlearn/method.h", .mistakes = f->mistakes,
                                      .definition = method_formula(m, s->arena), TENSORS(c), .more = json });
}

static bool write_weights(Suite *s, const WeightsForm *f)
{
    LossCase c;
    Hyperparameters v;
    char *id = arena_format(s->arena, "weights/%s", f->id);
    return id && weights_case_make(f, &v, &c, s->arena, s->error)
        && suite_case(s, (SuiteCase){ .id = id, .section = f->section, .mistakes = f->mistakes, .definition = f->definition, TENSORS(c),
                                      .more = json_pack("{s:s, s:s, s:o}", "method", f->method, "variants", f->variants, "hyper",
                                                        hyper_parameters(&v)) });
}

static bool write_op(Suite *s, const OpForm *f)
{
    LossCase c;
    json_t *attrs;
    char *id = arena_format(s->arena, "op/%s", f->id);
    if (!id || !op_case_make(f, &c, &attrs, s->arena, s->error))
        return false;
    return suite_noise(s, id, &c.tape, c.out, c.node, c.out_count)
        && suite_case(s, (SuiteCase){ .id = id, .section = "tensor/ops.def", .mistakes = f->mistakes,
                                      .definition = op_find(f->op)->formula, TENSORS(c),
                                      .more = json_pack("{s:s, s:o}", "op", f->op, "attrs", attrs) });
}

static bool write_prep(Suite *s, const PrepForm *f)
{
    LossCase c;
    Made png;
    const ImageProcessor settings = prep_settings(f);
    char *id = arena_format(s->arena, "prep/%s", f->id),
        *config = arena_format(s->arena, "prep/%s/preprocessor_config.json", f->id);
    if (!id || !config || !prep_picture(f, &png, s->arena, s->error) || !prep_case_make(f, &png, &c, s->arena, s->error)
        || !suite_bytes(s, arena_format(s->arena, "%s/picture.png", id), png.at, png.n)
        || !image_processor_write(&settings, arena_format(s->arena, "%s/%s", s->folder, config), s->error) || !suite_file(s, config))
        return false;
    return suite_case(s, (SuiteCase){ .id = id,
                                      .section = "model/image.h",
                                      .mistakes = f->mistakes,
                                      .definition = f->fused ? PREP_FUSED : PREP_SLOW,
                                      .files = "picture.png preprocessor_config.json",
                                      TENSORS(c),
                                      .more = json_pack("{s:s, s:s}", "image_aspect", f->pad ? "pad" : "crop", "normalise",
                                                        f->fused ? "fused" : "slow") });
}

static bool write_tok(Suite *s, const TokForm *f)
{
    LossCase c;
    char *id = arena_format(s->arena, "tok/%s", f->id), *path = arena_format(s->arena, "tok/%s/tokenizer.json", f->id);
    char *folder = arena_format(s->arena, "%s/%s", s->folder, id),
        *whole = arena_format(s->arena, "%s/%s", s->folder, path);
    json_t *tokenizer = tok_tokenizer(f->id);
    const Tokenizer *t = NULL;
    if (id && path && folder && whole && file_make_folder(folder, s->error) && json_save(whole, tokenizer, s->error)
        && suite_file(s, path))
        t = tokenizer_open(whole, s->arena, s->error);
    json_decref(tokenizer);
    return t && tok_case_make(t, &c, s->arena, s->error)
        && suite_case(s, (SuiteCase){ .id = id, .section = "model/text.h", .mistakes = f->mistakes,
                                      .definition = "ids = the tokenizer's of each text, with special tokens; decoded = the text "
                                                    "of the ids, special tokens skipped",
                                      .files = "tokenizer.json", TENSORS(c), .more = json_object() });
}

static bool write_mask(Suite *s, const MaskForm *f)
{
    static const char *const learnt[] = { "the answer and its end token", "every token but the first and the picture's",
                                          "every token but the first" };
    LossCase c;
    const char *template = prompt_template_name(f->template), *mask = prompt_mask_name(f->mask);
    char *id = arena_format(s->arena, "mask/%s.%s", template, mask),
        *path = arena_format(s->arena, "tok/%s/tokenizer.json", f->tokenizer);
    const Tokenizer *t = path ? tokenizer_open(arena_format(s->arena, "%s/%s", s->folder, path), s->arena, s->error) : NULL;
    return t && mask_case_make(f, t, &c, s->arena, s->error)
        && suite_case(s,
                      (SuiteCase){
                          .id = id,
                          .section = "model/prompt.h",
                          .mistakes = f->mistakes,
                          .definition = arena_format(s->arena,
                                                     "targets[n] = ids[n + 1] where that token is learnt, else -1; learnt: %s",
                                                     learnt[f->mask]),
                          TENSORS(c),
                          .more = json_pack("{s:s, s:s, s:s, s:i, s:o}", "template", template, "mask", mask, "tokenizer", path,
                                            "image_tokens", MASK_IMAGE_TOKENS, "turns", mask_turns(t, &c, s->arena, s->error)) });
}

static json_t *hyper_of(const Settings *s, const Hyperparameters *v)
{
    return json_pack("{s:o, s:o, s:o}", "unlearn", hyper_parameters(v), "optimiser", hyper_settings(s, "optimiser"), "lora",
                     hyper_settings(s, "lora"));
}

static bool write_block(Suite *s, const BlockForm *f)
{
    BlockCase c;
    char *id = arena_format(s->arena, "block/%s", f->id);
    bool good = block_case_open(&c, f, arena_format(s->arena, "%s/models", s->folder), s->arena, s->error)
             && block_case_answer(&c, f, s->arena, s->error)
             && suite_noise(s, id, &c.tape, c.out, c.node, c.out_count)
             && suite_case(s, (SuiteCase){ .id = id,
                                           .section = "ref/block_case.h",
                                           .mistakes = f->mistakes,
                                           .definition = f->definition,
                                           TENSORS(c),
                                           .more = json_pack("{s:s, s:s, s:o, s:o}", "model", f->model, "module", f->module,
                                                             "settings", word_list(f->settings), "ops", c.ops) });
    block_case_close(&c);
    return good;
}

static bool write_step(Suite *u, const StepForm *f)
{
    Arena *a = u->arena;
    Step s = { .folder = arena_format(a, "%s/models/%s", u->folder, f->model),
               .batch = arena_format(a, "%s/models/%s/%s", u->folder, f->model, f->batch) };
    char *id = arena_format(a, "step/%s", f->id);
    s.reference = f->reference ? arena_format(a, "%s/models/%s", u->folder, f->reference) : NULL;
    bool good = id && step_settings(&s.settings, f->settings, a, u->error) && step_make(&s, f->method, a, u->error)
             && trace_write(&s.trainer, arena_format(a, "%s/%s", u->folder, id),
                            json_pack("{s:s, s:s}", "spec", PULSE_SPEC, "method", f->method), a, u->error)
             && suite_file(u, arena_format(a, "%s/trace.safetensors", id)) && suite_file(u, arena_format(a, "%s/trace.json", id))
             && suite_file(u, arena_format(a, "%s/bound.safetensors", id)) && suite_noise_step(u, id);
    step_close(&s);
    return good
        && suite_case(u,
                      (SuiteCase){
                          .id = id,
                          .section = "ref/trace_file.h",
                          .mistakes = f->mistakes,
                          .definition = method_formula(method_find(f->method), a),
                          .files = "trace.safetensors trace.json bound.safetensors",
                          .more = json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "method", f->method, "model", f->model, "reference",
                                            f->reference ? json_string(f->reference) : json_null(), "batch", f->batch, "settings",
                                            word_list(f->settings), "hyper", hyper_of(&s.m.settings, &s.m.v)) });
}

static bool write_seq(Suite *s, const SeqForm *f)
{
    SeqCase c;
    Settings settings;
    MethodSettings m;
    char *id = arena_format(s->arena, "seq/%s", f->id),
        *samples = arena_format(s->arena, "seq/%s/samples.jsonl", f->id), *file;
    if (!id || !samples || !suite_bytes(s, samples, seq_samples, strlen(seq_samples))
        || !step_settings(&settings, f->settings, s->arena, s->error) || !settings_method(&settings, f->method, &m, s->error)
        || !(file = arena_format(s->arena, "%s/%s", s->folder, samples))
        || !seq_case_make(f, s->folder, file, &m, (SeqShake){ .size = 0 }, &c, s->arena, s->error)
        || !suite_noise_seq(s, f, id, file, &m, &c))
        return false;
    return suite_case(s, (SuiteCase){ .id = id, .section = "unlearn/rounds.h", .mistakes = f->mistakes,
                                      .definition = method_formula(m.method, s->arena), .files = "samples.jsonl", TENSORS(c),
        .more = json_pack("{s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "method", f->method, "model", f->model, "rounds", SEQ_ROUNDS,
                          "steps_per_round", SEQ_STEPS,
                  "settings", word_list(f->settings), "hyper", hyper_of(&m.settings, &m.v), "steps", c.steps) });
}

static bool write_reject(Suite *s)
{
    json_t *cases = json_array();
    const Tensor accepted = reject_answers(s->arena);
    char names[8192] = "";
    bool good = accepted.i32 != NULL;
    for (size_t k = 0; good && k < reject_forms_count; k++) {
        const RejectForm *f = &reject_forms[k];
        Made file;
        Error refusal = { .failed = false };
        char *path = arena_format(s->arena, "reject/%s", f->path);
        good = path && reject_file(f, &file, s->arena, s->error) && suite_bytes(s, path, file.at, file.n);
        bool reads = good && reject_reads(f, arena_format(s->arena, "%s/%s", s->folder, path), &refusal);
        json_add(cases, json_pack("{s:s, s:s, s:s, s:s}", "file", f->path, "expected",
                                               reject_expected_name(reject_expected(f)), "reason", f->reason, "here",
                                               reject_expected_name(reads ? REJECT_ACCEPT : REJECT_REFUSE)));
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", f->path);
    }
    const Entry out = { "accepted", accepted };
    if (good)
        return suite_case(s, (SuiteCase){ .id = "reject", .section = "ref/reject_case.h", .mistakes = "",
                                          .definition = "accepted = 1 where the file is accepted, 0 where it is refused, for the "
                                                        "n_ and y_ files in the order of \"cases\"",
                                          .files = names, .out = &out, .out_count = 1, .more = json_pack("{s:o}", "cases", cases) });
    json_decref(cases);
    return false;
}

static bool save_manifest(Suite *s)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < json_array_size(s->files); k++) {
        hash_text(&h, json_string_value(json_object_get(json_array_get(s->files, k), "path")));
        hash_text(&h, json_string_value(json_object_get(json_array_get(s->files, k), "sha256")));
    }
    json_t *manifest = json_pack("{s:s, s:s, s:s, s:o, s:O, s:O}", "suite", "pulse-ref vectors v1", "spec", PULSE_SPEC, "digest",
                                 hash_end(&h).hex, "below", suite_below(s), "cases", s->cases, "files", s->files);
    bool saved = json_save(arena_format(s->arena, "%s/manifest.json", s->folder), manifest, s->error);
    json_decref(manifest);
    return saved;
}

/* Writes all forms of a kind, one after another. */
#define EACH(kind) \
    for (size_t k = 0; good && k < kind##_forms_count; k++) \
        good = write_##kind(&s, &kind##_forms[k])

bool suite_write(const char *folder, Arena *a, Error *e)
{
    Suite s = { .folder = folder, .files = json_array(), .cases = json_array(), .arena = a, .error = e };
    bool good = file_make_folder(folder, e) && suite_models(&s);
    EACH(op);
    EACH(prep);
    EACH(tok);
    EACH(mask);
    EACH(loss);
    for (size_t k = 0; good && weights_form(k); k++)
        good = write_weights(&s, weights_form(k));
    EACH(block);
    EACH(step);
    EACH(seq);
    good = good && write_reject(&s) && suite_noise_save(&s)
        && (!file_exists(arena_format(a, "%s/wrong.safetensors", folder)) || suite_file(&s, "wrong.safetensors"))
        && save_manifest(&s);
    json_decref(s.files);
    json_decref(s.cases);
    return good && !e->failed;
}
