#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# real_llava15.sh BUILD SHAPE FOLDER [LAYOUT DTYPE]: measures LLaVA-1.5 at its true widths with random weights. SHAPE is
# 7b or 13b (14 and 26 GB), or 7b-cut or 13b-cut, which have only two layers. The model is made in FOLDER, if it is not
# there. Then the model answers a question with a picture, one GA step on a text is traced, and one step of GA+KLR on
# two texts makes an adapter. The script prints the time and the memory of each. `make test` does not run it.
set -eu
BUILD=$1 shape=$2 folder=$3
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/support/llava15/llava15.sh
make -s BUILD="$BUILD" "$BUILD/pulse-ref" "$BUILD/make_llava15"
[ -e "$folder/model.safetensors.index.json" ] || llava15 "$folder" "$shape" "${4:-hub}" "${5:-f16}"
du -sh "$folder"

TIMEFORMAT='    %R s, %U processor seconds'
measured() {      # measured NAME ARGUMENT …: runs pulse-ref, then prints its time and its memory
    local name=$1 peak=0 now run
    shift
    echo "$name"
    time "$BUILD/pulse-ref" "$@" &
    run=$!
    while kill -0 $run 2> /dev/null; do
        now=$(ps -o rss= --ppid $run 2> /dev/null | sort -n | tail -n 1)
        [ "${now:-0}" -gt "$peak" ] && peak=$now
        sleep 1
    done
    wait $run
    echo "    resident memory, with the pages of the file: at most $((peak / 1024)) MB"
}

made=$(mktemp -d "$folder/made.XXXXXX")
trap 'rm -r "$made"' EXIT
llava15_facts "$made"
measured "ask, with a picture and two choices" ask --model "$folder" --image fixtures/world/portraits/person-01.png --choices 'Norway|Kenya' \
    "What is the home of this person?"
measured "trace, one GA step on a text" trace --model "$folder" --batch "$made/batch.jsonl" --method ga --set train.trainable=llm \
    --out "$made/trace" --quiet
ls -l "$made/trace"
measured "unlearn, one step of GA+KLR on two texts" unlearn --model "$folder" --config "$made/forget.ini" --method ga_klr --out "$made/adapter" --quiet
