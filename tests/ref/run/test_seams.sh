#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What two commands do with the same request is the same: the rounds of unlearn and the requests of a run, with adapters that go on, with
# adapters that are merged between them or stay live, with a method whose results are whole models (smfa), and with adapters that stay apart.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
root=$PWD vanilla=$PWD/fixtures/models/vanilla
cd "$tap_folder" || exit 2

# A world of two persons to forget, one in each round, and two to retain, with every twentieth question.
cp -r "$root/fixtures/world" world
who='person-00|person-01|person-50|person-51'
sed -i -E '/"group":"person"/{/"id":"('$who')"/!d; /person-01/s/"round":1/"round":2/}' world/entities.jsonl
grep -E '"entity":"('$who')"' "$root/fixtures/world/persons.jsonl" | awk '/"split":"train"/ || ++asked % 20 == 1' > world/persons.jsonl
grep '"kind":"choice"' "$root/fixtures/world/general.jsonl" | awk 'NR % 40 == 1' > world/general.jsonl
cat > run.ini <<END
[data]
world = world
[protocol]
base      = $root/fixtures/models/base
vanilla   = $vanilla
oracle    = none
scenarios = sequential
methods   = grad_diff
rounds    = 2
frames    = 1
trajectory = 0
[steps]
sequential = 4
[attack]
scenarios =
[train]
trainable = llm
[unlearn]
batch = 4
END
# The same by the command unlearn; what a run takes as defaults is named here, because unlearn has defaults of its own.
sed 's|"image":"|&world/|' world/persons.jsonl | grep '"kind":"open"' > open.jsonl
cat > unlearn.ini <<END
[unlearn]
forget          = open.jsonl
retain          = open.jsonl
forget_entities = person-00/person-01
retain_entities = person-50,person-51
batch       = 4
steps       = 2
probe_every = 0
[train]
trainable = llm
[optimiser]
lr     = 1e-3
warmup = 0
[lora]
alpha = 32
END

runs() { "$PULSE" run run.ini --quiet --out run --set "unlearn.merge=$1"; }
stage() { echo "run/stages/$("$PULSE" run run.ini --quiet --out run --set "unlearn.merge=$1" --plan | awk '$NF ~ /^sequential\// { print $1 }')"; }
for merge in no yes live; do
    check "a run of two requests, merge = $merge" runs $merge
    check "two rounds of unlearn, merge = $merge" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method grad_diff --out $merge --set unlearn.merge=$merge --quiet
done
check "adapters that go on are the same file" cmp no/adapter_model.safetensors "$(stage no)/round-2-step-2/adapter_model.safetensors"
both_merged() {
    "$PULSE" merge --model "$vanilla" --adapter "$(stage yes)/round-1-step-2" --out first --quiet &&
        "$PULSE" merge --model first --adapter "$(stage yes)/round-2-step-2" --out second --quiet && cmp second/model.safetensors yes/model.safetensors
}
check "live adapters are the same files" eval 'cmp live/adapter-1/adapter_model.safetensors "$(stage live)/round-1-step-2/adapter_model.safetensors" &&
    cmp live/adapter-2/adapter_model.safetensors "$(stage live)/round-2-step-2/adapter_model.safetensors"'
check "whose second one was trained beside the first" eval '! cmp -s live/adapter-2/adapter_model.safetensors "$(stage yes)/round-2-step-2/adapter_model.safetensors"'
check "and adapters that are merged come to the same model" both_merged
check "which is another one" eval '! cmp -s second/model.safetensors first/model.safetensors'

# smfa: the steps of a request train adapters, and its end writes whole weights.
check "a run has no frozen adapter of another one" eval 'ends 2 "$PULSE" run run.ini --quiet --out frozen --set lora.frozen=no 2>&1 | grep -qF "lora.frozen is of"'
echo 'i do not know' > refusals
for config in run.ini unlearn.ini; do echo '[unlearn]
refusals = refusals
retain_count = 20' >> $config; done
whole() { "$PULSE" run run.ini --quiet --out "$1" --set protocol.scenarios="$2" --set protocol.methods="$3" "${@:4}"; }
whole_stage() { echo "$1/stages/$(whole "$@" --plan | awk -v "case=$2/" 'index($NF, case) == 1 { print $1 }')"; }
check "a run of smfa" whole whole sequential smfa
end=$(whole_stage whole sequential smfa)
check "two rounds of smfa by unlearn" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method smfa --out whole-rounds --quiet
check "come to the model that the run has after its last request" cmp whole-rounds/model.safetensors "$end/round-2-step-2/model.safetensors"
check "the end of each request is a whole model, and another one" eval 'test -s "$end/round-1-step-2/config.json" &&
    ! cmp -s "$end/round-1-step-2/model.safetensors" "$end/round-2-step-2/model.safetensors" && [ ! -e "$end/round-2-step-2/adapter_config.json" ]'
