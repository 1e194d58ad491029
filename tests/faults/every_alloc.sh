#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# every_alloc.sh BUILD: every allocation of `ask`, `verify`, `eval` and a `train` of three steps fails once. After each, the exit
# code and standard output are those of an undisturbed run, or the exit code is 2 and standard error ends with a sentence; faults.sh
# looks at the files, too. The last line is "N allocations, F wrong".
set -u
build=$(realpath "$1") all=0 wrong=0
work=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive LC_ALL=C
. tests/faults/small.sh
small_make "$work" || exit 2
for c in ask verify eval train; do
    case $c in
    ask)    line=("$build/pulse-ref" ask --model "$work/model" --json --choices "ann|bob" "who is this ?") ;;
    verify) line=("$build/pulse-ref" verify "$work/suite" "$work/got") ;;
    eval)   line=("$build/pulse-ref" eval --config "$work/eval.ini" --model "$work/model") ;;
    train)  line=("$build/pulse-ref" train --config "$work/train.ini" --out "$work/trained" --quiet) ;;
    esac
    "${line[@]}" > "$work/out" 2> "$work/err" || { cat "$work/err"; exit 2; }
    rm -rf "$work/trained"
    mkdir "$work/$c"
    PULSE_FAULT_EVERY=$work/$c LD_PRELOAD=$build/fault_alloc.so "${line[@]}" > "$work/$c.out" && cmp "$work/$c.out" "$work/out" || exit 2
    n=0
    while [ -e "$work/$c/$((n + 1)).status" ]; do
        n=$((n + 1)) at=$work/$c/$n
        read -r status < "$at.status"
        if [ "$status" = 0 ] && cmp -s "$at.out" "$work/out"; then continue; fi
        if [ "$status" = 2 ] && grep -q '^pulse-ref: .\{12\}' "$at.err"; then continue; fi
        wrong=$((wrong + 1))
        echo "wrong: $c allocation $n: exit code $status; $(tail -n 1 "$at.err" | cut -c 1-200)"
    done
    echo "$c: $n allocations"
    all=$((all + n))
done
echo "$all allocations, $wrong wrong"
[ $wrong = 0 ] && [ $all -gt 1000 ]
