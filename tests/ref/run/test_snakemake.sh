#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each installed Snakemake computes a run: Debian's version 7, and the newest version from `make venv`.
. tests/support/tap.sh
. tests/ref/run/few.sh
few+=(--set protocol.scenarios=finetuned)
# snake SNAKEMAKE VERSION WORDS…: runs Snakemake with these arguments, two jobs at a time.
snake() {
    local flow=$tap_folder/flow-$2
    rm -rf "$flow"
    few_run --workflow "$flow" && (cd "$flow" && XDG_CACHE_HOME=$tap_folder/cache "$1" --cores 2 "${@:3}") > "$tap_folder/log" 2>&1 ||
        { tail -n 40 "$tap_folder/log"; return 1; }
    cmp "$flow/manifest.json" "$tap_folder/run/manifest.json" && cmp "$flow/report.html" "$tap_folder/run/report.html"
}
scratch=$tap_folder/scratch
mkdir "$scratch"
# Snakemake and its job are killed in the middle of a stage; then Snakemake is called again.
again() (
    local flow=$tap_folder/killed stage
    stage=$(few_stage finetuned/ga/proj+llm/seed0)
    few_run --workflow "$flow" && cd "$flow" || exit 1
    XDG_CACHE_HOME=$tap_folder/cache setsid "$1" --cores 2 > "$tap_folder/log" 2>&1 & local engine=$!
    for _ in $(seq 3000); do [ -e "stages/$stage/log.jsonl" ] && break; sleep 0.01; done
    kill -9 -- -$engine
    wait $engine 2> /dev/null
    local first=$?
    for words in --unlock "--cores 2 --rerun-incomplete" "--cores 2"; do        # version 9 first does only the incomplete jobs
        XDG_CACHE_HOME=$tap_folder/cache "$1" $words > "$tap_folder/log" 2>&1 || { tail -n 40 "$tap_folder/log"; exit 1; }
    done
    [ $first = 137 ] && cmp manifest.json "$tap_folder/run/manifest.json"
)

PULSE=$(realpath "$PULSE")
check "the run ends" few_run --out "$tap_folder/run"
snakes=0
for snakemake in "$(command -v snakemake)" build/venv/snakemake/bin/snakemake; do
    [ -x "$snakemake" ] && "$snakemake" --version > "$tap_folder/version" 2> /dev/null || { skip "Snakemake 7, or the newest" "not installed: make deps-extra, make venv"; continue; }
    snakes=$((snakes + 1)) newest=$(realpath -s "$snakemake") version=$(cut -d. -f1 "$tap_folder/version")
    check "Snakemake $version, two jobs, each with a scratch folder of its own: the same manifest and report" snake "$newest" "$version" --config "scratch=$scratch"
    check "Snakemake $version with the scratch folders that Snakemake makes (shadow): the same manifest and report" snake "$newest" "$version" --config shadow=minimal --shadow-prefix "$scratch/$version"
    check "no scratch folder and no lock stays behind" nothing <(find "$scratch" "$tap_folder/flow-$version" -name 'pulse-*' -o -name '*.lock' -path '*/stages/*')
done
[ $snakes = 0 ] && skip "a killed workflow" "Snakemake is not installed" ||
    check "Snakemake $version and its job are killed in the middle of a stage, and called again: the same manifest" again "$newest"
finish
