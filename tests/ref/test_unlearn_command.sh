#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref unlearn on the shipped model: adapters, the same bits again, presets, rounds; bad configs are refused.
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
check "gradient ascent writes one log line for each step" lines ga 2
check "the adapter has both files" test -s ga/adapter_config.json -a -s ga/adapter_model.safetensors
check "with one thread gradient ascent writes the same bits" eval 'forgets --method ga --out again --threads 1 && same ga again'
check "another method gives other bits" eval 'forgets --method npo_gd --out npo && other ga npo'
check "a preset changes the default beta" eval 'forgets --method npo_gd --out beta --set unlearn.preset=open_unlearning --set train.trainable=llm --set optimiser.lr=3e-4 --set optimiser.beta2=0.98 --set optimiser.weight_decay=0 --set unlearn.epochs=0 && other npo beta'
check "a given key overrides the preset" eval 'forgets --method npo_gd --out given --set unlearn.preset=open_unlearning --set train.trainable=llm --set optimiser.lr=3e-4 --set optimiser.beta2=0.98 --set optimiser.weight_decay=0 --set unlearn.epochs=0 --set unlearn.beta=1 && same npo given'
check "two rounds end in a whole model" eval 'forgets --method ga --out rounds --set unlearn.forget_entities=person-01/person-02 --set train.steps=1 && test -s rounds/model.safetensors -a -s rounds/tokenizer.json'
check "the program can read this model" eval 'forgets --model rounds --method idk --out after'
check "manu prunes neurons without a training step" eval 'forgets --method manu --out manu && lines manu 0 && other "$model" manu'
check "smfa ends in a whole model" eval 'forgets --method smfa --out smfa && lines smfa 2 && test -s smfa/model.safetensors -a ! -e smfa/adapter_model.safetensors && other "$model" smfa'
check "mip_editor writes an adapter" eval 'forgets --method mip_editor --out mip --set unlearn.layer=2 && lines mip 2 && test -s mip/adapter_model.safetensors && other ga mip'
learned=$world/../models/bases/0/adapter-L
check "unlearn.subspace keeps changes in the subspace of an adapter" eval 'forgets --method ga --out onto --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 && lines onto 2 && other ga onto'
check "unlearn.subspace_side keeps changes outside this subspace, or in or outside a random one" eval 'for side in off onto_random off_random; do forgets --method ga --out $side --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 --set unlearn.subspace_side=$side && other onto $side || exit; done'
check "with one thread a change within a subspace has the same bits" eval 'forgets --method ga --out again --threads 1 --set unlearn.subspace=$learned --set unlearn.subspace_rank=8 && same onto again'
check "a projector that is trained itself cannot be kept in a subspace" refuses "unlearn.subspace: multi_modal_projector.linear_2.bias is trained without an adapter" --set unlearn.subspace="$learned" --set train.trainable=proj+llm
check "an adapter has no more directions than its rank" refuses "unlearn.subspace: the adapter of language_model.model.layers.0.self_attn.q_proj spans 32 directions, expected 33 or more" --set unlearn.subspace="$learned" --set unlearn.subspace_rank=33
check "a subspace adapter that is not there is refused" refuses 'unlearn.subspace: is "nowhere", which is not there' --set unlearn.subspace=nowhere
check "a diverging run stops and says so" eval 'forgets --method ga --out wild --set optimiser.lr=1e30 --set train.steps=9 && grep -q "\"reason\": \"train: step" wild/log.jsonl && ! grep -q "\"step\": 9" wild/log.jsonl'

