#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What two commands do with the same request is the same: the rounds of unlearn and the requests of a run, with adapters that go on and with
# adapters that are merged between them.
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
for merge in no yes; do
    check "a run of two requests, merge = $merge" runs $merge
    check "two rounds of unlearn, merge = $merge" "$PULSE" unlearn --config unlearn.ini --model "$vanilla" --method grad_diff --out $merge --set unlearn.merge=$merge --quiet
done
check "adapters that go on are the same file" cmp no/adapter_model.safetensors "$(stage no)/round-2-step-2/adapter_model.safetensors"
both_merged() {
    "$PULSE" merge --model "$vanilla" --adapter "$(stage yes)/round-1-step-2" --out first --quiet &&
        "$PULSE" merge --model first --adapter "$(stage yes)/round-2-step-2" --out second --quiet && cmp second/model.safetensors yes/model.safetensors
}
check "and adapters that are merged come to the same model" both_merged
check "which is another one" eval '! cmp -s second/model.safetensors first/model.safetensors'
finish
