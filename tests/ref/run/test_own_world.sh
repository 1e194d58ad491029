#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The whole protocol with few steps, on two worlds as users make them: the world of pulse-ref init, and one from a
# hand-made sample of MLLMU-Bench.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
base=$PWD/fixtures/models/base
mine=$tap_folder/mine

run() { "$PULSE" run "$1/run.ini" --out "$1/run" --quiet "${@:2}"; }
says() { local part=$1; shift; ends 2 "$@" 2> "$tap_folder/wrong" && grep -qF -- "$part" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }; }
has() { grep -qE "$2" "$1/run/results.csv" || { head -n 40 "$1/run/results.csv"; return 1; }; }

check "init makes a world" "$PULSE" init "$mine" --world --quiet
sed -i 's/^steps .*/steps = 2/; s/^warmup .*/warmup = 0/' "$mine"/learn.ini "$mine"/oracle.ini
check "nothing is wrong with the files of this world" eval '"$PULSE" data "$mine/all.jsonl" "$mine/general.jsonl" --model "$base" > "$tap_folder/told"'
check "the protocol runs on this world, with a vanilla model and an oracle of its own" run "$mine" --set steps.finetuned=2 --set steps.sequential=2 --set protocol.methods=ga
check "the forgotten are measured" has "$mine" '^finetuned,ga,[^,]*,1,unlearn,image,accuracy,[0-9.]+,[0-8],8,0$'
check "the forgotten of each request are measured too" has "$mine" '^sequential,ga,[^,]*,2,unlearn,image,accuracy,[0-9.]+,[0-8],8,0$'
check "the retained are measured" has "$mine" '^finetuned,ga,[^,]*,1,retain,image,accuracy,[0-9.]+,[0-4],4,0$'
check "general ability is measured on the group that world.json names" has "$mine" '^finetuned,ga,[^,]*,1,general,text,accuracy,[0-9.]+,[0-4],4,0$'
check "the oracle is measured too" has "$mine" '^finetuned,retrain,[^,]*,1,unlearn,image,accuracy,'
check "the report uses the words of the world" grep -q 'after people that were learned in fine-tuning' "$mine/run/report.html"
check "the report shows pictures of the world" grep -q 'data:image/png' "$mine/run/report.html"
sed -i 's/"general", "questions"/"common", "questions"/' "$mine/world.json"; sed -i 's/"group": "general"/"group": "common"/' "$mine/general.jsonl"
check "the general group may have another name" run "$mine" --set steps.finetuned=2 --set protocol.scenarios=finetuned --set protocol.methods=ga --set attack.scenarios=
check "the general group with another name has the same row" has "$mine" '^finetuned,ga,[^,]*,1,general,text,accuracy,[0-9.]+,[0-4],4,0$'
sed -i 's/"as": "person"/"as": "country"/' "$mine/world.json"
check "a scenario whose group is not there is refused" says 'there is no group "person", which the scenario finetuned is about' run "$mine"

# MLLMU-Bench: eval asks as the benchmark's own code does, and the protocol runs on a world made of its splits.
mllmu=$PWD/fixtures/mllmu
check "nothing is wrong with the sample of six persons" eval '"$PULSE" data "$mllmu"/{forget_10,retain_90,Retain_Set}.jsonl --model "$base" > "$tap_folder/told" && [ "$(grep -c "MLLMU-Bench, converted; .* 2 entities" "$tap_folder/told")" = 3 ]'
check "eval asks every split and mode as MLLMU-Bench's code does" eval '"$PULSE" eval --model "$base" $(printf -- "--questions %s " "$mllmu"/{forget_10,Test_Set,retain_90,Retain_Set}.jsonl) --set data.template=plain > "$tap_folder/table"'
for words in "choice, image" "choice, text" "cloze, image" "cloze, text" "open, image" "open, text"; do
    check "the table of MLLMU-Bench has the rows: $words" grep -qx "mllmu, $words" "$tap_folder/table"
done
if command -v python3 > /dev/null; then
    world=$tap_folder/mllmu
    mkdir "$world" && cp -r "$mllmu/images" "$world"
    make_world() { python3 -B fixtures/mllmu_world.py "$world" --model "$base" --forget "$mllmu/forget_10.jsonl" --retain "$1" --real "$mllmu/Retain_Set.jsonl" --requests 2; }
    check "a world is made of the splits of MLLMU-Bench" make_world "$mllmu/retain_90.jsonl"
    check "nothing is wrong with the world of these splits" eval '"$PULSE" data "$world/people.jsonl" "$world/general.jsonl" --model "$base" > "$tap_folder/told"'
    sed -i 's/^steps .*/steps = 1/' "$world"/learn.ini "$world"/oracle.ini
    check "the protocol runs on this world with the settings of MLLMU-Bench's code" run "$world" --set protocol.methods=kl_min --set steps.finetuned=1 --set steps.sequential=2
    check "the run measures by the likelihood of the options" has "$world" '^finetuned,kl_min,llm,1,unlearn,image,option_accuracy,'
    check "the run asks about the real persons" has "$world" '^sequential,kl_min,llm,2,general,image,accuracy,[0-9.]+,[0-2],2,0$'
    check "a person in both splits is refused" eval '! make_world "$mllmu/forget_10.jsonl" 2> "$tap_folder/wrong" && grep -q "retain both hold 101, 102" "$tap_folder/wrong"'
else
    skip "a world is made of the splits of MLLMU-Bench" "python3 is not installed"
fi
finish
