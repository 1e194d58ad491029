/* SPDX-License-Identifier: MIT */
#include "eval/metrics/measure.h"

#include <string.h>
#include "eval/metrics/accuracy.h"
#include "eval/metrics/likelihood.h"
#include "eval/metrics/memorisation.h"
#include "eval/metrics/metric.h"
#include "eval/metrics/ranks.h"
#include "eval/metrics/rouge.h"

/* The answers of one split and modality, and the answers of the oracle to the same questions. */
typedef struct {
    const Result **r, **oracle;          // oracle NULL: there is none
    size_t n;
    bool   forget;
    Rows  *rows;
    Row    row;
    Arena *scratch;
    Error *e;
} Part;

static bool add(Part *s, const char *metric, double value)
{
    s->row.metric = metric;
    s->row.value = value;
    s->row.count = s->row.total = 0;
    s->row.n = (int64_t)s->n;
    return rows_add(s->rows, s->row);
}

static bool add_ratio(Part *s, const char *metric, Ratio x)
{
    s->row.metric = metric;
    s->row.value = ratio_value(x);
    s->row.count = x.count;
    s->row.total = s->row.n = x.total;
    return rows_add(s->rows, s->row);
}

/* --- means over the questions --- */

static double probability(const Result *r) { return answer_probability(r->ce); }
static double memorised(const Result *r) { return exact_memorisation(r->token_right, tokens_without_end(r->tokens)); }
static double extracted(const Result *r) { return extraction_strength(r->token_right, tokens_without_end(r->tokens)); }
static double extracted_open(const Result *r)
{
    return extraction_strength_open(r->token_right, tokens_without_end(r->tokens));
}

/* The CEs of the wrong options. The first option with the CE of the answer counts as the answer. A sample has at most
 * 64 options (model/training/sample.c). */
static size_t wrong_options(const Result *r, float out[64])
{
    size_t n = 0;
    bool skipped = false;
    for (size_t k = 0; k < r->option_count && n < 64; k++)
        if (skipped || r->option_ce[k] != r->ce)
            out[n++] = r->option_ce[k];
        else
            skipped = true;
    return n;
}

static double share(const Result *r)
{
    float wrong[64];
    size_t n = wrong_options(r, wrong);
    return answer_share(r->ce, wrong, n);
}

static double log_odds(const Result *r)
{
    float wrong[64];
    size_t n = wrong_options(r, wrong);
    return answer_log_odds(r->ce, wrong, n);
}

static double truth(const Result *r, TruthForm form)
{
    float wrong[64];
    size_t n = wrong_options(r, wrong);
    return truth_value(truth_of(r->ce, wrong, n), form);
}

static double truth_forget(const Result *r) { return truth(r, TRUTH_FORGET); }
static double truth_retain(const Result *r) { return truth(r, TRUTH_RETAIN); }
static double truth_share(const Result *r) { return truth(r, TRUTH_SHARE); }

static bool add_mean(Part *s, const char *metric, double (*value_of)(const Result *))
{
    double *x = arena_array(s->scratch, s->n, sizeof *x);
    for (size_t k = 0; x && k < s->n; k++)
        x[k] = value_of(s->r[k]);
    return x && add(s, metric, mean_of(x, s->n));
}

/* --- several metrics at once --- */

static bool accuracies(Part *s)
{
    Ratio exact = { 0, (int64_t)s->n }, by_option = exact;
    for (size_t k = 0; k < s->n; k++) {
        exact.count += s->r[k]->exact;
        by_option.count += s->r[k]->option_right;
    }
    return add_ratio(s, "accuracy", exact) && (!s->r[0]->option_ce || add_ratio(s, "option_accuracy", by_option));
}

/* The metrics of MLLMU-Bench: first_letter if every right answer is the letter of an option, cloze if every question is
 * a cloze. */
static bool mllmu_metrics(Part *s)
{
    Ratio letter = { 0, 0 }, cloze = letter;
    for (size_t k = 0; k < s->n; k++) {
        const Result *r = s->r[k];
        const int index = answer_first_letter(r->answer, r->option_count);
        const bool asks = r->kind == KIND_CHOICE && r->answer[1] == 0 && index != NO_CHOICE
            && r->answer[0] == 'A' + index;
        letter.total += asks;
        letter.count += asks && answer_first_letter(r->text, r->option_count) == index;
        cloze.total += r->kind == KIND_CLOZE;
        cloze.count += r->kind == KIND_CLOZE && answer_cloze(r->text, r->answer);
    }
    return (letter.total != (int64_t)s->n || add_ratio(s, "first_letter", letter))
        && (cloze.total != (int64_t)s->n || add_ratio(s, "cloze", cloze));
}

