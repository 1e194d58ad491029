/* SPDX-License-Identifier: MIT */
/* Measures a model for a probe, and adds the numbers as rows. */
#include <math.h>
#include <string.h>
#include "eval/knowledge/answer_rank.h"
#include "eval/knowledge/depth.h"
#include "eval/knowledge/perturbation.h"
#include "eval/metrics/measure.h"
#include "eval/metrics/membership.h"
#include "ref/config/relearn.h"
#include "ref/probing/probing.h"

static Row row_of(const char *state, Ask which)
{
    return (Row){ .scenario = "probe", .method = state, .trainable = "none", .split = row_splits[which] };
}

static Subjects subjects_of(const Probing *p, Ask which)
{
    const Dataset *general = &p->file[ASK_GENERAL];
    return which == ASK_FORGET   ? (Subjects){ &p->forget, NULL, true }
           : which == ASK_RETAIN ? (Subjects){ &p->retain, NULL, false }
                                 : (Subjects){ NULL, general->sample ? general->sample[0].group : "", false };
}

static bool measure_answers(Probing *p, const Session *x, const char *state, Ask which, Rows *rows, Error *e)
{
    Arena a = arena_make(e);
    const Questions *q = &p->asked[which];
    const bool compared = p->oracle.folder && which != ASK_GENERAL;
    const Result *r = evaluate(&x->model, &x->reader, q, DEPTH_TEXT, &a, e),
                 *oracle = r && compared ? evaluate(&p->oracle.model, &x->reader, q, DEPTH_OPTIONS, &a, e) : NULL;
    const bool good = r && (!compared || oracle)
        && measure(rows, row_of(state, which), subjects_of(p, which), r, oracle, q->count, e);
    arena_free(&a);
    return good && !e->failed;
}

/* Adds rows with the share of the questions q that are answered right. The questions are about what is forgotten; their
 * pictures are changed by `change` (NULL: not changed). */
static bool share_add(const Probing *p, const Session *x, const PictureChange *change, const Questions *q, const char *metric,
                  const char *state, Rows *rows, Error *e)
{
    Arena a = arena_make(e);
    const Model asked = model_merged(&x->model);
    Reader reader = x->reader;
    reader.change = change;
    const Result *r = evaluate(&asked, &reader, q, DEPTH_EXACT, &a, e);
    const bool good = r && measure_share(rows, row_of(state, ASK_FORGET), metric, subjects_of(p, ASK_FORGET), result_exact, r, q->count, e);
    arena_free(&a);
    return good && !e->failed;
}

/* --- Ranks --- */

/* Adds the mean of the values of the questions of one modality (0: image, 1: text, 2: both). A NaN is left out. If no
 * value is left, no row is added. */
static bool mean_add(Rows *rows, Row row, const char *metric, int modality, const Questions *q, const double *value)
{
    double sum = 0;
    int64_t n = 0;
    for (size_t k = 0; k < q->count; k++)
        if ((modality == 2 || (q->question[k].sample->modality == MODALITY_IMAGE) == (modality == 0)) && !isnan(value[k])) {
            sum += value[k];
            n++;
        }
    row.modality = row_modalities[modality];
    row.metric = metric;
    row.value = sum / (double)n;
    row.n = n;
    return n == 0 || rows_add(rows, row);
}

static bool ranks_add(const Probing *p, const Session *x, const char *state, Ask which, Rows *rows, Error *e)
{
    Arena a = arena_make(e);
    const Questions *q = &p->asked[which];
    const AnswerRank *r = answer_ranks(&x->model, &x->reader, q, &a, e);
    double *rank = arena_array(&a, q->count, sizeof *rank), *score = arena_array(&a, q->count, sizeof *score);
    bool good = r && rank && score;
    for (size_t k = 0; good && k < q->count; k++) {
        rank[k] = (double)r[k].rank;
        score[k] = rank_score(r[k]);
    }
    for (int m = 0; good && m < 3; m++)
        good = mean_add(rows, row_of(state, which), "answer_rank", m, q, rank)
            && mean_add(rows, row_of(state, which), "answer_rank_score", m, q, score);
    arena_free(&a);
    return good && !e->failed;
}

