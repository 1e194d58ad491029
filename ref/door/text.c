/* SPDX-License-Identifier: MIT */
/* Tokenizers and prompts. */
#include <string.h>
#include "model/text/prompt.h"
#include "ref/door/door.h"

struct pulse_tokenizer {
    Arena own;
    const Tokenizer *tokenizer;
};

pulse_status pulse_tokenizer_open(pulse_context *c, const char *path, pulse_tokenizer **out)
{
    Door d = door_enter(c);
    if (d.open && door_given(c, out, "out")) {
        *out = NULL;
        pulse_tokenizer *t = door_given(c, path, "path") ? door_handle(c, sizeof *t) : NULL;
        if (t && (t->tokenizer = tokenizer_open(path, &t->own, &c->error)))
            *out = door_opened(t);
        else
            pulse_tokenizer_close(t);
    }
    return door_leave(d);
}

void pulse_tokenizer_close(pulse_tokenizer *t) { door_free(t); }

pulse_status pulse_encode(pulse_context *c, const pulse_tokenizer *t, const char *text, size_t n, int special,
                          const int32_t **ids, size_t *count)
{
    Door d = door_enter(c);
    if (d.open && door_given(c, t, "tokenizer") && door_given_array(c, text, n, "text") && door_given(c, ids, "ids")
        && door_given(c, count, "count")) {
        TokenIds x = tokenizer_encode_bytes(t->tokenizer, text ? text : "", n, special ? TOKENIZER_SPECIAL : TOKENIZER_PLAIN,
                                            &c->scratch, &c->error);
        *ids = x.id;
        *count = x.count;
    }
    return door_leave(d);
}

pulse_status pulse_decode(pulse_context *c, const pulse_tokenizer *t, const int32_t *ids, size_t count,
                          int skip_special, const char **text)
{
    Door d = door_enter(c);
    if (d.open && door_given(c, t, "tokenizer") && door_given_array(c, ids, count, "ids")
        && door_given(c, text, "text"))
        *text = tokenizer_decode(t->tokenizer, ids, count, skip_special != 0, &c->scratch, &c->error);
    return door_leave(d);
}

static bool style_read(pulse_context *c, const pulse_tokenizer *t, const char *template, const char *mask, size_t image_tokens,
                       PromptStyle *out)
{
    if (!door_given(c, t, "tokenizer") || !door_given(c, template, "prompt_template") || !door_given(c, mask, "mask"))
        return false;
    *out = (PromptStyle){ .tokenizer = t->tokenizer, .image_tokens = image_tokens };
    return prompt_template_find(&out->template, template, &c->error) && prompt_mask_find(&out->mask, mask, &c->error)
        && (image_tokens <= 1 << 20 || error_set(&c->error, "image_tokens is %zu, expected at most 2^20", image_tokens));
}

pulse_status pulse_prompt(pulse_context *c, const pulse_tokenizer *t, const char *prompt_template, const char *mask, const char *question,
                          const char *answer, size_t image_tokens, pulse_prompt_value *out)
{
    Door d = door_enter(c);
    PromptStyle style;
    Prompt p;
    if (d.open && style_read(c, t, prompt_template, mask, image_tokens, &style) && door_given(c, question, "question")
        && door_given(c, out, "out") && prompt_make(&p, &style, question, answer, image_tokens > 0, &c->scratch, &c->error))
        *out = (pulse_prompt_value){ p.ids, p.targets, p.n, p.image_begin, p.image_count, p.answer_begin,
                                     p.answer_count };
    return door_leave(d);
}
