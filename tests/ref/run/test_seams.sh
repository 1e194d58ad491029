#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The rounds of `unlearn` and the requests of a `run` come to the same weights in five cases: one adapter goes on in all
# requests; the adapter of each request is merged before the next request; it stays unmerged and frozen beside the next
# adapter; the result is a whole model (smfa); each request has an adapter on the first weights.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
root=$PWD vanilla=$PWD/fixtures/models/vanilla
cd "$tap_folder" || exit 2

# A world with two persons to forget, one in each round, two persons to retain, and few test questions.
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
# The same settings for `unlearn`. The defaults of a run are written out, because `unlearn` has other defaults.
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
check "the adapter that goes on in all requests is the same file in both commands" cmp no/adapter_model.safetensors "$(stage no)/round-2-step-2/adapter_model.safetensors"
both_merged() {
    "$PULSE" merge --model "$vanilla" --adapter "$(stage yes)/round-1-step-2" --out first --quiet &&
        "$PULSE" merge --model first --adapter "$(stage yes)/round-2-step-2" --out second --quiet && cmp second/model.safetensors yes/model.safetensors
}
check "live adapters of both commands are the same files" eval 'cmp live/adapter-1/adapter_model.safetensors "$(stage live)/round-1-step-2/adapter_model.safetensors" &&
    cmp live/adapter-2/adapter_model.safetensors "$(stage live)/round-2-step-2/adapter_model.safetensors"'
check "the second live adapter differs from one that was trained after a merge" eval '! cmp -s live/adapter-2/adapter_model.safetensors "$(stage yes)/round-2-step-2/adapter_model.safetensors"'
check "adapters that are merged come to the same model in both commands" both_merged
check "the second request changes the model" eval '! cmp -s second/model.safetensors first/model.safetensors'

for refused in "protocol.methods=smfa smfa changes" "protocol.methods=adapters adapters begins" "train.trainable=proj+llm multi_modal_projector" "unlearn.reset_optimiser=no each"; do
    check "the plan of a run refuses merge = live with ${refused%% *}" eval 'ends 2 "$PULSE" run run.ini --plan --out refused --set unlearn.merge=live --set "${refused%% *}" 2>&1 |
        grep -qE "^pulse-ref: run.ini: unlearn.merge is live, (but|and) ${refused#* }" && [ ! -e refused ]'
done
check "one request alone has nothing to merge: smfa, merge = live" "$PULSE" run run.ini --plan --out refused --set unlearn.merge=live --set protocol.methods=smfa --set protocol.scenarios=finetuned
check "a run refuses lora.frozen" eval 'ends 2 "$PULSE" run run.ini --quiet --out frozen --set lora.frozen=no 2>&1 | grep -qF "lora.frozen is read by"'

# smfa: the steps of a request train adapters; at the end of the request, whole weights are written.
echo 'i do not know' > refusals
for config in run.ini unlearn.ini; do echo '[unlearn]
refusals = refusals
retain_count = 20' >> $config; done
# whole FOLDER SCENARIO METHOD ARGUMENT…: runs this method. whole_stage prints the folder of the stage that unlearns.
whole() { "$PULSE" run run.ini --quiet --out "$1" --set protocol.scenarios="$2" --set protocol.methods="$3" "${@:4}"; }
whole_stage() { echo "$1/stages/$(whole "$@" --plan | awk -v "case=$2/" 'index($NF, case) == 1 { print $1 }')"; }
check "a run of smfa" whole whole sequential smfa
end=$(whole_stage whole sequential smfa)
check "two rounds of smfa by unlearn" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method smfa --out whole-rounds --quiet
check "two rounds of smfa come to the model that the run has after its last request" cmp whole-rounds/model.safetensors "$end/round-2-step-2/model.safetensors"
check "each request of smfa ends with a whole model, and the two models differ" eval 'test -s "$end/round-1-step-2/config.json" &&
    ! cmp -s "$end/round-1-step-2/model.safetensors" "$end/round-2-step-2/model.safetensors" && [ ! -e "$end/round-2-step-2/adapter_config.json" ]'
