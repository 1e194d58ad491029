/* SPDX-License-Identifier: MIT */
#include "eval/measure.h"

#include <string.h>
#include "eval/answers.h"
#include "eval/likelihood.h"
#include "eval/metric.h"
#include "eval/ranks.h"
#include "eval/rouge.h"

/* The answers of one split and modality, and what the oracle said to the same questions. */
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
    return rows_add(s->rows, s->row);
}

static bool add_ratio(Part *s, const char *metric, Ratio x)
{
    s->row.metric = metric;
    s->row.value = ratio_value(x);
    s->row.count = x.count;
    s->row.total = x.total;
    return rows_add(s->rows, s->row);
}

/* --- a number a question --- */

static double probability(const Result *r) { return answer_probability(r->ce); }
static double memorised(const Result *r) { return exact_memorisation(r->token_right, r->tokens); }
static double extracted(const Result *r) { return extraction_strength(r->token_right, r->tokens); }

/* CE of the options that are wrong: of several with the answer's own CE, the first is taken for it. */
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

static double truth(const Result *r, TruthForm form)
{
    float wrong[64];
    size_t n = wrong_options(r, wrong);
    return truth_value(truth_of(r->ce, wrong, n), form);
}

static double truth_forget(const Result *r) { return truth(r, TRUTH_FORGET); }
static double truth_retain(const Result *r) { return truth(r, TRUTH_RETAIN); }

static bool add_mean(Part *s, const char *metric, double (*of)(const Result *))
{
    double *x = arena_array(s->scratch, s->n, sizeof *x);
    for (size_t k = 0; x && k < s->n; k++)
        x[k] = of(s->r[k]);
    return x && add(s, metric, mean_of(x, s->n));
}

/* --- several at once --- */

static bool accuracies(Part *s)
{
    Ratio exact = { 0, (int64_t)s->n }, likely = exact;
    for (size_t k = 0; k < s->n; k++) {
        exact.count += s->r[k]->exact;
        likely.count += s->r[k]->likely;
    }
    return add_ratio(s, "accuracy", exact) && (!s->r[0]->option_ce || add_ratio(s, "option_accuracy", likely));
}

/* Generation in MLLMU-Bench. */
static bool stemmed(Part *s)
{
    static const char *const names[ROUGE_KINDS] = { "rouge1_stem", "rouge2_stem", "rougeL_stem" };
    for (int kind = 0; kind < ROUGE_KINDS; kind++) {
        double *f = arena_array(s->scratch, s->n, sizeof *f);
        Rouge score[ROUGE_KINDS];
        for (size_t k = 0; f && k < s->n; k++) {
            if (!rouge_score(s->r[k]->answer, s->r[k]->text, true, score, s->scratch))
                return false;
            f[k] = score[kind].f;
        }
        if (!f || !add(s, names[kind], mean_of(f, s->n)))
            return false;
    }
    return true;
}

/* MLLMU-Bench: letters are counted where every answer is one, cloze where every question is of that kind. */
static bool written(Part *s)
{
    Ratio letter = { 0, 0 }, cloze = letter;
    for (size_t k = 0; k < s->n; k++) {
        const Result *r = s->r[k];
        const int place = answer_first_letter(r->answer, r->option_count);
        const bool asks = r->kind == KIND_CHOICE && r->answer[1] == 0 && place != NO_CHOICE && r->answer[0] == 'A' + place;
        letter.total += asks;
        letter.count += asks && answer_first_letter(r->text, r->option_count) == place;
        cloze.total += r->kind == KIND_CLOZE;
        cloze.count += r->kind == KIND_CLOZE && answer_cloze(r->text, r->answer);
    }
    const bool generation = s->r[0]->kind == KIND_OPEN && strcmp(s->r[0]->group, "mllmu") == 0;
    return (!generation || stemmed(s)) && (letter.total != (int64_t)s->n || add_ratio(s, "first_letter", letter)) && (cloze.total != (int64_t)s->n || add_ratio(s, "cloze", cloze));
}

