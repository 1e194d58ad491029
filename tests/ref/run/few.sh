# SPDX-License-Identifier: MIT
# Sourced by the tests of runs. It makes a world with very few test questions. few_run is the smoke run on that world,
# with two steps of unlearning; each of its six stages takes less than half a second. $few holds the arguments that
# follow the config; FEW_THROUGH may hold an emulator.
mkdir -p "$tap_folder/few"
cp -r fixtures/world/. "$tap_folder/few"
for file in persons countries; do awk '/"split":"train"/ || ++asked % 200 == 1' fixtures/world/$file.jsonl > "$tap_folder/few/$file.jsonl"; done
awk '/"split":"train"/ || (/"kind":"choice"/ && ++asked % 60 == 1)' fixtures/world/general.jsonl > "$tap_folder/few/general.jsonl"
few=(--set "data.world=$tap_folder/few" --set steps.finetuned=2 --set steps.pretrained=2 --set optimiser.warmup=0 --set protocol.trajectory=0
     --set attack.scenarios= --set unlearn.batch=4 --set protocol.best=8 --set protocol.forget=4)
few_run() { ${FEW_THROUGH:-} "$PULSE" run fixtures/configs/smoke.ini "${few[@]}" --quiet "$@"; }
# few_stage NAME: prints the digest of the stage of this name.
few_stage() { few_run --plan --out "$tap_folder/nothing" | awk -v name="$1" '$NF == name { print $1 }'; }
