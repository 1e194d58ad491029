#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Thirty steps of pre-training, some of each phase of the curriculum, end with the recorded bytes: with any number of threads,
# without a BLAS library, and after a kill. `make pretrain` is the whole of it.
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
world=$PWD/build/world
stream=$tap_folder/stream.jsonl

# Steps 0-7 (words), 700-704 (shapes), 1000-1004 (scenes) and 1700-1711 (all) of the stream, counted anew.
slice() {
    awk -F'"step":' -v OFS='"step":' -v world="$world" '
        BEGIN { first[0] = 0; n[0] = 8; first[1] = 700; n[1] = 5; first[2] = 1000; n[2] = 5; first[3] = 1700; n[3] = 12 }
        { step = $2 + 0 }
        step >= 1712 { exit }
        { for (k = to = 0; k < 4; to += n[k++])
            if (step >= first[k] && step < first[k] + n[k]) {
                sub(/"image":"/, "&" world "/")
                print $1, to + step - first[k] "}"
            } }' "$world/pretrain.jsonl" > "$stream"
    [ "$(grep -c '"step":29}' "$stream")" = 48 ] && [ "$(wc -l < "$stream")" = 1608 ]
}
training=(train --config fixtures/configs/pretrain.ini --quiet --set data.stream="$stream" --set train.steps=30 --set train.save_every=10
          --set train.log_every=1 --set optimiser.warmup=5 --set optimiser.hold=12 --out)
recorded() { (cd "$1" && sha256sum --strict -c "$OLDPWD/fixtures/pretrain30.sha256"); }
with_threads() { OMP_NUM_THREADS=$1 "$PULSE" "${training[@]}" "$tap_folder/$1" && recorded "$tap_folder/$1"; }
without_library() {
    "$PULSE-builtin" doctor | grep '^engine *builtin$' && "$PULSE-builtin" "${training[@]}" "$tap_folder/builtin" && recorded "$tap_folder/builtin"
}
# SIGKILL as soon as there is a checkpoint.
killed() {
    "$PULSE" "${training[@]}" "$tap_folder/killed" & child=$!
    until [ -e "$tap_folder/killed/checkpoint.safetensors" ] || ! kill -0 $child; do sleep 0.02; done
    kill -9 $child
    wait $child
    [ -e "$tap_folder/killed/checkpoint.safetensors" ] && [ ! -e "$tap_folder/killed/model.safetensors" ]
} 2> /dev/null
resumed() { "$PULSE" "${training[@]}" "$tap_folder/killed" --resume && recorded "$tap_folder/killed"; }

check "thirty steps of the four phases are cut from the stream" slice
for n in 1 2 3; do
    check "they end with the recorded model and log on $n threads" with_threads $n
done
check "and without a BLAS library" without_library
check "killed at a checkpoint, there is no model" killed
check "resumed, it ends with the recorded model and log" resumed
finish
