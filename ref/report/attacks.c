/* SPDX-License-Identifier: MIT */
/* What unlearning is worth under attack, and how near it comes to a model that never knew. */
#include <string.h>
#include "ref/report/figures.h"

typedef struct { const char *column, *metric, *split; bool percent; } Cell;

static const Cell attacks[] = {
    { "known", "accuracy", "unlearn", true }, { "after relearning", "accuracy_relearned", "unlearn", true }, { "with 4 bits", "accuracy_4bit", "unlearn", true },
    { "retained, 4 bits", "accuracy_4bit", "retain", true }, { "general, 4 bits", "accuracy_4bit", "general", true },
    { "R", "relearning", "unlearn", false }, { "Q", "quantisation", "unlearn", false }, { "robustness", "robustness", "unlearn", false },
};
static const Cell traces[] = {
    { "LOSS", "mia_loss", "unlearn", false }, { "reference", "mia_reference", "unlearn", false }, { "Min-K", "mia_min_k", "unlearn", false },
    { "Min-K++", "mia_min_k_plus", "unlearn", false }, { "PrivLeak", "privleak", "unlearn", false }, { "weights", "oracle_weights", "general", false },
    { "logits", "oracle_logits", "unlearn", false }, { "divergence", "oracle_divergence", "unlearn", false }, { "agreement", "oracle_agreement", "unlearn", true },
};
enum { ATTACKS = sizeof attacks / sizeof *attacks, TRACES = sizeof traces / sizeof *traces };

static bool is_probed(const Report *r, const char *scenario)
{
    return spread(&r->results, (Ask){ scenario, NULL, NULL, NULL, NULL, "accuracy_4bit", ANY, ANY }).n > 0;
}

static const char *cell_text(const Report *r, const Variant *v, const Cell *c)
{
    Spread s = spread(&r->results, (Ask){ v->scenario, v->method, v->trainable, c->split, "both", c->metric, v->last, ANY });
    const char *text = c->percent || s.n == 0 ? spread_text(s, r->arena) : s.n == 1 || s.least == s.most ? arena_format(r->arena, "%.3g", s.mean)
                     : arena_format(r->arena, "%.3g (%.3g–%.3g)", s.mean, s.least, s.most);
    return text ? text : "";
}

static void table(Page *p, const Report *r, const char *caption, const Cell *cell, size_t n, const char *const *scenario, size_t count)
{
    const char *columns[1 + TRACES] = { "model" };
    for (size_t k = 0; k < n; k++)
        columns[1 + k] = cell[k].column;
    fputs("<figure>\n", p->f);
    table_begin(p, caption, columns, 1 + n);
    for (size_t k = 0; k < count; k++) {
        Variants all = variants(r, scenario[k]);
        if (!is_probed(r, scenario[k]))
            continue;
        table_group(p, scenario_label(r, scenario[k]), 1 + n);
        for (size_t i = 0; i < all.count; i++) {
            const char *cells[1 + TRACES] = { all.item[i].label };
            for (size_t c = 0; c < n; c++)
                cells[1 + c] = cell_text(r, &all.item[i], &cell[c]);
            table_row(p, cells, 1 + n);
        }
    }
    table_end(p);
}

void report_attacks(Page *p, const Report *r)
{
    const char *scenario[100];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100), probed = 0;
    for (size_t k = 0; k < n; k++)
        probed += is_probed(r, scenario[k]);
    page_section(p, "attacks", "Under attack",
                 "What seems forgotten may only be hidden. Two attacks try to bring it back: a short fine-tuning on it (relearning), and rounding the weights to 4 bits. Membership asks whether the model still tells the true answer from "
                 "another value that was never true; and where there is a retrained model, the distance to it.");
    if (!probed) {
        page_say(p, "missing", "No model of this run was attacked (attack.scenarios in the config).");
        page_section_end(p);
        return;
    }
    page_say(p, "lead", "Accuracy in percent on what was to be forgotten. R is 1 when relearning brings back no more than it teaches the retrained model, Q is 1 when 4 bits change nothing; robustness is their harmonic mean.");
    table(p, r, "Attacks", attacks, ATTACKS, scenario, n);
    fputs("<p class=\"source\">From results.csv: metric=accuracy, accuracy_relearned, accuracy_4bit, relearning, quantisation, robustness; modality=both, last round</p>\n</figure>\n", p->f);
    page_say(p, "lead", "Membership (LOSS, reference, Min-K, Min-K++): 0.5 cannot tell, 1 always tells. PrivLeak: 0 is best, below it too little is forgotten. Distance to the retrained model: of the weights (a share of their length), "
                        "of the logits, of the next-token distributions (divergence); agreement: questions in percent that both get right or both get wrong.");
    table(p, r, "Membership, and the retrained model", traces, TRACES, scenario, n);
    fputs("<p class=\"source\">From results.csv: metric=mia_*, privleak, oracle_*; split=unlearn (weights: general), modality=both, last round</p>\n</figure>\n", p->f);
    page_section_end(p);
}
