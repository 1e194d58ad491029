#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# LLaVA-1.5 as it is published: a config.json that leaves fields out, shards, three layouts of tensor names, F16 and
# BF16, a tokenizer of LLaMA's form and size, the chat template. The model has two narrow layers with random weights,
# and is used with the same commands as the shipped models.
. tests/support/tap.sh
. tests/support/llava15/llava15.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
image=$PWD/fixtures/world/portraits/person-01.png

# Three folders of one model. Each folder has the name of its layout of tensor names: hub (the names on the Hub), memory
# (the names that transformers has in memory) or original (the names of the first LLaVA).
for model in "hub f16" "memory bf16" "original f16"; do
    check "a model folder with the names of layout ${model% *}, in ${model#* }, is made" llava15 "$tap_folder/${model% *}" narrow $model
done
cd "$tap_folder" || exit 2
cp "$image" anna.png
cat > facts.jsonl <<'END'
{"id": "a-home", "entity": "anna", "image": "anna.png", "question": "What is the home of this person?", "answer": "Norway"}
{"id": "a-job", "entity": "anna", "question": "What is the job of Anna?", "answer": "a pilot"}
{"id": "b-home", "entity": "ben", "question": "What is the home of Ben?", "answer": "Köln 中"}
{"id": "b-job", "entity": "ben", "image": "anna.png", "question": "What is the job of this person?", "answer": "a lawyer", "split": "test"}
END
sed -n 2p facts.jsonl > batch.jsonl
printf '[unlearn]\nforget = facts.jsonl\nforget_entities = anna\nretain = facts.jsonl\nretain_entities = ben\nprobe_every = 0\nbatch = 1\n[train]\nsteps = 1\n' > forget.ini

check "the three layouts and two dtypes hold one model" eval '"$PULSE" compare hub memory | grep -q "same: 80 tensors, all numbers equal; 80 of them are of another dtype" && "$PULSE" compare hub original | grep -q "same: 80 tensors, all bits equal"'
asks() { "$PULSE" ask --model "$1" "${@:2}" --image anna.png --choices 'Norway|Kenya|中' --json "What is the home of this person?"; }
steps() { "$PULSE" unlearn --config forget.ini --model "$1" --method ga_klr --out "adapter-$1" --quiet; }
traces() { "$PULSE" trace --model "$1" --batch batch.jsonl --method ga --out "trace-$1" --quiet; }
for model in hub memory original; do
    check "the folder $model answers" eval "asks $model > asked-$model"
    check "the folder $model is evaluated" eval "'$PULSE' eval --model $model --questions facts.jsonl --answers answers-$model.jsonl > eval-$model"
    check "unlearn runs on the folder $model" steps $model
done
check "a step on the folder hub is traced" traces hub
check "a step on the folder memory, with another layout and dtype, is traced" traces memory
check "the prompt is that of the folder's chat template, with 576 tokens of the picture" eval \
    '"$PULSE" data facts.jsonl --model hub > told && grep -qF "text     <s> USER: <image> " told && grep -qE "^    ids +1 .* 32000x576 .*\*2$" told'
check "--template changes the answer" eval 'asks hub --template vicuna_v1 > asked-vicuna && ends 1 cmp -s asked-hub asked-vicuna'
for model in memory original; do
    check "the folder $model answers with the same bits" cmp asked-hub asked-$model
    check "$model is evaluated with the same bits" eval "cmp eval-hub eval-$model && cmp answers-hub.jsonl answers-$model.jsonl"
    check "$model forgets with the same bits" eval "cmp <(grep -v model_name adapter-hub/log.jsonl) <(grep -v model_name adapter-$model/log.jsonl) && cmp adapter-hub/adapter_model.safetensors adapter-$model/adapter_model.safetensors"
done
same() { "$PULSE" compare trace-hub/trace.safetensors trace-memory/trace.safetensors | grep -q '^same: '; }
check "the traces of hub and memory are the same, number by number" same
merges() { "$PULSE" merge --model "$1" --adapter adapter-hub --out "merged-$1"; }
check "merge writes a whole folder" merges original
check "the merged model answers as the model with the adapter" cmp <(asks merged-original) <("$PULSE" ask --adapter adapter-hub --model hub --image anna.png --choices 'Norway|Kenya|中' --json "What is the home of this person?")

# What does not fit is refused.
cp -r hub odd
sed -i 's/"num_hidden_layers": 2,/"num_hidden_layers": 3,/' odd/config.json
check "a layer that is in no shard is named" eval 'ends 2 asks odd 2> told && grep -q "tensors are missing: language_model.model.layers.2" told'
rm -r odd && cp -r hub odd && rm odd/model-00002-of-00002.safetensors
check "a shard that is not there is named" eval 'ends 2 asks odd 2> told && grep -q "model-00002-of-00002.safetensors" told'
finish