# Large steps destroy the model. The first probe that sees this ends the round and restores the last good weights.
destroys() { forgets --method ga --out guarded --set optimiser.lr=1e-2 --set train.steps=9 --set unlearn.probe_every=1 --set unlearn.probe=8 "$@"; }
check "a destroyed model ends the round early, with a note" eval 'destroys > told && grep -q "stopped early: the retain probe fell from [0-9]* to [0-9]* of 8, below 0.9 of its first value" told'
check "the destroyed model gets the weights of the last good probe again" grep -qE '^  retain   ([78]) of 8 right before, [78] after$' told
check "general ability has no file, so it is not measured" grep -q '^  general  not measured: data.general is not given$' told
check "the log has a line for each probe, and the reason" eval '[ "$(grep -c "\"probe\": {\"forget\": {\"right\": " guarded/log.jsonl)" -ge 2 ] && grep -q "\"reason\": \"the retain probe fell" guarded/log.jsonl'
check "without probes the training goes on to the end" eval 'destroys --set unlearn.probe_every=0 > told && lines guarded 9 && ! grep -q "right before" told'
check "enough forgetting ends a round early as well" eval 'destroys --set unlearn.keep=0 --set unlearn.enough=0.9 > told && grep -q "it ended early: the forget probe is [0-7] of 8, at most 0.9" told'
check "a batch is not larger than the forget set" eval 'forgets --method ga --out large --set unlearn.batch=65536 --set train.steps=1 --set unlearn.probe_every=0 && grep -q "\"samples\": 46," large/log.jsonl'
# The first step of the second round destroys the model, which was still good after the first round.
spoilt() { destroys --set unlearn.forget_entities=person-01/person-02 --set unlearn.retain_entities=person-49 --set unlearn.probe=100 --set train.steps=1 "$@"; }
check "a later round puts back the model with which it began" eval 'for merge in no yes live; do spoilt --set unlearn.merge=$merge > told && grep -q "stopped early: the retain probe fell" told && grep -qE "^  retain   26 of 26 right before, 26 after$" told || { cat told; exit 1; }; done'
check "with a preset there are no probes, because the public code has none" eval 'forgets --method ga --out preset --set unlearn.preset=pulse --set unlearn.epochs=0 --set train.steps=1 --set optimiser.warmup=0 && ! grep -q probe preset/log.jsonl'

check "an unknown method is refused" refuses "there is no method strolch" --method strolch
check "a key that the method does not read is refused" refuses 'simnpo does not read percent, expected one of the keys of `pulse-ref explain simnpo`' --method ga --set method.simnpo.unlearn.percent=5
check "a negative beta is refused" refuses 'unlearn.beta is "-1"' --method npo --set unlearn.beta=-1
# --explain names the source of each setting, and reads no model.
explains() { "$PULSE" unlearn --config forget.ini --explain "$@" > told && sed -i -E 's/ +/ /g; s/ $//' told; }
check "the settings in force are explained" explains --method npo_gd --set unlearn.preset=open_unlearning --set optimiser.lr=1e-3
for line in "unlearn.beta 0.1 preset" "optimiser.lr 0.001 --set" "optimiser.weight_decay 0.01 preset" "lora.alpha 32.0 forget.ini" "unlearn.gamma 1.0 default" "unlearn.epochs 10 preset" \
    "unlearn.probe_every 0 preset" "unlearn.probe 8 forget.ini" "unlearn.keep 0.9 default" "train.steps 2 forget.ini" "model.seed 0 default"; do
    check "--explain prints the line: $line" grep -qxF "$line" told
done
printf '[method.simnpo]\nunlearn.delta = 0.5\n' | cat forget.ini - > own.ini
check "the method's own section is explained too" eval '"$PULSE" unlearn --config own.ini --explain --method simnpo > told && sed -i -E "s/ +/ /g; s/ $//" told'
for line in "unlearn.beta 4.5 method" "unlearn.delta 0.5 own.ini, [method.simnpo]" "lora.alpha 32.0 own.ini" "optimiser.lr 0.0003 own.ini"; do
    check "--explain prints the line: $line" grep -qxF "$line" told
done
check "--explain alone says that it needs a config" eval 'ends 2 "$PULSE" unlearn --explain --method ga 2>&1 | grep -qF -- "--explain needs --config ("'
check "--explain --json prints JSON" eval '"$PULSE" unlearn --config forget.ini --explain --method ga --json | grep -q "\"key\": *\"train.trainable\""'

