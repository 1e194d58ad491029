/* SPDX-License-Identifier: MIT */
/* pulse.h: the one public header of PULSE-ref. Every result is the fp32 number nearest to its formula over the real
 * numbers, so a call has the same bits on every machine, with every number of threads and with every BLAS.
 *
 *     pulse_context *ctx;
 *     if (pulse_open(NULL, &ctx) == PULSE_OK) {
 *         float x[4] = { 1, 2, 3, 4 }, y[4];
 *         pulse_tensor in = { PULSE_F32, 2, { 2, 2 }, x }, out = { PULSE_F32, 2, { 2, 2 }, y };
 *         if (pulse_op(ctx, "softmax", &in, 1, NULL, 0, NULL, 0, &out) != PULSE_OK)
 *             puts(pulse_error_text(ctx));
 *     }
 *     pulse_close(ctx);
 *
 * Errors: a function that can fail returns a pulse_status, and the context keeps a sentence about the failure.
 * Outputs are undefined after a failure, but nothing was read or written outside the buffers of the call. Each call
 * clears the failure of the previous one.
 * Ownership: buffers belong to the caller. So do handles (what pulse_*_open makes, and every pulse_result), which the
 * caller closes with pulse_*_close; closing NULL does nothing. Texts and arrays that come back through a pointer
 * (`const char **`, `const int32_t **`) belong to the context and live until its next call.
 * NULL: a pointer may be NULL only where its comment says so, or where the count beside it is 0. Any other NULL is
 * PULSE_BAD_INPUT.
 * Threads: a context, a trainer and a result belong to one thread at a time. Several contexts may work at the same
 * time in several threads. Models, tokenizers and processors are read-only once they are open, and may be used by
 * several contexts at once.
 * Buffers: row-major without gaps, aligned to their element. Outputs may not overlap inputs. */
#ifndef PULSE_H
#define PULSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define PULSE_API __attribute__((visibility("default")))

/* --- The context --- */

typedef enum {
    PULSE_OK,
    PULSE_BAD_INPUT,         // an argument or a file is not what was expected: the caller can mend it
    PULSE_NO_MEMORY,         // memory ran out, or a limit of pulse_options was reached
    PULSE_IO,                // the operating system could not open or read a file
    PULSE_ENVIRONMENT,       // the floating-point environment is not that of IEEE 754, or the self-test failed
    PULSE_UNDECIDED          // the last bit of a result could not be decided: a bug in this library
} pulse_status;

typedef struct pulse_context pulse_context;

typedef struct {
    int32_t  threads;        // the most threads of a call; 0: OMP_NUM_THREADS, else the number of processors
    uint64_t memory_limit;   // the most bytes of one call's scratch memory, of one model, of one step's tape; 0: no limit
} pulse_options;

/* "0.1.0 libpulseref.so.0 spec 1": the version, the soname, the version of the definition of the bits. Never fails. */
PULSE_API const char *pulse_version(void);

/* Opens a context: checks the floating-point environment and runs the self-test of the product kernel. `options` may be
 * NULL. After a failure, *out is NULL, or it is a context that holds the sentence, refuses every call and must be
 * closed. Every later call checks the environment of each thread that takes part. */
PULSE_API pulse_status pulse_open(const pulse_options *options, pulse_context **out);
PULSE_API void pulse_close(pulse_context *ctx);

/* The kind and the sentence of the last call's failure; PULSE_OK and "" after a success.
 * `ctx` may be NULL: PULSE_BAD_INPUT and a sentence. */
PULSE_API pulse_status pulse_error_kind(const pulse_context *ctx);
PULSE_API const char *pulse_error_text(const pulse_context *ctx);
/* "no memory": a kind in words. */
PULSE_API const char *pulse_status_name(pulse_status kind);

/* --- Tensors and operators --- */

enum { PULSE_RANK_MAX = 4 };
// F16 and BF16: the bits, as uint16_t
enum { PULSE_F32, PULSE_F16, PULSE_BF16, PULSE_F64, PULSE_I64, PULSE_I32, PULSE_U8 };