/* --- Depth --- */

/* Adds depth_floor (what patching costs retained questions), if there are such questions, and the unlearning depth, if
 * it is defined (depth.h). */
static bool depths_add(const Probing *p, const Session *x, const char *state, Rows *rows, Error *e)
{
    const Questions *q = &p->asked[ASK_FORGET];
    const Model *before = &p->before.model;
    const size_t layers = depth_layers(before);
    Row row = row_of(state, ASK_RETAIN);
    row.modality = "both";
    row.metric = "depth_floor";
    row.value = p->floor;
    row.n = (int64_t)p->asked[ASK_RETAIN].count;
    if (row.n && !rows_add(rows, row))
        return false;
    if (p->pretrained && p->floor > DEPTH_THRESHOLD)
        return true;
    Arena a = arena_make(e);
    BatchSample *sample = arena_array(&a, q->count, sizeof *sample);
    double *d2 = arena_array(&a, q->count * layers, sizeof *d2), *score = arena_array(&a, q->count, sizeof *score);
    bool good = sample && d2 && score;
    for (size_t k = 0; good && k < q->count; k++)
        good = reader_sample(&p->before.reader, q->question[k].from, q->question[k].sample, NULL, 0, NO_AUGMENT, &sample[k], &a, e);
    good = good && depth_patch(before, &x->model, sample, q->count, d2, e);
    for (size_t k = 0; good && k < q->count; k++)
        score[k] = depth_of(p->from_oracle + k * layers, d2 + k * layers, layers);
    for (int m = 0; good && m < 3; m++)
        good = mean_add(rows, row_of(state, ASK_FORGET), "unlearning_depth", m, q, score);
    arena_free(&a);
    return good && !e->failed;
}

/* --- All of them --- */

bool probing_rows(Probing *p, const Session *x, const char *state, Rows *rows, Error *e)
{
    const size_t first = rows->count;
    for (int s = 0; s < ASKS; s++)
        if (p->asked[s].count && !measure_answers(p, x, state, s, rows, e))
            return false;
    return measure_utility(rows, first)
        && (!p->members.count || membership_rows(rows, row_of(state, ASK_FORGET), &x->model, &x->reader, &p->members,
                                                 p->oracle.folder ? &p->oracle.model : NULL, e))
        && probing_knowledge(p, x, state, rows, e);
}

bool probing_knowledge(Probing *p, const Session *x, const char *state, Rows *rows, Error *e)
{
    for (int s = ASK_FORGET; s <= ASK_RETAIN; s++)
        if (p->asked[s].count && !ranks_add(p, x, state, s, rows, e))
            return false;
    for (int k = 0; k < OTHER_PICTURES; k++)
        if (p->knows[k]
            && !share_add(p, x, &other_pictures[k].change, &p->pictured, other_pictures[k].metric, state, rows, e))
            return false;
    if (p->knows_reverse && !share_add(p, x, NULL, &p->reverse, "accuracy_reverse", state, rows, e))
        return false;
    return !p->from_oracle || depths_add(p, x, state, rows, e);
}

bool probing_perturbation(Probing *p, Session *x, Rows *rows, Error *e)
{
    Perturbation found;
    if (p->trained_pictured.count == 0 || p->pictured.count == 0)
        return true;
    if (!perturbation_watch(&x->weights, e) || !session_model(x, e)
        || !perturbation_find(&found, &x->model, &x->reader, &p->trained_pictured, PERTURBATION_STEPS, p->arena, e))
        return false;
    const PictureChange change = perturbation_change(&found);
    return share_add(p, x, &change, &p->pictured, "accuracy_perturbed", "none", rows, e);
}

bool probing_relearned_general(Probing *p, Session *x, Rows *rows, Error *e)
{
    MethodSettings m;
    Arena a = arena_make(e);
    const bool good = p->open_general.count == 0
        || (settings_relearning_general(p->settings, (uint64_t)p->settings->unlearn_seed, &m, e)
            && session_relearn(x, &m, &p->open_general, &a, e)
            && share_add(p, x, NULL, &p->asked[ASK_FORGET], "accuracy_relearned_general", "none", rows, e));
    arena_free(&a);
    return good && !e->failed;
}
