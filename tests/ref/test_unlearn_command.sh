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
probe           = 8
[train]
steps     = 2
trainable = llm
[optimiser]
lr = 3e-4
[lora]
alpha = 32
END
printf 'i know\n' > refusals.txt
grep '"person-01"' "$world/persons.jsonl" | grep -v '"image"' > text.jsonl

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
lines() { [ "$(grep -c '"loss"' "$1/log.jsonl")" = "$2" ] || { cat "$1/log.jsonl"; return 1; }; }

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
check "sculpted changes end in a whole model" eval 'forgets --method smfa --out smfa && lines smfa 2 && test -s smfa/model.safetensors -a ! -e smfa/adapter_model.safetensors && other "$model" smfa'
check "the neurons of a path are adapted" eval 'forgets --method mip_editor --out mip --set unlearn.layer=2 && lines mip 2 && test -s mip/adapter_model.safetensors && other ga mip'
learned=$world/../models/bases/0/adapter-L
check "changes stay in the space of an adapter" eval 'forgets --method ga --out onto --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 && lines onto 2 && other ga onto'
check "or outside it, or in a random one" eval 'for side in off onto_random off_random; do forgets --method ga --out $side --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 --set unlearn.subspace_side=$side && other onto $side || exit; done'
check "with the same bits on other threads" eval 'forgets --method ga --out again --threads 1 --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 && same onto again'
check "a projector is in no such space" refuses "unlearn.subspace: multi_modal_projector.linear_2.bias is trained itself" --set unlearn.subspace="$learned" --set train.trainable=proj+llm
check "an adapter has so many directions" refuses "unlearn.subspace: the adapter of language_model.model.layers.0.self_attn.q_proj spans 32 directions, expected 33 or more" --set unlearn.subspace="$learned" --set unlearn.subspace_rank=33
check "an adapter must be there" refuses 'unlearn.subspace: is "nowhere", which is not there' --set unlearn.subspace=nowhere
check "a diverging run stops, keeps finite weights and says so" eval 'forgets --method ga --out wild --set optimiser.lr=1e30 --set train.steps=9 && grep -q "\"reason\": \"train: step" wild/log.jsonl && ! grep -q "\"step\": 9" wild/log.jsonl'

# Large steps destroy the model; the probes see it after the first one that does, and put the weights back.
destroys() { forgets --method ga --out guarded --set optimiser.lr=1e-2 --set train.steps=9 --set unlearn.probe_every=1 --set unlearn.probe=8 "$@"; }
check "what is spoilt ends the round, and it is said" eval 'destroys > told && grep -q "stopped early: the retain probe fell from [0-9]* to [0-9]* of 8, below 0.9 of before" told'
check "with the weights of a probe that was in order" grep -qE '^  retain   ([78]) of 8 right before, [78] after$' told
check "general ability has no file, so it is not measured" grep -q '^  general  not measured: data.general is not given$' told
check "the log has a line a probe, and the reason" eval '[ "$(grep -c "\"probe\": {\"forget\": {\"right\": " guarded/log.jsonl)" -ge 2 ] && grep -q "\"reason\": \"the retain probe fell" guarded/log.jsonl'
check "without probes it goes on to the end" eval 'destroys --set unlearn.probe_every=0 > told && lines guarded 9 && ! grep -q "right before" told'
check "what is forgotten ends a round as well" eval 'destroys --set unlearn.keep=0 --set unlearn.enough=0.9 > told && grep -q "it ended early: the forget probe is [0-7] of 8, at most 0.9" told'
check "no batch is larger than what is forgotten" eval 'forgets --method ga --out large --set unlearn.batch=65536 --set train.steps=1 --set unlearn.probe_every=0 && grep -q "\"samples\": 46," large/log.jsonl'
check "a preset stands for a public code, which is not watched" eval 'forgets --method ga --out preset --set unlearn.preset=pulse --set unlearn.epochs=0 --set train.steps=1 --set optimiser.warmup=0 && ! grep -q probe preset/log.jsonl'

check "an unknown method is a sentence" refuses "there is no method strolch" --method strolch
check "a key that the method does not read is a sentence" refuses 'simnpo does not read percent, expected one of the keys of `pulse-ref explain simnpo`' --method ga --set method.simnpo.unlearn.percent=5
check "a negative beta is a sentence" refuses 'unlearn.beta is "-1"' --method npo --set unlearn.beta=-1
# --explain: who set what; no model is read.
explains() { "$PULSE" unlearn --config forget.ini --explain "$@" > told && sed -i -E 's/ +/ /g; s/ $//' told; }
check "the settings in force are explained" explains --method npo_gd --set unlearn.preset=open_unlearning --set optimiser.lr=1e-3
for line in "unlearn.beta 0.1 preset" "optimiser.lr 0.001 --set" "optimiser.weight_decay 0.01 preset" "lora.alpha 32.0 forget.ini" "unlearn.gamma 1.0 default" "unlearn.epochs 10 preset"; do
    check "$line" grep -qxF "$line" told
