/* SPDX-License-Identifier: MIT */
/* pulse-ref verify checks the reference answers themselves, or judges the answers of another implementation by them. */
#include "ref/verify/verify.h"

#include "ref/command.h"
#include "ref/verify/page.h"
#include "tensor/base/file.h"

/* Whether the folder is one that `trace` wrote, and not a suite of reference answers. */
static bool is_trace(const char *folder, Arena *a)
{
    const char *manifest = arena_format(a, "%s/manifest.json", folder),
        *trace = arena_format(a, "%s/trace.json", folder);
    return manifest && trace && !file_exists(manifest) && file_exists(trace);
}

static bool judge_all(Findings *f, const Options *o, const VerifyOptions *options, Arena *a, Error *e)
{
    if (o->operands == 2 && is_trace(o->operand[0], a))
        return verify_trace(f, o->operand[0], o->operand[1], options, a, e);
    json_t *manifest = manifest_open(o->operand[0], a, e);
    bool good = manifest && (o->operands == 1 ? verify_own(f, o->operand[0], manifest, a, e) : verify_got(f, o->operand[0], o->operand[1],
            options, manifest, a, e));
    json_decref(manifest);
    return good;
}

int command_verify(int argc, char **argv)
{
    OptionList only = { .count = 0 };
    VerifyOptions options = { .only = &only };
    Findings f = { .lines = NULL };
    const char *precision = NULL, *html = NULL;
    const Option own[] = {
        { "only", "PREFIX", "Only the cases (of a trace: the tensors) whose name begins with PREFIX are judged, for instance "
                            "step/npo.adamw.b. The option needs GOT, and may be repeated; each PREFIX must find an answer.",
          .list = &only },
        { "precision", "P", "The answers were computed in fp32, tf32, bf16, fp16 or bf16-mixed (autocast). The default is fp32, "
                            "or bf16-mixed where GOT holds BF16 or F16 tensors.", .text = &precision },
        { "partial", NULL, "Missing answers are counted, and do not make the verdict undecided.", .flag = &options.partial },
        { "html", "FILE", "The findings are also written as one page: trees of modules, coloured by error divided by noise.",
          .text = &html },
        { "all", NULL, "Every finding is printed. Without this option, only the first ones that matter are.", .flag = &f.all },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, 2, &status))
        return status;
    if (only.count && o.operands == 1)
        return command_fail_text("verify: --only chooses among the answers of another implementation, expected a file GOT after %s",
                                 o.operand[0]);
    if (precision && !precision_find(precision, &options.precision))
        return command_fail_text("verify: --precision is \"%s\", expected fp32, tf32, bf16, fp16 or bf16-mixed",
                                 precision);
    options.precision_given = precision != NULL;
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    f.lines = json_array();
    f.json = o.json;
    f.quiet = o.quiet;
    status = judge_all(&f, &o, &options, &a, &e) && (!html || page_write(&f, html, &a, &e)) ? findings_print(&f, &a) : command_fail(&e);
    json_decref(f.lines);
    arena_free(&a);
    return status;
}