typedef struct {
    int32_t dtype;           // PULSE_F32, …
    int32_t rank;            // 0 (a scalar) to PULSE_RANK_MAX
    int64_t dims[PULSE_RANK_MAX];
    void   *data;            // may be NULL where a dimension is 0
} pulse_tensor;

// such as { "eps", 1e-5 }. In pulse_op_record, "floats" are rounded to fp32, "reals" are not, "ints" must be whole
typedef struct { const char *name; double value; } pulse_attribute;
// such as { "kl_norm", "batch" } or { "beta", "0.1" }; a real number is rounded to fp32, an integer is not
typedef struct { const char *key, *value; } pulse_setting;

/* The number of operators, and the record of operator k (from 0) as JSON: {"name", "formula", "class", "inputs": ["x",
 * "w", "b?"], "shapes": "[N, K], [M, K], [M] -> [N, M]", "half", "floats", "reals", "ints", "index", "bound"}. An input
 * "b?" may be left out at the end; "x..." stands for any number of inputs. In "shapes", […] is any shape and [] is a
 * scalar. "half" lists the inputs that may be F16 or BF16; all others are F32. "floats", "reals" and "ints" list the
 * attributes. "index" is "ids [N]", or null. "bound" says whether the operator has a bound (pulse_op_bound). */
PULSE_API size_t pulse_op_count(void);
PULSE_API pulse_status pulse_op_record(pulse_context *ctx, size_t k, const char **json);

/* Runs the operator `name` (REPRODUCE.md; `pulse-ref list ops`): output = its formula, rounded once. `inputs` have
 * the order of the record. An attribute that is not given is 0. `index` holds ids, labels, positions or segments, as
 * the record says. The output is F32 and has the shape that pulse_op_shape gives. */
PULSE_API pulse_status pulse_op(pulse_context *ctx, const char *name, const pulse_tensor *inputs, size_t n_inputs,
                                const pulse_attribute *attributes, size_t n_attributes, const int32_t *index,
                                size_t n_index, const pulse_tensor *output);
/* Fills in dtype, rank and dims of *output, and does not touch its data. Runs no kernel. */
PULSE_API pulse_status pulse_op_shape(pulse_context *ctx, const char *name, const pulse_tensor *inputs, size_t n_inputs,
                                      const pulse_attribute *attributes, size_t n_attributes, const int32_t *index,
                                      size_t n_index, pulse_tensor *output);

/* --- Losses of the methods on logits (unlearn/methods.def; `pulse-ref list methods`) --- */

enum { PULSE_FORGET, PULSE_RETAIN, PULSE_REFUSAL, PULSE_ALTERNATE, PULSE_FORGET_TEXT, PULSE_RANDOM, PULSE_ROLES };

/* The samples of one role. Sample i has the rows offsets[i] to offsets[i + 1] - 1; the last offset is `rows`. */
typedef struct {
    int32_t role;            // PULSE_FORGET, …; each role at most once
    int64_t rows, vocabulary, samples;
    const float   *logits;         // [rows, vocabulary]
    const float   *reference;      // [rows, vocabulary] logits of the reference model; NULL where the method needs none
    const int32_t *labels;         // [rows] token ids; -1: the row is not supervised
    const int32_t *offsets;        // [samples + 1]
    float         *gradient;       // [rows, vocabulary], output: d loss / d logits, +0 where no gradient arrives; may be NULL
} pulse_part;

/* The number of methods, and the record of method k as JSON: {"name", "label", "needs": ["forget", …], "reference":
 * ["retain", …], "on": "logits", "hidden states" or "weights", "loss", "gradient", "variants", "notes", "source",
 * "hyperparameters": {"beta": …}}. "reference" lists the roles for which the reference model is run, too. */
PULSE_API size_t pulse_method_count(void);
PULSE_API pulse_status pulse_method_record(pulse_context *ctx, size_t k, const char **json);

/* Computes the loss of `method`, and the gradients of the parts. `hyperparameters` are given by name
 * (unlearn/hyperparameters.def); the name "preset" chooses a preset, which the others override. A method that is not
 * defined on logits (rmu, manu) is PULSE_BAD_INPUT. */
