/* SPDX-License-Identifier: MIT */
#include "tests/support/llava15/pieces.h"

#include <stdio.h>
#include <string.h>

enum { ALL = 32000, FIRST = 3 + 256, LETTERS = 27 };

#define MARK "\xe2\x96\x81"                     // U+2581, which stands for a blank
#define FLAGS "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true"

/* The single characters. Longer pieces are made of the first LETTERS characters. */
static const char *const characters[] = {
    MARK, "e", "t", "a", "o", "i", "n", "s", "r", "h", "l", "d", "u", "c", "m", "f", "p", "g", "w", "y", "b", "v",
    "k", "x", "j", "q", "z",
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z",
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", ",", ":", ";", "?", "!", "-", "(", ")", "'", "/",
    "\xc3\xa4", "\xc3\xb6", "\xc3\xbc", "\xc3\xa9", "\xe4\xb8\xad", "\xd0\xb8",
};
enum { CHARACTERS = sizeof characters / sizeof *characters };

static char made[ALL][24];                      // what merges make, in their order
static char left[ALL][20];                      // the left part of each; the right part is one character
static int  right[ALL], count;

/* Adds each of the pieces begin … end - 1 with each letter, a to z, appended, while there is room. Piece k < 0 is the
 * single character k + LETTERS. */
static void lengthen(int begin, int end)
{
    for (int k = begin; k < end; k++)
        for (int i = 1; i < LETTERS && count < ALL - FIRST - CHARACTERS; i++, count++) {
            snprintf(left[count], sizeof left[count], "%s", k < 0 ? characters[k + LETTERS] : made[k]);
            right[count] = i;
            snprintf(made[count], sizeof made[count], "%s%s", left[count], characters[i]);
        }
}

static void write_model(FILE *to)
{
    fprintf(to, "  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\", \"continuing_subword_prefix\": null,\n"
                "    \"end_of_word_suffix\": null, \"fuse_unk\": true, \"byte_fallback\": true,\n    \"vocab\": {\n"
                "      \"<unk>\": 0,\n      \"<s>\": 1,\n      \"</s>\": 2");
    for (int k = 0; k < 256; k++)
        fprintf(to, ",\n      \"<0x%02X>\": %d", (unsigned)k, 3 + k);
    for (int k = 0; k < count; k++)
        fprintf(to, ",\n      \"%s\": %d", made[k], FIRST + k);
    for (int k = 0; k < CHARACTERS; k++)
        fprintf(to, ",\n      \"%s\": %d", characters[k], FIRST + count + k);
    fprintf(to, "\n    },\n    \"merges\": [");
    for (int k = 0; k < count; k++)
        fprintf(to, "%s\n      \"%s %s\"", k ? "," : "", left[k], characters[right[k]]);
    fprintf(to, "\n    ]\n  }\n}\n");
}

bool pieces_write(const char *folder)
{
    char path[4096];
    static const char *const added[] = { "<unk>", "<s>", "</s>", "<image>", "<pad>" };
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    FILE *to = fopen(path, "wb");
    if (!to)
        return false;
    count = 0;
    lengthen(-LETTERS, 0);
    for (int begin = 0, end; count < ALL - FIRST - CHARACTERS; begin = end) {
        end = count;
        lengthen(begin, end);
    }
    fprintf(to, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [");
    for (int k = 0; k < 5; k++)
        fprintf(to, "%s\n    {\"id\": %d, \"content\": \"%s\", " FLAGS "}", k ? "," : "", k < 3 ? k : ALL + k - 3, added[k]);
    fprintf(to, "\n  ],\n  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [\n"
                "    {\"type\": \"Prepend\", \"prepend\": \"" MARK "\"},\n"
                "    {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}\n  ]},\n"
                "  \"pre_tokenizer\": null,\n  \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
                "    \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}},\n"
                "      {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
                "    \"pair\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},\n"
                "      {\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 1}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
                "    \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [1], \"tokens\": [\"<s>\"]}}},\n"
                "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [\n"
                "    {\"type\": \"Replace\", \"pattern\": {\"String\": \"" MARK "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"},\n"
                "    {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}\n  ]},\n");
    write_model(to);
    return fclose(to) == 0;
}