static bool texts(Part *s)
{
    double *f = arena_array(s->scratch, s->n, sizeof *f);
    Rouge score[ROUGE_KINDS];
    for (size_t k = 0; f && k < s->n; k++) {
        if (!rouge_score(s->r[k]->answer, s->r[k]->text, false, score, s->scratch))
            return false;
        f[k] = score[ROUGE_L].f;
    }
    return f && add(s, "rougeL", mean_of(f, s->n));
}

/* The question with a picture that belongs to one in text: ids differ in their end. */
static const Result *twin(const Part *s, const Result *text)
{
    size_t n = strlen(text->id), stem = n > 4 && strcmp(text->id + n - 4, "text") == 0 ? n - 4 : 0;
    for (size_t k = 0; stem && k < s->n; k++)
        if (s->r[k]->modality == MODALITY_IMAGE && strncmp(s->r[k]->id, text->id, stem) == 0 && strcmp(s->r[k]->id + stem, "image") == 0)
            return s->r[k];
    return NULL;
}

static bool pairs(Part *s)
{
    bool *a = arena_array(s->scratch, s->n, 1), *b = arena_array(s->scratch, s->n, 1);
    size_t n = 0;
    Ratio image = { 0, 0 }, text = { 0, 0 };
    for (size_t k = 0; a && b && k < s->n; k++) {
        Ratio *m = s->r[k]->modality == MODALITY_IMAGE ? &image : &text;
        m->total++;
        m->count += s->r[k]->exact;
        const Result *other = m == &text ? twin(s, s->r[k]) : NULL;
        if (!other)
            continue;
        a[n] = other->exact;
        b[n++] = s->r[k]->exact;
    }
    if (!a || !b)
        return false;
    if (image.total && text.total && !add(s, "modality_gap", ratio_value(image) - ratio_value(text)))
        return false;
    return n == 0 || (add_ratio(s, "umu_all_right", umu_all_right(a, b, n)) && add_ratio(s, "umu_all_wrong", umu_all_wrong(a, b, n)));
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

static bool split_measure(Part *s)
{
    return accuracies(s) && add_mean(s, "probability", probability) && add_mean(s, "exact_memorisation", memorised)
        && add_mean(s, "extraction_strength", extracted)
        && (!s->r[0]->option_ce || (add_mean(s, "probability_share", share)
            && add_mean(s, s->forget ? "truth_ratio_forget" : "truth_ratio", s->forget ? truth_forget : truth_retain)))
        && (!s->r[0]->text || (texts(s) && written(s))) && (strcmp(s->row.modality, "both") != 0 || pairs(s)) && (!s->oracle || against_oracle(s));
}

bool measure(Rows *rows, Row row, Whose whose, const Result *r, const Result *oracle, size_t count, Error *e)
{
    static const char *const modalities[] = { "image", "text", "both" };
    Arena scratch = arena_make(e);
    bool good = true;
    for (int m = 0; good && m < 3; m++) {
        Part s = { .forget = whose.forget, .rows = rows, .row = row, .scratch = &scratch, .e = e };
        s.r = arena_array(&scratch, count, sizeof *s.r);
        const Result **said = arena_array(&scratch, count, sizeof *said);
        good = s.r && said;
        for (size_t k = 0; good && k < count; k++) {
            bool his = whose.entities ? entity_list_has(whose.entities, r[k].entity) : strcmp(r[k].group, whose.group) == 0;
            if (!his || (m < 2 && (r[k].modality == MODALITY_IMAGE) != (m == 0)))
                continue;
            said[s.n] = oracle ? &oracle[k] : NULL;
            s.r[s.n++] = &r[k];
        }
        s.oracle = oracle ? said : NULL;
        s.row.modality = modalities[m];
        good = good && (s.n == 0 || split_measure(&s));
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed;
}
