#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pulse-ref init makes the folder that docs/your-data.md begins with; the page's commands run on it, with few steps.
. tests/support/tap.sh
case $PULSE in /*) ;; *) PULSE=$PWD/$PULSE ;; esac
vanilla=$PWD/fixtures/models/vanilla
mine=$tap_folder/mine

check "a folder is made" "$PULSE" init "$mine" --quiet
check "nothing is wrong with the samples of the folder" eval '"$PULSE" data "$mine/people.jsonl" "$mine/questions.jsonl" --model "$vanilla" | grep -q "12 samples (12 train, 0 test), 3 entities, 12 with a picture (3 pictures in all)"'
check "a model learns the samples" "$PULSE" train --config "$mine/learn.ini" --out "$mine/learnt" --set train.steps=1 --set optimiser.warmup=0 --quiet
check "a person is forgotten, and all three sets are measured" eval '"$PULSE" unlearn --config "$mine/forget.ini" --model "$mine/learnt" --out "$mine/adapter" --set train.steps=1 --set unlearn.probe=4 > "$tap_folder/told" && [ "$(grep -cE "^  (forget|retain|general) +[0-4] of 4 right before, [0-4] after" "$tap_folder/told")" = 3 ]'
check "merge makes a whole model of the adapter, which eval can ask" eval '"$PULSE" merge --model "$mine/learnt" --adapter "$mine/adapter" --out "$mine/forgotten" && "$PULSE" eval --model "$mine/forgotten" --questions "$mine/questions.jsonl" --definitions > "$tap_folder/told"'
check "eval says on request what its metrics are" grep -q '^accuracy: |{q in Q: the greedy answer is exactly the answer}| / |Q|' "$tap_folder/told"
again() { ends 2 "$PULSE" init "$mine" 2> "$tap_folder/told" && grep -q "is there already" "$tap_folder/told"; }
check "a folder that is there is not written over" again
finish
