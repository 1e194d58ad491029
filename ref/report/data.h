/* SPDX-License-Identifier: MIT */
/* Data: the rows of a report, and the filters by which its figures read them. */
#ifndef PULSE_REF_REPORT_DATA_H
#define PULSE_REF_REPORT_DATA_H

#include <stdint.h>
#include <stdio.h>
#include "eval/scenario.h"
#include "eval/world.h"
#include "tensor/base/arena.h"
#include "tensor/base/hash.h"

typedef struct {
    const char *scenario, *method, *trainable, *split, *modality, *metric;
    int64_t round, epoch, step;          // epoch, step: 0 in results.csv
    double  value;                       // NaN: the file has no number
    int64_t count, total;                // of a ratio, for instance 12 of 50 answers; total 0: the metric is not a ratio
    uint64_t seed;
} ReportRow;

typedef struct {
    ReportRow *row;
    size_t     count;
} ReportRows;

typedef struct {
    const char *dir, *world;
    ReportRows  results, trajectory;     // in the order of the files
    // from manifest.json; NULL: not known. chain: the link of its last entry with results
    const char *version, *spec, *chain;
    Digest      config;                  // the digest of the config's text; its hex is "" if it is not known
    World       contents;                // what world.json holds; it has 0 groups if there is no such file
    Arena      *arena;
} Report;

/* Reads results.csv, trajectory.csv and manifest.json of r->dir. The caller sets dir, world and arena, and fills
 * `contents` itself. */
bool report_read(Report *r, Error *e);
/* Reads the rows of a file that has the header of results.csv, into memory of the arena `a`. */
bool report_rows_read(ReportRows *out, const char *path, Arena *a, Error *e);

/* Which rows match. NULL and ANY match all. */
enum { ANY = -1 };
typedef struct {
    const char *scenario, *method, *trainable, *split, *modality, *metric;
    int64_t round, step;
} RowFilter;

/* A summary of the rows that match, usually one for each seed. */
typedef struct {
    size_t n;                            // how many of the rows have a number
    double mean, least, most;            // of these numbers
    int64_t questions;                   // on how many questions each is measured; 0: unknown, or not the same
} Summary;
Summary summary_of(const ReportRows *rows, RowFilter filter);
/* In percent: "97.4", or "97.4 (96.0–98.1)" if the numbers differ; "–" if there is none. */
const char *summary_text(Summary s, Arena *a);

/* One line of a comparison: a method with what it trains. */
typedef struct {
    const char *scenario, *method, *trainable, *label;
    int64_t last;                        // its last round
} Variant;
typedef struct {
    Variant *item;
    size_t   count;
} Variants;
/* The variants of a scenario in the order of results.csv, but "none" first and "retrain" last. */
Variants variants(const Report *r, const char *scenario);
bool variant_is(const Variant *v, const char *method);
bool variant_unlearns(const Variant *v);                         // neither "none" nor "retrain"
/* Matches the accuracy after the variant's last round. */
RowFilter variant_filter(const Variant *v, const char *split, const char *modality);

/* The distinct values of a column in the order of results.csv, at most `capacity` of them; returns their number. */
typedef enum { COLUMN_SCENARIO, COLUMN_METHOD, COLUMN_METRIC } Column;
size_t names(const Report *r, Column c, const char **out, size_t capacity);
size_t seeds(const Report *r, uint64_t *out, size_t capacity);

/* On how many questions the accuracies of a scenario are measured: "n: forget 250 image + 250 text, retain …". A split
 * whose numbers are not known is left out. "": no split is known. */
const char *questions_text(const Report *r, const char *scenario);
/* The same as three sums, image and text together: "500 + 250 + 480". "–": one of them is not known. */
const char *questions_sums(const Report *r, const char *scenario);
/* A caption, followed by questions_text if that is not "". scenario NULL: the caption alone. */
const char *caption_of(const Report *r, const char *caption, const char *scenario);

/* The label of the method's record; "before" for the method "none", and the name itself if no method has it. */
const char *method_label(const char *method);
/* The scenario that a name in results.csv begins with. A stopping rule or a number of requests may follow it:
 * "sequential-epochs", "stress-25". NULL: unknown. */
const Scenario *scenario_in(const char *name);
/* A text about a scenario, with the word for its entities in place of each @. */
const char *scenario_words(const Report *r, const Scenario *s, const char *text);
/* The title of a scenario for its name in results.csv: "Fine-tuned knowledge" for finetuned, "Fine-tuned knowledge,
 * stopping rule accuracy" for finetuned-accuracy, "The same persons in more and smaller requests: 25" for stress-25. An
 * unknown name is its own title. */
const char *scenario_label(const Report *r, const char *scenario);
/* The k-th name, from 0, that a scenario has in results.csv, one for each stopping rule: "sequential",
 * "sequential-epochs". NULL: there are no more. */
const char *scenario_under(const Report *r, const char *scenario, size_t k);
/* The stopping rule in a name: the text after the scenario and a dash, or "budget" if no text follows. NULL: the
 * name is that of another scenario, or the text is no rule ("stress-25"). */
const char *rule_of(const char *name, const char *scenario);

#endif
