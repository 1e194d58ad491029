/* SPDX-License-Identifier: MIT */
/* The parts of a Tokenizer, shared by the files that read it, encode and decode. Not for others. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_PARTS_H
#define PULSE_MODEL_TEXT_TOKENIZER_PARTS_H

#include "model/text/tokenizer.h"

/* Bytes with a length; from a file, so they may hold anything but zeros. */
typedef struct { const char *at; size_t n; } Span;

/* A tokenizer being put together; room doubles in its arena. */
typedef struct { char *at; size_t n, room; Arena *arena; } TextBuffer;
bool buffer_add(TextBuffer *b, const char *at, size_t n);
Span buffer_span(const TextBuffer *b);

/* A list of ids being put together. */
typedef struct { int32_t *id; size_t n, room; Arena *arena; } IdBuffer;
bool ids_add(IdBuffer *b, int32_t id);

typedef struct { uint64_t *key; int32_t *value; size_t mask; } PairMap;       // (left, right) -> rank; value -1: empty

typedef struct { Span text; int32_t id; bool single_word, lstrip, rstrip, normalized, special; } AddedToken;

typedef enum { STEP_PREPEND, STEP_REPLACE, STEP_BYTES, STEP_FUSE, STEP_STRIP, STEP_METASPACE, STEP_WORDS } StepKind;
typedef enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } PrependScheme;

typedef struct {
    StepKind      kind;
    Span          from, to;          // REPLACE: both; PREPEND, STRIP and METASPACE: `to` is the text, the content, the mark
    PrependScheme prepend;           // METASPACE
    bool          split;             // METASPACE: every mark begins a piece
    size_t        left, right;       // STRIP: at most so many on each side
} TextStep;

typedef struct { TextStep step[8]; size_t count; } TextSteps;

enum { TEMPLATE_MAX = 16 };

struct Tokenizer {
    const char *name;                                // the path, for sentences
    Span       *token;                               // by id; at == NULL: a hole
    size_t      size;                                // largest id + 1
    int32_t    *slot;                                // hash of a token's bytes -> id, -1: empty; open addressing
    size_t      slot_mask;
    PairMap     merges;
    int32_t    *merged;                              // by rank: the id of the two together
    int32_t     unk, byte[256];                      // -1: none
    bool        byte_fallback, fuse_unk, ignore_merges;
    AddedToken *added;
    size_t      added_count;
    TextSteps   normalizer, pre, decoder;
    int32_t     before[TEMPLATE_MAX], after[TEMPLATE_MAX];
    size_t      before_count, after_count;
};

int32_t tokenizer_find(const Tokenizer *t, Span token);        // -1: there is none
void    tokenizer_index_token(Tokenizer *t, int32_t id);       // into `slot`, which has room
bool    pair_map_make(PairMap *m, size_t count, Arena *a);
int32_t pair_map_find(const PairMap *m, int32_t left, int32_t right);
void    pair_map_set(PairMap *m, int32_t left, int32_t right, int32_t rank);     // the first rank of a pair stays

/* The ids of one piece: characters, then the merge of lowest rank again and again, the leftmost of equals. */
bool    tokenizer_merge(const Tokenizer *t, Span piece, IdBuffer *out, Arena *scratch);
/* One step on a text: PREPEND, REPLACE or STRIP. */
bool    step_apply(const TextStep *s, Span in, TextBuffer *out);

#endif