PULSE_API pulse_status pulse_loss(pulse_context *ctx, const char *method, const pulse_part *parts, size_t n_parts,
                                  const pulse_setting *hyperparameters, size_t n_hyperparameters, float *loss);

/* --- Optimisers (tensor/optimiser.h) --- */

typedef struct {
    const pulse_tensor *value;       // F32 weights, updated
    const float *gradient;           // of the same shape; NULL: zero
    // the moments, of the same shape, which are updated; they are 0 before the first step. With sgd, m is the momentum
    // and may be NULL where the setting momentum is 0, and v may be NULL
    float *m, *v;
} pulse_slot;

// how many steps were taken, beta1^step and beta2^step; begins as { 0, 1, 1 }
typedef struct { int64_t step; double power1, power2; } pulse_optimiser_state;

/* Takes one step over all slots: clipping by their global norm, moments, weights. `settings` are the keys of
 * [optimiser] and "steps" (`pulse-ref list config`): "kind", "lr", "beta1", "beta2", "eps", "weight_decay",
 * "momentum", "max_norm", "schedule", … with the defaults listed there. Buffers and state change only if the whole
 * step succeeds. *norm (of all gradients; 0 without clipping) and *lr (of this step) may be NULL. */
PULSE_API pulse_status pulse_optimiser_step(pulse_context *ctx, const pulse_setting *settings, size_t n_settings,
                                            const pulse_slot *slots, size_t n_slots, pulse_optimiser_state *state,
                                            float *norm, float *lr);
/* The learning rate of step t, counted from 1 to the setting "steps". */
PULSE_API pulse_status pulse_schedule(pulse_context *ctx, const pulse_setting *settings, size_t n_settings, int64_t t,
                                      float *lr);

/* --- Models: folders in the layout of Hugging Face (model/arch.def) --- */

typedef struct pulse_model pulse_model;

typedef struct {
    int32_t role;                  // of a training step: PULSE_FORGET, …; otherwise ignored
    int64_t count;                 // tokens
    const int32_t *ids;            // [count]; a picture is "image_tokens" (pulse_model_config) image tokens
    const int32_t *targets;        // [count] the id that each position predicts; -1, or NULL for all: not supervised
    const float   *pixels;         // [channels, height, width] of its picture; NULL: none
    int64_t n_pixels;              // floats at `pixels`
} pulse_sample;

/* Opens FOLDER/config.json and the weights; `adapter` is a folder in PEFT's layout, or NULL. */
PULSE_API pulse_status pulse_model_open(pulse_context *ctx, const char *folder, const char *adapter, pulse_model **out);
/* Opens a model with several adapters at once, as set_adapter([…]) of PEFT does: y = W x + s_1 B_1 (A_1 x) + s_2 B_2
 * (A_2 x) + …, in their order; s_k is the scale of adapter k. The factor A of a module's second adapter is called
 * "<module>.lora_A.2.weight". Two adapters that replace the same weight as a whole are refused. */
PULSE_API pulse_status pulse_model_open_adapters(pulse_context *ctx, const char *folder, const char *const *adapters,
                                                 size_t n_adapters, pulse_model **out);
PULSE_API void pulse_model_close(pulse_model *model);
/* Every key of config.json with the value in force, and what follows from them: "image_tokens" (the tokens of a
 * picture), "pixels" ([channels, height, width]) and "positions" (the most tokens of a sample). */
PULSE_API pulse_status pulse_model_config(pulse_context *ctx, const pulse_model *model, const char **json);
/* The number of parameters (named tensors), adapters included, or 0 where `model` is NULL; and parameter k: its name on
 * the Hub, and its values, read-only and the model's: F32; linear maps and word embeddings may be F16 or BF16. */
PULSE_API size_t pulse_model_parameters(const pulse_model *model);
PULSE_API pulse_status pulse_model_parameter(pulse_context *ctx, const pulse_model *model, size_t k, const char **name,
                                             pulse_tensor *value);

