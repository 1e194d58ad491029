#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two layers of LLaVA-1.5-7B and -13B at their true widths with random weights, used with the same commands as the
# shipped models. The questions have no pictures, so the test takes seconds; real_llava15.sh asks with pictures.
. tests/support/tap.sh
. tests/support/llava15/llava15.sh

if [ "$(df -Pk "$tap_folder" | awk 'NR == 2 { print $4 }')" -lt 4000000 ]; then
    skip "two layers of LLaVA-1.5-7B and -13B at their true widths" "the folder of temporary files has less than 4 GB left"
    finish
fi
llava15_facts "$tap_folder"
asks() { "$PULSE" ask --model "$1" "${@:2}" --choices 'Norway|Kenya' --json "What is the job of Anna?"; }
forgets() { "$PULSE" unlearn --config "$tap_folder/forget.ini" --model "$1" --method ga_klr --out "$tap_folder/adapter-$2" --quiet; }
is_changed() { asks "$1" --adapter "$tap_folder/adapter-$2" > "$tap_folder/after" && ! cmp -s "$tap_folder/before" "$tap_folder/after"; }

for shape in 7b-cut 13b-cut; do
    folder=$tap_folder/$shape
    check "a folder of $shape is made" llava15 "$folder" $shape hub f16
    check "$shape answers" eval "asks $folder > $tap_folder/before"
    check "$shape forgets, in one step of GA+KLR" forgets "$folder" $shape
    check "the adapter has both factors of its 14 maps" eval "'$PULSE' compare $tap_folder/adapter-$shape $tap_folder/adapter-$shape | grep -q 'same: 28 tensors'"
    [ $shape = 13b-cut ] || check "$shape answers differently with the adapter" is_changed "$folder" $shape
    rm -r "$folder"
done
finish
