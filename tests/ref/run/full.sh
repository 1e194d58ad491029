# SPDX-License-Identifier: MIT
# Sourced by those who run the whole graph of full.ini: full_run is that run with one step a request (stress-1: five), an
# oracle that is trained for two steps, and a world with one training question of each entity and modality and one test
# question in 200. All 488 stages are there; only their work is small.
mkdir -p "$tap_folder/least"
cp -r fixtures/world/. "$tap_folder/least"
for file in persons countries known_persons; do
    awk -F'"' '$16 == "train" ? /"kind":"open"/ && !seen[$8, $20]++ : ++asked % 200 == 1' fixtures/world/$file.jsonl > "$tap_folder/least/$file.jsonl"
done
awk '/"split":"train"/ || (/"kind":"choice"/ && ++asked % 60 == 1)' fixtures/world/general.jsonl > "$tap_folder/least/general.jsonl"
cat > "$tap_folder/oracle.ini" <<INI
[data]
world  = $PWD/fixtures/world
stream = $PWD/fixtures/world/general.jsonl
order  = shuffle
batch  = 2
[model]
path = $PWD/fixtures/models/base
[train]
steps = 2
INI
full=(--set "data.world=$tap_folder/least" --set "protocol.oracle_config=$tap_folder/oracle.ini" --set optimiser.warmup=0 --set unlearn.batch=2
      --set protocol.frames=1 --set attack.batch=200)
for scenario in finetuned pretrained ablation known finetuned20; do full+=(--set steps.$scenario=1); done
for scenario in sequential stress; do full+=(--set steps.$scenario=5); done     # as in full.ini, one stage is both sequential and stress-5
full_run() { "$PULSE" run fixtures/configs/full.ini "${full[@]}" --quiet "$@"; }
