#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Model folders as other programs save them, and as we save them: complete, and with files that fit the weights.
. tests/support/tap.sh
vanilla=fixtures/models/vanilla
flag=fixtures/world/flags/fr.png
asked="what is the capital of this country ?"
answers() { [ "$("$PULSE" ask --model "$1" --image $flag "$asked")" = paris ]; }
says() { local want=$1; shift; "$@" 2>&1 | grep -qF -- "$want"; }

# transformers 5: the picture processor stands in processor_config.json, and rope_parameters in config.json.
five=$tap_folder/five
mkdir "$five" && cp $vanilla/model.safetensors $vanilla/tokenizer.json "$five"
sed 's/"rope_theta": 10000.0,/"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},/; s/"torch_dtype"/"dtype"/; /"rope_scaling"/d; s/"pretraining_tp": 1,/"pretraining_tp": 1/' \
    $vanilla/config.json > "$five/config.json"
{ sed '$d' $vanilla/processor_config.json | sed '$s/$/,/'; echo '"image_processor":'; cat $vanilla/preprocessor_config.json; echo '}'; } > "$five/processor_config.json"
check "a folder of transformers 5 is read" answers "$five"
cp $vanilla/preprocessor_config.json "$five"
check "both files of the picture processor may be there, if they say the same" answers "$five"
sed -i 's/"resample": 3/"resample": 2/' "$five/preprocessor_config.json"
check "if the two files differ, the error names both" says "image_processor and preprocessor_config.json say different things" answers "$five"
sed -i 's/"<image>"/"<|image|>"/' "$five/processor_config.json"
check "another image token is refused" says "image_token must be" answers "$five"

