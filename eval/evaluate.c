/* SPDX-License-Identifier: MIT */
#include "eval/evaluate.h"
#include "model/training/score.h"

#include <string.h>

/* Questions are answered in chunks of at most CHUNK. A generated text has at most TEXT_TOKENS tokens, or LONG_TOKENS at
 * DEPTH_LONG. The hidden states of a chunk, one cached row for each token (prefix.h), are kept for the next chunk only
 * if there are at most KEPT_ROWS: to keep more costs memory and saves little time. */
enum { CHUNK = 64, TEXT_TOKENS = 6, LONG_TOKENS = 50, KEPT_ROWS = 2048 };

void questions_begin(Questions *q, Arena *a)
{
    *q = (Questions){ .arena = a };
}

/* How many questions before this one ask for the same fact, in another paraphrase. Only the samples just before it are
 * looked at, back to the first that is about another entity. */
static int64_t paraphrases_before(const Dataset *from, const Sample *x, Kind kind)
{
    int64_t n = 0;
    for (const Sample *y = x; y-- > from->sample && strcmp(y->entity, x->entity) == 0;)
        n += y->split == x->split && y->kind == kind && y->modality == x->modality && strcmp(y->skill, x->skill) == 0;
    return n;
}

static bool wanted(const Dataset *from, const Sample *x, Choice c)
{
    return (x->split == SPLIT_TRAIN) == c.trained && x->kind == c.kind
        && (!c.entities || entity_list_has(c.entities, x->entity))
        && (c.paraphrases == 0 || paraphrases_before(from, x, c.kind) < c.paraphrases);
}

bool questions_add(Questions *q, const Dataset *from, Choice c, Error *e)
{
    if (q->count + from->count > q->capacity) {
        size_t capacity = 2 * (q->count + from->count);
        Question *larger = arena_array(q->arena, capacity, sizeof *larger);
        if (!larger)
            return false;
        if (q->count)
            memcpy(larger, q->question, q->count * sizeof *larger);
        q->question = larger;
        q->capacity = capacity;
    }
    size_t before = q->count;
    for (size_t k = 0; k < from->count; k++)
        if (wanted(from, &from->sample[k], c))
            q->question[q->count++] = (Question){ from, &from->sample[k] };
    return q->count > before
        || error_set(e, "%s:1: there is no %s question of the kind \"%s\" about the entities that are asked about", from->path,
                     c.trained ? "training" : "test", kind_name(c.kind));
}

size_t least(const float *value, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (value[k] < value[best])
            best = k;
    return best;
}

static bool result_take(Result *out, const Sample *x, const BatchSample *b, const SampleScore *s, Arena *a)
{
    *out = (Result){ x->id, x->entity, x->group, x->skill, x->answer, x->modality, x->kind, s->exact, false, s->nll, s->ce,
                     s->tokens, s->right,
                     arena_array(a, s->tokens, sizeof(float)), arena_array(a, s->tokens, 1), 0, NULL, NULL, x->pair };
    if (!out->token_nll || !out->token_right)
        return false;
    memcpy(out->token_nll, s->token_nll, s->tokens * sizeof(float));
    for (size_t k = 0, row = 0; k < b->n; k++)
        if (b->targets[k] >= 0) {
            out->token_right[row] = s->argmax[row] == b->targets[k];
            row++;
        }
    return true;
}

static bool is_answer(const Question *q, size_t option)
{
    return strcmp(q->sample->options[option], q->sample->answer) == 0;
}

/* A chunk of questions, which are answered side by side. */
typedef struct {
    const Reader *reader;
    const Question *q;
    size_t n;
    // [n + 1]: question k has the samples first[k] … first[k + 1] - 1; the first of them ends with the right answer
    size_t *first;
    BatchSample *sample;
    SampleScore *score;
    Prefixes *prefixes;
    Arena *scratch;
} Chunk;

static bool same_picture(const Question *x, const Question *y)
{
    return x->from == y->from && x->sample->image && y->sample->image
        && strcmp(x->sample->image, y->sample->image) == 0;
}

/* The pixels of question k, if an earlier question of the chunk has its picture; NULL: none has. */
static const float *pixels_before(const Chunk *c, size_t k)
{
    for (size_t j = k; j-- > 0;)
        if (same_picture(&c->q[k], &c->q[j]))
            return c->sample[c->first[j]].pixels;
    return NULL;
}

/* Reads question k as a sample that ends with its answer. With `options`, also reads one sample for each other option,
 * which replaces the answer. */