/* Named tensors, the result of a forward pass or a step. Names and tensors belong to the result. */
typedef struct pulse_result pulse_result;
PULSE_API void   pulse_result_close(pulse_result *result);
PULSE_API size_t pulse_result_count(const pulse_result *result);           // 0 where `result` is NULL
PULSE_API pulse_status pulse_result_tensor(pulse_context *ctx, const pulse_result *result, size_t k, const char **name,
                                           pulse_tensor *value);
PULSE_API pulse_status pulse_result_find(pulse_context *ctx, const pulse_result *result, const char *name,
                                         pulse_tensor *value);
/* How the tensors were computed, as in trace.json (`pulse-ref trace`): {"nodes": [{"op", "module", "inputs", "attrs",
 * "output"}, …]}; of a step also "spec", "method", "formula" and "reference". */
PULSE_API pulse_status pulse_result_json(pulse_context *ctx, const pulse_result *result, const char **json);

/* Runs the model on samples that are packed one after another: N tokens, a vocabulary of V, hidden states of size C.
 * The result holds "logits" [N, V]; "hidden_states.K" [N, C] (K = 0: the embeddings; otherwise the output of layer K,
 * which is called layers.<K - 1>); "image_features" where there is a picture; the output of a module's last node under
 * its path, "language_model.model.layers.0.mlp"; every node as in a trace, "t<k>", "param.<name>", "input.<name>". The
 * result holds their memory, but weights and rotary tables belong to the model and live as long as it does. */
PULSE_API pulse_status pulse_forward(pulse_context *ctx, const pulse_model *model, const pulse_sample *samples,
                                     size_t n_samples, pulse_result **out);

// nll and ce: the sum and the mean of -log p over the supervised tokens; right: how many of them have the largest logit
typedef struct { float nll, ce; int64_t tokens, right; } pulse_score_value;
/* scores[i]: the negative log likelihood of the targets of sample i, and how many of them the model predicts. */
PULSE_API pulse_status pulse_score(pulse_context *ctx, const pulse_model *model, const pulse_sample *samples,
                                   size_t n_samples, pulse_score_value *scores);
/* Greedy decoding: writes new tokens until the token `end`, which is written too, or until there are `room` of them,
 * and sets *count to their number. `end` -1: the model's eos token. Prompt plus `room`: at most "positions" tokens. */
PULSE_API pulse_status pulse_generate(pulse_context *ctx, const pulse_model *model, const pulse_sample *prompt,
                                      int32_t end, int32_t *tokens, size_t room, size_t *count);

/* --- Training and unlearning steps --- */

typedef struct pulse_trainer pulse_trainer;

/* Opens a trainer, which trains a copy of the weights of `folder` by `method`. `settings` are keys of `pulse-ref list
 * config` with their section: "optimiser.lr", "train.trainable", "lora.rank", "unlearn.beta"; hyperparameters need
 * no "unlearn.". `reference` is the folder of the reference model; NULL: the model before the first step. */
PULSE_API pulse_status pulse_trainer_open(pulse_context *ctx, const char *folder, const char *method,
                                          const pulse_setting *settings, size_t n_settings, const char *reference,
                                          pulse_trainer **out);
PULSE_API void pulse_trainer_close(pulse_trainer *trainer);
/* Computes one optimiser step on the samples, each with its role, in their order. Refusal k and alternate k belong to
 * forget sample k. First the weights become the "after.<name>" of the previous step. The result holds what `pulse-ref
 * trace` writes: every node "t<k>", "grad.t<k>", "param.<name>", "grad.<name>", "after.<name>", "adam.m.<name>",
 * "adam.v.<name>", "loss". Its tensors live until the trainer's next step or closing.
 * All steps of a trainer are of one request, and no request came before it. What a method keeps from step to step (the
 * weights of pdu and adapop) is kept. What it measures before its first step (the masks of mmunlearner) is measured at
 * each step, on the samples of that step. Sculpting after the last step (smfa) and overlaps with earlier requests (o3)
 * are left to `pulse-ref unlearn`. */
PULSE_API pulse_status pulse_trainer_step(pulse_context *ctx, pulse_trainer *trainer, const pulse_sample *samples,
                                          size_t n_samples, pulse_result **out);

