# SPDX-License-Identifier: MIT
# Sourced by tests of runs: a world in which next to nothing is asked, and few_run, the smoke run on it with two steps a case: six stages
# of less than half a second each. $few has the words after the config,
# and FEW_THROUGH an emulator.
mkdir -p "$tap_folder/few"
cp -r fixtures/world/. "$tap_folder/few"
for file in persons countries; do awk '/"split":"train"/ || ++asked % 200 == 1' fixtures/world/$file.jsonl > "$tap_folder/few/$file.jsonl"; done
awk '/"split":"train"/ || (/"kind":"choice"/ && ++asked % 60 == 1)' fixtures/world/general.jsonl > "$tap_folder/few/general.jsonl"
few=(--set "data.world=$tap_folder/few" --set steps.finetuned=2 --set steps.pretrained=2 --set optimiser.warmup=0 --set protocol.trajectory=0
     --set attack.scenarios= --set unlearn.batch=4 --set protocol.best=8 --set protocol.forget=4)
few_run() { ${FEW_THROUGH:-} "$PULSE" run fixtures/configs/smoke.ini "${few[@]}" --quiet "$@"; }
# few_stage NAME: the digest of the stage of this name.
few_stage() { few_run --plan --out "$tap_folder/nothing" | awk -v name="$1" '$NF == name { print $1 }'; }