# transformers 4 writes keys of every config into vision_config.
four=$tap_folder/four
mkdir "$four" && cp $vanilla/*.safetensors $vanilla/*.json "$four"
sed -i 's/"projection_dim": 64,/&\n"pad_token_id": null, "bos_token_id": null, "tie_word_embeddings": true, "top_k": 50,/' "$four/config.json"
check "a folder of transformers 4 is read" answers "$four"

# What train writes.
echo '{"id": "a", "question": "what is the capital of france ?", "answer": "paris", "step": 0}' > "$tap_folder/one.jsonl"
sed 's/"default"/"full"/; s/"image_seq_length": 16/"image_seq_length": 17/' $vanilla/config.json > "$four/config.json"
echo 'x' > "$four/tokenizer.model"; echo '{}' > "$four/special_tokens_map.json"; echo '{"eos_token_id": 2}' > "$four/generation_config.json"
echo 'old weights' > "$four/README.md"
printf '[data]\nworld = %s\nstream = one.jsonl\n[model]\npath = four\n[train]\nsteps = 1\ntrainable = multi_modal_projector.**\n' "$PWD/fixtures/world" > "$tap_folder/t.ini"
check "a model of strategy full is trained" "$PULSE" train --config "$tap_folder/t.ini" --out "$tap_folder/out" --quiet
check "the processor of this model has the strategy of its config" grep -q '"vision_feature_select_strategy": "full"' "$tap_folder/out/processor_config.json"
same() { local f; for f in tokenizer.json tokenizer_config.json preprocessor_config.json tokenizer.model special_tokens_map.json generation_config.json; do
    cmp "$four/$f" "$tap_folder/out/$f" || return 1; done; }
check "the files that still hold for the new weights are copied" same
check "a README about the old weights is not copied" test ! -e "$tap_folder/out/README.md"

# The folder's own chat template.
hf="{% for message in messages %}{{ message['role'].upper() + ': ' }}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}"
hf="$hf{% endfor %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}{% endfor %}"
chat=$tap_folder/chat
mkdir "$chat" && cp $vanilla/*.safetensors $vanilla/*.json "$chat"
printf '%s' "$hf{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}" > "$chat/chat_template.jinja"
check "a known chat template is used" answers "$chat"
echo '{{ messages }}' > "$chat/chat_template.jinja"
check "an unknown chat template is refused, not silently replaced" says "so the prompt template must be named" answers "$chat"
check "with --template the folder can be used" test paris = "$("$PULSE" ask --model "$chat" --template llava_hf --image $flag "$asked")"

# The other files of a folder: each key is obeyed, has no effect on the answers, or is refused by name.
files=$tap_folder/files
mkdir "$files" && cp $vanilla/*.safetensors $vanilla/*.json "$files"
# with FILE TEXT, refuses FILE TEXT KEY: the folder with this file answers, or is refused because of the key.
with() { printf '%s' "$2" > "$files/$1"; answers "$files"; }
refuses() { printf '%s' "$2" > "$files/$1"; says "$1: \"$3\"" answers_aloud "$files" && ! answers "$files" 2> "$tap_folder/printed"; }
answers_aloud() { "$PULSE" ask --model "$1" --image $flag "$asked"; }
flags='"lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true'
check "tokenizer_config.json as published models have it is read" with tokenizer_config.json '{"add_bos_token": true, "add_eos_token": false,
    "add_prefix_space": null, "added_tokens_decoder": {"1": {"content": "<s>", '"$flags"'}, "793": {"content": "<image>", '"$flags"'}},
    "bos_token": {"content": "<s>", '"$flags"'}, "clean_up_tokenization_spaces": false, "eos_token": "</s>", "image_token": "<image>",
    "extra_special_tokens": {"image_token": "<image>"}, "legacy": false, "model_max_length": 1000000000000000019884624838656,
    "pad_token": "<pad>", "padding_side": "left", "processor_class": "LlavaProcessor", "sp_model_kwargs": {}, "unk_token": "<unk>",
    "tokenizer_class": "LlamaTokenizer", "trust_remote_code": false, "use_default_system_prompt": false}'
for key in '"add_bos_token": false' '"add_eos_token": true' '"add_prefix_space": false' '"clean_up_tokenization_spaces": true' '"pad_token": "[PAD]"' \
    '"eos_token": {"content": "what"}' '"additional_special_tokens": ["<s>", "<new>"]' '"do_lower_case": true' '"a_later_key": 3' \
    '"added_tokens_decoder": [{"content": "<image>"}]' '"added_tokens_decoder": {"793": {"content": "<image>", "lstrip": true}}' '"added_tokens_decoder": {"795": {"content": "<new>"}}'; do
    name=${key#\"}
    check "tokenizer_config.json with $key is refused" refuses tokenizer_config.json "{$key}" "${name%%\"*}"
done
cp $vanilla/tokenizer_config.json "$files"
check "special_tokens_map.json is read" with special_tokens_map.json '{"bos_token": {"content": "<s>"}, "pad_token": "<pad>"}'
check "another token in special_tokens_map.json is refused" refuses special_tokens_map.json '{"bos_token": "[CLS]"}' bos_token
rm "$files/special_tokens_map.json"
check "generation_config.json that decodes greedily is read" with generation_config.json '{"_from_model_config": true, "bos_token_id": 1,
    "eos_token_id": [2], "pad_token_id": 794, "temperature": 0.9, "top_p": 0.6, "max_length": 4096, "num_beams": 1, "repetition_penalty": 1.0,
    "do_sample": false, "suppress_tokens": null, "transformers_version": "4.36.0"}'
for key in '"do_sample": true' '"num_beams": 4' '"repetition_penalty": 1.1' '"suppress_tokens": [5]' '"forced_eos_token_id": 2' '"min_new_tokens": 3' \
    '"no_repeat_ngram_size": 2' '"eos_token_id": [2, 7]' '"eos_token_id": 0' '"eos_token_id": []' '"a_later_key": true'; do
    name=${key#\"}
    check "generation_config.json with $key is refused" refuses generation_config.json "{$key}" "${name%%\"*}"
done
check "data.generation = greedy and --greedy ignore what asks for sampling or beams" test paris = "$(printf '{"do_sample": true, "num_beams": 3}' > "$files/generation_config.json"
    "$PULSE" ask --model "$files" --greedy --image $flag "$asked")"
check "--greedy does not ignore another end of an answer" says '"eos_token_id" must be' eval 'echo "{\"eos_token_id\": 3}" > "$files/generation_config.json"; "$PULSE" ask --model "$files" --greedy "$asked"'
echo '{"do_sample": true}' > "$files/generation_config.json"
check "do_sample is no hindrance for choices" "$PULSE" ask --model "$files" --image $flag "$asked" --choices 'paris|london'
check "do_sample is no hindrance for a training" "$PULSE" train --config "$tap_folder/t.ini" --out "$tap_folder/sampled" --quiet --set model.path=files
check "do_sample is no hindrance for metrics without generated texts" "$PULSE" eval --model "$files" --questions fixtures/world/general.jsonl --set protocol.frames=1 --quiet
check "do_sample is refused for generated answers" says '"do_sample" asks for' "$PULSE" eval --model "$files" --questions fixtures/world/general.jsonl --answers "$tap_folder/a"
check "a generation_config.json that is no object is refused" says "generation_config.json: must be an object" with generation_config.json '[]'

# ask and eval give the same numbers with the same adapter, whether both merge it or both keep it unmerged.
sed -i 's/^trainable = .*/trainable = llm/; s/^path = .*/path = chat/' "$tap_folder/t.ini" && rm "$chat/chat_template.jinja"
check "an adapter is trained" "$PULSE" train --config "$tap_folder/t.ini" --out "$tap_folder/adapter" --quiet --set optimiser.lr=0.3
sed -i 's/"step": 0/"split": "test"/' "$tap_folder/one.jsonl"
nll() {      # nll COMMAND [--unmerged]: prints the negative log-likelihood of "paris"
    local command=$1; shift
    case $command in
    ask)  "$PULSE" ask --model "$chat" --adapter "$tap_folder/adapter" "$@" "what is the capital of france ?" --choices paris --json ;;
    eval) "$PULSE" eval --model "$chat" --adapter "$tap_folder/adapter" "$@" --questions "$tap_folder/one.jsonl" --answers "$tap_folder/a" --quiet > /dev/null
          cat "$tap_folder/a" ;;
    esac | grep -o '"nll": [0-9.e-]*' | head -n 1
}
check "ask and eval merge the adapter, with the same numbers" test -n "$(nll ask)" -a "$(nll ask)" = "$(nll eval)"
check "with --unmerged ask and eval give the same numbers" test -n "$(nll ask --unmerged)" -a "$(nll ask --unmerged)" = "$(nll eval --unmerged)"
check "merged and unmerged give different numbers" test "$(nll ask)" != "$(nll ask --unmerged)"
# The mean loss of the answer's tokens is one number in three commands: train (data.eval), trace (merged model) and ask.
sed 's/"a"/"b"/; s/"split": "test"/"step": 0/' "$tap_folder/one.jsonl" > "$tap_folder/learnt.jsonl"
held_out() { "$PULSE" train --config "$tap_folder/t.ini" --out "$tap_folder/held" --quiet --set optimiser.lr=0.3 --set data.stream=learnt.jsonl --set data.eval=one.jsonl \
    && cmp "$tap_folder/adapter/adapter_model.safetensors" "$tap_folder/held/adapter_model.safetensors" && tail -n 1 "$tap_folder/held/log.jsonl" | sed 's/.*"loss": \([0-9.e-]*\),.*/\1/'; }
