/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "eval/formats/samples.h"
#include "eval/words.h"
#include "ref/run/run.h"
#include "ref/config/identity.h"
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"

const char *stage_folder(const Run *r, size_t stage, Arena *a)
{
    return arena_format(a, "%s/stages/%s", r->out, r->plan.stage[stage].digest.hex);
}

static const char *given_model(const Settings *s, StartModel m)
{
    return m == MODEL_BASE ? s->protocol_base : m == MODEL_VANILLA ? s->protocol_vanilla : s->protocol_oracle;
}

const char *run_model(const Run *r, StartModel m, Arena *a)
{
    return r->plan.made[m] == NO_STAGE ? settings_path(&r->settings, given_model(&r->settings, m)) : stage_folder(r, r->plan.made[m], a);
}

static bool read_samples(Run *r, const char *name, Dataset *to, Digest *d, Error *e)
{
    const char *path = arena_format(&r->arena, "%s/%s", settings_path(&r->settings, r->settings.data_world), name);
    return path && samples_open(to, path, &r->arena, e) && samples_digest(to, d, &r->arena, e);
}

/* A method's settings in an unlearn stage of this run. */
bool run_method(const Run *r, const char *method, const char *trainable, uint64_t seed, MethodSettings *out, Error *e)
{
    if (!settings_method(&r->settings, method, out, e))
        return error_prefix(e, "%s", r->settings.file);
    const bool *given = out->settings.given;
    if (given[SETTING_unlearn_steps] || given[SETTING_unlearn_epochs])
        return error_set(e, "%s: unlearn.%s is of `pulse-ref unlearn`, expected the budgets of a run in [steps] or [epochs]",
                         r->settings.file, given[SETTING_unlearn_steps] ? "steps" : "epochs");
    if (!settings_frozen_none(&out->settings, e))
        return false;
    settings_seed(out, seed);
    out->settings.unlearn_epochs = out->settings.unlearn_steps = 0;      // the plan says how many steps
    if (trainable)
        out->settings.train_trainable = trainable;
    return true;
}

/* What a probe depends on in addition where attack.knowledge is on, as text; "" where it is off. NULL: a failure. */
static const char *knowledge_recipe(const Settings *s, Arena *a, Error *e)
{
    MethodSettings general;
    Digest reverse = { "none" };
    if (!s->attack_knowledge)
        return "";
    if (!settings_relearning_general(s, 0, &general, e))
        return NULL;
    const char *rounds = settings_part(&general.settings, IN_ROUNDS, a, e),
        *file = rounds && *s->data_reverse ? settings_input(s, "data.reverse", s->data_reverse, e) : NULL;
    if (!rounds || (*s->data_reverse && (!file || !digest_file(file, &reverse, e))))
        return NULL;
    return arena_format(a, "knowledge, reverse %s, relearning %s\n%s", reverse.hex, general.settings.train_trainable, rounds);
}

/* Makes the recipe of each method: all that its rounds depend on, except for what the plan adds for each case, such as
 * the seed. Also makes the recipe of the probes, c->probing. */
static bool method_configs(Run *r, ProtocolConfig *c, Error *e)
{
    Arena *a = &r->arena;
    MethodConfig *list = arena_array(a, methods_count, sizeof *list);
    for (size_t k = 0; list && k < methods_count; k++) {
        MethodSettings m;
        if (!run_method(r, methods[k]->name, NULL, 0, &m, e))
            return false;
        const Settings *s = &m.settings;
        const char *recipe = settings_part(s, IN_ROUNDS, a, e);
        if (!recipe)
            return false;
        list[k] = (MethodConfig){ recipe, s->train_trainable, s->unlearn_batch, method_wants_oracle(&m), s->unlearn_merge != MERGE_NO };
    }
    MethodSettings relearning;
    if (!settings_relearning(&r->settings, 0, &relearning, e))
        return false;
    const char *rounds = settings_part(&relearning.settings, IN_ROUNDS, a, e);
    c->method = list;
    const char *further = knowledge_recipe(&r->settings, a, e);
    c->probing = rounds && further ? arena_format(a, "relearning %s\n%s%s", relearning.settings.train_trainable, rounds, further) : NULL;
    return !e->failed;
}

/* A given model is identified by its digest. A model that the run trains is identified by its recipe: its config, its
 * stream of samples and the model that it starts from. */
