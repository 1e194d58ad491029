/* SPDX-License-Identifier: MIT */
/* The files that readers must refuse, must accept, or may treat either way. */
#include "ref/vectors/case_reject.h"

#define ONE(dtype, shape, range) "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}}"
#define TWO(first, second) \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first \
    "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"
#define FILE_(reader, name, ending, why) .path = reader "/" name ending, .reason = why
// One file each. S, L: safetensors, where L states a length of the header; C: config.json; T: tokenizer.json; P: PNG;
// J: samples.
#define S(name, why, header, bytes) { FILE_("safetensors", name, ".safetensors", why), .text = header, .zeros = bytes }
#define L(name, why, header, stated) { FILE_("safetensors", name, ".safetensors", why), .text = header, .length = stated }
#define C(name, why, keys) { FILE_("config", name, ".json", why), .text = "{\"model_type\": \"llava\", " keys "}" }
#define T(name, why, keys) { FILE_("tokenizer", name, ".json", why), .text = "{" keys "}" }
#define MODEL(more) "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", " more "}"
#define SMALL MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"ab\": 3}, \"merges\": [\"a b\"]")
#define P(name, why, ...) { FILE_("png", name, ".png", why), .png = { __VA_ARGS__ } }
#define RGB { 3, 2, 8, 2, 0 }
#define PALETTE { 3, 2, 8, 3, 0 }
#define J(name, why, lines) { FILE_("samples", name, ".jsonl", why), .text = lines "\n" }
#define LINE(id, more) "{\"id\": \"" id "\", \"question\": \"q ?\", \"answer\": \"x\"" more "}"