check "mmunlearner measures its samples, then takes its steps" eval 'forgets --method mmunlearner --out mm && lines mm 2 && other ga mm'
check "llmu ends when the forget loss is above its limit" eval 'forgets --method llmu --out llmu --set unlearn.stop_loss=1e-6 && lines llmu 1 && grep -q "\"reason\": \"llmu: the forget loss is" llmu/log.jsonl'
two() { forgets --method adapters --set unlearn.forget_entities=person-01/person-02 --set train.steps=1 "$@"; }
check "the method adapters writes an adapter for each round, and all of them merged" eval 'two --out each && other each/adapter-1 each/adapter-2 && test -s each/model.safetensors'
check "with unlearn.merge = no the adapters of the rounds stay unmerged" eval 'two --out apart --set unlearn.merge=no && same each/adapter-2 apart/adapter-2 && test ! -e apart/model.safetensors'
# Frozen adapters stay unmerged beside the one that trains: those of lora.frozen, or with unlearn.merge = live those of
# earlier rounds. The first values of the adapter of round 2 are drawn from model.seed + 1.
frozen() { forgets --method ga --set train.steps=1 --out "$1" --set "lora.frozen=$2" "${@:3}"; }
live() { forgets --method "$1" --set unlearn.merge=live --set train.steps=1 --set unlearn.forget_entities=person-01/person-02 "${@:2}"; }
check "each round with live adapters writes an adapter" eval 'live ga --out live && other live/adapter-1 live/adapter-2 && test ! -e live/model.safetensors'
check "the adapter of round 2 is the one that trains beside the first, frozen one" eval 'frozen second live/adapter-1 --set unlearn.forget_entities=person-02 --set model.seed=1 && same second live/adapter-2'
check "the adapter of round 2 differs from one that trains without a frozen adapter" eval 'forgets --method ga --set train.steps=1 --out alone --set unlearn.forget_entities=person-02 --set model.seed=1 && other alone second'
check "two adapters may be frozen" frozen third live/adapter-1,live/adapter-2 --set unlearn.forget_entities=person-03
check "the order of frozen adapters matters" eval 'frozen turned live/adapter-2,live/adapter-1 --set unlearn.forget_entities=person-03 && other third turned'
check "mip_editor trains beside a frozen adapter of the same maps" eval 'for lr in 0 3e-4; do frozen path-$lr alone --method mip_editor --set unlearn.layer=2 --set optimiser.lr=$lr || exit; done; other path-0 path-3e-4'
silences() { forgets --method mip_editor --set unlearn.mip_form=open_mm --set unlearn.layer=2 --set optimiser.lr=0 --set train.steps=1 "$@"; }
check "Open-MM's form silences neurons in the adapter that trains" eval 'forgets --method ga --out silent-ga --set optimiser.lr=0 --set train.steps=1 && silences --out silent --set lora.frozen=alone && other silent silent-ga'
check "task_vector subtracts its change before the adapter is frozen and written" eval 'live task_vector --out vectors && forgets --method task_vector --set train.steps=1 --out vector && same vector vectors/adapter-1'
check "the adapter of round 2 trains beside the adapter that was written for round 1" eval 'frozen second-vector vectors/adapter-1 --method task_vector --set unlearn.forget_entities=person-02 --set model.seed=1 && same second-vector vectors/adapter-2'
check "o3 may have live adapters, too" live o3 --out o3 --set data.mask=answer
check "a frozen adapter that is not there is refused" refuses 'lora.frozen: is "nowhere", which is not there' --method ga --set lora.frozen=nowhere
check "an empty name in lora.frozen is refused" refuses "lora.frozen: a name is empty" --method ga --set lora.frozen=second,
check "an adapter that lora.frozen names twice is refused" refuses "lora.frozen: second: this adapter is given twice" --method ga --set lora.frozen=second,second
check "--out may not be the folder of a frozen adapter" eval 'cp -r second over && ends 2 frozen over over 2>&1 | grep -qF "lora.frozen: the adapter that trains would be written over over" && same second over'
check "the adapter of a round may not be written over a frozen adapter" refuses "written over live/adapter-2" --method ga --out live --set unlearn.merge=live --set unlearn.forget_entities=person-01/person-02 --set lora.frozen=live/adapter-2
check "a projector that a frozen adapter has whole is not trained again" eval 'forgets --method ga --out projector --set train.trainable=proj+llm && frozen beside projector && refuses "lora.frozen: projector replaces multi_modal_projector.linear_1.weight as a whole" --method ga --set lora.frozen=projector --set train.trainable=proj+llm'
check "lora.frozen is refused if no adapter trains" refuses "lora.frozen: no adapter is trained" --method ga --set lora.frozen=second --set train.trainable=full
check "lora.frozen is refused with a method without steps" refuses "lora.frozen: no adapter is trained" --method manu --set lora.frozen=second
live_rounds=(--set unlearn.merge=live --set unlearn.forget_entities=person-01/person-02)
check "unlearn.merge = live is refused with a trained projector" refuses "unlearn.merge is live, but multi_modal_projector" --method ga "${live_rounds[@]}" --set train.trainable=proj+llm
check "unlearn.merge = live is refused if the optimiser goes on" refuses "expected unlearn.reset_optimiser = yes" --method ga "${live_rounds[@]}" --set unlearn.reset_optimiser=no
check "unlearn.merge = live is refused with the method adapters" refuses "unlearn.merge is live, but adapters begins" --method adapters "${live_rounds[@]}"
check "unlearn.merge = live is refused with the method adapters also where there is one request" refuses "unlearn.merge is live, but adapters begins" --method adapters --set unlearn.merge=live
check "unlearn.merge = live is refused with smfa" refuses "unlearn.merge is live, but smfa changes" --method smfa "${live_rounds[@]}"
check "o3 needs data.mask = answer, for its random answers" refuses "has no question before its answer, which o3 needs, expected data.mask = answer" --method o3 --set data.mask=all_text
check "a forget set without pictures is refused" refuses "no forget sample has a picture, mmunlearner needs at least one sample" --method mmunlearner --set "unlearn.forget=text.jsonl"
check "adapters with a trained projector cannot be merged into one" refuses "cannot be merged into one; expected train.trainable = llm, or proj+llm with unlearn.merge = no" --method adapters --set train.trainable=proj+llm --set unlearn.forget_entities=person-01/person-02
check "with unlearn.merge = no each adapter can hold the whole projector" eval 'two --out whole --set unlearn.merge=no --set train.trainable=proj+llm'
check "with the method adapters another person gives another adapter" eval 'two --out second --set unlearn.merge=no --set train.trainable=proj+llm --set unlearn.forget_entities=person-02 && other whole/adapter-1 second/adapter-1'
check "a missing retain set is refused" refuses "unlearn.retain is not given, grad_diff needs it" --method grad_diff --set unlearn.retain=
check "an empty forget set is refused" refuses 'no training sample is about the entities "nobody"' --method ga --set unlearn.forget_entities=nobody
check "an entity to be both forgotten and retained is refused" refuses "is to be forgotten and is in the retain set too" --method grad_diff --set 'unlearn.retain_entities=person-*'
check "an entity in two rounds is refused" refuses "is in an earlier round too" --method ga --set unlearn.forget_entities=person-01/person-0?
check "missing alternates are refused" refuses "unlearn.alternates is not given, altpo needs it" --method altpo
check "missing refusals are refused" refuses "unlearn.refusals is not given" --method idk --set unlearn.refusals=
check "a reference that is not there is refused" refuses "never saw the forget set" --method npo --set unlearn.reference=retain_only
check "an unknown preset is refused" refuses "expected one of pulse, mllmu_bench, open_unlearning, muse, umu_bench" --method ga --set unlearn.preset=none
check "more neurons than a layer has are refused" refuses "forget.ini: unlearn.path_neurons is 257, expected at most 256" --method mip_editor --set unlearn.path_neurons=257
check "a layer that the model does not have is refused" refuses "forget.ini: unlearn.layer is 99, expected 0 to 4" --method rmu --set unlearn.layer=99
for words in unlearn.forget=nowhere unlearn.alternates=nowhere unlearn.refusals=nowhere unlearn.preset=none train.trainable=zz; do
    method=ga
    case $words in *alternates*) method=altpo ;; *refusals*) method=idk ;; esac
    check "$words is refused with the config's file and its key" refuses "forget.ini: ${words%%=*}" --method $method --set "$words"
done
check "a model that is not there is refused" refuses "nowhere" --method ga --model nowhere
finish
