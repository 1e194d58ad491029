/* SPDX-License-Identifier: MIT */
/* pulse-ref probe measures what a model still knows of what it was told to forget, beyond its greedy answers. */
#include <stdio.h>
#include <string.h>
#include "eval/knowledge/depth.h"
#include "eval/metrics/attacks.h"
#include "eval/metrics/metric.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/cli/progress.h"
#include "ref/cli/table.h"
#include "ref/command.h"
#include "ref/config/relearn.h"
#include "ref/probing/probing.h"
#include "tensor/base/decimal.h"

typedef struct {
    const char *config, *model, *before, *oracle, *out;
    OptionList set, adapters;
    bool attacks, pretrained, json, quiet;
    Settings settings;
    Probing probing;
} Probed;

/* Opens the model that is probed, with its adapters. */
static bool open_probed(const Probed *x, Session *s, Arena *a, Error *e)
{
    return session_open(s, &x->settings, x->model, MASK_ANSWER, a, e)
        && (!x->adapters.count || session_adapters(s, x->adapters.item, x->adapters.count, true, e));
}

/* The states in which the model is measured, in order; QUANTISED and RELEARNED only with --attacks. The model is opened
 * anew for each, because most of them change its weights. */
typedef enum { AS_IT_IS, PERTURBED, RELEARNED_GENERAL, QUANTISED, RELEARNED, STATES } State;
static const char *const state_names[STATES] = { "as it is", "perturbation", "relearning on general questions", "4 bits", "relearning" };

static bool relearn(const Probed *x, Session *s, Arena *a, Error *e)
{
    MethodSettings m;
    return settings_relearning(&x->settings, (uint64_t)x->settings.unlearn_seed, &m, e)
        && session_relearn(s, &m, &x->probing.members, a, e);
}

static bool measure_state(Probed *x, State state, Rows *rows, Error *e)
{
    Arena a = arena_make(e);
    Session s = { .folder = NULL };
    Probing *p = &x->probing;
    bool good = !e->failed && open_probed(x, &s, &a, e);
    switch (good ? state : STATES) {
    case AS_IT_IS:
        good = session_model(&s, e) && probing_rows(p, &s, "none", rows, e);
        break;
    case PERTURBED:
        good = probing_perturbation(p, &s, rows, e);
        break;
    case RELEARNED_GENERAL:
        good = probing_relearned_general(p, &s, rows, e);
        break;
    case QUANTISED:
        good = weights_quantise(&s.weights, QUANTISE_TARGETS, 0, e) && session_model(&s, e) && probing_rows(p, &s, "quantised", rows, e);
        break;
    case RELEARNED:
        good = p->members.count == 0 || (relearn(x, &s, &a, e) && probing_rows(p, &s, "relearned", rows, e));
        break;
    default:
        break;
    }
    session_close(&s);
    arena_free(&a);
    return good && !e->failed;
}

static bool measure_all(Probed *x, Rows *rows, Error *e)
{
    const State end = x->attacks ? STATES : QUANTISED;
    Progress progress = progress_begin(x->quiet, 0);
    bool good = true;
    for (State s = AS_IT_IS; good && s < end; s++) {
        progress_show(&progress, "probe", (int64_t)s, (int64_t)end, state_names[s]);
        good = measure_state(x, s, rows, e);
    }
    progress_end(&progress);
    return good;
}

static bool print(const Rows *rows, bool json, Arena *a, Error *e)
{
    enum { COLUMNS = 8 };
    static const char *const columns[COLUMNS] = { "state", "split", "modality", "metric", "value", "count", "total", "n" };
    const char **cells = arena_array(a, rows->count * COLUMNS, sizeof *cells);
    for (size_t k = 0; cells && k < rows->count; k++) {
        const Row *x = &rows->row[k];
        char value[32];
        const char *own[COLUMNS] = {
            x->method, x->split, x->modality, x->metric, arena_text(a, decimal_double(x->value, value)),
            x->total ? arena_format(a, "%lld", (long long)x->count) : NULL, x->total ? arena_format(a, "%lld", (long long)x->total) : NULL,
            arena_format(a, "%lld", (long long)x->n),
        };
        memcpy(cells + k * COLUMNS, own, sizeof own);
    }
    return !e->failed && table_print(columns, COLUMNS, cells, rows->count, json, e);
}

