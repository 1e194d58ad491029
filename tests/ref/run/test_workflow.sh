#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The stages of a run as separate jobs: the files that --workflow writes, the locks of stages, killed jobs, bad inputs.
. tests/support/tap.sh
. tests/ref/run/few.sh
says() {
    local part=$1
    shift
    ends 2 "$@" > "$tap_folder/out" 2> "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
    [ "$(wc -l < "$tap_folder/wrong")" = 1 ] && grep -qF -- "$part" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
}
out=$tap_folder/run flow=$tap_folder/flow
unlearning=finetuned/ga/proj+llm/seed0

check "the run ends" few_run --out "$out"
check "the workflow of this run is written" few_run --workflow "$flow"
# lines: prints the digests of the stages in the Snakefile.
lines() { sed -nE 's/^    \("[^"]*", "([0-9a-f]{64})".*/\1/p' "$flow/Snakefile"; }
check "the workflow has every stage of the plan, in its order" diff <(lines) <(few_run --plan --out "$out" | cut -d' ' -f1)
check "the README of the workflow has at most ten lines besides the title" [ "$(grep -c . "$flow/README.md")" -le 11 ]
cp "$flow/Snakefile" "$tap_folder/Snakefile"
check "the same workflow may be written again" few_run --workflow "$flow"
check "the workflow of another config is refused" says 'Snakefile: is there already and says something else' few_run --workflow "$flow" --set protocol.seeds=1
check "a refused workflow overwrites nothing" cmp "$flow/Snakefile" "$tap_folder/Snakefile"
check "--workflow --json tells the number of stages" test '6' = "$(few_run --workflow "$tap_folder/json" --json | sed -n 's/.*"stages": //p')"

# Each stage is done in a folder of its own, as on machines without a common file system.
plan=$(sed -nE 's/^PLAN = "(.*)"/\1/p' "$flow/Snakefile")
apart() {
    local digest need
    for digest in $(lines); do
        mkdir -p "$tap_folder/worker/stages" "$tap_folder/store"
        for need in $(sed -nE "s/^    \(\"[^\"]*\", \"$digest\", \[(.*)\], [0-9].*/\1/p" "$flow/Snakefile" | tr -d '",'); do
            cp -r "$tap_folder/store/$need" "$tap_folder/worker/stages/"
        done
        few_run --out "$tap_folder/worker" --stage "$digest" && mv "$tap_folder/worker/stages/$digest" "$tap_folder/store/" || return 1
        rm -r "$tap_folder/worker"
    done
    mkdir "$tap_folder/apart" && mv "$tap_folder/store" "$tap_folder/apart/stages" && few_run --out "$tap_folder/apart" --collect "$plan" &&
        cmp "$tap_folder/apart/manifest.json" "$out/manifest.json"
}
check "workers that have only a stage's inputs do all stages; collected, they make the same manifest" apart
check "no lock stays behind" nothing <(find "$out" "$tap_folder/apart" -name '*.lock')

stage=$(few_stage $unlearning)
twice() {
    local first
    few_run --out "$tap_folder/twice" --stage "$stage" & first=$!
    few_run --out "$tap_folder/twice" --stage "$stage" && wait $first && diff -r "$tap_folder/twice/stages/$stage" "$out/stages/$stage"
}
check "two processes that do a stage at once write what one writes" twice
both() {
    local first
    few_run --out "$tap_folder/both" & first=$!
    few_run --out "$tap_folder/both" && wait $first && cmp "$tap_folder/both/manifest.json" "$out/manifest.json"
}
check "two runs at once in one folder share the stages, and write the manifest that one writes" both

# A job is killed after it began its log, while another process waits for its lock.
killed() {
    "$PULSE" run fixtures/configs/smoke.ini "${few[@]}" --quiet --out "$tap_folder/killed" --set train.save_every=1 --stage "$stage" &
    local job=$! next ended
    for _ in $(seq 1500); do [ -e "$tap_folder/killed/stages/$stage/log.jsonl" ] && break; sleep 0.01; done
    few_run --out "$tap_folder/killed" --stage "$stage" --resume & next=$!
    kill -9 $job
    wait $job 2> /dev/null
    ended=$?
    wait $next && [ $ended = 137 ] && diff -r "$tap_folder/killed/stages/$stage" "$out/stages/$stage"
}
check "a job that is killed loses its lock: the next one goes on, and writes the same files" killed

# Bad inputs: nothing is overwritten.
# kept FOLDER "part" command…: the command is refused with this part, and the files of the folder stay the same.
kept() {
    local before
    before=$(cd "$1" && find . -type f -exec sha256sum {} + | sort)
    says "${@:2}" && [ "$before" = "$(cd "$1" && find . -type f -exec sha256sum {} + | sort)" ]
}
answers=$(few_stage answers/$unlearning)
check "a stage whose input is missing is refused" says "needs the stage $unlearning first" few_run --out "$tap_folder/empty" --stage "$answers"
rm -r "$out/stages/$answers"
echo x >> "$out/stages/$stage/log.jsonl"
check "a stage whose input is damaged is refused" kept "$out" 'log.jsonl: it is not the file that its stage made' few_run --out "$out" --stage "$answers"
check "a damaged finished stage is refused, not done again" kept "$out" 'log.jsonl: it is not the file that its stage made' few_run --out "$out" --stage "$stage"
cp "$tap_folder/apart/stages/$stage/log.jsonl" "$out/stages/$stage/log.jsonl"
mkdir "$out/stages/$answers"
echo notes > "$out/stages/$answers/notes.txt"
check "a foreign file in the folder of a stage is refused" kept "$out" 'notes.txt: is not a file of the stage answers/' few_run --out "$out" --stage "$answers"
by_run() { ends 2 few_run --out "$out" 2>&1 | grep -F 'notes.txt: is not a file of the stage answers/'; }
check "a whole run refuses a foreign file in the folder of a stage too" by_run
rm "$out/stages/$answers/notes.txt"
mkdir "$out/stages/$stage/round-1-step-2/mine"
check "a foreign folder in a folder of a stage's input is refused" says 'mine: is not a file of' few_run --out "$out" --stage "$answers"
rmdir "$out/stages/$stage/round-1-step-2/mine"
check "a stage of another config or program is refused" says 'a workflow holds for one config' few_run --out "$out" --set steps.finetuned=3 --stage "$answers"
check "a plan of another config is refused" kept "$out" 'expected the config and the version of the program' few_run --out "$out" --set protocol.seeds=1 --collect "$plan"
check "collecting needs every stage" kept "$out" "needs the stage answers/$unlearning first" few_run --out "$out" --collect "$plan"
finish
