/* SPDX-License-Identifier: MIT */
/* Which chat templates are recognised, and that every other one is refused. */
#include "tests/support/stand.h"

#include <string.h>
#include "model/text/chat_template.h"
#include "tensor/base/file.h"
#include "tests/support/scratch.h"

#define FOR(list)  "{% for " list " %}"
#define PARTS(type)"content in message['content'] | selectattr('type', 'equalto', '" type "')"
#define PICTURES   FOR(PARTS("image")) "{{ '<image>\\n' }}{% endfor %}"
#define WORDS      FOR(PARTS("text")) "{{ content['text'] + ' ' }}{% endfor %}"
#define ASKED      "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
#define SHORT      FOR("message in messages") "{{ message['role'].upper() + ': ' }}" PICTURES WORDS "{% endfor %}" ASKED

static void put(const char *name, const char *text)
{
    assert_true(file_make_folder(scratch("m"), &error)
                && file_write(scratch("m/%s", name), text, strlen(text), &error));
}

static void expect_template(PromptTemplate wanted)
{
    PromptTemplate t = PROMPT_TEMPLATES;
    chat_template_find(&t, PROMPT_WORLD, scratch("m"), &error);
    expect_fine(&error);
    assert_int_equal(t, wanted);
}

static void blanks_and_comments_do_not_count(void **state)
{
    (void)state;
    static const char *const same[] = {
        SHORT, "\n" SHORT "\n", "{# said first #}" SHORT,
        FOR("message in messages") "{{message['role'].upper()+': '}}" PICTURES
        FOR(PARTS("text")) "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endfor %}" ASKED,
    };
    static const char *const others[] = {
        "", "{{ messages }}", FOR("message in messages") "{{ message['role'].lower() + ': ' }}" PICTURES WORDS "{% endfor %}" ASKED,
        FOR("message in messages") "{{ message['role'].upper() + ':  ' }}" PICTURES WORDS "{% endfor %}" ASKED,  // two blanks
        FOR("message in messages") "{{ message['role'].upper() + ': ' }}" WORDS PICTURES "{% endfor %}" ASKED,  // the picture last
        "{% for", "{{ '", "{# never ends",
    };
    PromptTemplate t;
    for (size_t k = 0; k < sizeof same / sizeof *same; k++)
        if (!chat_template_known(same[k], &t, &arena) || t != PROMPT_LLAVA_HF)
            fail_msg("%s", same[k]);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (chat_template_known(others[k], &t, &arena))
            fail_msg("%s", others[k]);
}

static void a_template_is_found_wherever_transformers_keeps_it(void **state)
{
    (void)state;
    char quoted[2000], *to = quoted;
    for (const char *p = SHORT; *p; *to++ = *p++)
        if (*p == '\\')
            *to++ = '\\';
    *to = 0;
    put("tokenizer_config.json", "{\"chat_template\": null}");
    expect_template(PROMPT_WORLD);                               // there is none: the fallback
    put("tokenizer_config.json", arena_format(&arena, "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"x\"},"
        " {\"name\": \"default\", \"template\": \"%s\"}]}", quoted));
    expect_template(PROMPT_LLAVA_HF);
    put("tokenizer_config.json", "{\"chat_template\": \"{{ messages }}\"}");
    PromptTemplate t;
    assert_false(chat_template_find(&t, PROMPT_WORLD, scratch("m"), &error));
    expect_sentence(&error, "m/tokenizer_config.json: its chat template is not one of those known here",
                    "world, plain, vicuna_v1 or llava_hf (--template");
    // processor_config.json counts before tokenizer_config.json
    put("processor_config.json", arena_format(&arena, "{\"chat_template\": \"%s\"}", quoted));
    expect_template(PROMPT_LLAVA_HF);
    put("chat_template.json", "{\"chat_template\": \"{{ messages }}\"}");
    assert_false(chat_template_find(&t, PROMPT_WORLD, scratch("m"), &error));
    expect_sentence(&error, "m/chat_template.json");
    put("chat_template.jinja", SHORT "\n");
    expect_template(PROMPT_LLAVA_HF);
}

int main(void)
{
    const struct CMUnitTest tests[] = { stand_test(blanks_and_comments_do_not_count),
                                        stand_test(a_template_is_found_wherever_transformers_keeps_it) };
    return cmocka_run_group_tests_name("chat template", tests, NULL, NULL);
}