/* Says which metrics are missing, and why, and whether the unlearning depth was measured with a poor oracle. */
static void missing_print(const Probed *x)
{
    const Probing *p = &x->probing;
    if (!p->before.folder)
        fprintf(stderr, "pulse-ref: probe: accuracy on changed pictures and on reverse questions is reported only with --before\n");
    for (int k = 0; p->before.folder && k < OTHER_PICTURES; k++)
        if (p->pictured.count && !p->knows[k])
            fprintf(stderr, "pulse-ref: probe: %s is not reported: the model before unlearning reaches less than 0.9\n",
                    other_pictures[k].metric);
    if (p->before.folder && p->reverse.count && !p->knows_reverse)
        fprintf(stderr, "pulse-ref: probe: accuracy_reverse is not reported: the model before unlearning reaches less than 0.9\n");
    if (!p->from_oracle)
        fprintf(stderr, "pulse-ref: probe: unlearning_depth is measured only with --before and --oracle\n");
    else if (p->floor > DEPTH_THRESHOLD)
        fprintf(stderr, "pulse-ref: probe: unlearning_depth is %s: the oracle's hidden states cost retained answers %.3g nats "
                        "(depth_floor), expected at most %g\n",
                p->pretrained ? "not defined" : "measured with a poor oracle", p->floor, DEPTH_THRESHOLD);
}

static bool probe(Probed *x, Arena *a, Error *e)
{
    Rows rows = { .arena = a };
    Session probed = { .folder = NULL };
    if ((x->out && !output_file(x->out, e)) || !settings_open(&x->settings, x->config, &x->set, a, e)
        || !settings_unlearn(&x->settings, x->settings.unlearn_method, e))
        return false;
    bool good = open_probed(x, &probed, a, e) && reader_generates(&probed.reader, e)
        && probing_open(&x->probing, &x->settings, x->before, x->oracle, &probed, a, e);
    session_close(&probed);
    x->probing.pretrained = x->pretrained;
    if (!good || !measure_all(x, &rows, e))
        return false;
    if (!x->quiet)
        missing_print(x);
    return x->out ? rows_write_csv(&rows, x->out, false, e) : print(&rows, x->json, a, e);
}

int command_probe(int argc, char **argv)
{
    Probed x = { .config = NULL };
    const Option own[] = {
        { "config", "FILE",
          "A config of `pulse-ref unlearn`. It says what is forgotten and retained (unlearn.forget, unlearn.forget_entities, "
          "unlearn.retain, unlearn.retain_entities), and names the questions of general ability (data.general).", .text = &x.config },
        { "model", "DIR", "The folder of the model that is probed.", .text = &x.model },
        { "adapter", "DIR", OPTION_ADAPTER, .list = &x.adapters },
        { "before", "DIR", "The folder of the model before unlearning. It is needed for the accuracy on changed pictures "
                           "(accuracy_mirrored and others) and on reverse questions, and for unlearning_depth.", .text = &x.before },
        { "oracle", "DIR", "The folder of a model that never saw what is forgotten. It is needed for unlearning_depth, and for the metrics "
                           "that compare a model with an oracle.", .text = &x.oracle },
        { "attacks", NULL, "Everything is measured again with 4-bit weights, and after a short fine-tuning on what was forgotten "
                           "(relearning).", .flag = &x.attacks },
        { "pretrained", NULL, "What is forgotten was learned in pre-training. Then unlearning_depth is reported only if depth_floor is at "
                              "most 0.05 nats (`pulse-ref list metrics`).", .flag = &x.pretrained },
        { "out", "FILE", "The rows are written into this file, with the columns of results.csv, and not printed; the column method says in "
                         "which state the model was.", .text = &x.out },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &x.set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!x.config || !x.model)
        return command_fail_text("probe: --config and --model are needed (pulse-ref probe --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    x.json = o.json;
    x.quiet = o.quiet;
    const bool good = probe(&x, &a, &e);
    probing_close(&x.probing, true);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
