/* SPDX-License-Identifier: MIT */
/* The run as a Snakemake workflow: a table of the stages, from which the Snakefile makes one rule each. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ref/run/run.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* What the rule of a stage requests from the engine: MEGABYTES + PER_WEIGHT_FILE x the size of the weights' file; two
 * threads, if Stage.cost is at least TWO_THREADS_FROM; and MINUTES + TIMES_SLOWER x Stage.cost, in minutes. Stage.cost
 * estimates the seconds on one core, for the shipped model (2.9 MB). A stage of that model took at most 220 MB
 * (docs/many-machines.md). Weights, gradients, two moments and a reference model take five times the size of the
 * weights' file; PER_WEIGHT_FILE leaves room for one more. */
enum { MEGABYTES = 300, PER_WEIGHT_FILE = 6, TWO_THREADS_FROM = 60, MINUTES = 5, TIMES_SLOWER = 4 };

static const char head[] =
    "# A run of the PULSE protocol as a Snakemake workflow; pulse-ref " PULSE_VERSION " wrote this file. README.md says how to use it.\n"
    "import os, shlex\n\n";

static const char rules[] =
    "STAGE = \"{COMMAND} --out . --stage {params.stage} --threads {threads}\"\n"
    "if config.get(\"scratch\"):\n"
    "    SCRATCH = shlex.quote(os.path.abspath(config[\"scratch\"]))\n"
    "    STAGE = r\"\"\"\n"
    "        set -e\n"
    "        scratch=$(mktemp -d {SCRATCH}/pulse-XXXXXX)\n"
    "        trap 'rm -rf \"$scratch\"' EXIT\n"
    "        mkdir \"$scratch/stages\"\n"
    "        for digest in {params.needs}; do ln -s \"$PWD/stages/$digest\" \"$scratch/stages/\"; done\n"
    "        {COMMAND} --out \"$scratch\" --stage {params.stage} --threads {threads}\n"
    "        mv -T \"$scratch/stages/{params.stage}\" stages/{params.stage} || test -e stages/{params.stage}/stage.json\n"
    "    \"\"\"\n\n"
    "rule all:\n"
    "    input: \"manifest.json\"\n\n"
    "localrules: all, collect\n\n"
    "for name, digest, needs, cores, memory, minutes in STAGES:\n"
    "    rule:\n"
    "        name: name\n"
    "        input: [ancient(\"stages/\" + d) for d in needs]    # results have the digest of their content: no file gets old\n"
    "        output: directory(\"stages/\" + digest)\n"
    "        params: stage=digest, needs=\" \".join(needs)\n"
    "        threads: cores\n"
    "        resources: mem_mb=memory, runtime=minutes\n"
    "        shadow: config.get(\"shadow\")\n"
    "        shell: STAGE\n\n"
    "rule collect:\n"
    "    input: [ancient(\"stages/\" + stage[1]) for stage in STAGES]\n"
    "    output: \"manifest.json\", \"results.csv\", \"results.jsonl\", \"trajectory.csv\", \"answers.jsonl\", \"report.html\"\n"
    "    params: plan=PLAN\n"
    "    shell: \"{COMMAND} --out . --collect {params.plan}\"\n";

static const char readme[] =
    "# A run of the PULSE protocol in many jobs\n\n"
    "`Snakefile` has one rule for each stage of the run. Snakemake 7 or newer works through it, and this folder then has the results.\n\n"
    "    snakemake --cores 8                                                     # this machine\n"
    "    snakemake --jobs 100 --executor slurm --retries 2                       # Slurm, with Snakemake 8 or newer and its plugin\n"
    "    snakemake --cores 8 --config scratch=/scratch                           # each job writes on a disk of its own machine\n\n"
    "Where the program or the config has another path, add `--config program=/path/of/pulse-ref config=/path/of/CONFIG.ini`.\n"
    "Every job refuses a program, a config, a model or a world that is not the one of this workflow.\n"
    "If a stage is lost, only this stage is done again. The manifest is the same as that of `pulse-ref run`.\n"
    "`pulse-ref audit` does a part of the work again and compares it.\n";

/* The name of a rule: letters, digits and "_", then the first digits of the digest, so
 * that no two rules share a name. */
