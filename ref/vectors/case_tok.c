/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_tok.h"

#include <string.h>

const TokForm tok_forms[] = {
    { "legacy", "BosMissing ByteFallbackMissing PrefixFirst" },
    { "first", "BosMissing ByteFallbackMissing PrefixLegacy" },
    { "words", "BosMissing ByteFallbackMissing" },
};
const size_t tok_forms_count = sizeof tok_forms / sizeof *tok_forms;

/* The texts have blanks in every position, letters that are no token, code points at the ends of their ranges, and
 * special tokens and parts of them inside a text. None has a zero byte, because zeros follow the end of a text in the
 * tensor. */
#define T(text) { text, sizeof text - 1 }
static const struct { const char *at; size_t n; } texts[] = {
    T(""), T(" "), T("  "), T("a"), T(" a"), T("a "), T("a  b"), T("   leading"), T("trailing   "), T("hello world"),
    T("Hello, World!"),
    T("what is the capital of this country ?"), T("the\nthe\n\nthe"), T("\tthe"), T("the\xc2\xa0the"), T("the\xe3\x80\x80the"),
    T("café naïve"), T("cafe\xcc\x81"), T("ﬁ"), T("ß"), T("мир"), T("日本語"), T("🦙"), T("👩\xe2\x80\x8d👩\xe2\x80\x8d👧"), T("a🦙b 🦙"),
    T("\xe2\x80\x8b"), T("\x7f"), T("\xc2\x80"), T("\xed\x9f\xbf"), T("\xee\x80\x80"), T("\xef\xbf\xbf"),
    T("\xf4\x8f\xbf\xbf"), T("0"), T("42"), T("420"), T("3.14"), T("don't"), T("<"), T("<s"), T("<s>"), T("</s>"), T("<s><s>"),
    T("<s></s>"), T("</s></s> a"), T("<image>"), T(" <image> "), T("a<image>b"), T("a <image> b"), T("a  <image>  b"),
    T("<image><image>"), T("<image> <image>"), T("<image>\n<image>"), T("<imag"), T("image>"), T("<<image>>"), T("<0x41>"),
    T("<0xF0><0x9F>"), T("<pad><pad>"), T("<unk>"), T("USER: <image>\nwhat is this ?\nASSISTANT: red"),
    T("USER: <image> what is this ? ASSISTANT: red </s>"), T("Paris! Paris!Paris"), T("in Paris!"), T("the flag of France"),
    T("tokentokentoken"), T("tokens tokens"), T("thethe the"), T("aaaaaaaa"), T("question answer question"), T(". . ."), T("?,?"),
    T("x y z"), T("~!@#$%^&*()"), T("{\"a\": [1, 2]}"), T("\\n"), T("\r\n"),
};
enum { TEXTS = sizeof texts / sizeof *texts };

typedef struct { const void *at; size_t n; } List;

/* Makes a matrix with one list in each row. A shorter row is filled up with bytes of the value `fill`. */
static Tensor rows(const List *list, size_t count, Dtype dtype, int fill, Arena *a)
{
    size_t longest = 0, size = dtype_size(dtype);
    for (size_t k = 0; k < count; k++)
        longest = list[k].n > longest ? list[k].n : longest;
    Tensor t = { .shape = shape_of(2, count, longest), .dtype = dtype, .data = arena_array(a, count * longest, size) };
    for (size_t k = 0; t.data && k < count; k++) {
        memset(t.u8 + k * longest * size, fill, longest * size);
        if (list[k].n)
            memcpy(t.u8 + k * longest * size, list[k].at, list[k].n * size);
    }
    return t;
}

static Tensor lengths(const List *list, size_t count, Arena *a)
{
    Tensor t = { .shape = shape_of(1, count), .dtype = I32, .i32 = arena_array(a, count, sizeof *t.i32) };
    for (size_t k = 0; t.i32 && k < count; k++)
        t.i32[k] = (int32_t)list[k].n;
    return t;
}

bool tok_case_make(const Tokenizer *t, LossCase *c, Arena *a, Error *e)
{
    List text[TEXTS], ids[TEXTS], decoded[TEXTS];
    for (size_t k = 0; k < TEXTS; k++) {
        TokenIds x = tokenizer_encode_bytes(t, texts[k].at, texts[k].n, TOKENIZER_SPECIAL, a, e);
        char *back = x.id ? tokenizer_decode(t, x.id, x.count, true, a, e) : NULL;
        if (!back)
            return false;
        text[k] = (List){ texts[k].at, texts[k].n };
        ids[k] = (List){ x.id, x.count };
        decoded[k] = (List){ back, strlen(back) };
    }
    *c = (LossCase){ .in = { { "text", rows(text, TEXTS, U8, 0, a) }, { "text.length", lengths(text, TEXTS, a) } }, .in_count = 2,
                     .out = { { "ids", rows(ids, TEXTS, I32, -1, a) }, { "decoded", rows(decoded, TEXTS, U8, 0, a) },
                              { "decoded.length", lengths(decoded, TEXTS, a) } }, .out_count = 3 };
    return !e->failed;
}