static bool model_configs(Run *r, ProtocolConfig *c, Error *e)
{
    Arena *a = &r->arena;
    static const char *const keys[] = { "protocol.base", "protocol.vanilla", "protocol.oracle" };
    static const char *const made_by[] = { "", "protocol.vanilla_config", "protocol.oracle_config" };
    const char *configs[] = { "", r->settings.protocol_vanilla_config, r->settings.protocol_oracle_config };
    for (StartModel m = MODEL_BASE; m < MODELS; m++) {
        const char *given = given_model(&r->settings, m);
        if (m == MODEL_ORACLE && strcmp(given, "none") == 0) {
            c->without_oracle = true;
            continue;
        }
        if (*given) {
            if (!settings_input(&r->settings, keys[m], given, e) || !model_digest(settings_path(&r->settings, given), &c->model[m], a, e))
                return false;
            continue;
        }
        Settings s;
        Dataset stream;
        Digest samples, start;
        settings_defaults(&s, a);
        if (m == MODEL_BASE)
            return error_set(e, "%s: protocol.base is empty, expected a model folder", r->settings.file);
        if (!settings_input(&r->settings, made_by[m], configs[m], e)
            || !settings_read(&s, settings_path(&r->settings, configs[m]), e)
            || !samples_open(&stream, settings_path(&s, s.data_stream), a, e))
            return false;
        const char *text = samples_digest(&stream, &samples, a, e) && model_digest(settings_path(&s, s.model_path), &start, a, e)
                             ? settings_part(&s, IN_TRAIN, a, e)
                             : NULL;
        dataset_close(&stream);
        if (!text)
            return false;
        c->train_steps[m] = s.train_steps;
        c->train[m] = arena_format(a, "train %s\nstart %s\nstream %s\n%s", start_model_name(m), start.hex, samples.hex, text);
    }
    return !e->failed;
}

/* Whether some stage asks about the group with this role. The rules "updates" and "epochs" need the group of the
 * scenario finetuned, even if that scenario is not run. */
static bool group_wanted(const Run *r, const char *role)
{
    char word[80];
    for (Words w = words_of(r->settings.protocol_rules); word_next(&w, word, sizeof word);)
        if ((strcmp(word, "updates") == 0 || strcmp(word, "epochs") == 0) && strcmp(scenario_find("finetuned")->group, role) == 0)
            return true;
    for (Words w = words_of(r->settings.protocol_scenarios); word_next(&w, word, sizeof word);) {
        const Scenario *s = scenario_find(word);
        if (s && strcmp(s->group, role) == 0)
            return true;
    }
    return false;
}

/* Reads the questions of every group that some stage asks about, and the general ones. */
static bool read_questions(Run *r, const World *w, ProtocolConfig *c, Error *e)
{
    Digest *digest = arena_zalloc(&r->arena, w->groups * sizeof *digest);
    r->group = arena_zalloc(&r->arena, w->groups * sizeof *r->group);
    bool good = digest && r->group && read_samples(r, w->general.questions, &r->general, &c->general, e);
    for (size_t k = 0; good && k < w->groups; k++)
        good = !group_wanted(r, world_role(&w->group[k])) || read_samples(r, w->group[k].questions, &r->group[k], &digest[k], e);
    c->group = digest;
    return good;
}

/* How many open training questions there are about each entity. */
static void questions_count(const Run *r, Entities *all)
{
    for (size_t g = 0; g < r->plan.world.groups; g++)
        for (size_t k = 0; k < r->group[g].count; k++) {
            const Sample *x = &r->group[g].sample[k];
            for (size_t i = 0; x->split == SPLIT_TRAIN && x->kind == KIND_OPEN && i < all->count; i++)
                all->entity[i].questions += strcmp(all->entity[i].id, x->entity) == 0;
        }
}

/* Checks that each group has entities enough for the splits of every case. This needs no answers of a model. */
static bool sizes_check(const Plan *p, Arena *a, Error *e)
{
    Splits s;
    for (size_t k = 0; k < p->case_count; k++)
        if (!protocol_splits(&s, p, &p->cases[k], NULL, 0, a, e))
            return false;
    return true;
}

