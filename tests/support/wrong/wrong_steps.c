/* SPDX-License-Identifier: MIT */
/* Steps with their known mistakes: the answers of the modules, each of which gets the inputs of the right step, and
 * the answers of the whole step, end to end. The mistake is made in the graph of the step, which is then run again;
 * or another step is made, with other settings or with another config.json. */
#include <math.h>
#include <string.h>
#include "model/folder/folder.h"
#include "ref/trace/again.h"
#include "ref/trace/step.h"
#include "ref/vectors/suite.h"
#include "ref/verify/known/known.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"
#include "tests/support/wrong/wrong.h"

#define BIAS "multi_modal_projector.linear_1.bias"
#define MATRIX "language_model.model.layers.0.self_attn.k_proj.weight"
#define NORM "language_model.model.norm.weight"
#define LAYER "language_model.model.layers.0."
#define ADAPTER "language_model.model.layers.0.self_attn.q_proj"

/* Small tensors, at least one for each place of a step where a mistake can be. MODULE@NAME is the answer of a module; a
 * name without @ is an answer of the whole step. For each mistake, those that it moves are written (keep). */
static const char *const answers[] = {
    "vision_tower.vision_model@out", "vision_tower.vision_model.pre_layrnorm@out",
    "vision_tower.vision_model.encoder.layers.0.mlp@out", "multi_modal_projector@out",
    "language_model.model.layers.0.self_attn@out", "language_model.model.norm@out", ADAPTER "@grad.lora_B.weight", "loss@out",
    "clip@grad." BIAS, "optimiser@after." BIAS, "optimiser@adam.v." BIAS, "optimiser@adam.m." MATRIX,
    "optimiser@after." NORM,
    "loss", "grad." BIAS, "grad." ADAPTER ".lora_B.weight", "after." BIAS, "sgd.momentum." BIAS, "adam.v." BIAS, "adam.m." MATRIX,
    "grad." LAYER "mlp.up_proj.lora_B.weight", "grad." LAYER "self_attn.v_proj.lora_B.weight",
};
// CHOICE: the index of the tower's selected features. From MORE on, answers are for the smallest model only.
enum { CHOICE, ANSWERS = sizeof answers / sizeof *answers, MORE = ANSWERS - 2 };

/* The mistakes that are made by other settings, or by another config.json. */
static const struct { const char *flag, *settings, *config; } mistakes[] = {
    { "NpoBatchMean", "unlearn.npo_ratio=batch_mean", NULL },
    { "NpoLogits", "unlearn.npo_ratio=raw_logits", NULL },
    { "KlBatchOnly", "unlearn.kl_norm=batch", NULL },
    { "PromptInLoss", "data.mask=all_text", NULL },
    { "ImageTokensInLoss", "data.mask=all_plus_image", NULL },
    { "FisherMaskMissing", "unlearn.threshold=0", NULL },
    { "SmfaPicturesAlone", "unlearn.smfa_form=open_mm", NULL },
    { "PathMissing", "unlearn.path_neurons=6", NULL },             // all neurons of the model
    { "SteeringFixed", "unlearn.mip_form=official unlearn.path_neurons=1", NULL },
    { "BalanceMissing", "unlearn.balance=0", NULL },
    { "RetainMissing", "unlearn.alpha=0", NULL },
    { "PduUnshifted", "unlearn.forget_rows=unshifted", NULL },
    { "PduAllRows", "unlearn.forget_rows=all", NULL },
    { "PopularitySign", "unlearn.exposures=0", NULL },             // the exponent is 2, as with the wrong sign
    { "DecayOnVectors", "optimiser.decay_matrices_only=no", NULL },
    { "LayerMinus2", "", "{\"vision_feature_layer\": -2}" },
    { "ClsKept", "", "{\"vision_feature_select_strategy\": \"full\"}" },
};
enum { MISTAKES = sizeof mistakes / sizeof *mistakes };

/* One answer: its value, its bound (NULL: end to end), and the input of its module, forward or backward. If the step
 * has no answer of that name, the value has no data. */
typedef struct { Tensor value, fed; const float *bound; } Answer;

/* --- the step, made and run again --- */