const RejectForm reject_forms[] = {
    S("y_empty", "a header without tensors", "{}", 0),
    S("y_scalar", "shape [] is one value", ONE("F32", "[]", "[0,4]"), 4),
    S("y_zero", "a dimension may be 0", ONE("F32", "[3,0]", "[0,0]"), 0),
    S("y_padded", "blanks after the header", "{}      ", 0),
    S("y_order", "the order of the header need not be that of the data", TWO("[4,8]", "[0,4]"), 8),
    S("y_metadata", "text to text", "{\"__metadata__\":{\"format\":\"pt\"}}", 0),
    S("y_unicode", "names are UTF-8", "{\"\xc3\xa9\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
    L("n_short", "fewer than the 8 bytes of the header's length", "", -9),
    L("n_long", "the header would end after the file", "{}", 100),
    L("n_overflow", "8 + length overflows", "{}", -1),
    L("n_limit", "over 100000000 bytes of header", "{}", 100000001),
    S("n_json", "the header is not JSON", "{\"a\":", 0),
    S("n_list", "the header is not an object", "[]", 0),
    S("n_blank", "the first byte of the header is not {", " {}", 0),
    S("n_utf8", "the header is not UTF-8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
    S("n_twice", "two tensors of one name",
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,"
      "4]}}",
      4),
    S("n_hole", "bytes that belong to no tensor", TWO("[0,4]", "[5,9]"), 9),
    S("n_first", "the first tensor does not begin at 0", ONE("F32", "[2]", "[4,12]"), 12),
    S("n_overlap", "two tensors share bytes", TWO("[0,4]", "[2,6]"), 6),
    S("n_same", "two tensors at one place", TWO("[0,4]", "[0,4]"), 4),
    S("n_backwards", "a tensor ends before it begins", ONE("F32", "[2]", "[8,0]"), 8),
    S("n_size", "fewer bytes than the shape needs", ONE("F32", "[2]", "[0,4]"), 4),
    S("n_cut", "the file ends inside a tensor", ONE("F32", "[2]", "[0,8]"), 7),
    S("n_trailing", "bytes after the last tensor", ONE("F32", "[2]", "[0,8]"), 9),
    S("n_product", "the product of the dimensions overflows", ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0),
    S("n_negative", "a negative dimension", ONE("F32", "[-2]", "[0,8]"), 8),
    S("n_real", "a dimension that is not an integer", ONE("F32", "[2.0]", "[0,8]"), 8),
    S("n_dtype", "a dtype that does not exist", ONE("F33", "[2]", "[0,8]"), 8),
    S("n_no_offsets", "no data_offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2),
    S("n_three_offsets", "three data_offsets", ONE("F32", "[2]", "[0,8,8]"), 8),
    S("n_metadata", "__metadata__ that is not text", "{\"__metadata__\":{\"format\":1}}", 0),
    S("i_bool", "a dtype that a program may not use", ONE("BOOL", "[2]", "[0,2]"), 2),
    S("i_rank", "more dimensions than a program may use", ONE("U8", "[1,1,1,1,2]", "[0,2]"), 2),
    S("i_name", "a name of no letters", "{\"\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2),
    S("i_control", "a name with a control character", "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2),

    C("y_short", "what is left out has its class's default", "\"text_config\": {\"vocab_size\": 32064}"),
    C("y_passive", "keys that change no number",
      "\"text_config\": {\"vocab_size\": 32064}, \"torch_dtype\": \"float16\", \"transformers_version\": \"4.36.0\""),
    C("n_cut", "not JSON", "\"text_config\": {"),
    C("n_heads", "the hidden size is not a multiple of the heads",
      "\"text_config\": {\"vocab_size\": 32064, \"hidden_size\": 100, \"num_attention_heads\": 3}"),
    C("n_kv_heads", "the heads are not a multiple of the key-value heads",
      "\"text_config\": {\"vocab_size\": 32064, \"num_key_value_heads\": 5}"),
    C("n_negative", "a negative size", "\"text_config\": {\"vocab_size\": 32064, \"hidden_size\": -4096}"),
    C("n_real", "a size that is not an integer", "\"text_config\": {\"vocab_size\": 32064, \"num_hidden_layers\": 2.5}"),
    C("n_text", "a size as text", "\"text_config\": {\"vocab_size\": \"32064\"}"),
    C("n_image_token", "the image token is outside the vocabulary",
      "\"text_config\": {\"vocab_size\": 32064}, \"image_token_index\": 32064"),
    C("n_layer", "a feature layer that the tower does not have",
      "\"text_config\": {\"vocab_size\": 32064}, \"vision_feature_layer\": 25"),
    C("n_activation", "an activation that does not exist",
      "\"text_config\": {\"vocab_size\": 32064}, \"projector_hidden_act\": \"gelo\""),
    C("i_unknown", "a key that is not known", "\"text_config\": {\"vocab_size\": 32064, \"sliding_window\": 4}"),
    C("i_rope", "scaled RoPE, which a program may not compute",
      "\"text_config\": {\"vocab_size\": 32064, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}}"),
    C("i_twice", "one key twice", "\"text_config\": {\"vocab_size\": 32064}, \"text_config\": {\"vocab_size\": 32064}"),

    T("y_small", "a vocabulary of four, one merge", SMALL),
    T("y_pairs", "merges as pairs",
      MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"ab\": 3}, \"merges\": [[\"a\", \"b\"]]")),
    T("n_cut", "not JSON", "\"model\": {"),
    T("n_no_model", "no model", "\"version\": \"1.0\""),
    T("n_negative", "a negative id", MODEL("\"vocab\": {\"<unk>\": 0, \"a\": -1}, \"merges\": []")),
    T("n_real", "an id that is not an integer", MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1.5}, \"merges\": []")),
    T("n_unknown", "the unknown token is not in the vocabulary", MODEL("\"vocab\": {\"a\": 1}, \"merges\": []")),
    T("n_merge", "a merge makes what is no token", MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2}, \"merges\": [\"a b\"]")),
    T("n_single", "a merge of one", MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1}, \"merges\": [\"a\"]")),
    T("i_byte_fallback", "byte_fallback, and no tokens of bytes",
      MODEL("\"byte_fallback\": true, \"vocab\": {\"<unk>\": 0, \"a\": 1}, \"merges\": []")),
    T("i_same_id", "two tokens of one id", MODEL("\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 1}, \"merges\": []")),
    T("i_byte_level", "a form that a program may not have",
      "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, " SMALL),
    T("i_added_id", "an added token with the id of another", "\"added_tokens\": [{\"id\": 1, \"content\": \"new\"}], " SMALL),

    P("y_small", "3 x 2 pixels", .head = RGB),
    P("y_text", "a chunk that may be skipped", .head = RGB, .chunk = "tEXta"),
    P("y_palette", "two colours", .head = PALETTE),
    P("n_signature", "not the signature of PNG", .head = RGB, .flip = 1),
    P("n_cut", "the file ends inside a chunk", .head = RGB, .cut = 40),
    P("n_checksum", "the checksum of the data is wrong (Pillow reads it all the same)", .head = RGB, .flip = -13),
    P("n_width", "no columns", .head = { 0, 2, 8, 2, 0 }),
    P("n_huge", "2^31 columns", .head = { 1u << 31, 2, 8, 2, 0 }),
    P("n_depth", "3 bits a value", .head = { 3, 2, 3, 2, 0 }),
    P("n_colour", "colour type 5", .head = { 3, 2, 8, 5, 0 }),
    P("n_no_data", "no IDAT", .head = RGB, .no_data = true),
    P("n_row", "a row less than the header says (Pillow makes it black)", .head = RGB, .row_missing = true),
    P("n_filter", "a row filter that does not exist", .head = { 3, 2, 8, 2, 9 }),
    P("n_zlib", "the head of the zlib stream is wrong", .head = RGB, .zlib = 1),
    P("i_no_palette", "colours by number, and no palette", .head = PALETTE, .no_palette = true),
    P("i_chunk", "a chunk that must be known and is not", .head = RGB, .chunk = "ABCDmust be known"),
    P("i_no_end", "no IEND", .head = RGB, .no_end = true),
    P("i_claim", "2^30 pixels, and data for six", .head = { 1 << 15, 1 << 15, 8, 2, 0 }),
    P("i_grey16", "16-bit grey, which Pillow's conversion clips", .head = { 3, 2, 16, 0, 0 }),
    P("i_index", "a colour that the palette does not have", .head = PALETTE, .index = 7),
    P("i_trailing", "bytes after IEND", .head = RGB, .after = "more"),

    J("y_small", "id, question, answer", LINE("a", "")),
    J("y_blank", "blank lines between samples", LINE("a", "") "\n\n" LINE("b", "")),
    J("y_unicode", "text is UTF-8, escaped or not", "{\"id\": \"a\", \"question\": \"caf\xc3\xa9 ?\", \"answer\": \"\\u00e9\"}"),
    J("n_empty", "no samples", ""),
    J("n_cut", "a line that is not JSON", LINE("a", "") "\n{\"id\": "),
    J("n_list", "a line that is not an object", "[1]"),
    J("n_utf8", "not UTF-8", "{\"id\": \"a\", \"question\": \"\xff\", \"answer\": \"x\"}"),
    J("n_twice", "two samples of one id", LINE("a", "") "\n" LINE("a", "")),
    J("n_answer", "no answer", "{\"id\": \"a\", \"question\": \"q ?\"}"),
    J("n_number", "an id that is a number", "{\"id\": 1, \"question\": \"q ?\", \"answer\": \"x\"}"),
    J("n_options", "the answer is not among the options", LINE("a", ", \"options\": [\"y\", \"z\"]")),
    J("n_image", "a picture that is not there", LINE("a", ", \"image\": \"nowhere.png\"")),
    J("n_modality", "a picture's question without a picture", LINE("a", ", \"modality\": \"image\"")),
    J("i_unknown", "a key that is not known", LINE("a", ", \"colour\": \"red\"")),
};
const size_t reject_forms_count = sizeof reject_forms / sizeof *reject_forms;