/* --- Text and pictures --- */

typedef struct pulse_tokenizer pulse_tokenizer;
typedef struct pulse_processor pulse_processor;

/* Opens a tokenizer.json. */
PULSE_API pulse_status pulse_tokenizer_open(pulse_context *ctx, const char *path, pulse_tokenizer **out);
PULSE_API void pulse_tokenizer_close(pulse_tokenizer *tokenizer);
/* The ids of n bytes of UTF-8. If `special` is not 0, they include the tokens of the tokenizer's own template (<s>). */
PULSE_API pulse_status pulse_encode(pulse_context *ctx, const pulse_tokenizer *tokenizer, const char *text, size_t n,
                                    int special, const int32_t **ids, size_t *count);
/* The text of ids. If `skip_special` is not 0, special tokens are left out. Ids of no token are always left out. */
PULSE_API pulse_status pulse_decode(pulse_context *ctx, const pulse_tokenizer *tokenizer, const int32_t *ids,
                                    size_t count, int skip_special, const char **text);

typedef struct {
    const int32_t *ids, *targets;  // [count] each; targets are -1 where the mask does not supervise
    size_t count;
    size_t image_begin, image_count, answer_begin, answer_count;
} pulse_prompt_value;

/* Encodes a question and its answer by a template ("world", "plain", "vicuna_v1", "llava_hf") and a mask ("answer",
 * "all_text", "all_plus_image"); model/text/prompt.h defines both. `image_tokens` is the number of tokens of the
 * picture, 0 without a picture. With `answer` NULL, the result is the prompt of a generation. */
PULSE_API pulse_status pulse_prompt(pulse_context *ctx, const pulse_tokenizer *tokenizer, const char *prompt_template,
                                    const char *mask, const char *question, const char *answer, size_t image_tokens,
                                    pulse_prompt_value *out);

/* Opens a preprocessor_config.json. Pictures become 3 * height * width floats; pulse_processor_size gives both. */
PULSE_API pulse_status pulse_processor_open(pulse_context *ctx, const char *path, pulse_processor **out);
PULSE_API void pulse_processor_close(pulse_processor *processor);
PULSE_API pulse_status pulse_processor_size(pulse_context *ctx, const pulse_processor *processor, size_t *width,
                                            size_t *height);
/* Make pixels from a PNG or JPEG file, from its bytes, or from decoded bytes rgb[height, width, 3].
 * n_pixels must be 3 * height * width of the result. A file's EXIF orientation tag is not followed. */
PULSE_API pulse_status pulse_pixels_file(pulse_context *ctx, const pulse_processor *processor, const char *path,
                                         float *pixels, size_t n_pixels);
PULSE_API pulse_status pulse_pixels_bytes(pulse_context *ctx, const pulse_processor *processor, const void *bytes,
                                          size_t n_bytes, float *pixels, size_t n_pixels);
PULSE_API pulse_status pulse_pixels_rgb(pulse_context *ctx, const pulse_processor *processor, const uint8_t *rgb,
                                        size_t width, size_t height, float *pixels, size_t n_pixels);

/* --- For experts --- */

/* The same as pulse_op. In addition, bound[i] is the largest absolute error that element i of the output may have in a
 * sane fp32 implementation (REPRODUCE.md). `bound` is F32 of the output's shape. An operator without a bound is
 * PULSE_BAD_INPUT. */
PULSE_API pulse_status pulse_op_bound(pulse_context *ctx, const char *name, const pulse_tensor *inputs, size_t n_inputs,
                                      const pulse_attribute *attributes, size_t n_attributes, const int32_t *index,
                                      size_t n_index, const pulse_tensor *output, const pulse_tensor *bound);
/* The engine that computes large products: the name, version and processor type of the BLAS library, or "built-in
 * kernel, …" where there is none. Opens the library. */
PULSE_API pulse_status pulse_engine(pulse_context *ctx, const char **text);
/* Checks the environment and runs the self-test again. */
PULSE_API pulse_status pulse_check(pulse_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
