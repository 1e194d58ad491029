#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref unlearn on the shipped model: an adapter, the same bits again, a preset, rounds; and bad configs, each a sentence.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
model=$PWD/fixtures/models/vanilla world=$PWD/fixtures/world
cd "$tap_folder" || exit 2

cat > forget.ini <<END
[unlearn]
forget          = $world/persons.jsonl
retain          = $world/persons.jsonl
forget_entities = person-01
retain_entities = person-50
refusals        = refusals.txt
batch           = 2
[train]
steps     = 2
trainable = llm
[optimiser]
lr = 3e-4
[lora]
alpha = 32
END
printf 'i know\n' > refusals.txt

forgets() { "$PULSE" unlearn --config forget.ini --model "$model" "$@"; }
# refuses "part" arguments…: exit 2, one sentence with the part, and no result.
refuses() {
    local part=$1
    shift
    ends 2 forgets --out none "$@" > told 2>&1 || { cat told; return 1; }
    [ "$(grep -c '^pulse-ref: ' told)" = 1 ] && grep -qF -- "$part" told && [ ! -e none/adapter_model.safetensors ] && [ ! -e none/model.safetensors ] ||
        { cat told; return 1; }
}
same() { ends 0 "$PULSE" compare "$1" "$2"; }
other() { ends 1 "$PULSE" compare "$1" "$2"; }
lines() { [ "$(grep -c '"step"' "$1/log.jsonl")" = "$2" ] || { cat "$1/log.jsonl"; return 1; }; }

check "gradient ascent writes an adapter" forgets --method ga --out ga
check "and a line a step" lines ga 2
check "the adapter has both files" test -s ga/adapter_config.json -a -s ga/adapter_model.safetensors
check "on other threads it has the same bits" eval 'forgets --method ga --out again --threads 1 && same ga again'
check "another method has others" eval 'forgets --method npo_gd --out npo && other ga npo'
check "a preset is not the default" eval 'forgets --method npo_gd --out beta --set unlearn.preset=open_unlearning --set train.trainable=llm --set optimiser.lr=3e-4 --set optimiser.beta2=0.98 --set optimiser.weight_decay=0 --set unlearn.epochs=0 && other npo beta'
check "and a key that is given goes over it" eval 'forgets --method npo_gd --out given --set unlearn.preset=open_unlearning --set train.trainable=llm --set optimiser.lr=3e-4 --set optimiser.beta2=0.98 --set optimiser.weight_decay=0 --set unlearn.epochs=0 --set unlearn.beta=1 && same npo given'
check "two rounds end in a whole model" eval 'forgets --method ga --out rounds --set unlearn.forget_entities=person-01/person-02 --set train.steps=1 && test -s rounds/model.safetensors -a -s rounds/tokenizer.json'
check "which the program opens" eval 'forgets --model rounds --method idk --out after'
check "neurons are pruned without a step" eval 'forgets --method manu --out manu && lines manu 0 && other "$model" manu'
check "a diverging run stops, keeps finite weights and says so" eval 'forgets --method ga --out wild --set optimiser.lr=1e30 --set train.steps=9 && grep -q "\"reason\": \"train: step" wild/log.jsonl && ! grep -q "\"step\": 9" wild/log.jsonl'

check "an unknown method is a sentence" refuses "there is no method strolch" --method strolch
check "a negative beta is a sentence" refuses 'unlearn.beta is "-1"' --method npo --set unlearn.beta=-1
check "a missing retain set is a sentence" refuses "unlearn.retain is not given, grad_diff needs it" --method grad_diff --set unlearn.retain=
check "an empty forget set is a sentence" refuses 'no training sample is of the entities "nobody"' --method ga --set unlearn.forget_entities=nobody
check "what is forgotten and retained is a sentence" refuses "is to be forgotten and stands in the retain set too" --method grad_diff --set 'unlearn.retain_entities=person-*'
check "what is forgotten twice is a sentence" refuses "stands in an earlier round too" --method ga --set unlearn.forget_entities=person-01/person-0?
check "missing alternates are a sentence" refuses "unlearn.alternates is not given, altpo needs it" --method altpo
check "missing refusals are a sentence" refuses "unlearn.refusals is not given" --method idk --set unlearn.refusals=
check "a reference that is not there is a sentence" refuses "never saw the forget set" --method npo --set unlearn.reference=retain_only
check "an unknown preset is a sentence" refuses "expected one of pulse, mllmu_bench, open_unlearning, muse, umu_bench" --method ga --set unlearn.preset=none
for words in unlearn.forget=nowhere unlearn.alternates=nowhere unlearn.refusals=nowhere unlearn.preset=none train.trainable=zz; do
    method=ga
    case $words in *alternates*) method=altpo ;; *refusals*) method=idk ;; esac
    check "$words is a sentence with the config's file and its key" refuses "forget.ini: ${words%%=*}" --method $method --set "$words"
done
check "a model that is not there is a sentence" refuses "nowhere" --method ga --model nowhere
finish