static void rule_name(FILE *f, const Stage *s)
{
    fputc('"', f);
    for (const char *c = s->name; *c; c++)
        fputc(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c) ? *c : '_', f);
    fprintf(f, "_%.8s\"", s->digest.hex);
}

static long megabytes(const Run *r)
{
    struct stat st;
    Error e = { 0 };
    Arena a = arena_make(&e);
    const char *path = arena_format(&a, "%s/model.safetensors", run_model(r, MODEL_BASE, &a));
    const long weights = path && stat(path, &st) == 0 ? (long)(st.st_size >> 20) : 0;
    arena_free(&a);
    return MEGABYTES + PER_WEIGHT_FILE * weights;
}

static void stage_line(FILE *f, const Run *r, const Stage *s, long memory)
{
    fputs("    (", f);
    rule_name(f, s);
    fprintf(f, ", \"%s\", [", s->digest.hex);
    for (size_t i = 0; i < s->inputs; i++)
        fprintf(f, "%s\"%s\"", i ? ", " : "", r->plan.stage[s->input[i]].digest.hex);
    fprintf(f, "], %d, %ld, %ld),\n", s->cost >= TWO_THREADS_FROM ? 2 : 1, memory, MINUTES + (long)(s->cost * TIMES_SLOWER / 60));
}

static bool snakefile(FILE *f, const Run *r, const char *program, const char *config, const OptionList *set)
{
    Error e = { 0 };
    Arena a = arena_make(&e);
    const long memory = megabytes(r);
    fputs(head, f);
    fputs("WRITTEN = ", f);                             // the text of a JSON object is a dict in Python
    json_t *words = json_array();
    for (size_t k = 0; k < set->count; k++) {
        json_add(words, json_string("--set"));
        json_add(words, json_string(set->item[k]));
    }
    json_t *written = json_pack("{s:s, s:s, s:o}", "program", program, "config", config, "set", words);
    const bool good = json_print(f, written, 4);
    json_decref(written);
    fprintf(f, "\nPROGRAM, CONFIG = config.get(\"program\", WRITTEN[\"program\"]), config.get(\"config\", WRITTEN[\"config\"])\n"
               "COMMAND = shlex.join([PROGRAM, \"run\", CONFIG] + WRITTEN[\"set\"] + [\"--quiet\"])\nPLAN = \"%s\"\n"
               "# rule, stage, the stages that it needs, threads, megabytes, minutes\nSTAGES = [\n", run_plan_digest(r, &a).hex);
    for (size_t k = 0; k < r->plan.stage_count; k++)
        stage_line(f, r, &r->plan.stage[k], memory);
    fputs("]\n", f);
    fputs(rules, f);
    arena_free(&a);
    return good && !e.failed;
}

/* Writes the file if it is not there; a file that is there must have this very text. */
static bool file_settle(const char *path, const char *text, size_t n, Arena *a, Error *e)
{
    size_t found;
    if (!file_exists(path))
        return file_write(path, text, n, e);
    const char *there = file_read(path, LIMIT_WORKFLOW, &found, a, e);
    if (there && (found != n || memcmp(there, text, n) != 0))
        error_set(e, "%s: is there already and says something else (another config, program or version), expected a new folder", path);
    return !e->failed;
}

bool run_workflow(const Run *r, const char *folder, const OptionList *set, Error *e)
{
    Arena a = arena_make(e);
    char program[PATH_MAX], config[PATH_MAX];
    TextWriter w;
    if (!realpath("/proc/self/exe", program) || !realpath(r->settings.file, config))
        return error_io(e, "%s: the full paths of the program and of the config cannot be found", r->settings.file);
    if (!text_begin(&w, e))
        return false;
    bool good = snakefile(w.stream, r, program, config, set);
    good = text_finish(&w, e) && (good || error_no_memory(e, "no memory for the workflow"));
    const char *path[] = { arena_format(&a, "%s/Snakefile", folder), arena_format(&a, "%s/README.md", folder) };
    good = good && !e->failed && file_make_folder(folder, e) && file_settle(path[0], w.text, w.size, &a, e)
        && file_settle(path[1], readme, strlen(readme), &a, e);
    free(w.text);
    arena_free(&a);
    return good && !e->failed;
}