/* ROUGE of the greedy texts. With the stemmer, each metric has a name of its own. */
static bool rouge_metrics(Part *s, bool stem)
{
    enum { RECALL = ROUGE_KINDS, SCORES };
    static const char *const names[2][SCORES] = { { "rouge1", "rouge2", "rougeL", "rougeL_recall" },
                                                  { "rouge1_stem", "rouge2_stem", "rougeL_stem", "rougeL_recall_stem" } };
    double *x[SCORES];
    Rouge score[ROUGE_KINDS];
    for (int i = 0; i < SCORES; i++)
        if (!(x[i] = arena_array(s->scratch, s->n, sizeof *x[i])))
            return false;
    for (size_t k = 0; k < s->n; k++) {
        if (!rouge_score(s->r[k]->answer, s->r[k]->text, stem, score, s->scratch))
            return false;
        for (int i = 0; i < ROUGE_KINDS; i++)
            x[i][k] = score[i].f;
        x[RECALL][k] = score[ROUGE_L].recall;
    }
    for (int i = 0; i < SCORES; i++)
        if (!add(s, names[stem][i], mean_of(x[i], s->n)))
            return false;
    return true;
}

static bool text_matches(Part *s)
{
    Ratio same = { 0, (int64_t)s->n };
    for (size_t k = 0; k < s->n; k++)
        same.count += answer_exact(s->r[k]->text, s->r[k]->answer);
    return add_ratio(s, "text_match", same);
}

/* The answer to the image question that forms a pair with a text question. NULL: there is none. */
static const Result *counterpart(const Part *s, const Result *text)
{
    for (size_t k = 0; text->pair && k < s->n; k++)
        if (s->r[k]->modality == MODALITY_IMAGE && s->r[k]->pair && strcmp(s->r[k]->pair, text->pair) == 0)
            return s->r[k];
    return NULL;
}

/* ROUGE-L of the greedy text against the answer; 0 where there is no text. */
static double rouge_l_of(const Result *r, Arena *a)
{
    Rouge score[ROUGE_KINDS];
    return r->text && rouge_score(r->answer, r->text, false, score, a) ? score[ROUGE_L].f : 0;
}

/* The metrics about pairs of an image question and a text question, and the modality gap. For pair n, a[n] and b[n] say
 * whether the image and the text question are answered exactly; x[n] and y[n] are the ROUGE-L of these answers. */
static bool pairs(Part *s)
{
    bool *a = arena_array(s->scratch, s->n, 1), *b = arena_array(s->scratch, s->n, 1);
    double *x = arena_array(s->scratch, s->n, sizeof *x), *y = arena_array(s->scratch, s->n, sizeof *y);
    size_t n = 0;
    Ratio image = { 0, 0 }, text = { 0, 0 };
    for (size_t k = 0; a && b && x && y && k < s->n; k++) {
        Ratio *m = s->r[k]->modality == MODALITY_IMAGE ? &image : &text;
        m->total++;
        m->count += s->r[k]->exact;
        const Result *other = m == &text ? counterpart(s, s->r[k]) : NULL;
        if (!other)
            continue;
        a[n] = other->exact;
        b[n] = s->r[k]->exact;
        x[n] = rouge_l_of(other, s->scratch);
        y[n++] = rouge_l_of(s->r[k], s->scratch);
    }
    if (!a || !b || !x || !y)
        return false;
    if (image.total && text.total && !add(s, "modality_gap", ratio_value(image) - ratio_value(text)))
        return false;
    if (n == 0)
        return true;
    return add_ratio(s, "umu_all_right", umu_all_right(a, b, n))
        && add_ratio(s, "umu_all_wrong", umu_all_wrong(a, b, n))
        && (!s->r[0]->text
            || add(s, s->forget ? "umu_contraharmonic" : "umu_harmonic",
                   s->forget ? umu_contraharmonic(x, y, n) : umu_harmonic(x, y, n)));
}

static bool against_oracle(Part *s)
{
    Ratio agree = { 0, (int64_t)s->n };
    double *x = arena_array(s->scratch, s->n, sizeof *x), *y = arena_array(s->scratch, s->n, sizeof *y);
    for (size_t k = 0; x && y && k < s->n; k++) {
        agree.count += s->r[k]->exact == s->oracle[k]->exact;
        x[k] = s->r[k]->option_ce ? truth(s->r[k], TRUTH_RATIO) : 0;
        y[k] = s->oracle[k]->option_ce ? truth(s->oracle[k], TRUTH_RATIO) : 0;
    }
    if (!x || !y || !add_ratio(s, "oracle_agreement", agree))
        return false;
    KolmogorovSmirnov ks;
    if (!s->forget || !s->r[0]->option_ce || !s->oracle[0]->option_ce || s->n > RANKS_MAX)
        return true;
    return ks_test(&ks, x, s->n, y, s->n, s->scratch, s->e) && add(s, "forget_quality", ks.p);
}