done
printf '[method.simnpo]\nunlearn.delta = 0.5\n' | cat forget.ini - > own.ini
check "and of a method, with its own section" eval '"$PULSE" unlearn --config own.ini --explain --method simnpo > told && sed -i -E "s/ +/ /g; s/ $//" told'
for line in "unlearn.beta 4.5 method" "unlearn.delta 0.5 own.ini, [method.simnpo]" "lora.alpha 32.0 own.ini" "optimiser.lr 0.0003 own.ini"; do
    check "$line" grep -qxF "$line" told
done
check "as JSON too" eval '"$PULSE" unlearn --config forget.ini --explain --method ga --json | grep -q "\"key\": *\"train.trainable\""'

check "mmunlearner measures its samples, and forgets" eval 'forgets --method mmunlearner --out mm && lines mm 2 && other ga mm'
check "llmu ends where the forget loss is above its limit" eval 'forgets --method llmu --out llmu --set unlearn.stop_loss=1e-6 && lines llmu 1 && grep -q "\"reason\": \"llmu: the forget loss is" llmu/log.jsonl'
two() { forgets --method adapters --set unlearn.forget_entities=person-01/person-02 --set train.steps=1 "$@"; }
check "adapters writes an adapter for each round, and all of them merged" eval 'two --out each && other each/adapter-1 each/adapter-2 && test -s each/model.safetensors'
check "or leaves them apart" eval 'two --out apart --set unlearn.merge=no && same each/adapter-2 apart/adapter-2 && test ! -e apart/model.safetensors'
# Adapters that stay frozen and live beside the one that trains: those of lora.frozen, or those of earlier rounds. The adapter of round
# 2 is drawn from model.seed + 1.
frozen() { forgets --method ga --set train.steps=1 --out "$1" --set "lora.frozen=$2" "${@:3}"; }
live() { forgets --method "$1" --set unlearn.merge=live --set train.steps=1 --set unlearn.forget_entities=person-01/person-02 "${@:2}"; }
check "rounds with live adapters leave an adapter each" eval 'live ga --out live && other live/adapter-1 live/adapter-2 && test ! -e live/model.safetensors'
check "the second one is that beside the first, frozen" eval 'frozen second live/adapter-1 --set unlearn.forget_entities=person-02 --set model.seed=1 && same second live/adapter-2'
check "which is not that of the model alone" eval 'forgets --method ga --set train.steps=1 --out alone --set unlearn.forget_entities=person-02 --set model.seed=1 && other alone second'
check "two may be frozen" frozen third live/adapter-1,live/adapter-2 --set unlearn.forget_entities=person-03
check "in their order" eval 'frozen turned live/adapter-2,live/adapter-1 --set unlearn.forget_entities=person-03 && other third turned'
check "o3 has live adapters too" live o3 --out o3 --set data.mask=answer
check "a frozen adapter must be there" refuses 'lora.frozen: is "nowhere", which is not there' --method ga --set lora.frozen=nowhere
check "and have a name" refuses "lora.frozen: a name is empty" --method ga --set lora.frozen=second,
check "each of them once" refuses "lora.frozen: second: this adapter is given twice" --method ga --set lora.frozen=second,second
check "beside one that trains" refuses "lora.frozen: no adapter is trained" --method ga --set lora.frozen=second --set train.trainable=full
check "a method without steps trains none" refuses "lora.frozen: no adapter is trained" --method manu --set lora.frozen=second
live_rounds=(--set unlearn.merge=live --set unlearn.forget_entities=person-01/person-02)
check "live rounds train adapters alone" refuses "unlearn.merge is live, but multi_modal_projector" --method ga "${live_rounds[@]}" --set train.trainable=proj+llm
check "with an optimiser that begins anew" refuses "expected unlearn.reset_optimiser = yes" --method ga "${live_rounds[@]}" --set unlearn.reset_optimiser=no
check "adapters begins with the model alone" refuses "unlearn.merge is live, but adapters begins" --method adapters "${live_rounds[@]}"
check "smfa changes weights too" refuses "unlearn.merge is live, but smfa changes" --method smfa "${live_rounds[@]}"
check "random answers need a mask of the answer" refuses "has no question before its answer, o3 needs data.mask = answer" --method o3 --set data.mask=all_text
check "a forget set without pictures is a sentence" refuses "no forget sample has a picture, mmunlearner needs at least one sample" --method mmunlearner --set "unlearn.forget=text.jsonl"
check "what is trained itself cannot be merged" refuses "cannot be merged into one; expected train.trainable = llm, or proj+llm with unlearn.merge = no" --method adapters --set train.trainable=proj+llm --set unlearn.forget_entities=person-01/person-02
check "but it stands whole in the adapter of each request" eval 'two --out whole --set unlearn.merge=no --set train.trainable=proj+llm'
check "and each request begins with the first model" eval 'two --out second --set unlearn.merge=no --set train.trainable=proj+llm --set unlearn.forget_entities=person-02 && ! same whole/adapter-1 second/adapter-1'
check "a missing retain set is a sentence" refuses "unlearn.retain is not given, grad_diff needs it" --method grad_diff --set unlearn.retain=
check "an empty forget set is a sentence" refuses 'no training sample is about the entities "nobody"' --method ga --set unlearn.forget_entities=nobody
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