one=(finetuned smfa --set steps.finetuned=2 --set protocol.trajectory=0.05)
check "a run of one request, which is looked at after each step" whole one "${one[@]}"
step=$(whole_stage one "${one[@]}")/round-1-step-1
check "before the last step of smfa there is an adapter, after it a model" eval 'test -s "$step/adapter_config.json" && [ ! -e "$step/model.safetensors" ] && test -s "$step/../round-1-step-2/model.safetensors"'
one[1]=idk
check "a run of idk" whole idk "${one[@]}"
check "after the first step smfa and idk have the same adapter: the steps of smfa are those of refusal tuning" \
    cmp "$step/adapter_model.safetensors" "$(whole_stage idk "${one[@]}")/round-1-step-1/adapter_model.safetensors"
check "the trajectory has a point for each of the two steps" eval '[ "$(cut -d, -f2,4,6 one/trajectory.csv | sort -u | grep smfa | paste -sd" ")" = "smfa,1,1 smfa,1,2" ]'
# After the last request, the run's probabilities for the retained persons are those of eval on the last model alone.
probability_of() { tr -d ' \n' | grep -oE '"modality":"'$1'"[^}]*"metric":"probability"[^}]*' | sed -nE 's/.*"value":"([^"]*)".*/\1/p'; }
cp -r "$vanilla" last && cp "$end/round-2-step-2/model.safetensors" last/
grep -E '"entity":"person-5[01]"' world/persons.jsonl | grep '"split":"test"' | grep '"kind":"open"' | sed 's|"image":"|&world/|' > asked.jsonl
of_run() { sed -nE 's/^sequential,smfa,llm,2,retain,both,probability,([^,]*),.*/\1/p' whole/results.csv; }
of_eval() { "$PULSE" eval --questions asked.jsonl --model last --quiet --json | probability_of both; }
check "the answers of the run are those of its last model" eval '[ -n "$(of_run)" ] && diff <(of_run) <(of_eval)'

# Method "adapters": each request has its own adapter on the first weights, and a router that is never wrong chooses it.
apart=(sequential adapters --set unlearn.merge=no)
check "a run of adapters that stay apart" whole apart "${apart[@]}"
check "two rounds of unlearn with adapters that stay apart" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method adapters --out two --quiet --set unlearn.merge=no
check "the run and unlearn make the same adapters that stay apart" eval 'for k in 1 2; do cmp two/adapter-$k/adapter_model.safetensors "$(whole_stage apart "${apart[@]}")/round-$k-step-2/adapter_model.safetensors" || exit 1; done'
routed() { sed -nE "s/^sequential,$1,[^,]*,$2,$3,$4,probability,([^,]*),.*/\\1/p" apart/results.csv; }
alone() {                                                   # alone PERSON MODALITY ARGUMENT …: the probability by eval for one person
    grep -E "\"entity\":\"$1\"" world/persons.jsonl | grep '"split":"test"' | grep '"kind":"open"' | sed 's|"image":"|&world/|' > asked.jsonl
    "$PULSE" eval --questions asked.jsonl --model "$vanilla" --quiet --json "${@:3}" | probability_of "$2"
}
first=$(alone person-00 image --adapter two/adapter-1) second=$(alone person-01 text --adapter two/adapter-2)
check "the person of request 1 is asked with the first adapter, also after request 2" \
    test "$first $first" = "$(routed adapters 1 unlearn image) $(routed adapters 2 unlearn image)"
check "the person of request 2 is asked with the second adapter" test "$second" = "$(routed adapters 2 round2 text)"
check "other adapters would give other numbers" eval '[ -n "$first" ] && [ "$first" != "$(alone person-00 image --adapter two/adapter-2)" ] && [ "$second" != "$(alone person-01 text)" ]'
check "a retained person is asked without an adapter" eval '[ -n "$(routed none 0 retain both)" ] && [ "$(routed none 0 retain both)" = "$(routed adapters 2 retain both)" ]'
finish
