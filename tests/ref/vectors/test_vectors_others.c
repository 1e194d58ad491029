/* SPDX-License-Identifier: MIT */
/* The suite in fixtures/vectors/v1 against other programs: pictures against Pillow, token ids against Hugging Face. */
#include "tests/ref/vectors/vectors_stand.h"

#include "ref/vectors/case_tok.h"
#include "tensor/base/bytes.h"

/* suite.txt has the SHA-256 that Pillow gives for the three tensors of each prep case (ref/vectors/case_prep.h). */
static void pictures_are_those_of_pillow(void **state)
{
    (void)state;
    FILE *f = fopen("fixtures/pillow/suite.txt", "r");
    char name[64], want[3][65], line[512];
    static const char *const tensors[] = { "decoded", "placed", "pixels" };
    size_t count = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (*line == '#')
            continue;
        assert_int_equal(sscanf(line, "%63s %64s %64s %64s", name, want[0], want[1], want[2]), 4);
        Store out = case_store(arena_format(&arena, "prep/%s", name), "out");
        for (int k = 0; k < 3; k++) {
            const Tensor *t = tensor_of(&out, tensors[k]);
            uint8_t *bytes = arena_alloc(&arena, tensor_bytes(*t));
            bytes_copy(bytes, t->data, shape_size(t->shape), dtype_size(t->dtype));
            if (strcmp(digest_bytes(bytes, tensor_bytes(*t)).hex, want[k]) != 0)
                fail_msg("prep/%s: %s is not what Pillow makes", name, tensors[k]);
        }
        store_close(&out);
        count++;
    }
    fclose(f);
    size_t cases = 0;
    for (size_t k = 0; k < json_array_size(json_object_get(manifest, "cases")); k++)
        cases += strcmp(text_of(json_array_get(json_object_get(manifest, "cases"), k), "kind"), "prep") == 0;
    assert_int_equal(count, cases);
}

/* The lines of fixtures/tokenizers/cases.jsonl about this tokenizer. The caller releases the list. */
static json_t *hugging_face(const char *tokenizer)
{
    size_t n;
    json_t *list = json_array();
    const char *all = file_read("fixtures/tokenizers/cases.jsonl", JSON_BYTES, &n, &arena, &error);
    for (const char *line = all, *stop; (stop = strchr(line, '\n')); line = stop + 1) {
        json_t *c = json_parse(line, (size_t)(stop - line), "cases.jsonl", &error);
        if (strcmp(text_of(c, "tokenizer"), tokenizer) == 0)
            json_array_append(list, c);
        json_decref(c);
    }
    return list;
}

/* The line about the n bytes `text`; the lines hold texts as hexadecimal digits. */
static const json_t *find_text(const json_t *list, const char *text, size_t n)
{
    char hex[512] = "";
    for (size_t i = 0; i < n; i++)
        sprintf(hex + 2 * i, "%02x", (unsigned)(uint8_t)text[i]);
    for (size_t k = 0; k < json_array_size(list); k++)
        if (strcmp(text_of(json_array_get(list, k), "text"), hex) == 0)
            return json_array_get(list, k);
    fail_msg("cases.jsonl has no text %s", hex);
    return NULL;
}

static void tokenizers_are_the_recorded_ones_and_ids_those_of_hugging_face(void **state)
{
    (void)state;
    for (size_t f = 0; f < tok_forms_count; f++) {
        const char *id = arena_format(&arena, "tok/%s", tok_forms[f].id);
        json_t *ours = json_file(arena_format(&arena, SUITE "/%s/tokenizer.json", id), JSON_BYTES, &error),
               *table = hugging_face(tok_forms[f].id);
        json_t *theirs = json_file(arena_format(&arena, "fixtures/tokenizers/%s.json", tok_forms[f].id), JSON_BYTES,
                                   &error);
        expect_fine(&error);
        assert_true(json_equal(ours, theirs));
        Store in = case_store(id, "in"), out = case_store(id, "out");
        const Tensor *text = tensor_of(&in, "text"), *length = tensor_of(&in, "text.length"),
            *ids = tensor_of(&out, "ids"),
            *decoded = tensor_of(&out, "decoded"), *back = tensor_of(&out, "decoded.length");
        const size_t count = text->shape.dim[0], longest = ids->shape.dim[1];
        assert_true(count > 70);
        for (size_t k = 0; k < count; k++) {
            const json_t *want = find_text(table, (const char *)text->u8 + k * text->shape.dim[1],
                                           (size_t)length->i32[k]);
            const json_t *list = json_object_get(want, "ids");
            for (size_t i = 0; i < longest; i++)
                assert_int_equal(ids->i32[k * longest + i], i < json_array_size(list) ? json_integer_value(json_array_get(list, i)) : -1);
            char hex[512] = "";
            for (size_t i = 0; i < (size_t)back->i32[k]; i++)
                sprintf(hex + 2 * i, "%02x", decoded->u8[k * decoded->shape.dim[1] + i]);
            assert_string_equal(hex, text_of(want, "decoded"));
        }
        store_close(&in);
        store_close(&out);
        json_decref(ours);
        json_decref(theirs);
        json_decref(table);
    }
}

/* The ids of the first turn (its prompt and its answer) are those of Hugging Face, if all tokens of its picture count
 * as one token. */
static void prompts_have_the_ids_of_hugging_face(void **state)
{
    (void)state;
    static const struct { const char *id, *tokenizer, *text; } prompts[] = {
        { "mask/plain.answer", "legacy", "USER: <image>\nwhat is this ?\nASSISTANT: red" },
        { "mask/world.answer", "words", "USER: <image> what is this ? ASSISTANT: red </s>" },
    };
    for (size_t p = 0; p < 2; p++) {
        json_t *table = hugging_face(prompts[p].tokenizer);
        const json_t *want = json_object_get(find_text(table, prompts[p].text, strlen(prompts[p].text)), "ids");
        Store out = case_store(prompts[p].id, "out");
        const int32_t *ids = tensor_of(&out, "ids")->i32, *image = tensor_of(&out, "image")->i32,
                      *offsets = tensor_of(&out, "offsets")->i32;
        size_t k = 0;
        for (int32_t i = 0; i < offsets[1]; i++)
            if (i <= image[0] || i >= image[0] + image[1])
                assert_int_equal(ids[i], json_integer_value(json_array_get(want, k++)));
            else
                assert_int_equal(ids[i], ids[image[0]]);
        assert_int_equal(k, json_array_size(want));
        store_close(&out);
        json_decref(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vectors_test(pictures_are_those_of_pillow),
        vectors_test(tokenizers_are_the_recorded_ones_and_ids_those_of_hugging_face),
        vectors_test(prompts_have_the_ids_of_hugging_face),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