bool measured_against_oracle(const char *metric)
{
    return strcmp(metric, "oracle_agreement") == 0 || strcmp(metric, "forget_quality") == 0;
}

static bool split_measure(Part *s)
{
    return accuracies(s) && add_mean(s, "probability", probability) && add_mean(s, "exact_memorisation", memorised)
        && add_mean(s, "extraction_strength", extracted) && add_mean(s, "extraction_strength_open", extracted_open)
        && (!s->r[0]->option_ce
            || (add_mean(s, "probability_share", share) && add_mean(s, "truth_ratio_share", truth_share)
                && add_mean(s, s->forget ? "truth_ratio_forget" : "truth_ratio", s->forget ? truth_forget : truth_retain)))
        && (!s->r[0]->text || (rouge_metrics(s, false) && rouge_metrics(s, true) && text_matches(s) && mllmu_metrics(s)))
        && (strcmp(s->row.modality, "both") != 0 || pairs(s)) && (!s->oracle || against_oracle(s));
}

/* Selects the answers about the subjects, to image questions (modality 0), to text questions (1) or to both (2). */
static bool part_select(Part *s, Subjects subjects, int modality, const Result *r, const Result *oracle, size_t count)
{
    const Result **of_oracle = arena_array(s->scratch, count, sizeof *of_oracle);
    s->r = arena_array(s->scratch, count, sizeof *s->r);
    s->n = 0;
    for (size_t k = 0; s->r && of_oracle && k < count; k++) {
        bool selected = subjects.entities ? entity_list_has(subjects.entities, r[k].entity) : strcmp(r[k].group, subjects.group) == 0;
        if (!selected || (modality < 2 && (r[k].modality == MODALITY_IMAGE) != (modality == 0)))
            continue;
        of_oracle[s->n] = oracle ? &oracle[k] : NULL;
        s->r[s->n++] = &r[k];
    }
    s->oracle = oracle ? of_oracle : NULL;
    s->row.modality = row_modalities[modality];
    return s->r && of_oracle;
}

bool measure(Rows *rows, Row row, Subjects subjects, const Result *r, const Result *oracle, size_t count, Error *e)
{
    Arena scratch = arena_make(e);
    bool good = true;
    for (int m = 0; good && m < 3; m++) {
        Part s = { .forget = subjects.forget, .rows = rows, .row = row, .scratch = &scratch, .e = e };
        good = part_select(&s, subjects, m, r, oracle, count) && (s.n == 0 || split_measure(&s));
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed;
}

/* --- single metrics --- */

bool result_exact(const Result *r) { return r->exact; }
bool result_cloze(const Result *r) { return r->text && answer_cloze(r->text, r->answer); }

bool measure_share(Rows *rows, Row row, const char *metric, Subjects subjects, bool (*right)(const Result *), const Result *r,
                   size_t count, Error *e)
{
    Arena scratch = arena_make(e);
    bool good = true;
    for (int m = 0; good && m < 3; m++) {
        Part s = { .rows = rows, .row = row, .scratch = &scratch, .e = e };
        good = part_select(&s, subjects, m, r, NULL, count);
        Ratio x = { 0, (int64_t)s.n };
        for (size_t k = 0; good && k < s.n; k++)
            x.count += right(s.r[k]);
        good = good && (s.n == 0 || add_ratio(&s, metric, x));
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed;
}

bool measure_log_odds(Rows *rows, Row row, Subjects subjects, const Result *r, size_t count, Error *e)
{
    Arena scratch = arena_make(e);
    bool good = true;
    for (int m = 0; good && m < 3; m++) {
        Part s = { .rows = rows, .row = row, .scratch = &scratch, .e = e };
        good = part_select(&s, subjects, m, r, NULL, count) && (s.n == 0 || !s.r[0]->option_ce || add_mean(&s, "log_odds", log_odds));
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed;
}

bool measure_utility(Rows *rows, size_t first)
{
    static const char *const metric[] = { "probability", "rougeL_recall_stem", "truth_ratio" },
        *const split[] = { "retain", "general" };
    double x[6];
    size_t n = 0;
    Row row;
    for (size_t k = first; k < rows->count; k++)
        for (int i = 0; i < 6; i++) {
            const Row *y = &rows->row[k];
            if (strcmp(y->metric, metric[i % 3]) != 0 || strcmp(y->split, split[i / 3]) != 0
                || strcmp(y->modality, "both") != 0)
                continue;
            row = *y;
            if (n < 6)
                x[n] = y->value;
            n++;
        }
    if (n != 6)
        return true;
    row.split = "general";
    row.metric = "model_utility";
    row.value = harmonic_mean(x, 6);
    row.count = row.total = 0;
    return rows_add(rows, row);
}
