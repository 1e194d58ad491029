#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref audit computes stages again: those of an honest run come out the same. A changed stage is found if it is
# drawn, even with all digests remade.
. tests/support/tap.sh
. tests/ref/run/few.sh
few+=(--set protocol.scenarios=finetuned)
out=$tap_folder/run
audit() { "$PULSE" audit "$out" fixtures/configs/smoke.ini "${few[@]}" --out "$tap_folder/audit" "$@"; }
says() {
    local part=$1
    shift
    ends 2 "$@" > "$tap_folder/out" 2> "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
    [ "$(wc -l < "$tap_folder/wrong")" = 1 ] && grep -qF -- "$part" "$tap_folder/wrong" || { cat "$tap_folder/wrong"; return 1; }
}
check "the run ends" few_run --out "$out"
check "a run that is not finished cannot be audited" says 'manifest.json: is not there' "$PULSE" audit "$tap_folder/none" --sample 1 --seed 1
check "the seed must be given" says '--seed is missing' audit --sample 1
check "a sample larger than the run is refused" says 'expected at most 3, the number of units of the run' audit --sample 4 --seed 1
check "another config is refused, with its key" says 'in which protocol.frames is the first key that differs' audit --sample 1 --seed 1 --set protocol.frames=2
whole() { audit --sample 3 --seed 1 > "$tap_folder/audited" && [ "$(grep -c '^same ' "$tap_folder/audited")" = 4 ] && [ ! -e "$tap_folder/audit" ]; }
check "all stages of an honest run are the same, and nothing stays behind" whole
check "the audit says what it does not certify" grep -q 'does not certify that a model has lost any knowledge' "$tap_folder/audited"
check "the audit says when the seed must be drawn" grep -q 'only if the seed was drawn after' "$tap_folder/audited"

# An answer is changed; then the digest in stage.json is made anew, and the program itself makes the manifest anew.
stage=$(few_stage answers/finetuned/ga/proj+llm/seed0)
file=$out/stages/$stage/round-1-step-2.jsonl
before=$(sha256sum < "$file" | cut -d' ' -f1)
cp "$file" "$tap_folder/honest.jsonl"
sed -i '1s/"text": *"[^"]*"/"text": "nobody"/' "$file"
check "an answer was changed" sh -c "! cmp -s '$file' '$tap_folder/honest.jsonl'"
check "the digests of the manifest show this at once" says 'round-1-step-2.jsonl: it is not the file' audit --sample 0 --seed 1
sed -i "s/$before/$(sha256sum < "$file" | cut -d' ' -f1)/" "$out/stages/$stage/stage.json"
check "with digests and links made anew, the run looks unchanged" few_run --out "$out"
# Of the three units one was changed: a sample of one finds it with one seed in three.
found=0 missed=0 broken=0
for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
    audit --sample 1 --seed $seed --json > "$tap_folder/audited" 2> /dev/null
    case $?:$(grep -c "\"digest\": \"$stage\"" "$tap_folder/audited") in
    1:1) found=$((found + 1)); kept=$(ls -d "$tap_folder"/audit/different-*/round-1-step-2.jsonl); cmp -s "$kept" "$tap_folder/honest.jsonl" || broken=1; rm -r "$tap_folder/audit" ;;
    0:0) missed=$((missed + 1)) ;;
    *) broken=1 ;;
    esac
done
check "an audit finds the changed stage when it draws it, and keeps what it should be; otherwise it finds nothing" [ $broken = 0 ]
check "of 12 audits of one unit of three, some find the changed stage and some do not ($found do)" test $found -gt 0 -a $missed -gt 0

few_run --out "$out" > /dev/null
sed -i '2s/[0-9]/9/' "$out/results.csv"
check "a table that was changed afterwards is noticed" says 'results.csv: it is not the file' audit --sample 0 --seed 1
finish
