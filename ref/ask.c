/* SPDX-License-Identifier: MIT */
/* pulse-ref ask puts one question to a model, with or without a picture, and prints its greedy answer or the
 * probabilities of given choices. */
#include <math.h>
#include <string.h>
#include "model/image/decode.h"
#include "model/image/orientation.h"
#include "model/image/processor.h"
#include "model/training/generate.h"
#include "model/training/score.h"
#include "model/training/stream.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/config/session.h"
#include "tensor/base/json.h"
#include "tensor/ops.h"

enum { ANSWER_TOKENS = 64, CHOICES_MAX = 64 };         // the most tokens of an answer; the most texts of --choices

typedef struct {
    OptionList adapters;
    const char *model, *image, *choices, *template, *orientation, *memory, *question;
    Session session;
    float *pixels;                                     // of session.reader.pixels's shape; NULL: no picture
    bool unmerged, greedy;
} Ask;

static bool open_model(Ask *q, Arena *a, Error *e)
{
    Settings s;
    PromptTemplate template;
    Session *x = &q->session;
    settings_defaults(&s, a);
    if (q->template && !prompt_template_find(&template, q->template, e))
        return false;
    if (q->template)
        s.data_template = (int)template;
    s.given[SETTING_data_template] = q->template != NULL;
    if (q->memory && !settings_give(&s, "model.memory", q->memory, e))
        return false;
    return (!q->orientation || settings_give(&s, "data.orientation", q->orientation, e))
        && (!q->greedy || settings_give(&s, "data.generation", "greedy", e)) && session_open(x, &s, q->model, MASK_ANSWER, a, e)
        && (q->choices || reader_generates(&x->reader, e))
        && (!q->adapters.count || session_adapters(x, q->adapters.item, q->adapters.count, !q->unmerged, e))
        && session_model(x, e);
}

static bool open_picture(Ask *q, Arena *a, Error *e)
{
    Image picture;
    q->pixels = arena_array(a, shape_size(q->session.reader.pixels), sizeof *q->pixels);
    if (!q->pixels || !image_read(&picture, q->image, a, e))
        return false;
    if (picture.orientation > 1 && !q->session.reader.upright)
        fprintf(stderr, "pulse-ref: ask: %s has the EXIF orientation tag %u, and is read as it is stored (--orientation exif turns it)\n",
                q->image, picture.orientation);
    return (!q->session.reader.upright || orientation_apply(&picture, a, e))
        && image_preprocess(q->pixels, &picture, &q->session.reader.images, a, e);
}

/* Makes the sample of the question with an answer; `answer` NULL: the prompt for the model's own answer. */
static bool sample_for(const Ask *q, const char *answer, BatchSample *s, Arena *a, Error *e)
{
    Prompt p;
    if (!prompt_make(&p, &q->session.reader.style, q->question, answer, q->image != NULL, a, e))
        return false;
    if (p.n > config_positions(&q->session.config))
        return error_set(e, "ask: question and answer have %zu tokens, expected at most %zu (max_position_embeddings)", p.n,
                         config_positions(&q->session.config));
    *s = (BatchSample){ p.ids, p.targets, p.n, q->pixels, 0 };
    return true;
}

/* Splits "A|B|C" into `out`, and returns the number of choices. 0: there are more than CHOICES_MAX, one of them is
 * empty, or memory ran out. */
static size_t split_choices(const char *text, const char *out[CHOICES_MAX], Arena *a)
{
    size_t n = 0;
    for (char *at = arena_text(a, text); at && n < CHOICES_MAX; n++) {
        char *bar = strchr(at, '|');
        if (bar)
            *bar = 0;
        if (!*at)
            return 0;
        out[n] = at;
        if (!bar)
            return n + 1;
        at = bar + 1;
    }
    return 0;
}

/* p_k = e^{-NLL_k} / sum_j e^{-NLL_j}: the probability of each choice, normalised over the choices. */
static bool choice_probabilities(const SampleScore *s, size_t n, float *p, Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    Tensor z = tensor_f32(&scratch, shape_of(2, (size_t)1, n));
    for (size_t k = 0; k < n && z.f32; k++)
        z.f32[k] = -s[k].nll;
    Node *softmax = z.f32 ? op_softmax(&t, tape_input(&t, "choices", z)) : NULL;
    if (softmax)
        memcpy(p, softmax->out.f32, n * sizeof *p);
    arena_free(&scratch);
    return !e->failed;
}