static bool samples_read(Chunk *c, size_t k, bool options, Error *e)
{
    const Question *q = &c->q[k];
    size_t at = c->first[k];
    BatchSample *answer = &c->sample[at++];
    const float *pixels = pixels_before(c, k);
    bool good = pixels
                  ? reader_again(c->reader, q->from, q->sample, NULL, false, pixels, answer, c->scratch, e)
                  : reader_sample(c->reader, q->from, q->sample, NULL, 0, NO_AUGMENT, answer, c->scratch, e);
    for (size_t j = 0; good && options && j < q->sample->option_count; j++)
        if (!is_answer(q, j))
            good = reader_again(c->reader, q->from, q->sample, q->sample->options[j], false, answer->pixels, &c->sample[at++],
                                c->scratch, e);
    c->first[k + 1] = at;
    return good;
}

/* An upper bound for the rows of question k in the tree of prefixes: its prompt, its options, and a generated text of
 * `text` tokens. */
static size_t rows_of(const Chunk *c, size_t k, size_t text)
{
    const BatchSample *s = &c->sample[c->first[k]];
    size_t prompt = 0, rows = text;
    while (prompt < s->n && !(s->targets[prompt] >= 0))
        prompt++;
    for (size_t j = c->first[k]; j < c->first[k + 1]; j++)
        rows += c->sample[j].n - (prompt < c->sample[j].n ? prompt : 0);
    return rows + prompt;
}

/* Reads questions until there are CHUNK of them, or until the rows of the next question would not fit into the
 * cache. */
static bool chunk_read(Chunk *c, size_t left, Depth depth, Error *e)
{
    const size_t most = left < CHUNK ? left : CHUNK, text = depth == DEPTH_LONG ? LONG_TOKENS : TEXT_TOKENS;
    size_t samples = 0, rows = 0;
    for (size_t k = 0; k < most; k++)
        samples += 1 + c->q[k].sample->option_count;
    c->first = arena_zalloc(c->scratch, (most + 1) * sizeof *c->first);
    c->sample = arena_array(c->scratch, samples, sizeof *c->sample);
    c->score = arena_array(c->scratch, samples, sizeof *c->score);
    if (!c->first || !c->sample || !c->score)
        return false;
    for (c->n = 0; c->n < most; c->n++) {
        if (!samples_read(c, c->n, depth >= DEPTH_OPTIONS, e))
            return false;
        const size_t more = rows_of(c, c->n, text);
        if (c->n && rows + more > prefixes_capacity(c->prefixes))
            break;
        rows += more;
    }
    prefixes_allow(c->prefixes, rows);
    return true;
}

static bool options_take(const Chunk *c, size_t k, Result *out, Arena *a)
{
    const Sample *x = c->q[k].sample;
    size_t at = c->first[k] + 1;
    out->option_count = x->option_count;
    if (x->option_count == 0)
        return true;
    out->option_ce = arena_array(a, x->option_count, sizeof(float));
    for (size_t j = 0; out->option_ce && j < x->option_count; j++)
        out->option_ce[j] = is_answer(&c->q[k], j) ? out->ce : c->score[at++].ce;
    if (!out->option_ce)
        return false;
    out->option_right = strcmp(x->options[least(out->option_ce, x->option_count)], x->answer) == 0;
    return true;
}

/* The greedy generation for one question. The sample has the prompt and the tokens so far. Its last row predicts the
 * next token. Only this row has a target: id 0, which asks for the row's logits and is not compared with anything. */
typedef struct {
    int32_t ids[LONG_TOKENS];            // the generated tokens, without the end token
    size_t  count, most;                 // how many there are; how many there may be, the end token included
    bool    ended;                       // the end token came, or there is room for nothing but the end token
    BatchSample sample;
} Generation;

/* Prepares the generation of at most `most` tokens, the end token included. A prompt that fills all positions still
 * predicts one token. */
static bool generation_begin(Generation *s, const BatchSample *prompt, size_t most, size_t positions, Arena *scratch)
{
    most = positions - prompt->n + 2 < most ? positions - prompt->n + 2 : most;
    size_t length = prompt->n + most;
    int32_t *ids = arena_array(scratch, length, sizeof *ids), *targets = arena_array(scratch, length, sizeof *targets);
    if (!ids || !targets)
        return false;
    memcpy(ids, prompt->ids, prompt->n * sizeof *ids);
    for (size_t k = 0; k < length; k++)
        targets[k] = -1;
    targets[prompt->n - 1] = 0;
    *s = (Generation){ .most = most, .sample = { ids, targets, prompt->n, prompt->pixels, .exposures = 0 } };
    return true;
}

static void generation_append(Generation *s, int32_t token, int32_t end)
{
    BatchSample *b = &s->sample;
    ((int32_t *)b->targets)[b->n - 1] = -1;
    ((int32_t *)b->targets)[b->n] = 0;
    ((int32_t *)b->ids)[b->n++] = token;
    s->ended = token == end;
    if (!s->ended)
        s->ids[s->count++] = token;
    s->ended |= s->count == s->most - 1;
}

