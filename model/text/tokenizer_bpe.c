/* SPDX-License-Identifier: MIT */
/* Byte-pair encoding: hash maps of tokens and pairs, and the merge loop with a heap. */
#include "model/text/tokenizer_parts.h"

#include <string.h>
#include "model/text/utf8.h"

bool buffer_add(TextBuffer *b, const char *at, size_t n)
{
    if (b->capacity - b->n < n) {
        size_t capacity = 2 * b->capacity + n + 64;
        char *grown = arena_alloc(b->arena, capacity);
        if (!grown)
            return false;
        if (b->n)
            memcpy(grown, b->at, b->n);
        b->at = grown;
        b->capacity = capacity;
    }
    if (n)
        memcpy(b->at + b->n, at, n);
    b->n += n;
    return true;
}

Span buffer_span(const TextBuffer *b) { return (Span){ b->n ? b->at : "", b->n }; }

bool ids_add(IdBuffer *b, int32_t id)
{
    if (b->n == b->capacity) {
        size_t capacity = 2 * b->capacity + 64;
        int32_t *grown = arena_array(b->arena, capacity, sizeof *grown);
        if (!grown)
            return false;
        if (b->n)
            memcpy(grown, b->id, b->n * sizeof *grown);
        b->id = grown;
        b->capacity = capacity;
    }
    b->id[b->n++] = id;
    return true;
}

static size_t span_hash(Span s)                      // FNV-1a, 64 bits
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.at[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static bool span_equal(Span a, Span b) { return a.n == b.n && !memcmp(a.at, b.at, a.n); }

int32_t tokenizer_find(const Tokenizer *t, Span token)
{
    for (size_t i = span_hash(token) & t->slot_mask; t->slot[i] >= 0; i = (i + 1) & t->slot_mask)
        if (span_equal(t->token[t->slot[i]], token))
            return t->slot[i];
    return -1;
}

void tokenizer_index_token(Tokenizer *t, int32_t id)
{
    size_t i = span_hash(t->token[id]) & t->slot_mask;
    while (t->slot[i] >= 0)
        i = (i + 1) & t->slot_mask;
    t->slot[i] = id;
}

bool pair_map_make(PairMap *m, size_t count, Arena *a)
{
    size_t capacity = 16;
    while (capacity < 2 * count)
        capacity *= 2;
    *m = (PairMap){ arena_array(a, capacity, sizeof *m->key), arena_array(a, capacity, sizeof *m->value), capacity - 1 };
    if (!m->key || !m->value)
        return false;
    memset(m->value, -1, capacity * sizeof *m->value);
    return true;
}

static uint64_t pair_key(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

/* The slot of the key, or the empty slot where it would be put. */
static size_t pair_slot(const PairMap *m, uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h ^ h >> 29) & m->mask;
    while (m->value[i] >= 0 && m->key[i] != key)
        i = (i + 1) & m->mask;
    return i;
}

int32_t pair_map_find(const PairMap *m, int32_t left, int32_t right)
{
    return m->value[pair_slot(m, pair_key(left, right))];
}

void pair_map_set(PairMap *m, int32_t left, int32_t right, int32_t rank)
{
    size_t i = pair_slot(m, pair_key(left, right));
    if (m->value[i] < 0) {
        m->key[i] = pair_key(left, right);
        m->value[i] = rank;
    }
}

/* A symbol of the piece, in a linked list. Its id is -1 once it has been merged into its left neighbour. */
typedef struct { int32_t id; size_t previous, next; } Symbol;
/* A merge that may be applied: symbol `at`, whose id is `left`, with the next symbol, whose id is `right`. */
typedef struct { int32_t rank; size_t at; int32_t left, right; } Candidate;

typedef struct {
    const Tokenizer *tokenizer;
    Symbol     *symbol;
    size_t      count;
    Candidate  *heap;
    size_t      waiting;             // how many candidates the heap holds
} Merger;

static void symbol_add(Merger *m, int32_t id)
{
    size_t k = m->count++;
    m->symbol[k] = (Symbol){ id, k - 1, k + 1 };
}

/* Makes the first symbols of a piece. A character that is a token becomes this token. Any other character becomes its
 * bytes with byte_fallback, and unk without it; with fuse_unk, a run of such characters becomes one unk. */
static void symbols_fill(Merger *m, Span piece)
{
    const Tokenizer *t = m->tokenizer;
    bool unknown = false;
    for (size_t at = 0, n; at < piece.n; at += n) {
        uint32_t c;
        n = utf8_next(piece.at + at, piece.n - at, &c);
        int32_t id = tokenizer_find(t, (Span){ piece.at + at, n });
        if (id >= 0)
            symbol_add(m, id);
        else if (t->byte_fallback)
            for (size_t k = 0; k < n; k++)
                symbol_add(m, t->byte[(unsigned char)piece.at[at + k]]);
        else if (!(unknown && t->fuse_unk))
            symbol_add(m, t->unk);
        unknown = id < 0 && !t->byte_fallback;
    }
}

static bool goes_first(Candidate a, Candidate b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

static void heap_push(Merger *m, Candidate c)
{
    size_t i = m->waiting++;
    for (; i > 0 && goes_first(c, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
}

static Candidate heap_pop(Merger *m)
{
    Candidate top = m->heap[0], last = m->heap[--m->waiting];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < m->waiting) {
        child += child + 1 < m->waiting && goes_first(m->heap[child + 1], m->heap[child]);
        if (!goes_first(m->heap[child], last))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

static void add_candidate(Merger *m, size_t at)
{
    size_t next = m->symbol[at].next;
    if (next >= m->count)
        return;
    int32_t left = m->symbol[at].id, right = m->symbol[next].id,
        rank = pair_map_find(&m->tokenizer->merges, left, right);
    if (rank >= 0)
        heap_push(m, (Candidate){ rank, at, left, right });
}

static void merge_all(Merger *m)
{
    for (size_t i = 0; i + 1 < m->count; i++)
        add_candidate(m, i);
    while (m->waiting) {
        Candidate c = heap_pop(m);
        Symbol *s = &m->symbol[c.at];
        // one of the two symbols has been merged in the meantime
        if (s->id != c.left || s->next >= m->count || m->symbol[s->next].id != c.right)
            continue;
        s->id = m->tokenizer->merged[c.rank];
        m->symbol[s->next].id = -1;
        s->next = m->symbol[s->next].next;
        if (s->next < m->count)
            m->symbol[s->next].previous = c.at;
        if (c.at > 0)
            add_candidate(m, s->previous);
        add_candidate(m, c.at);
    }
}

bool tokenizer_merge(const Tokenizer *t, Span piece, IdBuffer *out, Arena *scratch)
{
    int32_t whole = t->ignore_merges ? tokenizer_find(t, piece) : -1;
    if (whole >= 0)
        return ids_add(out, whole);
    /* Every merge removes a symbol and adds at most two candidates, so 3 n candidates are enough. */
    Merger m = { .tokenizer = t, .symbol = arena_array(scratch, piece.n, sizeof *m.symbol),
                 .heap = arena_array(scratch, piece.n, 3 * sizeof *m.heap) };
    if (!m.symbol || !m.heap)
        return false;
    symbols_fill(&m, piece);
    merge_all(&m);
    for (size_t i = 0; i < m.count; i = m.symbol[i].next)
        if (!ids_add(out, m.symbol[i].id))
            return false;
    return true;
}