bool run_plan(Run *r, Error *e)
{
    const Settings *s = &r->settings;
    Arena *a = &r->arena;
    World world;
    Entities entities;
    ProtocolConfig c = {
        .scenarios = s->protocol_scenarios, .methods = s->protocol_methods, .seeds = s->protocol_seeds, .stress = s->protocol_stress,
        .ablation_methods = s->protocol_ablation_methods, .stress_methods = s->protocol_stress_methods,
        .control_methods = s->protocol_control_methods,
        .stopping = s->protocol_rules, .stop_within = s->protocol_stop_within, .probed = s->attack_scenarios, .code = PULSE_CODE,
        .exposures = s->protocol_exposures, .rounds = s->protocol_rounds, .best = s->protocol_best, .forget = s->protocol_forget,
        .checkpoints = s->protocol_checkpoints, .snapshot_every = s->protocol_snapshot_every,
        .paraphrases = s->protocol_frames, .reading = settings_part(s, IN_ANSWER, a, e),
        .steps = {
#define SCENARIO(name, ...) s->steps_##name,
#include "eval/scenarios.def"
#undef SCENARIO
        },
        .epochs = {
#define SCENARIO(name, ...) s->epochs_##name,
#include "eval/scenarios.def"
#undef SCENARIO
        },
    };
    if (!decimal_to_double(s->protocol_trajectory, &c.trajectory) || !(c.trajectory == 0 || c.trajectory >= 0.01))
        return error_set(e, "%s: protocol.trajectory is \"%s\", expected 0, or a number of epochs of at least 0.01", s->file,
                         s->protocol_trajectory);
    if (!decimal_to_double(s->protocol_stop, &c.stop) || !(c.stop >= 0) || c.stop > 1)
        return error_set(e, "%s: protocol.stop is \"%s\", expected an accuracy from 0 to 1", s->file, s->protocol_stop);
    const bool there = settings_input(s, "data.world", s->data_world, e) && world_read(&world, settings_path(s, s->data_world), a, e);
    if (there)
        r->plan.world = world;
    const char *entities_path = there ? world_path(&world, world.entities, a) : NULL;
    if (!entities_path || !entities_read(&entities, entities_path, a, e) || !digest_file(entities_path, &c.entities, e)
        || !method_configs(r, &c, e) || !read_questions(r, &world, &c, e))
        return false;
    questions_count(r, &entities);
    return model_configs(r, &c, e) && (plan_make(&r->plan, &c, &world, &entities, a, e) || error_prefix(e, "%s", s->file))
        && sizes_check(&r->plan, a, e);
}

/* Whether the base model has the modules that the case trains, and whether the rounds of the case can treat the
 * adapters as unlearn.merge says. */
static bool has_trained_modules(const Run *r, const Case *c, Arena *a, Error *e)
{
    Session x = { .folder = NULL };
    MethodSettings m;
    bool good = run_method(r, c->method->name, trainable_name(c->trainable), c->seed, &m, e)
        && session_open(&x, &m.settings, run_model(r, MODEL_BASE, a), (PromptMask)m.settings.data_mask, a, e) && session_begin(&x, &m, e);
    if (good) {
        const RoundSamples none = { .rounds = (size_t)c->rounds };
        const RoundsPlan p = rounds_plan(&m, &none, NULL);
        good = rounds_check(&p, &x.model, &x.adapters, e) || error_prefix(e, "%s", r->settings.file);
    }
    session_close(&x);
    return good;
}

/* Whether a model can write texts greedily, which every answer stage asks of it. A model that the run trains, or does
 * not have, is not checked. */
static bool answers_greedily(const Run *r, StartModel m, Arena *a, Error *e)
{
    Session x = { .folder = NULL };
    const char *given = given_model(&r->settings, m);
    if (!*given || (m == MODEL_ORACLE && r->plan.config.without_oracle))
        return true;
    bool good = session_open(&x, &r->settings, settings_path(&r->settings, given), MASK_ANSWER, a, e) && reader_generates(&x.reader, e);
    session_close(&x);
    return good;
}

bool run_models(const Run *r, Error *e)
{
    Arena a = arena_make(e);
    const Case *c = r->plan.cases;
    for (StartModel m = MODEL_BASE; m < MODELS && !e->failed; m++) {
        answers_greedily(r, m, &a, e);
        arena_reset(&a);
    }
    for (size_t k = 0; k < r->plan.case_count && !e->failed; k++) {
        size_t twin = 0;
        while (twin < k && (c[twin].method != c[k].method || c[twin].trainable != c[k].trainable
                            || (c[twin].rounds > 1) != (c[k].rounds > 1)))
            twin++;
        if (twin == k)
            has_trained_modules(r, &c[k], &a, e);
        arena_reset(&a);
    }
    arena_free(&a);
    return !e->failed;
}

void run_close(Run *r)
{
    for (size_t k = 0; r->group && k < r->plan.world.groups; k++)
        if (r->group[k].path)
            dataset_close(&r->group[k]);
    if (r->general.path)
        dataset_close(&r->general);
    arena_free(&r->arena);
}

bool run_splits(const Run *r, const Case *c, Splits *s, Arena *a, Error *e)
{
    size_t count = 0;
    Result *ranking = NULL;
    if (c->scenario->who == WHO_BEST) {
        const char *path = arena_format(a, "%s/answers.jsonl", stage_folder(r, c->before, a));
        if (!path || !(ranking = answers_read(path, &count, a, e)))
            return false;
    }
    return protocol_splits(s, &r->plan, c, ranking, count, a, e);
}
