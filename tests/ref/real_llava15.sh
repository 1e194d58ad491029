#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# real_llava15.sh BUILD SHAPE FOLDER [LAYOUT DTYPE]: a folder of LLaVA-1.5 of the true widths with random weights (SHAPE is 7b or 13b,
# 14 and 26 GB, or 7b-cut or 13b-cut, two layers of it), asked with one picture; prints time and memory. No part of make test.
set -eu
BUILD=$1 shape=$2 folder=$3
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/support/llava15/llava15.sh
[ -e "$folder/config.json" ] || llava15 "$folder" "$shape" "${4:-hub}" "${5:-f16}"
du -sh "$folder"
TIMEFORMAT='%R s, %U processor seconds'
time "$BUILD/pulse-ref" ask --model "$folder" --image fixtures/world/portraits/person-01.png --choices 'Norway|Kenya' \
    "What is the home of this person?" &
wait_for=$!
peak=0
while kill -0 $wait_for 2> /dev/null; do
    now=$(ps -o rss= --ppid $wait_for 2> /dev/null | sort -n | tail -n 1)
    [ "${now:-0}" -gt "$peak" ] && peak=$now
    sleep 1
done
wait $wait_for
echo "resident memory, with the pages of the file: at most $((peak / 1024)) MB"