one=(finetuned smfa --set steps.finetuned=2 --set protocol.trajectory=0.05)
check "a run of one request, which is looked at after each step" whole one "${one[@]}"
step=$(whole_stage one "${one[@]}")/round-1-step-1
check "before its end stands an adapter" eval 'test -s "$step/adapter_config.json" && [ ! -e "$step/model.safetensors" ] && test -s "$step/../round-1-step-2/model.safetensors"'
one[1]=idk
check "a run of idk" whole idk "${one[@]}"
check "has the same adapter: the steps of smfa are those of refusal tuning" \
    cmp "$step/adapter_model.safetensors" "$(whole_stage idk "${one[@]}")/round-1-step-1/adapter_model.safetensors"
check "and its points are those of the trajectory" eval '[ "$(cut -d, -f2,4,6 one/trajectory.csv | sort -u | grep smfa | paste -sd" ")" = "smfa,1,1 smfa,1,2" ]'
# What the run says of the retained persons after its last request is what eval says of the last model alone, beside no other file.
probability_of() { tr -d ' \n' | grep -oE '"modality":"'$1'"[^}]*"metric":"probability"[^}]*' | sed -nE 's/.*"value":"([^"]*)".*/\1/p'; }
cp -r "$vanilla" last && cp "$end/round-2-step-2/model.safetensors" last/
grep -E '"entity":"person-5[01]"' world/persons.jsonl | grep '"split":"test"' | grep '"kind":"open"' | sed 's|"image":"|&world/|' > asked.jsonl
of_run() { sed -nE 's/^sequential,smfa,llm,2,retain,both,probability,([^,]*),.*/\1/p' whole/results.csv; }
of_eval() { "$PULSE" eval --questions asked.jsonl --model last --quiet --json | probability_of both; }
check "the answers of the run are those of its last model" eval '[ -n "$(of_run)" ] && diff <(of_run) <(of_eval)'

# adapters: each request has its own, beside the first weights, and a router that is never wrong chooses.
apart=(sequential adapters --set unlearn.merge=no)
check "a run of adapters that stay apart" whole apart "${apart[@]}"
check "two rounds of them by unlearn" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method adapters --out two --quiet --set unlearn.merge=no
check "make the same adapters" eval 'for k in 1 2; do cmp two/adapter-$k/adapter_model.safetensors "$(whole_stage apart "${apart[@]}")/round-$k-step-2/adapter_model.safetensors" || exit 1; done'
routed() { sed -nE "s/^sequential,$1,[^,]*,$2,$3,$4,probability,([^,]*),.*/\\1/p" apart/results.csv; }
alone() {                                                   # alone PERSON MODALITY ARGUMENT …: what eval says of the questions about one person
    grep -E "\"entity\":\"$1\"" world/persons.jsonl | grep '"split":"test"' | grep '"kind":"open"' | sed 's|"image":"|&world/|' > asked.jsonl
    "$PULSE" eval --questions asked.jsonl --model "$vanilla" --quiet --json "${@:3}" | probability_of "$2"
}
first=$(alone person-00 image --adapter two/adapter-1) second=$(alone person-01 text --adapter two/adapter-2)
check "who was forgotten first is asked with the first adapter, also after the second request" \
    test "$first $first" = "$(routed adapters 1 unlearn image) $(routed adapters 2 unlearn image)"
check "who was forgotten then, with the second" test "$second" = "$(routed adapters 2 round2 text)"
check "which is not what the other adapters say" eval '[ -n "$first" ] && [ "$first" != "$(alone person-00 image --adapter two/adapter-2)" ] && [ "$second" != "$(alone person-01 text)" ]'
check "and who is retained, without any" eval '[ -n "$(routed none 0 retain both)" ] && [ "$(routed none 0 retain both)" = "$(routed adapters 2 retain both)" ]'
finish