/* Copies the folder of a model and adds the keys of `config` to its config.json. */
static const char *altered(Wrong *w, const char *model, const char *config)
{
    static const char *const same[] = { "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                                        "preprocessor_config.json" };
    const char *from = arena_format(w->arena, "%s/models/%s", w->suite, model),
        *to = arena_text(w->arena, scratch("%s", model));
    json_t *all = json_file(arena_format(w->arena, "%s/config.json", from), 1 << 20, w->error),
        *other = json_loads(config, 0, NULL);
    json_object_del(all, "image_seq_length");  // it follows from the other keys
    bool good = all && other && json_object_update(all, other) == 0 && file_make_folder(to, w->error)
             && json_save(arena_format(w->arena, "%s/config.json", to), all, w->error);
    for (size_t k = 0; good && k < sizeof same / sizeof *same; k++)
        good = folder_copy(from, to, same[k], w->error);
    json_decref(all);
    json_decref(other);
    return to;
}

static bool open_step(Wrong *w, const StepForm *f, const char *settings, const char *config, Step *s, Arena *a)
{
    const char *models = arena_format(a, "%s/models", w->suite), *reference = f->reference;
    *s = (Step){ .folder = arena_format(a, "%s/%s", models, f->model),
                 .batch = arena_format(a, "%s/%s/%s", models, f->model, f->batch) };
    s->reference = reference ? arena_format(a, "%s/%s", models, reference) : NULL;
    if (config) {
        s->folder = altered(w, f->model, config);
        s->reference = reference ? altered(w, reference, config) : NULL;
    }
    return !w->error->failed && step_settings(&s->settings, arena_format(a, "%s %s", f->settings, settings), a, w->error)
        && step_make(s, f->method, a, w->error);
}

/* --- what it answers --- */

/* The node that has this name in the trace. */
static const Node *find_node(const Step *s, const char *name)
{
    const Trainer *r = &s->trainer;
    if (strcmp(name, "loss") == 0)
        return r->loss;
    for (size_t k = 0; k < r->optimiser.count; k++) {
        const OptimiserSlot *o = &r->optimiser.slots[k];
        const struct { const char *kind; const Node *node; } parts[] = {
            { "grad.", o->grad }, { "after.", o->new_value }, { o->new_v ? "adam.m." : "sgd.momentum.", o->new_m },
            { "adam.v.", o->new_v },
        };
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            size_t n = strlen(parts[p].kind);
            if (strncmp(name, parts[p].kind, n) == 0 && strcmp(name + n, o->name) == 0)
                return parts[p].node;
        }
    }
    return NULL;
}

/* The node of the unit's run that is the answer of this name. */
static const Node *unit_answer(const Step *s, const Unit *u, const UnitRun *r, const char *name)
{
    const Tape *t = &s->trainer.tape;
    const Node *n = strcmp(name, "out") != 0 ? find_node(s, name) : u->out ? u->out : s->trainer.loss;
    for (size_t k = 0; k < t->count; k++) {
        const Node *one = t->nodes[k];
        bool clipped = n && strcmp(u->module, "clip") == 0 && one->op && strcmp(one->op->name, "scale_by") == 0
            && one->in[0] == n;
        const char *weight = one->op ? NULL : unit_weight(u, one);
        if (clipped)
            return r->node[k];
        if (weight && strncmp(name, "grad.", 5) == 0 && strcmp(weight, name + 5) == 0)
            return r->node[k] ? r->node[k]->grad : NULL;
    }
    return n ? r->node[n->id] : NULL;
}

/* Fills in the answers that belong to the unit. */
static void answer_unit(Wrong *w, const Step *s, const Unit *u, Answer to[ANSWERS], Arena *a)
{
    size_t length = strlen(u->module);
    UnitRun r = { .node = NULL };
    for (size_t k = 0; k < ANSWERS; k++) {
        const char *name = answers[k] + length + 1;
        if (strncmp(answers[k], u->module, length) != 0 || answers[k][length] != '@'
            || (!r.node && !unit_run(&r, &s->trainer.tape, u, a, w->error)))
            continue;
        const Node *n = unit_answer(s, u, &r, name), *back = u->out ? u->out->grad : find_node(s, "grad." BIAS),
                   *fed = strcmp(name, "out") == 0 ? u->in : back;
        if (n && fed)
            to[k] = (Answer){ n->out, fed->out, r.bounds[n->id] };
    }
}

static void answer_all(Wrong *w, const Step *s, Answer to[ANSWERS], Arena *a)
{
    const Tape *t = &s->trainer.tape;
    Node **made = again_run(t, a, w->error);
    Unit *list;
    size_t count;
    memset(to, 0, ANSWERS * sizeof *to);
    for (size_t k = 0; made && k < ANSWERS; k++) {
        const Node *n = find_node(s, answers[k]);
        if (n && made[n->id])
            to[k].value = made[n->id]->out;
    }
    if (made && units_find(t, &list, &count, a))
        for (size_t k = 0; k < count; k++) {
            answer_unit(w, s, &list[k], to, a);
            // where all rows of the tower are taken, no node selects them
            if (strcmp(list[k].module, "multi_modal_projector") == 0 && !to[CHOICE].value.data)
                to[CHOICE] = (Answer){ list[k].in->out, list[k].in->out, NULL };
        }
}

/* --- what a mistake moves --- */

