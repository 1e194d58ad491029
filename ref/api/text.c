/* SPDX-License-Identifier: MIT */
/* Opens tokenizers, and makes ids, texts and prompts with them. */
#include <string.h>
#include "model/text/prompt.h"
#include "ref/api/api.h"

struct pulse_tokenizer {
    Arena own;
    const Tokenizer *tokenizer;
};

pulse_status pulse_tokenizer_open(pulse_context *c, const char *path, pulse_tokenizer **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        pulse_tokenizer *t = api_given(c, path, "path") ? api_handle(c, sizeof *t) : NULL;
        if (t && (t->tokenizer = tokenizer_open(path, &t->own, &c->error)))
            *out = api_opened(t);
        else
            pulse_tokenizer_close(t);
    }
    return api_leave(call);
}

void pulse_tokenizer_close(pulse_tokenizer *t) { api_free(t); }

pulse_status pulse_encode(pulse_context *c, const pulse_tokenizer *t, const char *text, size_t n, int special,
                          const int32_t **ids, size_t *count)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, t, "tokenizer") && api_given_array(c, text, n, "text") && api_given(c, ids, "ids")
        && api_given(c, count, "count")) {
        TokenIds x = tokenizer_encode_bytes(t->tokenizer, text ? text : "", n, special ? TOKENIZER_SPECIAL : TOKENIZER_PLAIN,
                                            &c->scratch, &c->error);
        *ids = x.id;
        *count = x.count;
    }
    return api_leave(call);
}

pulse_status pulse_decode(pulse_context *c, const pulse_tokenizer *t, const int32_t *ids, size_t count,
                          int skip_special, const char **text)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, t, "tokenizer") && api_given_array(c, ids, count, "ids")
        && api_given(c, text, "text"))
        *text = tokenizer_decode(t->tokenizer, ids, count, skip_special != 0, &c->scratch, &c->error);
    return api_leave(call);
}

static bool style_read(pulse_context *c, const pulse_tokenizer *t, const char *template, const char *mask, size_t image_tokens,
                       PromptStyle *out)
{
    if (!api_given(c, t, "tokenizer") || !api_given(c, template, "prompt_template") || !api_given(c, mask, "mask"))
        return false;
    *out = (PromptStyle){ .tokenizer = t->tokenizer, .image_tokens = image_tokens };
    return prompt_template_find(&out->template, template, &c->error) && prompt_mask_find(&out->mask, mask, &c->error)
        && (image_tokens <= 1 << 20 || error_set(&c->error, "image_tokens is %zu, expected at most 2^20", image_tokens));
}

pulse_status pulse_prompt(pulse_context *c, const pulse_tokenizer *t, const char *prompt_template, const char *mask, const char *question,
                          const char *answer, size_t image_tokens, pulse_prompt_value *out)
{
    ApiCall call = api_enter(c);
    PromptStyle style;
    Prompt p;
    if (call.open && style_read(c, t, prompt_template, mask, image_tokens, &style) && api_given(c, question, "question")
        && api_given(c, out, "out") && prompt_make(&p, &style, question, answer, image_tokens > 0, &c->scratch, &c->error))
        *out = (pulse_prompt_value){ p.ids, p.targets, p.n, p.image_begin, p.image_count, p.answer_begin,
                                     p.answer_count };
    return api_leave(call);
}
