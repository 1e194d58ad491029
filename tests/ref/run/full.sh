#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# full.sh [BUILD]: computes the whole graph of full.ini by `run`, then by each Snakemake that is installed: two jobs at
# a time, each with its own scratch folder. Then Snakemake does a part of the graph again and is killed in the middle.
# All manifests must be the same. Prints wall times. It takes 12 minutes of one core, so `make test` does not run it.
#
# To keep the work small, a request has one step (stress-1: five), the oracle is trained for 2 steps, and the world has
# one training question of each entity and modality and one test question in 200 (of general.jsonl: all training
# questions, and one choice question in 60). All 488 stages are there.
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 2
. tests/support/tap.sh
PULSE=$(realpath "${1:-build}/pulse-ref") out=$tap_folder/run scratch=$tap_folder/scratch
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
SECONDS=0
check "run ends" full_run --out "$out" --threads 2
check "the run has 488 stages" test 488 = "$(find "$out/stages" -name stage.json | wc -l)"
echo "# run: $SECONDS s"

# snake SNAKEMAKE FLOW WORDS…: calls Snakemake with these words in the folder of the workflow.
mkdir "$scratch"
snake() {
    (cd "$2" && XDG_CACHE_HOME=$tap_folder/cache exec "$1" "${@:3}" --config "scratch=$scratch" > "$tap_folder/log" 2>&1) ||
        { tail -n 40 "$tap_folder/log"; return 1; }
}
same() { cmp "$1/manifest.json" "$out/manifest.json" && nothing <(find "$1/stages" -name '*.lock'); }
flow() { full_run --workflow "$2" && snake "$1" "$2" --cores 2 && same "$2"; }

# Every eighth stage is removed; when twelve of these are made again, Snakemake and its jobs are killed.
killed() {
    local there
    rm "$2"/*.* && find "$2/stages" -mindepth 1 -maxdepth 1 | sort | awk 'NR % 8 == 3' | xargs rm -r && full_run --workflow "$2" || return 1
    there=$(ls "$2/stages" | wc -l)
    set -m
    snake "$1" "$2" --cores 2 & local engine=$!
    set +m
    while kill -0 $engine 2> /dev/null && [ "$(ls "$2/stages" | wc -l)" -lt $((there + 12)) ]; do sleep 0.2; done
    kill -9 -- -$engine
    wait $engine 2> /dev/null
    [ $? = 137 ] && [ ! -e "$2/manifest.json" ] && snake "$1" "$2" --unlock && snake "$1" "$2" --cores 2 --rerun-incomplete &&
        snake "$1" "$2" --cores 2 && same "$2"
}
last=
for snakemake in "$(command -v snakemake)" build/venv/snakemake/bin/snakemake; do
    [ -x "$snakemake" ] || { skip "Snakemake 7, or the newest" "not installed: make deps-extra, make venv"; continue; }
    newest=$(realpath -s "$snakemake") version=$("$snakemake" --version) SECONDS=0
    last=$tap_folder/flow-$version
    check "Snakemake $version comes to the same manifest" flow "$newest" "$last"
    echo "# Snakemake $version: $SECONDS s"
done
if [ -n "$last" ]; then
    check "a Snakemake that is killed in the middle and called again comes to the same manifest" killed "$newest" "$last"
else
    skip "a killed workflow" "Snakemake is not installed"
fi
finish
