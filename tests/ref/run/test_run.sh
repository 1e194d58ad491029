#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref run: the recorded results of the smoke run, which stages are done again, resuming after a kill, bad configs.
. tests/support/tap.sh
smoke=fixtures/configs/smoke.ini
out=$tap_folder/run
run() { "$PULSE" run "$smoke" --quiet "$@"; }
# The files of a run whose bytes people may compare.
digests() { (cd "$1" && sha256sum results.csv trajectory.csv results.jsonl answers.jsonl); }
stages() { ls "$1/stages" | sort; }
says() {
    local part=$1
    shift
    ends 2 "$@" > "$tap_folder/out" 2> "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
    [ "$(wc -l < "$tap_folder/wrong")" = 1 ] && grep -qF -- "$part" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
}

check "the smoke run ends" run --out "$out"
check "the complete results of the smoke run are the recorded ones, bit for bit" diff <(digests "$out") fixtures/smoke.sha256
explained() { [ "$(grep -c '"better": "[^"]*", "rule": "budget"}$' "$out/results.jsonl")" = "$(wc -l < "$out/results.jsonl")" ] \
    && nothing <(grep -v '"metric": "steps"' "$out/results.jsonl" | grep -v '"n": [1-9]') \
    && nothing <(sed -nE 's/.*"total": ([0-9]+), "n": ([0-9]+),.*/\1 \2/p' "$out/results.jsonl" | awk '$1 != $2'); }
check "results.jsonl has for each number its count of questions, its direction and the stopping rule" explained
tokens_told() { nothing <(sed -nE 's/.*"tokens": ([0-9]+), "right": ([0-9]+),.*"token_right": \[(.*)\].*/\1 \2 \3/p' "$out/answers.jsonl" | tr -d , \
    | awk '{ sum = 0; for (k = 3; k <= NF; k++) sum += $k; if (NF - 2 != $1 || sum != $2) print }') && [ "$(grep -c token_right "$out/answers.jsonl")" = "$(wc -l < "$out/answers.jsonl")" ]; }
check "answers.jsonl says of each token of an answer whether it is right" tokens_told
check "results.csv has the promised header" \
    grep -qx 'scenario,method,trainable,round,split,modality,metric,value,count,total,seed' <(head -n 1 "$out/results.csv")
check "no wall time, and no path of this machine, is in the manifest" sh -c "! grep -qE 'seconds|$tap_folder|$HOME/' '$out/manifest.json'"

touch "$tap_folder/mark"
check "a second run does no stage again" sh -c "'$PULSE' run $smoke --quiet --out '$out' && [ -z \"\$(find '$out/stages' -newer '$tap_folder/mark' -type f)\" ]"
stages "$out" > "$tap_folder/before"
cp -r "$out" "$tap_folder/other"
check "with other steps of one scenario only its unlearning, answers and attacks are new" sh -c "
    '$PULSE' run $smoke --quiet --out '$tap_folder/other' --set steps.finetuned=50 --set protocol.trajectory=0 --plan > '$tap_folder/plan' &&
    [ \$(grep -c finished '$tap_folder/plan') = 3 ] && '$PULSE' run $smoke --out '$out' --set steps.finetuned=50 --plan > '$tap_folder/plan' &&
    [ \$(grep -c finished '$tap_folder/plan') = 5 ] && [ \$(wc -l < '$tap_folder/plan') = 8 ]"
check "printing a plan runs nothing" diff <(stages "$out") "$tap_folder/before"

# A run is killed in the middle of an unlearning, and goes on.
stage=$("$PULSE" run "$smoke" --out "$out" --plan | awk '$NF == "finetuned/ga/proj+llm/seed0" { print $1 }')
cp -r "$out" "$tap_folder/again"
rm -r "$tap_folder/again/stages/$stage"
broken() {
    "$PULSE" run "$smoke" --quiet --out "$tap_folder/again" --set train.save_every=1 --threads 1 &    # the program itself, so that kill does not hit a shell
    local process=$! next ended
    for _ in $(seq 1500); do
        [ -e "$tap_folder/again/stages/$stage/checkpoint-1/checkpoint.safetensors" ] && break
        sleep 0.02
    done
    run --out "$tap_folder/again" --resume & next=$!
    kill -9 $process
    wait $process 2> /dev/null
    ended=$?
    wait $next && [ $ended = 137 ]
}
check "a second run in the same folder waits for the stage of the first; when the first is killed, the second goes on" broken
check "the files of the killed stage are the same as without a kill, its log too" diff -r "$out/stages/$stage" "$tap_folder/again/stages/$stage"
check "the results of the killed run are the same" diff <(digests "$tap_folder/again") fixtures/smoke.sha256

audit() { ends "$1" run --out "$2" --audit "$out" "${@:3}" > "$tap_folder/audit" 2> "$tap_folder/wrong" && grep -q "$tap_audit" "$tap_folder/audit"; }
tap_audit=': same$' check "--audit finds the killed run to be the same run" audit 0 "$tap_folder/again"
tap_audit='different' check "--audit finds a run of another config to be different" audit 1 "$tap_folder/again" --set protocol.scenarios=pretrained
run --out "$tap_folder/again"
cp "$out/report.html" "$tap_folder/report.html"
echo ' ' >> "$out/report.html"
check "a report that was changed afterwards is noticed" says 'report.html: it is not the file' run --out "$tap_folder/again" --audit "$out"
cp "$tap_folder/report.html" "$out/report.html"

# A request stops when the accuracy is low enough: here at the first look, after a twentieth of an epoch of 100 steps.
stops() {
    run --out "$tap_folder/other" --set protocol.scenarios=finetuned --set protocol.rules=accuracy --set protocol.stop=1 --set protocol.trajectory=0.05 --set attack.scenarios= &&
        grep -qx 'finetuned-accuracy,ga,proj+llm,1,unlearn,both,steps,5.0,,,0' "$tap_folder/other/results.csv"
}
check "a request is over when its accuracy is low enough" stops

echo x >> "$tap_folder/again/stages/$stage/log.jsonl"
check "a file of a stage that was changed afterwards is noticed" says 'it is not the file that its stage made' run --out "$tap_folder/again"
answers=$("$PULSE" run "$smoke" --out "$out" --plan | awk '$NF == "answers/finetuned/ga/proj+llm/seed0" { print $1 }')
rm -r "$tap_folder/again/stages/$answers"
check "no answers are made from a changed file of a stage" says 'log.jsonl: it is not the file that its stage made' run --out "$tap_folder/again" --stage "$answers"
check "a stage whose inputs are missing is refused" says 'needs the stage finetuned/ga' run --out "$tap_folder/empty" --stage "$answers"

config() { printf '%s\n' "$@" > "$tap_folder/bad.ini"; }
config '[protocol]' 'nonsense = 1'
check "an unknown key is refused with its line number" says 'bad.ini:2:' "$PULSE" run "$tap_folder/bad.ini" --out "$tap_folder/x"
program=$(realpath "$PULSE")
config '[protocol]' 'seeds = 3' 'seeds = 0'
check "a key that appears twice is refused with its line number" says 'bad.ini:3: protocol.seeds appears twice' "$PULSE" run "$tap_folder/bad.ini" --out "$tap_folder/x"
check "points of a trajectory closer than one step are refused" says 'protocol.trajectory is "1e-12"' run --out "$tap_folder/x" --set protocol.trajectory=1e-12
check "an audit against a run that is not there is refused before anything is done" says 'none/manifest.json: is not there' run --out "$tap_folder/x" --audit "$tap_folder/none"
check "the plan as JSON has every stage" test 8 = "$(run --out "$tap_folder/x" --plan --json | grep -c '"digest"')"
elsewhere() { (cd "$tap_folder" && says 'expected a CONFIG.ini after run' "$program" run); }
check "without a config, in a folder that has none, the sentence says so" elsewhere
check "an unknown scenario is refused" says 'there is no scenario "x"' run --out "$tap_folder/x" --set protocol.scenarios=x
for words in protocol.scenarios=x protocol.methods=x protocol.rules=x protocol.seeds=x protocol.stop=2 protocol.trajectory=x protocol.base=x protocol.oracle=x \
             data.world=x attack.scenarios=x steps.finetuned=x steps.finetuned=3,gaa=4 epochs.finetuned=2 unlearn.epochs=2 unlearn.steps=9 unlearn.refusals=x; do
    check "$words is refused with the config's file and its key" says "smoke.ini: ${words%%=*}" run --out "$tap_folder/x" --set "$words"
done
check "adapters of no module are refused before the first stage" says 'smoke.ini: [lora]: ' run --out "$tap_folder/x" --set lora.targets=x --plan
check "a seed that appears twice is refused" says 'is asked for twice' run --out "$tap_folder/x" --set protocol.seeds=0,0
check "an unknown rule is refused" says 'there is no rule "x"' run --out "$tap_folder/x" --set protocol.rules=x
check "a stopping accuracy above 1 is refused" says 'protocol.stop is "2"' run --out "$tap_folder/x" --set protocol.stop=2
check "an unknown method is refused" says 'there is no method "x"' run --out "$tap_folder/x" --set protocol.methods=x
check "a model folder that is not there is refused" says 'nowhere' run --out "$tap_folder/x" --set protocol.base=nowhere
check "a forget set larger than the world is refused" says 'protocol.best is 99' run --out "$out" --set protocol.best=99

# Settings of single methods.
config '[protocol]' 'scenarios = finetuned' 'methods = ga, rmu' 'oracle = none' '[data]' "world = $PWD/fixtures/world" '[unlearn]' 'preset = pulse' '[method.rmu]' 'unlearn.steering = 20'
own() { "$PULSE" run "$tap_folder/bad.ini" --out "$tap_folder/x" --set "protocol.base=$PWD/fixtures/models/base" --set "protocol.vanilla=$PWD/fixtures/models/vanilla" --plan "$@"; }
own > "$tap_folder/plan"
# differ: of a plan on stdin, prints the names of the stages whose digests are not those of the first plan.
differ() { diff "$tap_folder/plan" - | sed -n 's/^> .* //p' | tr '\n' ' '; }
check "a setting of one method changes the digests of its stages, and of no others" \
    sh -c "[ \"\$1\" = 'finetuned/rmu/proj+llm/seed0 answers/finetuned/rmu/proj+llm/seed0 probe/finetuned/rmu/proj+llm/seed0 ' ]" - "$(own --set method.rmu.optimiser.lr=1e-3 | differ)"
check "a setting of one method overrides the common sections" \
    diff <(own --set optimiser.lr=1e-2 --set method.ga.optimiser.lr=1.5e-4 --set method.rmu.optimiser.lr=1.5e-4 --set method.retain_ft.optimiser.lr=1.5e-4) "$tap_folder/plan"
check "an unknown method in a section's name is refused" says 'there is no method rum' own --set method.rum.optimiser.lr=1
check "a budget in a method's section is refused, and the sentence says where it belongs" says 'budgets are in [steps]' own --set method.rmu.epochs.finetuned=1
check "a method's own value out of range is refused" says 'method.rmu.optimiser.lr is "-1"' own --set method.rmu.optimiser.lr=-1
echo 'unlearn.steering = 3' >> "$tap_folder/bad.ini"
check "a method's own key that appears twice is refused with its line number" says 'bad.ini:11: method.rmu.unlearn.steering appears twice' own
sed -i '11s/.*/steering = 3/' "$tap_folder/bad.ini"
check "a key without its section is refused with its line number" says 'bad.ini:11: method.rmu.steering is not a key of one method' own

# What a method learns instead: the lines of unlearn.refusals or the answers of unlearn.alternates. One step, on a world
# with every eleventh test question, is enough to see a difference.
cp -r fixtures/world "$tap_folder/few"
for file in persons general; do awk '/"split":"train"/ || ++asked % 11 == 1' fixtures/world/$file.jsonl > "$tap_folder/few/$file.jsonl"; done
step() { "$PULSE" run "$smoke" --quiet --out "$tap_folder/step" --set "data.world=$tap_folder/few" --set protocol.scenarios=finetuned --set protocol.methods=idk,altpo,retrain \
    --set steps.finetuned=1 --set optimiser.warmup=0 --set protocol.trajectory=0 --set attack.scenarios= "$@"; }
name_of() { step "${@:2}" --plan | awk -v name="$1/proj+llm/seed0" '$NF == name { print $1 }'; }
adapter_of() {
    local digest
    digest=$(name_of "finetuned/$1" "${@:2}") && step "${@:2}" --stage "$digest" && sha256sum < "$tap_folder/step/stages/$digest/round-1-step-1/adapter_model.safetensors"
}
same_adapter() { [ -n "$1" ] && [ "$1" = "$2" ] || { echo "$1" "$2"; false; }; }
other_adapter() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" != "$2" ] || { echo "$1" "$2"; false; }; }
echo 'i do not know' > "$tap_folder/refusals.txt"
echo 'nobody' > "$tap_folder/nobody.txt"
idk=$(adapter_of idk) altpo=$(adapter_of altpo)
printf '[unlearn]\nforget = %s\n' "$PWD/fixtures/world/persons.jsonl" > "$tap_folder/alternates.ini"
records() { "$PULSE" alternates --quiet --config "$tap_folder/alternates.ini" --model fixtures/models/vanilla "$@"; }
check "a file with the default refusals makes the same adapter as no file" same_adapter "$idk" "$(adapter_of idk --set "unlearn.refusals=$tap_folder/refusals.txt")"
check "other refusals make another adapter" other_adapter "$idk" "$(adapter_of idk --set "unlearn.refusals=$tap_folder/nobody.txt")"
check "the model records its own alternates" records --out "$tap_folder/alternates.jsonl"
sed -E 's/"answer": "([^"\\]|\\.)*"/"answer": "nobody"/' "$tap_folder/alternates.jsonl" > "$tap_folder/nobody.jsonl"
pairs() { sed -nE 's/.*"id": ?"([^"]*)".*"answer": ?"(([^"\\]|\\.)*)".*/\1 \2/p' "$1" | sort; }
check "there is one alternate for each training sample" test "$(wc -l < "$tap_folder/alternates.jsonl")" = "$(grep -c '"split":"train"' fixtures/world/persons.jsonl)"
check "no alternate is the answer" test -z "$(comm -12 <(pairs "$tap_folder/alternates.jsonl") <(pairs fixtures/world/persons.jsonl))"
check "recorded alternates make the same adapter as no file" \
    same_adapter "$altpo" "$(adapter_of altpo --set "unlearn.alternates=$tap_folder/alternates.jsonl")"
check "other alternates make another adapter" other_adapter "$altpo" "$(adapter_of altpo --set "unlearn.alternates=$tap_folder/nobody.jsonl")"
head -n 5 "$tap_folder/alternates.jsonl" > "$tap_folder/few.jsonl"
check "a question without an alternate is refused" says 'there is no alternate for' adapter_of altpo --set "unlearn.alternates=$tap_folder/few.jsonl"

# Retraining begins at the base model; so its adapters must be asked on the base model.
retrained() {
    local at
    step --set protocol.methods=retrain && at=$tap_folder/step/stages &&
        "$PULSE" eval --quiet --model fixtures/models/base --adapter "$at/$(name_of finetuned/retrain --set protocol.methods=retrain)/round-1-step-1" \
            --questions "$tap_folder/few/persons.jsonl" --questions "$tap_folder/few/general.jsonl" --set protocol.frames=1 --answers "$tap_folder/asked.jsonl" > /dev/null || return 1
    answers=$at/$(name_of answers/finetuned/retrain --set protocol.methods=retrain)/round-1-step-1.jsonl
    [ "$(wc -l < "$answers")" -gt 100 ] && sort "$answers" > "$tap_folder/one" && sort "$tap_folder/asked.jsonl" > "$tap_folder/two" && nothing <(comm -23 "$tap_folder/one" "$tap_folder/two")
}
check "a retrained model answers as its adapters on the base model do" retrained
check "the rows of this model are called retrain_from_base, for retrain is the name of the oracle's rows" sh -c \
    "grep -q '^finetuned,retrain_from_base,proj+llm,1,unlearn,both,accuracy,' '$tap_folder/step/results.csv' && ! grep -q '^finetuned,retrain,' '$tap_folder/step/results.csv'"
check "retrain is refused for knowledge of the base model itself" says 'the method "retrain" trains the base model' step --set protocol.methods=retrain --set protocol.scenarios=pretrained

# The digest of a stage depends on everything that its rounds depend on, and on nothing else.
list=$(printf 'language_model.model.layers.%d.self_attn.k_proj,' 0 1 2 3 0 1 2 3 0 1 2 3 0 1 2 3)
step --plan > "$tap_folder/plan"
# renamed SETTING…: prints the names of the stages whose digests these settings change.
renamed() { step --plan "$@" | diff "$tap_folder/plan" - | sed -n 's/^> .* //p' | sed 's|/proj+llm/seed0||' | xargs; }
check "two lists of modules that differ after byte 511 are two trainings" \
    other_adapter "$(name_of finetuned/idk --set "lora.targets=${list}language_model.model.layers.3.self_attn.q_proj")" \
                  "$(name_of finetuned/idk --set "lora.targets=${list}language_model.model.layers.3.mlp.down_proj")"
check "whether the retain set shrinks is part of a training's digest" \
    [ "$(renamed --set unlearn.retain_shrinks=yes)" = 'finetuned/idk answers/finetuned/idk finetuned/altpo answers/finetuned/altpo finetuned/retrain answers/finetuned/retrain' ]
check "what a run does not read is part of no digest" [ -z "$(renamed --set unlearn.seed=7 --set train.steps=7 --set train.seed=7 \
    --set unlearn.forget=x --set data.stream=x --set model.seed=7 --set train.save_every=7)" ]


# The digest of a model in shards covers its index and the bytes of every shard.
cp -r fixtures/models/vanilla "$tap_folder/shards" && mv "$tap_folder/shards/model.safetensors" "$tap_folder/shards/one.safetensors"
printf '{"weight_map": {%s}}' "$(head -c 20000 "$tap_folder/shards/one.safetensors" | grep -aoE '"[a-z_A-Z0-9.]+":\{"dtype"' | sed 's/:{"dtype"/: "one.safetensors"/' \
    | paste -sd,)" > "$tap_folder/shards/model.safetensors.index.json"
sharded() { step --plan --set "protocol.vanilla=$tap_folder/shards" > "$tap_folder/$1"; }
check "a run takes a model in shards" sharded first
check "a run takes the same model in shards again with the same digests" eval 'sharded second && cmp "$tap_folder/first" "$tap_folder/second"'
printf '\1' | dd of="$tap_folder/shards/one.safetensors" bs=1 seek=50000 conv=notrunc status=none
check "a changed byte of a shard changes the digests" eval 'sharded second && ! cmp -s "$tap_folder/first" "$tap_folder/second"'
echo '{"do_sample": true}' > "$tap_folder/shards/generation_config.json"
check "a model whose texts would not be greedy is refused before the first stage" says 'generation_config.json: "do_sample" asks for' sharded second
check "such a model is accepted if data.generation is greedy" step --plan --set "protocol.vanilla=$tap_folder/shards" --set data.generation=greedy

bad_world() {
    mkdir -p "$tap_folder/world"
    cp -r fixtures/world/. "$tap_folder/world"
    "$1"
    run --out "$tap_folder/x" --set "data.world=$tap_folder/world"
}
no_picture() { rm "$tap_folder/world/flags/fr.png"; }
twice() { head -n 1 fixtures/world/persons.jsonl >> "$tap_folder/world/persons.jsonl"; }
wrong_answer() { sed -i '3s/"answer":"[^"]*"/"answer":"nobody"/' "$tap_folder/world/general.jsonl"; }
overlap() { sed -i '70s/"split":"unlearn"/"split":"retain"/' "$tap_folder/world/entities.jsonl"; }
check "a missing picture is refused, and the sentence names it" says 'fr.png' bad_world no_picture
check "an id that appears twice is refused with file and line number" says 'persons.jsonl:5401:' bad_world twice
check "an answer that is not among the options is refused with file and line number" says 'general.jsonl:3:' bad_world wrong_answer
check "a retained entity that has a round is refused with file and line number" says 'entities.jsonl:70:' bad_world overlap
finish
