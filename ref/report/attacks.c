/* SPDX-License-Identifier: MIT */
/* Attacks: what is left of unlearning when somebody tries to undo it, and how near the model is to one that never
 * learned what is forgotten. */
#include <string.h>
#include "ref/report/figures.h"

typedef struct { const char *column, *metric, *split; bool percent; } Cell;

static const Cell attacks[] = {
    { "forget, % ↓", "accuracy", "unlearn", true },
    { "forget after relearning, % ↓", "accuracy_relearned", "unlearn", true },
    { "forget with 4 bits, % ↓", "accuracy_4bit", "unlearn", true },
    { "retain with 4 bits, % ↑", "accuracy_4bit", "retain", true }, { "general with 4 bits, % ↑", "accuracy_4bit", "general", true },
    { "R ↑", "relearning", "unlearn", false }, { "Q ↑", "quantisation", "unlearn", false },
    { "robustness ↑", "robustness", "unlearn", false },
};
static const Cell membership[] = {
    { "LOSS, 0.5 best", "mia_loss", "unlearn", false }, { "reference, 0.5 best", "mia_reference", "unlearn", false },
    { "Min-K, 0.5 best", "mia_min_k", "unlearn", false },
    { "Min-K++, 0.5 best", "mia_min_k_plus", "unlearn", false }, { "PrivLeak, 0 best", "privleak", "unlearn", false },
    { "weights ↓", "oracle_weights", "general", false },
    { "logits ↓", "oracle_logits", "unlearn", false }, { "divergence, nats ↓", "oracle_divergence", "unlearn", false },
    { "agreement, % ↑", "oracle_agreement", "unlearn", true },
};
enum { ATTACKS = sizeof attacks / sizeof *attacks, MEMBERSHIP = sizeof membership / sizeof *membership };

static bool was_attacked(const Report *r, const char *scenario)
{
    return summary_of(&r->results, (RowFilter){ scenario, NULL, NULL, NULL, NULL, "accuracy_4bit", ANY, ANY }).n > 0;
}

static const char *cell_text(const Report *r, const Variant *v, const Cell *c)
{
    Summary s = summary_of(&r->results, (RowFilter){ v->scenario, v->method, v->trainable, c->split, "both", c->metric, v->last, ANY });
    const char *text = c->percent || s.n == 0        ? summary_text(s, r->arena)
                     : s.n == 1 || s.least == s.most ? arena_format(r->arena, "%.3g", s.mean)
                                                     : arena_format(r->arena, "%.3g (%.3g–%.3g)", s.mean, s.least, s.most);
    return text ? text : "";
}

/* `questions`: the cells are measured on the questions of the scenario. Then the title of the scenario is followed by
 * how many questions these are. */
static void table(Page *p, const Report *r, const char *caption, const Cell *cell, size_t n, const char *const *scenario, size_t count,
                  bool questions)
{
    const char *columns[1 + MEMBERSHIP] = { "model" };
    for (size_t k = 0; k < n; k++)
        columns[1 + k] = cell[k].column;
    fputs("<figure>\n", p->f);
    table_begin(p, caption, columns, 1 + n);
    for (size_t k = 0; k < count; k++) {
        Variants all = variants(r, scenario[k]);
        if (!was_attacked(r, scenario[k]))
            continue;
        table_group(p, caption_of(r, scenario_label(r, scenario[k]), questions ? scenario[k] : NULL), 1 + n);
        for (size_t i = 0; i < all.count; i++) {
            const char *cells[1 + MEMBERSHIP] = { all.item[i].label };
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
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100), attacked = 0;
    for (size_t k = 0; k < n; k++)
        attacked += was_attacked(r, scenario[k]);
    page_section(p, "attacks", "Under attack",
                 "What seems forgotten may only be hidden. Two attacks try to bring it back: a short fine-tuning on it "
                 "(relearning), and rounding the weights to 4 bits. Membership asks whether the model still tells the true "
                 "answer from another value that was never true. Where there is a retrained model, the distance to it is shown "
                 "as well.");
    if (!attacked) {
        page_say(p, "missing", "No model of this run was attacked (attack.scenarios in the config).");
        page_section_end(p);
        return;
    }
    page_say(p, "lead", "The columns in percent are accuracies on the split that they name. R is 1 when relearning brings back "
                        "as much as it teaches the retrained model. Q is 1 when 4 bits change nothing. Robustness is the "
                        "harmonic mean of both.");
    table(p, r, "Attacks", attacks, ATTACKS, scenario, n, true);
    fputs("<p class=\"source\">From results.csv: metric=accuracy, accuracy_relearned, accuracy_4bit, relearning, quantisation, "
          "robustness; modality=both, last round</p>\n</figure>\n", p->f);
    page_say(p, "lead", "LOSS, reference, Min-K and Min-K++ are AUCs of membership: 0.5 means that the model cannot tell, 1 that "
                        "it always can. For each fact to be forgotten, and each modality, one training question with its answer is "
                        "compared with the same question and a false answer; results.jsonl has their number n. PrivLeak is best at 0; "
                        "below 0 too little is forgotten. The distance to the retrained model is that of the weights (relative to "
                        "their norm), of the logits (root of the mean square), and of the next-token distributions "
                        "(Jensen-Shannon divergence). Agreement is the share of questions that both models get right or both "
                        "get wrong.");
    table(p, r, "Membership, and the retrained model", membership, MEMBERSHIP, scenario, n, false);
    fputs("<p class=\"source\">From results.csv: metric=mia_*, privleak, oracle_*; split=unlearn (weights: general), "
          "modality=both, last round</p>\n</figure>\n", p->f);
    page_section_end(p);
}