static void print_choices(const char *const *choice, const SampleScore *s, const float *p, size_t n, size_t best,
                          bool json)
{
    char nll[32];
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++) {
        json_add(list, json_pack("{ss, so, so, so}", "text", choice[k], "probability", json_decimal(p[k]), "nll",
                                              json_decimal(s[k].nll), "ce", json_decimal(s[k].ce)));
        if (!json)
            printf("%c %6.2f %%  %-20s nll %s\n", k == best ? '*' : ' ', 100 * (double)p[k], choice[k], decimal_float(s[k].nll, nll));
    }
    if (json)
        command_print(json_pack("{ss, so}", "answer", choice[best], "choices", list));
    else
        json_decref(list);
}

static bool print_probabilities(const Ask *q, bool json, Arena *a, Error *e)
{
    const char *choice[CHOICES_MAX];
    BatchSample samples[CHOICES_MAX];
    SampleScore scores[CHOICES_MAX];
    float p[CHOICES_MAX];
    size_t n = split_choices(q->choices, choice, a), best = 0;
    if (n == 0)
        return error_set(e, "ask: --choices \"%.200s\": expected 1 to %d texts between bars", q->choices, CHOICES_MAX);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < k; i++)
            if (strcmp(choice[i], choice[k]) == 0)
                return error_set(e, "ask: --choices: \"%.200s\" is given twice, expected different texts", choice[k]);
        if (!sample_for(q, choice[k], &samples[k], a, e))
            return false;
    }
    if (!score_samples(&q->session.model, samples, n, 0, scores, a, e) || !choice_probabilities(scores, n, p, e))
        return false;
    for (size_t k = 0; k < n; k++) {
        if (isnan(scores[k].nll))
            return error_set(e, "ask: the probability of \"%.200s\" is not a number, expected a model with finite weights", choice[k]);
        best = scores[k].nll < scores[best].nll ? k : best;
    }
    print_choices(choice, scores, p, n, best, json);
    return true;
}

static bool write_answer(const Ask *q, bool json, Arena *a, Error *e)
{
    BatchSample prompt;
    int32_t ids[ANSWER_TOKENS];
    size_t n;
    if (!sample_for(q, NULL, &prompt, a, e))
        return false;
    // + 1: the model never reads the last token of its answer, so this token takes no position
    size_t left = config_positions(&q->session.config) - prompt.n + 1, max_tokens = left < ANSWER_TOKENS ? left : ANSWER_TOKENS;
    if (!generate_greedy(&q->session.model, &prompt, q->session.reader.end, ids, max_tokens, &n, e))
        return false;
    char *text = tokenizer_decode(q->session.reader.style.tokenizer, ids, n, true, a, e);
    if (!text)
        return false;
    if (json)
        command_print(json_pack("{ss}", "answer", text));
    else
        puts(text);
    return true;
}

int command_ask(int argc, char **argv)
{
    Ask q = { .template = NULL };
    const Option own[] = {
        { "model", "DIR", "The folder of the model, in the Hugging Face layout.", .text = &q.model },
        { "adapter", "DIR", OPTION_ADAPTER, .list = &q.adapters },
        { "unmerged", NULL, OPTION_UNMERGED, .flag = &q.unmerged },
        { "image", "FILE", "The picture that the question is about, a PNG or JPEG file.", .text = &q.image },
        { "greedy", NULL, "The answer is decoded greedily even where generation_config.json of the folder asks for sampling or "
                          "beams. Without this option such a folder is refused.", .flag = &q.greedy },
        { "orientation", "NAME", "How the picture is read. stored (the default): as its file stores it; exif: turned as its EXIF "
          "orientation tag says.", .text = &q.orientation },
        { "choices", "A|B|C|D", "The probabilities of these answers are printed, instead of an answer that the model writes.",
          .text = &q.choices },
        { "template", "NAME", "The prompt template: world, plain, vicuna_v1 or llava_hf. The default is the folder's own chat"
          " template, or world where it has none.", .text = &q.template },
        { "memory", "MIB", OPTION_MEMORY, .text = &q.memory },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, 1, &status))
        return status;
    if (!q.model)
        return command_fail_text("ask: --model is needed (pulse-ref ask --help)");
    q.question = o.operand[0];
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool good = open_model(&q, &a, &e) && (!q.image || open_picture(&q, &a, &e))
             && (q.choices ? print_probabilities(&q, o.json, &a, &e) : write_answer(&q, o.json, &a, &e));
    session_close(&q.session);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