/* Generates the next token of every text that has not ended. The rows of all earlier tokens are cached. */
static bool generations_extend(const Chunk *c, Generation *s, bool *more, Error *e)
{
    BatchSample *samples = arena_array(c->scratch, c->n, sizeof *samples);
    SampleScore *scores = arena_array(c->scratch, c->n, sizeof *scores);
    size_t count = 0, at = 0;
    for (size_t k = 0; samples && k < c->n; k++)
        if (!s[k].ended)
            samples[count++] = s[k].sample;
    *more = count > 0;
    if (!samples || !scores || (count && !score_with(c->prefixes, samples, count, scores, c->scratch, e)))
        return false;
    for (size_t k = 0; k < c->n; k++)
        if (!s[k].ended)
            generation_append(&s[k], scores[at++].argmax[0], c->reader->end);
    return true;
}

/* Writes the greedy texts. Where every token of the answer is the argmax (`exact`), the answer is the greedy text. The
 * other texts are generated side by side, one token in each pass. */
static bool texts_write(const Chunk *c, size_t most, Result *out, Arena *a, Error *e)
{
    const Reader *r = c->reader;
    Generation *s = arena_array(c->scratch, c->n, sizeof *s);
    bool more = true;
    for (size_t k = 0; s && k < c->n; k++) {
        BatchSample prompt;
        const float *pixels = c->sample[c->first[k]].pixels;
        if (!reader_again(r, c->q[k].from, c->q[k].sample, NULL, true, pixels, &prompt, c->scratch, e)
            || !generation_begin(&s[k], &prompt, most, r->positions, c->scratch))
            return false;
        s[k].ended = out[k].exact;
    }
    while (s && more)
        if (!generations_extend(c, s, &more, e))
            return false;
    for (size_t k = 0; s && k < c->n; k++)
        if (!(out[k].text = out[k].exact ? out[k].answer : tokenizer_decode(r->style.tokenizer, s[k].ids, s[k].count, true, a, e)))
            return false;
    return s != NULL;
}

static bool chunk_answer(Chunk *c, Depth depth, Result *out, Arena *a, Error *e)
{
    if (!score_with(c->prefixes, c->sample, c->first[c->n], c->score, c->scratch, e))
        return false;
    for (size_t k = 0; k < c->n; k++)
        if (!result_take(&out[k], c->q[k].sample, &c->sample[c->first[k]], &c->score[c->first[k]], a)
            || (depth >= DEPTH_OPTIONS && !options_take(c, k, &out[k], a)))
            return false;
    return depth < DEPTH_TEXT || texts_write(c, depth == DEPTH_LONG ? LONG_TOKENS : TEXT_TOKENS, out, a, e);
}

Result *evaluate(const Model *m, const Reader *r, const Questions *q, Depth depth, Arena *a, Error *e)
{
    Result *out = arena_array(a, q->count, sizeof *out);
    Arena scratch = arena_make(e);
    Prefixes *prefixes = prefixes_make(m, m->memory, e);
    bool good = out && prefixes && (depth < DEPTH_TEXT || reader_generates(r, e));
    for (size_t first = 0; good && first < q->count;) {
        Chunk c = { .reader = r, .q = q->question + first, .prefixes = prefixes, .scratch = &scratch };
        if (prefixes_rows(prefixes) > KEPT_ROWS)
            prefixes_forget(prefixes);
        good = chunk_read(&c, q->count - first, depth, e) && chunk_answer(&c, depth, out + first, a, e);
        first += c.n;
        arena_reset(&scratch);
    }
    prefixes_free(prefixes);
    arena_free(&scratch);
    return good && !e->failed ? out : NULL;
}

Result *evaluate_parts(const Questions *q, const size_t *part_of, size_t parts, EvaluatePart ask, void *context, Arena *a, Error *e)
{
    Result *all = arena_array(a, q->count, sizeof *all);
    size_t *place = arena_array(a, q->count, sizeof *place);
    Questions mine = { .question = arena_array(a, q->count, sizeof *mine.question), .arena = a };
    bool good = all && place && mine.question;
    for (size_t part = 0; good && part < parts; part++) {
        mine.count = 0;
        for (size_t k = 0; k < q->count; k++)
            if (part_of[k] == part) {
                place[mine.count] = k;
                mine.question[mine.count++] = q->question[k];
            }
        const Result *x = mine.count ? ask(context, part, &mine, a, e) : NULL;
        good = mine.count == 0 || x;
        for (size_t k = 0; x && k < mine.count; k++)
            all[place[k]] = x[k];
    }
    return good ? all : NULL;
}