static bool same(Tensor x, Tensor y)
{
    return shape_equal(x.shape, y.shape) && memcmp(x.data, y.data, tensor_bytes(x)) == 0;
}

/* Whether the mistake moves the answer: beyond its bound or, end to end, by much more than fp32 arithmetic does. */
static bool moves(const Answer *right, const Answer *wrong)
{
    double most = 0, way = 0;
    bool over = !shape_equal(right->value.shape, wrong->value.shape);
    for (size_t i = 0; !over && i < shape_size(right->value.shape); i++) {
        double x = (double)right->value.f32[i], off = fabs((double)wrong->value.f32[i] - x);
        if (right->bound && off > (double)right->bound[i])
            return true;
        most = fmax(most, fabs(x));
        way = fmax(way, off);
    }
    return over || (!right->bound && way > 0x1p-8 * most);
}

/* Whether the answer belongs to the update of the weights (clipping, optimiser), and not to the graph of the loss. */
static bool of_update(const char *answer)
{
    bool graph = strcmp(answer, "loss") == 0 || strncmp(answer, "grad.", 5) == 0;
    return strchr(answer, '@') ? strncmp(answer, "clip@", 5) == 0 || strncmp(answer, "optimiser@", 10) == 0 : !graph;
}

static void keep(Wrong *w, const char *id, const char *flag, const Answer right[ANSWERS], const Answer wrong[ANSWERS])
{
    size_t before = w->count;
    bool graph = false;                        // an answer of the graph was written, so none of the update is
    const size_t count = strstr(id, ".mini") ? ANSWERS : MORE;
    for (size_t k = 0; k < count && !w->error->failed; k++) {
        if (strcmp(answers[k], "optimiser@after." NORM) == 0 && strcmp(flag, "DecayOnVectors") != 0)
            continue;                          // this answer is for DecayOnVectors, which the bias is too small to show
        if (strcmp(answers[k], "after." BIAS) == 0 && strcmp(flag, "FisherMaskMissing") == 0)
            continue;                          // this answer is mostly noise, because noise changes the mask here and there
        if (!right[k].value.data || !wrong[k].value.data || (graph && of_update(answers[k]))
            || (right[k].bound && !same(right[k].fed, wrong[k].fed)) || !moves(&right[k], &wrong[k]))
            continue;
        float *y = wrong_answer(w, id, flag, answers[k], wrong[k].value.shape);
        if (y)
            memcpy(y, wrong[k].value.f32, tensor_bytes(wrong[k].value));
        graph |= !of_update(answers[k]);
    }
    if (w->count == before)
        error_set(w->error, "wrong: %s has no answer that %s moves", id, flag);
}

static void other_step(Wrong *w, const StepForm *f, const char *id, size_t which, const Answer right[ANSWERS], Arena *a)
{
    Step s;
    Answer wrong[ANSWERS];
    if (open_step(w, f, mistakes[which].settings, mistakes[which].config, &s, a)) {
        answer_all(w, &s, wrong, a);
        keep(w, id, mistakes[which].flag, right, wrong);
    }
    step_close(&s);
}

static void other_graph(Wrong *w, const Step *s, const char *id, const char *flag, const Answer right[ANSWERS],
                        Arena *a)
{
    const Tape *t = &s->trainer.tape;
    Answer wrong[ANSWERS];
    Node *kept = arena_array(a, t->count, sizeof *kept);
    for (size_t k = 0; kept && k < t->count; k++)
        kept[k] = *t->nodes[k];
    if (kept && known_make(t, NULL, flag, a)) {
        answer_all(w, s, wrong, a);
        keep(w, id, flag, right, wrong);
    } else
        error_set(w->error, "wrong: %s has no place for %s", id, flag);
    for (size_t k = 0; kept && k < t->count; k++)
        *t->nodes[k] = kept[k];
}

static void wrong_step(Wrong *w, const StepForm *f)
{
    Arena own = arena_make(w->error);
    Step s;
    Answer right[ANSWERS];
    const char *id = arena_format(w->arena, "step/%s", f->id), *flags = f->mistakes, *flag;
    if (open_step(w, f, "", NULL, &s, &own)) {
        answer_all(w, &s, right, &own);
        while (!w->error->failed && (flag = wrong_flag(w, &flags))) {
            size_t k = 0;
            while (k < MISTAKES && strcmp(mistakes[k].flag, flag) != 0)
                k++;
            if (k < MISTAKES)
                other_step(w, f, id, k, right, &own);
            else
                other_graph(w, &s, id, flag, right, &own);
        }
    }
    step_close(&s);
    arena_free(&own);
}

void wrong_steps(Wrong *w)
{
    for (size_t k = 0; k < step_forms_count && !w->error->failed; k++)
        wrong_step(w, &step_forms[k]);
}
