#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref audit computes the intervals between kept checkpoints again. In an honest run all come out the same. Then a
# forger changes one interval, lets the training go on from there, and makes all digests and links anew: an audit that
# draws this interval finds it different, and finds no other interval different.
. tests/support/tap.sh
. tests/ref/run/few.sh
few+=(--set train.trainable=llm)
audit() { "$PULSE" audit "$1" fixtures/configs/smoke.ini "${few[@]}" --out "$tap_folder/audit" "${@:2}"; }
contents() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }
units() { sed -n "s/^ *\"units\": \([0-9]*\),/\1/p" "$1"; }

# A fine-tuning of three steps, then two requests of two steps each. The adapter of a request is merged at its
# end. Every step has a checkpoint.
cat > "$tap_folder/tune.ini" <<INI
[data]
world  = $PWD/fixtures/world
stream = $PWD/fixtures/world/general.jsonl
order  = shuffle
batch  = 2
[model]
path = $PWD/fixtures/models/base
[train]
steps = 3
INI
once=("${few[@]}")
few+=(--set protocol.vanilla= --set "protocol.vanilla_config=$tap_folder/tune.ini" --set protocol.scenarios=sequential --set protocol.rounds=2
      --set steps.sequential=4 --set unlearn.merge=yes --set protocol.checkpoints=1)
two=$tap_folder/two
check "a run of a training and two requests that keep checkpoints ends" few_run --out "$two"
contents "$two" > "$tap_folder/before"
honest() { audit "$two" --sample 9 --seed 1 > "$tap_folder/audited" && [ "$(grep -c '^same ' "$tap_folder/audited")" = 10 ]; }
check "the nine units of this run, seven of them intervals, are the same" honest
check "one interval is between two steps of the training" grep -qx 'same       vanilla, step-1 to step-2' "$tap_folder/audited"
check "one interval begins in a request and ends in the next" grep -qx 'same       sequential/ga/llm/seed0, round-1-step-2 to round-2-step-1' "$tap_folder/audited"
check "the audit changed nothing in the run" diff <(contents "$two") "$tap_folder/before"
check "how often checkpoints are kept is part of the digest of every stage of this run" \
    [ -z "$(comm -12 <(few_run --plan --out "$two" | cut -d' ' -f1 | sort) <(few_run --plan --out "$two" --set protocol.checkpoints=2 | cut -d' ' -f1 | sort))" ]

few=("${once[@]}" --set protocol.scenarios=finetuned --set steps.finetuned=6 --set protocol.checkpoints=2)
out=$tap_folder/run stage=$(few_stage finetuned/ga/llm/seed0)
check "a run of six steps with three checkpoints ends" few_run --out "$out"
# Forges the checkpoint of step 4, and lets the run go on from it: --resume reads checkpoint-1.
forge() {
    local at=$out/stages/$stage
    mkdir "$at/checkpoint-1" && python3 -B tests/ref/run/forge.py "$at/round-1-step-4/checkpoint.safetensors" "$at/checkpoint-1/checkpoint.safetensors" &&
        cp "$at/checkpoint-1/checkpoint.safetensors" "$at/round-1-step-4/" && rm -r "$at/stage.json" "$at/round-1-step-6" "$out/stages/$(few_stage answers/finetuned/ga/llm/seed0)" &&
        few_run --out "$out" --resume
}
changed='finetuned/ga/llm/seed0, round-1-step-2 to round-1-step-4'
found() {
    ends 1 audit "$out" --sample 5 --seed 1 > "$tap_folder/audited" &&
        diff <(grep '^different' "$tap_folder/audited") <(echo "different  $changed: round-1-step-4/checkpoint.safetensors") &&
        [ "$(grep -c '^same ' "$tap_folder/audited")" = 5 ] && rm -r "$tap_folder"/audit/different-*-round-1-step-4
}
# Which units a seed draws depends on the digest of the sources, so seeds are tried until one has drawn the
# changed interval and another has not.
seeds() {
    local found=0 tried=0 seed
    for seed in $(seq 24); do
        [ $found = 0 ] || [ $found = $tried ] || return 0
        audit "$out" --sample 2 --seed $seed --json > "$tap_folder/audited"
        [ $? = "$(grep -c "\"name\": \"$changed\"" "$tap_folder/audited")" ] && [ "$(units "$tap_folder/audited")" = 5 ] || return 1
        # "same": false stands there twice, for the unit and for the whole audit
        found=$((found + $(grep -c '"same": false' "$tap_folder/audited") / 2)) tried=$((tried + 1))
        rm -rf "$tap_folder/audit"
    done
    [ $found != 0 ] && [ $found != $tried ]
}
if command -v python3 > /dev/null; then
    check "one bit of a weight is changed at the second checkpoint, from which the run goes on to its end" forge
    check "of all units, only the interval before this checkpoint is found different" found
    check "an audit of two of the five units ends with 1 if it draws the changed interval, else with 0; some seeds draw it, some do not" seeds
else
    skip "an interval is changed and found" "python3 is not installed"
fi
finish
