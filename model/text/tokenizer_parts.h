/* SPDX-License-Identifier: MIT */
/* The parts of a Tokenizer, which only these files share: reading (tokenizer_file.c, tokenizer_steps.c), encoding,
 * merging, decoding, making (tokenizer_train.c), and the check of the other text files of a folder (text_config.c). */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_PARTS_H
#define PULSE_MODEL_TEXT_TOKENIZER_PARTS_H

#include "model/text/tokenizer.h"

/* A run of n bytes, which need not end with a zero byte. */
typedef struct { const char *at; size_t n; } Span;

/* A text that grows in its arena; its capacity doubles. */
typedef struct { char *at; size_t n, capacity; Arena *arena; } TextBuffer;
bool buffer_add(TextBuffer *b, const char *at, size_t n);
Span buffer_span(const TextBuffer *b);

/* A list of ids that grows in its arena. */
typedef struct { int32_t *id; size_t n, capacity; Arena *arena; } IdBuffer;
bool ids_add(IdBuffer *b, int32_t id);

/* A hash table from a pair of ids to the rank of its merge. Both arrays have mask + 1 entries; value -1: empty. */
typedef struct { uint64_t *key; int32_t *value; size_t mask; } PairMap;

typedef struct { Span text; int32_t id; bool single_word, lstrip, rstrip, normalized, special; } AddedToken;

/* The names are those of the file, except for BYTES (ByteFallback) and WORDS (WhitespaceSplit). */
typedef enum { STEP_PREPEND, STEP_REPLACE, STEP_BYTES, STEP_FUSE, STEP_STRIP, STEP_METASPACE, STEP_WORDS } StepKind;
typedef enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } PrependScheme;

typedef struct {
    StepKind      kind;
    Span          from, to;          // REPLACE: both. `to` is PREPEND's text, STRIP's content, METASPACE's mark
    PrependScheme prepend;           // METASPACE: whether the mark is put before the text
    bool          split;             // METASPACE: whether every mark begins a new piece
    size_t        left, right;       // STRIP: the most copies of the content that are removed on each side
} TextStep;

typedef struct { TextStep step[8]; size_t count; } TextSteps;

enum { TEMPLATE_MAX = 16 };

struct Tokenizer {
    const char *name;                                // the path, for sentences
    Span       *token;                               // [size], by id; token[id].at NULL: the id has no token
    size_t      size;                                // largest id + 1
    int32_t    *slot;                                // [slot_mask + 1] hash table, token to id; -1: empty
    size_t      slot_mask;
    PairMap     merges;
    int32_t    *merged;                              // for each rank of a merge, the id of the merged token
    int32_t     unk, byte[256];                      // ids of the unknown token and of the byte tokens; -1: none
    bool        byte_fallback, fuse_unk, ignore_merges;
    AddedToken *added;
    size_t      added_count;
    TextSteps   normalizer, pre, decoder;
    int32_t     before[TEMPLATE_MAX], after[TEMPLATE_MAX];      // the ids that the template puts around a text
    size_t      before_count, after_count;
};

int32_t tokenizer_find(const Tokenizer *t, Span token);        // -1: it is not a token
void    tokenizer_index_token(Tokenizer *t, int32_t id);       // adds the token to `slot`, which has room
bool    pair_map_make(PairMap *m, size_t count, Arena *a);
int32_t pair_map_find(const PairMap *m, int32_t left, int32_t right);
void    pair_map_set(PairMap *m, int32_t left, int32_t right, int32_t rank);     // a known pair keeps its rank

/* Adds the ids of one piece. With ignore_merges, a piece that is a token becomes this token. Any other piece is cut
 * into characters; then the merge with the lowest rank is applied, the leftmost one of equal rank first, until no merge
 * is possible. */
bool    tokenizer_merge(const Tokenizer *t, Span piece, IdBuffer *out, Arena *scratch);
/* Applies one step to a text: PREPEND or REPLACE. */
bool    step_apply(const TextStep *s, Span in, TextBuffer *out);

#endif