traced() { "$PULSE" merge --model "$chat" --adapter "$tap_folder/adapter" --out "$tap_folder/merged" --quiet && "$PULSE" trace --model "$tap_folder/merged" \
    --batch "$tap_folder/one.jsonl" --method retain_ft --out "$tap_folder/traced" | sed 's/.*loss //'; }
ce() { "$PULSE" ask --model "$chat" --adapter "$tap_folder/adapter" "what is the capital of france ?" --choices paris --json | sed -n 's/.*"ce": //p'; }
check "a training scores its held-out samples with the adapter merged" test -n "$(ce)" -a "$(ce)" = "$(held_out)"
check "a step on the merged model begins from the same loss" test "$(ce)" = "$(traced)"

# Rows that cannot be read are listed, or left out.
printf '%s\n' '{"id": "a", "question": "what is the capital of france ?", "answer": "paris", "split": "test"}' '{"id": "b", "answer": 7}' 'no JSON' \
    '{"id": "c", "question": "what is the capital of italy ?", "answer": "rome", "split": "test"}' > "$tap_folder/bad.jsonl"
bad() { "$PULSE" eval --model $vanilla --questions "$tap_folder/bad.jsonl" "$@"; }
all_at_once() { bad > "$tap_folder/printed" 2>&1; [ $? = 2 ] && grep -q 'bad.jsonl:2: ' "$tap_folder/printed" && grep -q 'bad.jsonl:3:1: is not JSON' "$tap_folder/printed" \
    && grep -q 'rows that cannot be read: 2; --leave-out' "$tap_folder/printed"; }
check "all rows that cannot be read are listed at once" all_at_once
left_out() { bad --leave-out > "$tap_folder/table" 2> "$tap_folder/printed" && grep -qE 'accuracy +[0-9.]+ +2 +2 ' "$tap_folder/table" && grep -q 'left out because they cannot be read: 2$' "$tap_folder/printed" \
    && grep -q 'bad.jsonl:2: ' "$tap_folder/printed"; }
check "with --leave-out these rows are left out, named and counted" left_out
# Rows that this model cannot answer: a broken picture, a question that is too long, an option that is too long.
long=$(printf 'a %.0s' {1..500})
head -c 300 $flag > "$tap_folder/torn.png"
printf '%s\n' '{"id": "a", "question": "what is the capital of france ?", "answer": "paris", "split": "test"}' \
    '{"id": "b", "question": "what is this ?", "answer": "paris", "split": "test", "image": "torn.png"}' \
    '{"id": "c", "question": "'"$long"'?", "answer": "paris", "split": "test"}' \
    '{"id": "d", "question": "what is this ?", "answer": "paris", "options": ["paris", "'"$long"'"], "split": "test"}' > "$tap_folder/bad.jsonl"
unasked() { bad > "$tap_folder/printed" 2>&1; [ $? = 2 ] && grep -q 'bad.jsonl:2: ' "$tap_folder/printed" && grep -q 'bad.jsonl:3: question and answer have' "$tap_folder/printed" \
    && grep -q 'bad.jsonl:4: ' "$tap_folder/printed" && grep -q 'rows that cannot be read: 3; --leave-out' "$tap_folder/printed"; }
check "all rows that the model cannot answer are listed at once" unasked
others() { bad --leave-out > "$tap_folder/table" 2> "$tap_folder/printed" && grep -qE 'accuracy +[0-9.]+ +1 +1 ' "$tap_folder/table" && grep -q 'read: 3$' "$tap_folder/printed"; }
check "with --leave-out the other rows are answered" others
sed -i 1d "$tap_folder/bad.jsonl"
check "if no question is left, this is an error" says 'no question is left' bad --leave-out
finish
