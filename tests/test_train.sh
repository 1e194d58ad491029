#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Training as a user meets it: killed and resumed, two at once, a full disk, wrong settings, a model that is not one.
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
out=$tap_folder/out base=fixtures/models/base
cat > "$tap_folder/c.ini" <<INI
[data]
world  = $PWD/fixtures/world
stream = $PWD/fixtures/world/general.jsonl
order  = shuffle
batch  = 2
[model]
config = $PWD/fixtures/world/config.json
[train]
steps      = 12
save_every = 1
accumulate = 2
INI
train() { "$PULSE" train --config "$tap_folder/c.ini" --quiet --out "$@"; }

# refused "part" command…: exit code 2, nothing on stdout, one sentence with the part.
refused() {
    local part=$1
    shift
    ends 2 "$@" > "$tap_folder/stdout" 2> "$tap_folder/stderr" || { cat "$tap_folder/stderr"; return 1; }
    [ ! -s "$tap_folder/stdout" ] && [ "$(wc -l < "$tap_folder/stderr")" = 1 ] && grep -q '^pulse-ref: ' "$tap_folder/stderr" \
        && grep -qF -- "$part" "$tap_folder/stderr" || { cat "$tap_folder/stdout" "$tap_folder/stderr"; return 1; }
}

# Killed as soon as there is a checkpoint, three times; what it left half written, we add.
killed() {
    for _ in 1 2 3; do
        before=$(stat -c %i "$out/checkpoint.safetensors" 2>/dev/null)
        "$PULSE" train --config "$tap_folder/c.ini" --quiet --out "$out" --resume & child=$!
        until [ "$(stat -c %i "$out/checkpoint.safetensors" 2>/dev/null)" != "$before" ] || ! kill -0 $child 2>/dev/null; do sleep 0.02; done
        kill -9 $child
        wait $child
    done 2>/dev/null
    [ ! -e "$out/model.safetensors" ] && echo half > "$out/checkpoint.safetensors.part-7" && printf '{"step": 3' >> "$out/log.jsonl"
}
held() { (flock -n 9 && refused "another process is writing" train "$out") 9< "$out"; }
# At most so many KiB a file, as on a full disk.
no_room() { (trap '' XFSZ; ulimit -f "$1"; refused "cannot be written" train "$tap_folder/room"); }
same_files() { diff -r "$1" "$2"; }

check "a training runs" train "$tap_folder/whole"
check "a training that is killed leaves no model" killed
check "it goes on" train "$out" --resume
check "and leaves the files of one that was never stopped, and nothing else" same_files "$tap_folder/whole" "$out"
check "a folder that another process writes into is refused" held
check "no room for a checkpoint is a sentence" no_room 64
check "and leaves no half file" test -z "$(find "$tap_folder/room" -name '*.safetensors*' -o -name '*.part-*')"
check "a checkpoint of another training is refused" refused "belongs to another training" train "$out" --resume --set train.seed=1
check "more groups than samples are as many groups as samples" train "$tap_folder/groups" --set train.accumulate=1000000000000 --set train.save_every=0
cp -r $base "$tap_folder/nan"
printf '\000\000\300\177' | dd of="$tap_folder/nan/model.safetensors" bs=1 seek=$(($(stat -c %s $base/model.safetensors) - 4)) conv=notrunc 2>/dev/null
check "a model with NaN answers with a sentence" refused "is not a number" "$PULSE" ask --model "$tap_folder/nan" --image fixtures/world/flags/dz.png "what is the capital ?" --choices "algiers|luanda"
check "a question that is too long is a sentence" refused "max_position_embeddings" "$PULSE" ask --model $base "$(printf 'a %.0s' {1..500})"
finish
